"""Matching pursuit over all sets of few players: finds strong terms whose subsets have no effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from spexapi.engines.stack.base_learners import BaseLearner
from spexapi.fourier.ebic import NO_RESIDUAL, ebic_price, jittered, select_by_ebic
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import Interaction, parities
from spexapi.measurements import Bools, Floats

# parities of masks in a pass over all sets: tenths of a second
_MOST_PARITIES = 4e9
# players of a set
_HIGHEST = 6
_PASSES = 12
# twice log-likelihood: a set whose gain is at most this far below its price may be added later in the pass
_NEAR = 12.0
# of the best gain: sets that gain this much are added together
_SHARE = 0.8
_MOST_TERMS = 300

Ints = NDArray[np.int32]


def highest_order(n: int, m: int) -> int:
    """The largest order at which all sets can be tried: C(n, 1) + ... C(n, order) parities of m masks a pass.

    At 8 masks a player 6 for 32 players, 5 for 50, 4 for 100, 3 for 200, 2 for 900; 1 for more.
    """
    count = 0
    for order in range(1, min(n, _HIGHEST) + 1):
        count += comb(n, order)
        if count * m > _MOST_PARITIES:
            return max(1, order - 1)
    return min(n, _HIGHEST)


# sets (h, size), one end of each (h,), parities (h, m)
Half = tuple[Ints, Ints, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """All parities of up to `order` players as products of two halves.

    masks  (m, n) bool
    order  of the largest set
    heads  size -> (sets, ends, parities), the ends being the last player of each set, rising
    tails  size -> (sets, ends, parities), the ends being the first player of each set, falling
    """

    masks: Bools
    order: int
    heads: dict[int, Half]
    tails: dict[int, Half]

    @classmethod
    def of(cls, masks: Bools, order: int) -> Halves:
        """Memory 4 m C(n, (order + 1) / 2) bytes, up to 150 MB with an order from `highest_order`."""
        n = masks.shape[1]
        heads: dict[int, Half] = {}
        tails: dict[int, Half] = {}
        for size in range((order + 1) // 2 + 1):
            sets = _sets(n, size)
            if size <= order // 2:
                rising = sets[np.argsort(sets[:, -1], kind="stable")] if size else sets
                last = rising[:, -1] if size else np.full(1, -1, np.int32)
                heads[size] = rising, last, _parities(masks, rising)
            if size:
                falling = sets[np.argsort(-sets[:, 0], kind="stable")]
                tails[size] = falling, falling[:, 0], _parities(masks, falling)
        return cls(masks, order, heads, tails)

    def products(self, residual: Floats, least: Floats) -> tuple[list[Interaction], Floats]:
        """The sets whose parity has a product of least[size] or more with the residual (m,); those products.

        A set is a head and a tail that begins after the head ends. As tails are sorted by falling first
        player, those that fit a head are the first ones.
        """
        found: list[Interaction] = []
        match: list[Floats] = []
        weighed = residual.astype(np.float32)
        for size in range(1, self.order + 1):
            head, last, head_parities = self.heads[size // 2]
            tail, first, tail_parities = self.tails[size - size // 2]
            for j in sorted(set(last.tolist())):
                top, end = np.searchsorted(last, [j, j + 1]).tolist()
                count = int((first > j).sum())
                product = (head_parities[top:end] * weighed) @ tail_parities[:count].T
                rows, columns = np.nonzero(np.abs(product) >= least[size])
                match.append(product[rows, columns].astype(np.float64))
                both = np.hstack([head[top:end][rows], tail[:count][columns]])
                found += [tuple(row) for row in both.tolist()]
        return found, np.concatenate(match)


def _sets(n: int, size: int) -> Ints:
    """(C(n, size), size) all sets of that many players."""
    count = comb(n, size)
    flat = (i for players in combinations(range(n), size) for i in players)
    return np.fromiter(flat, dtype=np.int32, count=count * size).reshape(count, size)


def _parities(masks: Bools, sets: Ints) -> NDArray[np.float32]:
    """(s, m), each row contiguous."""
    return parities(masks, [tuple(row) for row in sets.tolist()], np.float32).T


def pursuit_learner(
    halves: Halves, rows: NDArray[np.intp], values: Floats, weights: Floats | None = None
) -> BaseLearner:
    """Ridge on the terms that `pursue` finds; the mean if it finds none."""
    support = pursue(halves, rows, values)
    found = ridge(parities(halves.masks[rows], support), values, constant=0, weights=weights)
    return BaseLearner("matching pursuit", support, found.coef[:, None], common=False)


def pursue(
    halves: Halves, rows: NDArray[np.intp], values: Floats, start: Sequence[Interaction] = ((),)
) -> list[Interaction]:
    """The constant and the sets of few players that orthogonal matching pursuit selects.

    rows    (k,) of the masks of `halves`, which must be uniform draws
    values  (k,) of variance about 1
    start   terms known so far, the constant first

    Pati, Rezaiifar & Krishnaprasad (1993), with the extended BIC of Chen & Chen (2008) in place of a
    threshold: a set is selected if it explains more than the best of all sets of its size would by chance.
    Time O(m C(n, order)) a pass, a few passes.
    """
    n = halves.masks.shape[1]
    prices = ebic_price(np.arange(halves.order + 1, dtype=np.intp), n)
    most = min(_MOST_TERMS, len(values) // 4)
    fit = _LeastSquares(halves.masks[rows], values, list(start))
    for _ in range(_PASSES):
        if fit.done or len(fit.support) >= most:
            break
        residual = np.zeros(len(halves.masks))
        residual[rows] = fit.residual
        near = _near(halves, residual, fit, prices)
        if not near:
            break
        fit = _extended(fit, near, prices, most)
    gram, pull = fit.columns.T @ fit.columns, fit.columns.T @ values
    return select_by_ebic(fit.support, gram, pull, values, n)[0]


class _LeastSquares:
    """Least squares on a support, and its residuals."""

    def __init__(self, masks: Bools, values: Floats, support: list[Interaction]) -> None:
        self.masks, self.values, self.support = masks, values, support
        self.columns: Floats = parities(masks, support, np.float64)
        gram = jittered(self.columns.T @ self.columns, len(values))
        self.residual: Floats = values - self.columns @ np.linalg.solve(gram, self.columns.T @ values)
        self.squares = float(self.residual @ self.residual)

    @property
    def done(self) -> bool:
        """True if the residuals are rounding."""
        return self.squares <= NO_RESIDUAL * len(self.values)

    def gain(self, match: Floats) -> Floats:
        """What parities explain, in twice log-likelihood, given their products with the residuals."""
        m = len(self.values)
        return -m * np.log1p(-np.minimum(match**2 / (m * self.squares), 1 - NO_RESIDUAL))

    def least(self, gain: Floats) -> Floats:
        """The products at which parities have these gains: the inverse of `gain`."""
        m = len(self.values)
        return np.sqrt(np.maximum(-np.expm1(-gain / m), 0.0) * m * self.squares)


def _near(halves: Halves, residual: Floats, fit: _LeastSquares, prices: Floats) -> list[Interaction]:
    """New sets whose gain reaches their price or nearly; none if no gain reaches it."""
    there = set(fit.support)
    sets, match = halves.products(residual, fit.least(prices - _NEAR))
    new = np.array([s not in there for s in sets], dtype=np.bool_)
    gain = fit.gain(match) - prices[[len(s) for s in sets]]
    if not (gain[new] > 0).any():
        return []
    return [s for s, is_new in zip(sets, new.tolist(), strict=True) if is_new]


def _extended(fit: _LeastSquares, near: list[Interaction], prices: Floats, most: int) -> _LeastSquares:
    """The fit with the sets added whose gain exceeds their price, the best first."""
    columns, cost = parities(fit.masks, near, np.float32), prices[[len(s) for s in near]]
    left = np.ones(len(near), dtype=np.bool_)
    while len(fit.support) < most and not fit.done:
        match = (fit.residual.astype(np.float32) @ columns).astype(np.float64)
        gain = np.where(left, fit.gain(match) - cost, -np.inf)
        best = float(gain.max())
        if best <= 0:
            break
        taken = np.flatnonzero(gain >= _SHARE * best)[: most - len(fit.support)]
        left[taken] = False
        fit = _LeastSquares(fit.masks, fit.values, [*fit.support, *(near[j] for j in taken.tolist())])
    return fit
