"""What a run would take, in a sentence: calls, tokens, time and money, before anything is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from spexapi.narrative.wording import outside
from spexapi.page.requests.request import RunRequest
from spexapi.page.runs.planned_run import planned
from spexapi.page.site import Site
from spexapi.plan import priced
from spexapi.sampling.forecast import Forecast
from spexapi.sampling.usage import Usage

_MOST = 200


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that a call takes, as it was tried out or seen in a run."""

    seconds: float
    tried: bool = False

    def said(self, calls: int) -> str:
        """How long so many calls take, in words."""
        if self.tried:
            return f"{self.seconds:.2g} s each, about {spelled(calls * self.seconds)}"
        return f"about {spelled(calls * self.seconds)} at the pace of the last run"


@runtime_checkable
class CanTry(Protocol):
    """A request that can try a call out, because no one pays for it."""

    async def trial(self, site: Site) -> float:
        """Seconds of one call. Raises InputError."""
        ...


_paces: dict[Hashable, Pace] = {}  # by RunRequest.speed_of, newest last; nothing of what was asked


async def forecast_of(request: RunRequest, site: Site, key: str) -> str:
    """The sentence. Raises InputError for what cannot be asked."""
    game = await asyncio.to_thread(request.game, site, key)  # the first one loads libraries too
    run = planned(game, request.options)
    expected = priced(run.plan).forecast
    parts = [f"{run.plan.n_players:,} {request.options.unit}s"]
    if expected is None:
        parts.append(f"{run.calls:,} {request.words.calls}")
    else:
        parts.append(_scaled(expected, run.calls).line)
    if pace := await _pace(request, site):
        parts.append(pace.said(run.calls))
    checks = f". {run.kept} {request.words.checking}" if run.kept else ""
    unknown: tuple[str, ...] = getattr(game, "unknown_words", ())
    warning = f". Note: {outside(unknown)}." if unknown else ""
    return " · ".join(parts) + checks + warning


async def _pace(request: RunRequest, site: Site) -> Pace | None:
    if request.speed_of not in _paces and isinstance(request, CanTry):
        _keep(request, Pace(await request.trial(site), tried=True))
    return _paces.get(request.speed_of)


def learn(request: RunRequest, cost: Usage) -> None:
    """Keeps the pace of a run for later forecasts."""
    if cost.calls and cost.seconds > 0:
        _keep(request, Pace(cost.seconds / cost.calls))


def _keep(request: RunRequest, pace: Pace) -> None:
    _paces.pop(request.speed_of, None)
    _paces[request.speed_of] = pace
    while len(_paces) > _MOST:
        del _paces[next(iter(_paces))]


def _scaled(expected: Forecast, calls: int) -> Forecast:
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
