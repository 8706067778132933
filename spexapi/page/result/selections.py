"""Selections of players: optimal ones on the explanation, and what the model itself does with them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from spexapi.errors import InputError
from spexapi.explanation.claims.rule import Rule
from spexapi.explanation.explanation import Explanation
from spexapi.explanation.reading import Reading
from spexapi.fourier.optimize import Optimum, necessary_set, sufficient_set
from spexapi.games.base import CanWrite
from spexapi.narrative.wording import valued
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.site import Site
from spexapi.verification.verify import acheck_sets, averify
from spexapi.views.presentation import Presentation

MOST_CHECKS = 64  # calls to take the strongest combinations apart
SOLVER_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Answered:
    """One selection: predicted, measured (None: not asked), and what the model wrote to it.

    confirmed  whether the two are as near as chance has it
    holds      whether the model does what was looked for
    """

    optimum: Optimum
    measured: float | None = None
    confirmed: bool | None = None
    text: str = ""
    holds: bool | None = None

    def off(self, reading: Reading) -> bool:
        """Whether the prediction was off in a way the reader can see."""
        if self.confirmed is not False or self.measured is None:
            return False
        return valued(reading, self.measured) != valued(reading, self.optimum.predicted)


async def answer(result: SessionResult, optimum: Optimum, site: Site, key: str) -> Answered:
    """Measures a selection on the model and lets it write its own answer. Raises SpexError."""
    game = await asyncio.to_thread(result.again().game, site, key)
    try:
        await game.prepare()
        text = await game.write(optimum.mask) if isinstance(game, CanWrite) else ""
    finally:
        await game.close()
    (check,) = await acheck_sets(game, result.shown, [optimum])
    return Answered(optimum, check.measured, check.confirmed, text, check.holds)


def chosen(ex: Explanation, kept: object) -> Optimum:
    """A visitor's own selection; what a client sends is checked."""
    n = ex.n_players
    given = cast("list[object]", kept) if isinstance(kept, list) else []
    players = tuple(sorted({i for i in given if isinstance(i, int) and 0 <= i < n}))
    mask = np.zeros((1, n), dtype=np.bool_)
    mask[0, list(players)] = True
    return Optimum("best", players, n, float(ex.spectrum.predict(mask)[0]))


def smallest(ex: Explanation) -> Optimum:
    """The fewest players that keep the answer, as predicted. Raises InputError."""
    rule = Rule.of(Reading.of(ex))
    if rule.near <= 0:
        raise InputError("Nothing has to be kept: the answer is as likely with none of them.")
    return sufficient_set(ex.spectrum, rule.near, time_limit=SOLVER_SECONDS)


def fewest(ex: Explanation) -> Optimum:
    """The fewest players without which the answer is lost, as predicted. Raises InputError."""
    rule = Rule.of(Reading.of(ex))
    if rule.far <= 0:
        raise InputError("No removal changes the answer: it is as likely with none of them.")
    return necessary_set(ex.spectrum, rule.far, time_limit=SOLVER_SECONDS)


async def verified(result: SessionResult, site: Site, key: str) -> Explanation:
    """The explanation with its strongest combinations, or parts if there are none, measured on the model.

    Raises SpexError.
    """
    game, ex = await asyncio.to_thread(result.again().game, site, key), result.shown
    drawn = {c.players for c in Presentation(ex).combinations}
    chosen = {s: v for s, v in ex.interactions.items() if s in drawn} or ex.interactions
    asked = replace(ex, interactions=chosen)
    found = await averify(game, asked, k=5, backgrounds=1, budget=MOST_CHECKS, seed=ex.seed)
    return replace(ex, verification=found)
