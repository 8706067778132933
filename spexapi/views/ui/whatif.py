"""What if some were missing: predicted at once by the page's script, measured on demand on the model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spexapi.errors import InputError
from spexapi.explanation import Explanation
from spexapi.games.base import Game
from spexapi.optimize import Optimum, necessary_set, sufficient_set
from spexapi.verify import acheck_sets, averify
from spexapi.views.arcs import bar
from spexapi.views.evidence import Evidence
from spexapi.views.reading import Reading
from spexapi.views.safe import safe, tag
from spexapi.views.ui.held import Held
from spexapi.views.ui.site import Site
from spexapi.views.wording import (
    explained,
    kind_plural,
    listed,
    name,
    names,
    one_line,
    quoted,
    signed,
    valued,
)

MOST_TICKS = 60
MOST_CHECKS = 64  # calls to take the strongest combinations apart
SOLVER_SECONDS = 15.0


def asking(held: Held) -> str:
    """The boxes to tick off and the questions to put."""
    ex = held.shown
    shares = Reading.of(ex).shares()
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
    """One selection: predicted, measured (None: not asked), and what the model wrote to it."""

    optimum: Optimum
    measured: float | None = None
    confirmed: bool | None = None
    text: str = ""


async def answer(held: Held, optimum: Optimum, site: Site, key: str) -> Answered:
    """Measures a selection on the model and lets it write its own answer. Raises SpexError."""
    game: Any = await asyncio.to_thread(_game, held, site, key)
    try:
        await game.prepare()
        text = await game.write(optimum.mask) if hasattr(game, "write") else ""
    finally:
        await game.close()
    (check,) = await acheck_sets(game, held.shown, [optimum])
    return Answered(optimum, check.measured, check.confirmed, text)


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


def told(held: Held, found: Answered) -> str:
    """What a selection does, predicted and in truth."""
    ex, optimum = held.shown, found.optimum
    rows = [("predicted", valued(ex, optimum.predicted))]
    if found.measured is not None:
        rows.append(("the model itself", valued(ex, found.measured)))
    body = "".join(tag("div", tag("dt", safe(k)) + tag("dd", safe(v)), class_="fact") for k, v in rows)
    lines = tag("p", tag("b", safe(_title(held, optimum))))
    if found.text:
        same = found.text.strip() == ex.target.answer.strip()
        says = "It still answers " if same else "It now answers "
        body += tag(
            "div",
            tag("dt", safe(says.strip())) + tag("dd", tag("q", safe(found.text), dir="auto")),
            class_="fact",
        )
    if found.confirmed is False:
        lines += tag("p", "The prediction was off by more than chance would explain.", class_="warning")
    if optimum.proof != "optimal":
        lines += tag("p", "The search ended early: a smaller set may exist.", class_="note")
    kept = " ".join(str(i) for i in np.flatnonzero(optimum.mask).tolist())
    return tag(
        "div",
        tag("section", lines + tag("dl", body, class_="facts"), role="status", data_kept=kept),
        class_="spex told",
    )


def _title(held: Held, optimum: Optimum) -> str:
    ex = held.shown
    what = kind_plural(ex)
    if optimum.goal == "sufficient":
        if not optimum.players:
            return f"The answer stays with none of the {what}."
        return f"Enough to keep the answer: {_listed(ex, optimum.players)}."
    if optimum.goal == "necessary":
        return f"Without {_listed(ex, optimum.players)} the answer changes."
    gone = tuple(i for i in range(ex.n_players) if i not in optimum.players)
    return f"Without {_listed(ex, gone)}." if gone else f"With all {ex.n_players:,} {what}."


def _listed(ex: Explanation, players: tuple[int, ...]) -> str:
    if len(players) <= 8:
        return names(ex.players, players)
    return f"{len(players):,} of {ex.n_players:,} {kind_plural(ex)}"


async def verified(held: Held, site: Site, key: str) -> str:
    """The five strongest interactions, removed on the real model. Raises SpexError."""
    game = await asyncio.to_thread(_game, held, site, key)
    found = await averify(game, held.shown, k=5, backgrounds=1, budget=MOST_CHECKS, seed=held.shown.seed)
    groups: dict[tuple[int, ...], list[bool]] = {}
    for check in found.checks:
        groups.setdefault(check.players, []).append(check.confirmed is True)
    good = sum(all(parts) for parts in groups.values())
    lines = "".join(
        tag("li", safe(f"{names(held.shown.players, s)}: {'confirmed' if all(ok) else 'not confirmed'}"))
        for s, ok in groups.items()
    )
    numbers = listed(
        [f"{signed(c.measured)} measured, {signed(c.predicted)} predicted" for c in found.checks[:1]]
    )
    said = f"{good} of the top {len(groups)} confirmed by direct ablation ({found.calls} new calls)."
    note = tag("p", safe(f"The strongest: {numbers}."), class_="note")
    section = tag("section", tag("p", tag("b", safe(said))) + tag("ul", lines) + note, role="status")
    return tag("div", section, class_="spex told")


def _game(held: Held, site: Site, key: str) -> Game:
    if held.form is None:
        raise InputError("This came from a file: the model that was asked is not at hand.")
    return held.form.answering(held.whole.target.answer).game(site, key)
