"""A spectrum as a mixed-integer linear programme: masks of highest or lowest value under constraints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np

from spexapi.errors import InputError
from spexapi.fourier.ranking import EQUAL
from spexapi.fourier.spectrum import Interaction, Spectrum, to_moebius
from spexapi.measurements import Bools, Floats

if TYPE_CHECKING:
    from scipy.optimize import LinearConstraint, OptimizeResult
    from scipy.sparse import csr_array

Proof = Literal["optimal", "time limit"]

# a row for each player of each term: beyond, the solver's matrix alone takes minutes
_MOST_TERMS = 50_000
# of the largest term: how exactly the solver keeps a constraint
_SLACK = 1e-6
# players that are put in order by one solution: weights from 1 to 2^15
_BLOCK = 16


@dataclass(frozen=True, slots=True, eq=False)
class Programme:
    """A spectrum as a linear function of players (0 or 1) and of terms, each the product of its players.

    n, terms    players, and Möbius terms of two or more of them
    value       (n + t,) coefficients, divided by `scale`
    scale       the largest of them, 1 if there is none
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
    rows: csr_array[np.float64] = field(repr=False)
    least: Floats

    @classmethod
    def of(cls, spectrum: Spectrum, time_limit: float) -> Programme:
        """Raises InputError for a time limit of 0 or less, and for more than 50,000 Möbius terms."""
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
        """(n + t,) the objective `weight` times the number of kept players."""
        return np.concatenate([np.full(self.n, weight), np.zeros(len(self.terms))])

    def solve(
        self,
        aim: Floats,
        failure: str,
        *,
        within: tuple[float, float] = (-inf, inf),
        size: int | None = None,
        without: Sequence[Bools] = (),
        removed: bool = False,
    ) -> tuple[Bools, Proof]:
        """The mask (n,) of least aim @ x whose value lies in `within`.

        failure  begins the InputError raised if there is no such mask
        size     how many players it keeps; None for any number
        without  masks that it must not be
        removed  of equally good masks the one that removes the lowest players; else the one that keeps them
        """
        began = perf_counter()
        holds = self._constraints(within, size, without)
        found = self._run(aim, holds, self.time_limit)
        if found.status == 2:
            raise InputError(f"{failure}; {self._reach(within)}")
        if found.x is None:
            raise InputError(
                f"no set was found within {self.time_limit:g} seconds ({found.message}): raise time_limit,"
                " or truncate the spectrum"
            )
        kept = np.asarray(found.x[: self.n] > 0.5)
        if found.status != 0:
            return kept, "time limit"
        return self._first(aim, holds, kept, removed, began + self.time_limit), "optimal"

    def _first(
        self, aim: Floats, holds: Sequence[LinearConstraint], kept: Bools, removed: bool, end: float
    ) -> Bools:
        """Of the masks as good as `kept` the first by player numbers, as far as time allows.

        Some players at a time, each worth more than all after it in its block: the lowest ones are decided
        first, and no weight is too large for the solver's tolerance.
        """
        from scipy.optimize import LinearConstraint

        best = float(aim @ self._whole(kept))
        as_good = LinearConstraint(aim[None], -np.inf, best + EQUAL * max(1.0, abs(best)))
        low, high = np.zeros(len(aim)), np.ones(len(aim))
        for top in range(0, self.n, _BLOCK):
            block = slice(top, min(top + _BLOCK, self.n))
            if (kept[top:] == removed).all() or end <= perf_counter():
                break  # none of those to be named is left
            weights = np.zeros(len(aim))
            weights[block] = 2.0 ** np.arange(block.stop - top)[::-1] * (1 if removed else -1)
            found = self._run(weights, [*holds, as_good], end - perf_counter(), (low, high))
            if found.status != 0:
                break
            kept = np.asarray(found.x[: self.n] > 0.5)
            low[block] = high[block] = kept[block]
        return kept

    def _run(
        self,
        aim: Floats,
        holds: Sequence[LinearConstraint],
        seconds: float,
        ends: tuple[Floats | float, Floats | float] = (0.0, 1.0),
    ) -> OptimizeResult:
        from scipy.optimize import Bounds, milp

        return milp(
            aim,
            integrality=(np.arange(len(aim)) < self.n).astype(np.int8),
            bounds=Bounds(*ends),
            constraints=holds,
            options={"time_limit": seconds, "mip_rel_gap": 0.0},
        )

    def _constraints(
        self, within: tuple[float, float], size: int | None, without: Sequence[Bools]
    ) -> list[LinearConstraint]:
        from scipy.optimize import LinearConstraint

        low, high = ((end - self.base) / self.scale for end in within)
        # the solver may miss a bound by its own slack: a set on the edge is not lost to rounding
        holds = [
            LinearConstraint(self.rows, self.least, np.inf),
            LinearConstraint(self.value[None], low - _SLACK / 10, high + _SLACK / 10),
        ]
        if size is not None:
            holds.append(LinearConstraint(self.count(1.0)[None], size, size))
        for mask in without:
            # the players that differ are at least one: no-good cuts of Balas & Jeroslow (1972)
            differ = np.concatenate([np.where(mask, -1.0, 1.0), np.zeros(len(self.terms))])
            holds.append(LinearConstraint(differ[None], 1.0 - float(mask.sum()), np.inf))
        return holds

    def _reach(self, within: tuple[float, float]) -> str:
        """A sentence: how near to `within` the value comes."""
        down = isfinite(within[1])
        kept, proof = self.solve(self.value if down else -self.value, "no mask has a value")
        at = self.base + self.scale * float(self.value @ self._whole(kept))
        least = "lowest" if down else "highest"
        sure = "" if proof == "optimal" else " found so far"
        return f"the {least} value of any mask{sure} is {at:.6g}: ask for less"

    def _whole(self, kept: Bools) -> Floats:
        """(n + t,) the players of a mask and the products of them."""
        return np.array([*kept, *(all(kept[i] for i in t) for t in self.terms)], dtype=np.float64)


def _products(n: int, terms: tuple[Interaction, ...]) -> tuple[csr_array[np.float64], Floats]:
    """Rows and least values that make each term, from 0 to 1, the product of its players, 0 or 1 each.

    A term is at most each of the largest terms inside it, and each of its players that is in none of those:
    with fractions of players that is tighter than the players alone. It is at least 1 less the number of its
    players that are missing. Fortet (1960); McCormick (1976).
    """
    from scipy.sparse import csr_array

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
    return csr_array((np.array(weight, dtype=np.float64), (row, col)), shape=shape), np.array(least)
