"""What if some were missing: predicted at once by the page's script, measured on demand on the model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spexapi.errors import InputError
from spexapi.explanation.evidence import Evidence
from spexapi.explanation.explanation import Explanation
from spexapi.explanation.reading import Reading
from spexapi.fourier.optimize import Optimum, necessary_set, sufficient_set
from spexapi.games.base import CanWrite, Game
from spexapi.narrative.wording import (
    explained,
    kind_plural,
    name,
    names,
    one_line,
    quoted,
    valued,
)
from spexapi.page.result.held import SessionResult
from spexapi.page.site import Site
from spexapi.verification.verify import acheck_sets, averify
from spexapi.views.html.checked import checked
from spexapi.views.html.safe import safe, tag
from spexapi.views.svg.arcs import bar
from spexapi.views.svg.drawing import combinations_of

MOST_TICKS = 60
MOST_CHECKS = 64  # calls to take the strongest combinations apart
SOLVER_SECONDS = 15.0


def asking(held: SessionResult) -> str:
    """The boxes to tick off and the questions to put."""
    ex = held.shown
    shares = Reading.of(ex).shares
    order = sorted(range(ex.n_players), key=lambda i: -abs(shares[i]))[:MOST_TICKS]
    ticks = "".join(_tick(ex, i) for i in sorted(order))
    hidden = ex.n_players - len(order)
    note = (
        tag("p", f"{hidden:,} {kind_plural(ex)} with less effect have no box.", class_="note")
        if hidden
        else ""
    )
    real = held.form is not None
    acts = [("measure", "Ask the model itself")] if real else []
    acts += [("smallest", "Smallest set that keeps the answer"), ("fewest", "Fewest removals that change it")]
    acts += [("verify", "Check the strongest combinations")] if real else []
    buttons = "".join(tag("button", safe(t), type="button", data_ask=ask) for ask, t in acts)
    buttons += tag("button", "Tick all", type="button", data_all="")
    guess = tag("span", "", class_="said", role="status") + bar(1.0) + tag("b", "", class_="num")
    what = f"How likely is {quoted(explained(ex), 40)}" if explained(ex) else "The value"
    body = (
        tag("h3", "What if some were missing?")
        + tag("p", "Untick some: the prediction changes at once, without asking the model.", class_="lede")
        + tag("div", ticks, class_="ticks")
        + note
        + tag("p", safe(f"{what}, predicted:"), class_="lede")
        + tag("div", guess, class_="guess")
        + tag("div", buttons, class_="acts")
    )
    return tag("div", tag("section", body, class_="whatif"), class_="spex")


def _tick(ex: Explanation, i: int) -> str:
    called, text = name(ex.players, i), ex.players[i].text
    shown = called if one_line(text, 28) in called else f"{called}: {one_line(text, 44)}"
    box = f'<input type="checkbox" value="{i}" checked>'
    return tag("label", box + tag("bdi", safe(shown)), title=one_line(text, 300) or None)


@dataclass(frozen=True, slots=True)
class Answered:
    """One selection: predicted, measured (None: not asked), and what the model wrote to it.

    confirmed  whether the two are as near as chance has it; holds: whether the model does what was looked for
    """

    optimum: Optimum
    measured: float | None = None
    confirmed: bool | None = None
    text: str = ""
    holds: bool | None = None

    def off(self, ex: Explanation) -> bool:
        """Whether the prediction was off in a way the reader can see."""
        if self.confirmed is not False or self.measured is None:
            return False
        reading = Reading.of(ex)
        return valued(reading, self.measured) != valued(reading, self.optimum.predicted)


async def answer(held: SessionResult, optimum: Optimum, site: Site, key: str) -> Answered:
    """Measures a selection on the model and lets it write its own answer. Raises SpexError."""
    game = await asyncio.to_thread(_game, held, site, key)
    try:
        await game.prepare()
        text = await game.write(optimum.mask) if isinstance(game, CanWrite) else ""
    finally:
        await game.close()
    (check,) = await acheck_sets(game, held.shown, [optimum])
    return Answered(optimum, check.measured, check.confirmed, text, check.holds)


def chosen(ex: Explanation, kept: object) -> Optimum:
    """A visitor's own selection; what a client sends is checked."""
    n = ex.n_players
    given: list[Any] = list(kept) if isinstance(kept, Sequence) and not isinstance(kept, str) else []  # pyright: ignore[reportUnknownArgumentType]
    players = tuple(sorted({i for i in given if isinstance(i, int) and 0 <= i < n}))
    mask = np.zeros((1, n), dtype=np.bool_)
    mask[0, list(players)] = True
    return Optimum("best", players, n, float(ex.spectrum.predict(mask)[0]))


