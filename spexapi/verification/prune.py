"""Which k players to keep: the best masks of a spectrum, measured and, if a budget is given, improved."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spexapi.errors import BudgetError, InputError
from spexapi.explain import in_one_loop
from spexapi.explanation.explanation import Explanation
from spexapi.explanation.pruned import Pruned
from spexapi.fourier.indices import to_index
from spexapi.fourier.optimize import Optimum, best_mask
from spexapi.fourier.ranking import exceeds, first_largest, largest_first, reaches
from spexapi.fourier.spectrum import Spectrum
from spexapi.games.base import Game
from spexapi.measure import collect
from spexapi.measurements import Bools, Floats
from spexapi.verification.again import Measure, check_players, measuring

# Players on either side of which exchanges are tried.
_EXCHANGED = 32


def prune(
    game: Game,
    ex: Explanation,
    k: int | Sequence[int],
    *,
    budget: int = 0,
    on: Game | None = None,
    time_limit: float = 10.0,
) -> tuple[Pruned, ...]:
    """For each size k the players to keep, by mixed-integer programming on the spectrum, and their value.

    game        the one that was explained; one mask of it is measured for each size
    k           one size or several
    budget      masks measured beyond those: sets that differ by one player from the best measured so far, in
                the order the spectrum ranks them. The best measured set of each size is kept
    on          another game of the same players, such as held-out questions: what was kept is measured there
    time_limit  seconds of the solver for each size; if they end first, its set is improved by exchanges of
                one player at a time; it may not be the best then, and says so

    The spectrum errs upwards at its own optimum, so that `measured` tends to fall short of the prediction:
    the budget is for that. Several sizes help each other. Raises InputError before any call if the players
    differ or a size cannot be, RunningLoopError inside a running loop.
    """
    work = aprune(game, ex, k, budget=budget, on=on, time_limit=time_limit)
    return in_one_loop("prune", work)


async def aprune(
    game: Game,
    ex: Explanation,
    k: int | Sequence[int],
    *,
    budget: int = 0,
    on: Game | None = None,
    time_limit: float = 10.0,
) -> tuple[Pruned, ...]:
    """prune() for notebooks and servers."""
    for each in (game, *([on] if on is not None else [])):
        check_players(each, ex)
    sizes = [int(k)] if isinstance(k, (int, np.integer)) else [int(each) for each in k]
    if not sizes:
        raise InputError("no size is given: say how many players to keep, k=4 or k=(4, 8)")
    if budget < 0:
        raise BudgetError(f"the budget is {budget}: it must be 0 or more masks")
    # in a thread: the solver may take its whole time, and a server has other visitors
    optima = {
        size: await asyncio.to_thread(_best, ex.spectrum, size, time_limit) for size in dict.fromkeys(sizes)
    }
    async with measuring(game, ex) as measure:
        best = await _search(measure, ex.spectrum, list(optima.values()), budget)
    masks = np.stack([best[size][0].mask for size in sizes])
    others = [float("nan")] * len(sizes) if on is None else (await _values(on, masks)).tolist()
    return tuple(
        Pruned(found, value, tuple(ex.players[i].label for i in found.players), held_out)
        for (found, value), held_out in zip((best[size] for size in sizes), others, strict=True)
    )


def _best(spectrum: Spectrum, size: int, time_limit: float) -> Optimum:
    """The solver's set; if its time ended first, the best that exchanges of one player make of it.

    Exchanges also start from the players with the largest effects of their own. O(n²) predictions a step.
    """
    found = best_mask(spectrum, size, time_limit=time_limit)
    if found.proof == "optimal":
        return found
    alone = to_index(spectrum, "bv", 1)
    order = largest_first([alone.get((i,), 0.0) for i in range(spectrum.n_players)])
    mask = np.zeros(spectrum.n_players, dtype=np.bool_)
    mask[order[:size]] = True
    for start in (found.mask, mask):
        now, value = start, float(spectrum.predict(start[None])[0])
        while len(near := _neighbours(spectrum, now, size)):
            predicted = spectrum.predict(near)
            best = first_largest(predicted)
            if not exceeds(predicted[best], value):
                break
            now, value = near[best], float(predicted[best])
        if exceeds(value, found.predicted):
            found = replace(found, players=tuple(np.flatnonzero(now).tolist()), predicted=value)
    return found


async def _search(
    measure: Measure, spectrum: Spectrum, first: Sequence[Optimum], budget: int
) -> dict[int, tuple[Optimum, float]]:
    """Size -> the best measured set, with its value."""
    best: dict[int, tuple[Optimum, float]] = {}
    seen: set[bytes] = set()
    coming = list(first)
    while coming:
        seen |= {each.mask.tobytes() for each in coming}
        measured = await measure(np.stack([each.mask for each in coming]))
        for each, value in zip(coming, measured.values.tolist(), strict=True):
            size = len(each.players)
            if size not in best or not reaches(best[size][1], value):
                best[size] = (each, value)
        coming = _next(spectrum, best, seen)[:budget]
        budget -= len(coming)
    return best


def _next(spectrum: Spectrum, best: Mapping[int, tuple[Optimum, float]], seen: set[bytes]) -> list[Optimum]:
    """For each size the unmeasured neighbour of a measured set that promises most; the largest gain first.

    A neighbour is promised the measured value of its parent and what the spectrum says of the difference: the
    error that the spectrum makes at the parent does not count.
    """
    sizes = sorted(best)
    found: list[tuple[float, Optimum]] = []
    for place, size in enumerate(sizes):
        promised: list[tuple[float, Bools]] = []
        for parent, at in (best[near] for near in sizes[max(0, place - 1) : place + 2]):
            near = _neighbours(spectrum, _nearly(spectrum, parent.mask, size), size)
            near = near[[row.tobytes() not in seen for row in near]]
            if len(near) and np.isfinite(at):
                gains = at + spectrum.predict(near) - parent.predicted
                promised.append((float(gains.max()), near[first_largest(gains)]))
        if promised:
            most, mask = promised[first_largest([gain for gain, _ in promised])]
            players = tuple(np.flatnonzero(mask).tolist())
            predicted = float(spectrum.predict(mask[None])[0])
            kept = replace(best[size][0], players=players, predicted=predicted, proof="time limit")
            found.append((most - best[size][1], kept))
    return [found[place][1] for place in largest_first([gain for gain, _ in found])]


def _nearly(spectrum: Spectrum, mask: Bools, size: int) -> Bools:
    """The mask, grown or shrunk to at most one player from `size`, by the best predicted step each time."""
    while abs(gap := size - int(mask.sum())) > 1:
        near = _neighbours(spectrum, mask, int(mask.sum()) + (1 if gap > 0 else -1))
        mask = near[first_largest(spectrum.predict(near))]
    return mask


def _neighbours(spectrum: Spectrum, mask: Bools, size: int) -> Bools:
    """(k, n) masks of `size` kept players that are one exchange, one more or one less from this one.

    Of exchanges only those among the players that are best to remove and best to add, each by itself.
    """
    kept, gone = _ranked(spectrum, mask, np.flatnonzero(mask)), _ranked(spectrum, mask, np.flatnonzero(~mask))
    if size > mask.sum():
        changes = [(i,) for i in gone]
    elif size < mask.sum():
        changes = [(i,) for i in kept]
    else:
        changes = [(i, j) for i in kept[:_EXCHANGED] for j in gone[:_EXCHANGED]]
    return _changed(mask, changes)


def _ranked(spectrum: Spectrum, mask: Bools, players: NDArray[np.intp]) -> list[int]:
    """The players in the order of the value that the spectrum predicts when each alone is turned over."""
    found: list[int] = players.tolist()
    predicted = spectrum.predict(_changed(mask, [(i,) for i in found]))
    return [found[place] for place in largest_first(predicted)]


def _changed(mask: Bools, changes: Sequence[tuple[int, ...]]) -> Bools:
    """(k, n) the mask with the players of each change turned over."""
    near = np.repeat(mask[None], len(changes), axis=0)
    for row, change in enumerate(changes):
        near[row, list(change)] ^= True
    return near


async def _values(game: Game, masks: Bools) -> Floats:
    """(m,) of a game that answers other questions."""
    try:
        await game.prepare()
        return (await collect(game, masks)).values
    finally:
        await game.close()
