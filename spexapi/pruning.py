"""Which k players to keep: the best mask of a spectrum, measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spexapi.errors import InputError
from spexapi.explanation import Explanation
from spexapi.games.base import Game
from spexapi.optimize import Optimum, best_mask
from spexapi.sampling.sampler import collect
from spexapi.verify import in_one_loop


@dataclass(frozen=True, slots=True)
class Pruned:
    """What keeping k players does.

    optimum   who is kept, the value the spectrum predicts, and whether no better set exists on it
    measured  the value with only these kept, NaN where the measurement failed
    labels    of those kept
    """

    optimum: Optimum
    measured: float
    labels: tuple[str, ...]


def prune(
    game: Game, ex: Explanation, k: int | Sequence[int], *, time_limit: float = 60.0
) -> tuple[Pruned, ...]:
    """For each size k the players to keep, by mixed-integer programming on the spectrum, and their value.

    game        the one explained, or another of the same players: held-out questions. It is asked once a size
    k           one size or several
    time_limit  seconds for each size; a set found in time that may not be the best says so (optimum.proof)

    Raises InputError before any call where the players differ or a size cannot be, RunningLoopError inside a
    running loop. The spectrum errs upwards at its own optimum: `measured` tends to fall short of
    `optimum.predicted`.
    """
    return in_one_loop("aprune", aprune(game, ex, k, time_limit=time_limit))


async def aprune(
    game: Game, ex: Explanation, k: int | Sequence[int], *, time_limit: float = 60.0
) -> tuple[Pruned, ...]:
    """prune() for notebooks and servers."""
    if tuple(p.label for p in game.players) != tuple(p.label for p in ex.players):
        raise InputError(
            f"the explanation is of {ex.n_players} players, the game has {len(game.players)} or others: give"
            " a game of the same ones"
        )
    sizes = [k] if isinstance(k, int) else list(k)
    if not sizes:
        raise InputError("no size is given: how many players shall be kept?")
    optima = [best_mask(ex.spectrum, size, time_limit=time_limit) for size in sizes]
    try:
        await game.prepare()
        # nothing is taken from the explanation's own measurements: the questions may be others
        seen = await collect(game, np.stack([optimum.mask for optimum in optima]))
    finally:
        await game.close()
    return tuple(
        Pruned(optimum, float(value), tuple(ex.players[i].label for i in optimum.players))
        for optimum, value in zip(optima, seen.values, strict=True)
    )