def smallest(ex: Explanation) -> Optimum:
    """The fewest units that keep the answer, as predicted. Raises InputError."""
    seen = Evidence.of(Reading.of(ex))
    if seen.near <= 0:
        raise InputError("Nothing has to be kept: the answer is as likely with none of them.")
    return sufficient_set(ex.spectrum, seen.near, time_limit=SOLVER_SECONDS)


def fewest(ex: Explanation) -> Optimum:
    """The fewest units without which the answer is lost, as predicted. Raises InputError."""
    seen = Evidence.of(Reading.of(ex))
    if seen.far <= 0:
        raise InputError("No removal changes the answer: it is as likely with none of them.")
    return necessary_set(ex.spectrum, seen.far, time_limit=SOLVER_SECONDS)


def told(held: SessionResult, found: Answered) -> str:
    """What a selection does, predicted and in truth."""
    ex, optimum = held.shown, found.optimum
    lines = tag("p", tag("b", safe(_title(held, found))))
    if found.text:
        same = found.text.strip() == ex.target.answer.strip()
        says = "The model still answers " if same else "The model now answers "
        lines += tag("p", says + tag("q", safe(found.text), dir="auto") + ".", class_="says")
    what = f"How likely is {quoted(explained(ex), 40)} then?" if _is_chance(ex) else "The value then:"
    rows = [("predicted by the explanation", valued(Reading.of(ex), optimum.predicted))]
    if found.measured is not None:
        rows.append(("measured on the model itself", valued(Reading.of(ex), found.measured)))
    body = "".join(tag("div", tag("dt", safe(k)) + tag("dd", safe(v)), class_="fact") for k, v in rows)
    lines += tag("p", safe(what), class_="lede") + tag("dl", body, class_="facts")
    if found.off(ex):
        lines += tag("p", "The prediction was off by more than chance would explain.", class_="warning")
    if optimum.proof != "optimal":
        lines += tag("p", "The search ended early: a smaller set may exist.", class_="note")
    kept = " ".join(str(i) for i in np.flatnonzero(optimum.mask).tolist())
    return tag("div", tag("section", lines, role="status", data_kept=kept), class_="spex told")


def _is_chance(ex: Explanation) -> bool:
    return bool(explained(ex)) and Reading.of(ex).probability(0.0) is not None


def _title(held: SessionResult, found: Answered) -> str:
    """The selection in words: as measured where the model was asked, else as predicted."""
    ex, optimum = held.shown, found.optimum
    what = kind_plural(ex)
    gone = tuple(i for i in range(ex.n_players) if i not in optimum.players)
    if optimum.goal == "sufficient" and not optimum.players:
        kept = f"none of the {what}"
        return f"The answer stays with {kept}." if found.holds is not False else f"Not with {kept} after all."
    if optimum.goal == "sufficient":
        named = _listed(ex, optimum.players)
        if found.holds is False:
            return f"Predicted to be enough, but not enough for the model: {named}."
        return f"Enough to keep the answer: {named}."
    if optimum.goal == "necessary":
        named = _listed(ex, optimum.players)
        if found.holds is False:
            return f"Predicted to change the answer, but the model keeps it without {named}."
        return f"Without {named} the answer changes."
    return f"Without {_listed(ex, gone)}:" if gone else f"With all {ex.n_players:,} {what}:"


def _listed(ex: Explanation, players: tuple[int, ...]) -> str:
    if len(players) <= 8:
        return names(ex.players, players)
    return f"{len(players):,} of {ex.n_players:,} {kind_plural(ex)}"


async def verified(held: SessionResult, site: Site, key: str) -> str:
    """The strongest combinations, or parts where there are none, on the real model. Raises SpexError."""
    game, ex = await asyncio.to_thread(_game, held, site, key), held.shown
    drawn = {c.players for c in combinations_of(ex)[0]}
    chosen = {s: v for s, v in ex.interactions.items() if s in drawn} or ex.interactions
    asked = replace(ex, interactions=chosen)
    found = await averify(game, asked, k=5, backgrounds=1, budget=MOST_CHECKS, seed=ex.seed)
    return tag("div", checked(replace(ex, verification=found)), class_="spex told", role="status")


def _game(held: SessionResult, site: Site, key: str) -> Game:
    if held.form is None:
        raise InputError("This came from a file: the model that was asked is not at hand.")
    return held.form.answering(held.whole.target.answer).game(site, key)
