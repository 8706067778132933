"""Which players are enough, which cannot be missed, which masks are best and worst: optima of a spectrum.

All are of the spectrum, an estimate; `spexapi.check_sets` measures them on the game itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import combinations
from math import comb, inf, isfinite
from typing import Any, Literal

import numpy as np

from spexapi.errors import InputError
from spexapi.fourier.spectrum import Interaction, Spectrum, to_moebius
from spexapi.measurements import Bools, Floats

Goal = Literal["sufficient", "necessary", "best", "worst"]
Proof = Literal["optimal", "time limit"]

_LISTED = 1 << 18  # masks of a size that are all tried: predicting them takes seconds at most
_CANDIDATES = 32
_MOST_TERMS = 50_000  # a row for each player of each term: beyond, the solver's matrix alone takes minutes
_SLACK = 1e-6  # of the largest term: how exactly the solver keeps a constraint


@dataclass(frozen=True, slots=True)
class Optimum:
    """A set of players that is optimal on a spectrum.

    goal       what it is best at
    players    sorted: those kept; for "necessary" those removed
    n_players  n
    predicted  the spectrum's value of `mask`
    within     (low, high) the predicted value had to lie in; infinite where that side is open
    proof      "optimal", or "time limit": a set that serves, while a better one may exist
    """

    goal: Goal
    players: Interaction
    n_players: int
    predicted: float
    within: tuple[float, float] = (-inf, inf)
    proof: Proof = "optimal"

    @property
    def mask(self) -> Bools:
        """(n,) bool, True where the player is kept."""
        chosen = np.zeros(self.n_players, dtype=np.bool_)
        chosen[list(self.players)] = True
        return ~chosen if self.goal == "necessary" else chosen


def sufficient_set(spectrum: Spectrum, tolerance: float, *, time_limit: float = 60.0) -> Optimum:
    """The fewest players whose presence alone keeps the value within `tolerance` of that of all players.

    tolerance   0 or more, in the unit of the value
    time_limit  seconds

    Where several sets are as small, one of them. Raises InputError for a tolerance or time limit that cannot
    be, a spectrum of more than 50,000 Möbius terms, and where the time ends before any set is found.
    Mixed-integer linear programming (Fortet 1960; McCormick 1976) by HiGHS (Huangfu & Hall 2018).
    """
    if not (isfinite(tolerance) and tolerance >= 0):
        raise InputError(f"the tolerance is {tolerance}: it must be 0 or more, in the unit of the value")
    full = _value(spectrum, np.ones(spectrum.n_players, dtype=np.bool_))
    problem = _Problem.of(spectrum, time_limit)
    within = (full - tolerance, full + tolerance)
    kept, proof = problem.solve(problem.count(1.0), "no set is sufficient", within=within)
    return _optimum(spectrum, "sufficient", kept, within, proof)


def necessary_set(spectrum: Spectrum, change: float, *, time_limit: float = 60.0) -> Optimum:
    """The fewest players whose removal lowers the value by at least `change`; raises it, where below 0.

    change      not 0, in the unit of the value, counted from the value of all players
    time_limit  seconds

    Raises InputError as sufficient_set, and where no set changes the value so much, with the most that one
    does.
    """
    if not isfinite(change) or change == 0:
        raise InputError(f"the change is {change}: it must be a number other than 0")
    full = _value(spectrum, np.ones(spectrum.n_players, dtype=np.bool_))
    problem = _Problem.of(spectrum, time_limit)
    within = (-inf, full - change) if change > 0 else (full - change, inf)
    # as few removed as possible is as many kept as possible
    kept, proof = problem.solve(problem.count(-1.0), _no_such_change(full, change), within=within)
    return _optimum(spectrum, "necessary", kept, within, proof)


def best_mask(spectrum: Spectrum, size: int, *, time_limit: float = 60.0) -> Optimum:
    """The mask of `size` kept players with the highest value. Raises InputError as sufficient_set."""
    return best_masks(spectrum, size, 1, time_limit=time_limit)[0]


def worst_mask(spectrum: Spectrum, size: int, *, time_limit: float = 60.0) -> Optimum:
    """The mask of `size` kept players with the lowest value. Raises InputError as sufficient_set."""
    return worst_masks(spectrum, size, 1, time_limit=time_limit)[0]


def best_masks(spectrum: Spectrum, size: int, count: int, *, time_limit: float = 60.0) -> tuple[Optimum, ...]:
    """The `count` masks of `size` kept players with the highest values, the best first.

    The best of a spectrum is where it errs upwards as well: measure several and take the best of those
    (`spexapi.check_sets`, a call each; how many, `candidates` says). All masks of that size are tried where
    they are 262,144 at most; else mixed-integer programming, each mask found being forbidden to the next,
    within `time_limit` seconds each. Raises InputError as sufficient_set.
    """
    return _extremes(spectrum, size, "best", count, time_limit)


def worst_masks(
    spectrum: Spectrum, size: int, count: int, *, time_limit: float = 60.0
) -> tuple[Optimum, ...]:
    """As best_masks, those with the lowest values: which n - size players to remove, to change most."""
    return _extremes(spectrum, size, "worst", count, time_limit)


def candidates(budget: int) -> int:
    """How many calls of a budget to keep for measuring candidates: an eighth, 32 at most, 1 at least."""
    return max(1, min(_CANDIDATES, budget // 8))


def _extremes(
    spectrum: Spectrum, size: int, goal: Goal, count: int, time_limit: float
) -> tuple[Optimum, ...]:
    n = spectrum.n_players
    if not 0 <= size <= n:
        raise InputError(f"a mask of {n} players keeps 0 to {n} of them, not {size}")
    if count < 1:
        raise InputError(f"{count} masks were asked for: at least 1")
    if comb(n, size) <= _LISTED:
        return _listed(spectrum, size, goal, count)
    problem = _Problem.of(spectrum, time_limit)
    aim = -problem.value if goal == "best" else problem.value
    found: list[Bools] = []
    optima: list[Optimum] = []
    for _ in range(min(count, comb(n, size))):
        kept, proof = problem.solve(aim, f"no mask keeps {size}", size=size, without=found)
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
    order = np.argsort(-values if goal == "best" else values, kind="stable")[:count]
    return tuple(_optimum(spectrum, goal, masks[j], (-inf, inf), "optimal") for j in order.tolist())


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


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """A spectrum as a linear function of players (0 or 1) and of terms, each the product of its players.

    n, terms    players, and Möbius terms of two or more of them
    value       (n + t,) coefficients, divided by `scale`
    scale       the largest of them, 1 where there is none
    base        the value for nobody
    time_limit  seconds
    rows        (r, n + t) sparse; rows @ x >= least makes every term the product of its players
    least       (r,)
    """

    n: int
    terms: tuple[Interaction, ...]
    value: Floats
    scale: float
    base: float
    time_limit: float
    rows: Any = field(repr=False)
    least: Floats

    @classmethod
    def of(cls, spectrum: Spectrum, time_limit: float) -> _Problem:
        if not time_limit > 0:
            raise InputError(f"the time limit is {time_limit} seconds: it must be above 0")
        moebius = to_moebius(spectrum)
        terms = tuple(sorted((t for t in moebius if len(t) > 1), key=lambda t: (len(t), t)))
        if len(terms) > _MOST_TERMS:
            raise InputError(
                f"the spectrum has {len(terms):,} Möbius terms, more than the {_MOST_TERMS:,} that can be"
                " optimised: truncate it first (spexapi.fourier.spectrum.truncate)"
            )
        n = spectrum.n_players
        value = np.array([moebius.get((i,), 0.0) for i in range(n)] + [moebius[t] for t in terms])
        scale = float(np.abs(value).max()) or 1.0
        rows, least = _products(n, terms)
        return cls(n, terms, value / scale, scale, moebius[()], time_limit, rows, least)

    def count(self, weight: float) -> Floats:
        """(n + t,) the objective that counts kept players."""
        return np.concatenate([np.full(self.n, weight), np.zeros(len(self.terms))])

    def solve(
        self,
        aim: Floats,
        failure: str,
        *,
        within: tuple[float, float] = (-inf, inf),
        size: int | None = None,
        without: Sequence[Bools] = (),
    ) -> tuple[Bools, Proof]:
        """The mask (n,) of least aim @ x, value in `within`, `size` players kept, none of `without`."""
        optimize: Any = import_module("scipy.optimize")  # scipy has no types
        low, high = ((end - self.base) / self.scale for end in within)
        # the solver may miss a bound by its own slack: a set on the edge is not lost to rounding
        holds = [
            optimize.LinearConstraint(self.rows, self.least, np.inf),
            optimize.LinearConstraint(self.value[None], low - _SLACK / 10, high + _SLACK / 10),
        ]
        if size is not None:
            holds.append(optimize.LinearConstraint(self.count(1.0)[None], size, size))
        for mask in without:
            # the players that differ are at least one: no-good cuts of Balas & Jeroslow (1972)
            differ = np.concatenate([np.where(mask, -1.0, 1.0), np.zeros(len(self.terms))])
            holds.append(optimize.LinearConstraint(differ[None], 1.0 - float(mask.sum()), np.inf))
        whole = np.concatenate([np.ones(self.n), np.zeros(len(self.terms))])
        found = optimize.milp(
            aim,
            integrality=whole,
            bounds=optimize.Bounds(0.0, 1.0),
            constraints=holds,
            options={"time_limit": self.time_limit, "mip_rel_gap": 0.0},
        )
        if found.status == 2:
            raise InputError(f"{failure}; {self._reach(within)}")
        if found.x is None:
            raise InputError(
                f"no set was found within {self.time_limit:g} seconds ({found.message}): raise time_limit,"
                " or truncate the spectrum"
            )
        return np.asarray(found.x[: self.n] > 0.5), "optimal" if found.status == 0 else "time limit"

    def _reach(self, within: tuple[float, float]) -> str:
        """How near to `within` the value comes."""
        down = isfinite(within[1])
        kept, proof = self.solve(self.value if down else -self.value, "no mask has a value")
        at = self.base + self.scale * float(self.value @ self._whole(kept))
        least = "lowest" if down else "highest"
        sure = "" if proof == "optimal" else " found so far"
        return f"the {least} value of any mask{sure} is {at:.6g}: ask for less"

    def _whole(self, kept: Bools) -> Floats:
        return np.array([*kept, *(all(kept[i] for i in t) for t in self.terms)], dtype=np.float64)


def _products(n: int, terms: tuple[Interaction, ...]) -> tuple[Any, Floats]:
    """Rows and least values that make each term, from 0 to 1, the product of its players, 0 or 1 each.

    A term is at most each of the largest terms inside it, or its player where there is none: with fractions
    of players that is tighter than the players alone. It is at least 1 less the players that are missing.
    """
    sparse: Any = import_module("scipy.sparse")
    column: Mapping[Interaction, int] = {t: n + j for j, t in enumerate(terms)}
    entries: list[tuple[int, int, float]] = []
    least: list[float] = []

    def add(weights: Mapping[int, float], at_least: float) -> None:
        entries.extend((len(least), j, weight) for j, weight in weights.items())
        least.append(at_least)

    for t in terms:
        own, covered = column[t], set[int]()
        for i in t:
            inside = tuple(p for p in t if p != i)
            if inside in column:
                add({column[inside]: 1.0, own: -1.0}, 0.0)
                covered.update(inside)
        for i in t:
            if i not in covered:
                add({i: 1.0, own: -1.0}, 0.0)
        add({**dict.fromkeys(t, -1.0), own: 1.0}, 1.0 - len(t))
    row, col, weight = zip(*entries, strict=True) if entries else ((), (), ())
    shape = (len(least), n + len(terms))
    return sparse.csr_array((np.array(weight, dtype=np.float64), (row, col)), shape=shape), np.array(least)
