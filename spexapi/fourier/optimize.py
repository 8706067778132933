"""Optima of a spectrum: which players are enough, which cannot be missed, which masks are best and worst.

The spectrum is an estimate; `spexapi.check_sets` measures its optima on the game itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb, inf, isfinite
from typing import Literal

import numpy as np

from spexapi.errors import InputError
from spexapi.fourier._milp import Programme, Proof
from spexapi.fourier.ranking import largest_first, least_first
from spexapi.fourier.spectrum import Interaction, Spectrum
from spexapi.measurements import Bools

Goal = Literal["sufficient", "necessary", "best", "worst"]

# masks of a size that are all tried: predicting them takes seconds at most
MOST_LISTED = 1 << 18
_MOST_CANDIDATES = 32


@dataclass(frozen=True, slots=True)
class Optimum:
    """A set of players that is optimal on a spectrum.

    goal       what it is optimal for
    players    sorted: those kept; for "necessary" those removed
    n_players  n
    predicted  the spectrum's value of `mask`
    within     (low, high) the predicted value had to lie in; infinite if that side is open
    proof      "optimal", or "time limit": the set meets its condition, but a better one may exist
    """

    goal: Goal
    players: Interaction
    n_players: int
    predicted: float
    within: tuple[float, float] = (-inf, inf)
    proof: Proof = "optimal"

    @property
    def mask(self) -> Bools:
        """(n,) bool, True if the player is kept."""
        chosen = np.zeros(self.n_players, dtype=np.bool_)
        chosen[list(self.players)] = True
        return ~chosen if self.goal == "necessary" else chosen


def sufficient_set(spectrum: Spectrum, tolerance: float, *, time_limit: float = 60.0) -> Optimum:
    """The fewest players whose presence alone keeps the value within `tolerance` of that of all players.

    tolerance   0 or more, in the unit of the value
    time_limit  seconds

    If several sets are equally small, the first by player numbers. Raises InputError for a tolerance or time
    limit that is not possible, for a spectrum of more than 50,000 Möbius terms, and if the time ends before a
    set is found.
    Mixed-integer linear programming (Fortet 1960; McCormick 1976) by HiGHS (Huangfu & Hall 2018).
    """
    if not (isfinite(tolerance) and tolerance >= 0):
        raise InputError(f"the tolerance is {tolerance}: it must be 0 or more, in the unit of the value")
    full = _value(spectrum, np.ones(spectrum.n_players, dtype=np.bool_))
    programme = Programme.of(spectrum, time_limit)
    within = (full - tolerance, full + tolerance)
    kept, proof = programme.solve(programme.count(1.0), "no set is sufficient", within=within)
    return _optimum(spectrum, "sufficient", kept, within, proof)


def necessary_set(spectrum: Spectrum, change: float, *, time_limit: float = 60.0) -> Optimum:
    """The fewest players whose removal lowers the value by at least `change`; below 0: raises it.

    change      not 0, in the unit of the value, counted from the value of all players
    time_limit  seconds

    Raises InputError as sufficient_set does, and if no set changes the value that much; it says how much one
    can.
    """
    if not isfinite(change) or change == 0:
        raise InputError(f"the change is {change}: it must be a number other than 0")
    full = _value(spectrum, np.ones(spectrum.n_players, dtype=np.bool_))
    programme = Programme.of(spectrum, time_limit)
    within = (-inf, full - change) if change > 0 else (full - change, inf)
    # as few removed as possible is as many kept as possible
    failure = _no_such_change(full, change)
    kept, proof = programme.solve(programme.count(-1.0), failure, within=within, removed=True)
    return _optimum(spectrum, "necessary", kept, within, proof)


def best_mask(spectrum: Spectrum, size: int, *, time_limit: float = 60.0) -> Optimum:
    """The mask of `size` kept players with the highest value. Raises InputError as sufficient_set does."""
    return best_masks(spectrum, size, 1, time_limit=time_limit)[0]


def worst_mask(spectrum: Spectrum, size: int, *, time_limit: float = 60.0) -> Optimum:
    """The mask of `size` kept players with the lowest value. Raises InputError as sufficient_set does."""
    return worst_masks(spectrum, size, 1, time_limit=time_limit)[0]


def best_masks(spectrum: Spectrum, size: int, count: int, *, time_limit: float = 60.0) -> tuple[Optimum, ...]:
    """The `count` masks of `size` kept players with the highest values, the best first.

    The best mask of a spectrum also tends to be one that the spectrum overestimates: measure several and take
    the best of those (`spexapi.check_sets`, a call each; `candidates` says how many). Up to 262,144 masks of
    that size are all tried. If there are more, each mask is found by mixed-integer programming within
    `time_limit` seconds, the masks before it excluded. Raises InputError as sufficient_set does.
    """
    return _extremes(spectrum, size, "best", count, time_limit)


def worst_masks(
    spectrum: Spectrum, size: int, count: int, *, time_limit: float = 60.0
) -> tuple[Optimum, ...]:
    """As best_masks, but the lowest values: which n - size players to remove to lower the value most."""
    return _extremes(spectrum, size, "worst", count, time_limit)


def candidates(budget: int) -> int:
    """How many calls of a budget to keep for measuring candidates: an eighth of it, from 1 to 32."""
    return max(1, min(_MOST_CANDIDATES, budget // 8))


def _extremes(
    spectrum: Spectrum, size: int, goal: Goal, count: int, time_limit: float
) -> tuple[Optimum, ...]:
    n = spectrum.n_players
    if not 0 <= size <= n:
        raise InputError(f"a mask of {n} players keeps 0 to {n} of them, not {size}")
    if count < 1:
        raise InputError(f"{count} masks were asked for: at least 1")
    if comb(n, size) <= MOST_LISTED:
        return _listed(spectrum, size, goal, count)
    programme = Programme.of(spectrum, time_limit)
    aim = -programme.value if goal == "best" else programme.value
    found: list[Bools] = []
    optima: list[Optimum] = []
    for _ in range(min(count, comb(n, size))):
        kept, proof = programme.solve(aim, f"no mask keeps {size}", size=size, without=found)
        found.append(kept)
        optima.append(_optimum(spectrum, goal, kept, (-inf, inf), proof))
    return tuple(optima)


def _listed(spectrum: Spectrum, size: int, goal: Goal, count: int) -> tuple[Optimum, ...]:
    """By trying every mask of that size."""
    n = spectrum.n_players
    number = comb(n, size)
    players = np.fromiter((i for s in combinations(range(n), size) for i in s), np.intp, number * size)
    masks = np.zeros((number, n), dtype=np.bool_)
    masks[np.arange(number)[:, None], players.reshape(number, size)] = True
    values = spectrum.predict(masks)
    scale = float(np.abs(np.fromiter(spectrum.coef.values(), np.float64)).max(initial=0.0))
    order = (largest_first if goal == "best" else least_first)(values, scale)
    return tuple(_optimum(spectrum, goal, masks[j], (-inf, inf), "optimal") for j in order[:count])


def _optimum(
    spectrum: Spectrum, goal: Goal, kept: Bools, within: tuple[float, float], proof: Proof
) -> Optimum:
    chosen = ~kept if goal == "necessary" else kept
    players = tuple(np.flatnonzero(chosen).tolist())
    return Optimum(goal, players, spectrum.n_players, _value(spectrum, kept), within, proof)


def _value(spectrum: Spectrum, kept: Bools) -> float:
    return float(spectrum.predict(kept[None])[0])


def _no_such_change(full: float, change: float) -> str:
    how = "lowers" if change > 0 else "raises"
    return f"no set of players {how} the value by {abs(change):.6g} from {full:.6g}"
