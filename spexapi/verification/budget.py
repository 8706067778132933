"""The strongest interactions measured directly, within the same budget: `--verify`, and the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from spexapi.errors import SpexError
from spexapi.explanation.explanation import Explanation
from spexapi.fourier.indices import check_index
from spexapi.fourier.spectrum import Interaction
from spexapi.games.base import Game, traits_of
from spexapi.verification.verify import averify

# Of each interaction that calls are set aside for: the others all kept, and one choice of them.
_BACKGROUNDS = 2
# Players of such an interaction.
_HIGHEST = 3
# At most one call in four.
_SHARE = 4
# Players whose masks are counted.
_LISTED = 24


def set_aside(game: Game, k: int, allowed: int, index: str, max_order: int | None) -> int:
    """How many of the allowed calls to keep for verifying k interactions; 0 if all masks can be paid for.

    Which interactions they are is not known before the run: 2^3 masks each with all others kept, and as many
    on one other background, up to a quarter of the budget. What an engine leaves unspent comes on top.
    """
    if affords_all(game, allowed):
        return 0
    n, each = len(game.players), traits_of(game).calls_per_mask
    _, order = check_index(index, max_order, n)
    highest = min(_HIGHEST, n, order or _HIGHEST)
    return min(_BACKGROUNDS * k * 2**highest * each, allowed // _SHARE)


def measured(game: Game, ex: Explanation, k: int, allowed: int) -> tuple[Explanation, str]:
    """ameasured() outside a running event loop."""
    return asyncio.run(ameasured(game, ex, k, allowed))


async def ameasured(
    game: Game, ex: Explanation, k: int, allowed: int, only: Sequence[Interaction] = ()
) -> tuple[Explanation, str]:
    """The explanation with what verify() found and its cost; and why there is nothing, or "".

    only  the interactions to choose from; none given: all

    An error on the way leaves the explanation as it was: what is paid for is not lost.
    """
    before, started = game.spent, time.perf_counter()
    left = max(0, allowed - ex.cost.calls) // traits_of(game).calls_per_mask
    chosen = {s: v for s, v in ex.interactions.items() if s in only} if only else ex.interactions
    try:
        found = await averify(game, replace(ex, interactions=chosen), k, budget=left, seed=ex.seed)
    except SpexError as error:
        found, why = None, f"not verified: {error}"
    else:
        why = ""
    used = replace(game.spent - before, seconds=time.perf_counter() - started)
    cost = replace(ex.cost + used, saved_calls=max(0, ex.cost.saved_calls - used.calls))
    return replace(ex, verification=found, cost=cost, notes=(*ex.notes, why) if why else ex.notes), why


def affords_all(game: Game, allowed: int) -> bool:
    """Whether that many calls measure every mask there is."""
    n = len(game.players)
    return n <= _LISTED and 2**n * traits_of(game).calls_per_mask <= allowed
