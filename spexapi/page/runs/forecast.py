"""What a run would take, in a sentence: calls, tokens, time and money, before anything is asked."""

from __future__ import annotations

from dataclasses import replace

from spexapi.page.forms.requests import Model, RunRequest
from spexapi.page.runs.run_loop import shared_out
from spexapi.page.site import Site
from spexapi.plan import preview
from spexapi.sampling.forecast import Forecast
from spexapi.sampling.usage import Usage

_MOST = 200
_paces: dict[tuple[str, str], float] = {}  # calls a second of models this process asked before, newest last


def forecast_of(form: RunRequest, site: Site, key: str) -> str:
    """The sentence. Raises InputError for what cannot be asked."""
    game, how = form.game(site, key), form.how
    masks, kept = shared_out(game, how)
    plan = preview(game, engine=how.engine, budget=masks, seed=how.seed)
    calls = plan.calls + kept
    parts = [f"{plan.n_players:,} {how.unit}s"]
    line = f"{calls:,} calls" if plan.forecast is None else _more(plan.forecast, calls).line
    parts.append(line.replace(" read and 0 written", " read"))
    if pace := _paces.get(_place(form.model)):
        parts.append(f"about {spelled(calls / pace)} at the pace of the last run")
    checks = f". {kept} of the calls check the strongest combinations on the model itself." if kept else ""
    return " · ".join(parts) + checks


def learn(model: Model, cost: Usage) -> None:
    """Keeps the pace of a model for later forecasts; nothing of what was asked."""
    if cost.calls and cost.seconds > 0:
        _paces.pop(_place(model), None)
        _paces[_place(model)] = cost.calls / cost.seconds
        while len(_paces) > _MOST:
            del _paces[next(iter(_paces))]


def _place(model: Model) -> tuple[str, str]:
    return model.spec, model.address


def _more(expected: Forecast, calls: int) -> Forecast:
    """The same for more calls of the same kind."""
    times = calls / max(expected.calls, 1)
    return replace(
        expected,
        calls=calls,
        tokens_in=None if expected.tokens_in is None else round(expected.tokens_in * times),
        tokens_out=None if expected.tokens_out is None else round(expected.tokens_out * times),
        seconds=None if expected.seconds is None else expected.seconds * times,
        price=None if expected.price is None else expected.price * times,
    )


def spelled(seconds: float) -> str:
    """A time in words."""
    return f"{max(seconds, 1):,.0f} s" if seconds < 100 else f"{seconds / 60:,.0f} minutes"
