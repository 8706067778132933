"""KernelSHAP: Shapley values by weighted least squares on paired masks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb, lgamma

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines._additive import additive_fit, design_weights, need_budget
from spexapi.engines._fit_data import FitData
from spexapi.engines.base import Design, Fit, next_masks
from spexapi.fourier.masks import distinct_draws, subsets_of_sizes
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import parities
from spexapi.measurements import Bools, Floats, Measurements


@dataclass(frozen=True, slots=True)
class KernelShap:
    """Estimates of the Shapley values, which add up to value(all) - value(nobody).

    Minimises sum of weight * (value(mask) - value(nobody) - sum of effects kept)² under that sum; a mask of k
    players has weight (n - 1) / (C(n, k) k (n - k)). Lundberg & Lee (2017), "A unified approach to
    interpreting model predictions", theorem 2; pairs of a mask and its complement: Covert & Lee (2021),
    "Improving KernelSHAP". A size is taken whole if all its masks fit the budget, else drawn, as in
    the shap package; unlike there, no effect is set to 0 by a lasso.
    """

    @property
    def name(self) -> str:
        return "kernelshap"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """All kept, none kept, then pairs. BudgetError below 2n masks, which n effects need."""
        need_budget("KernelSHAP", n_players, budget, 2 * n_players)
        ends = np.array([[True] * n_players, [False] * n_players])
        pairs, weights = _pairs(n_players, (budget - 2) // 2, rng)
        both = np.stack([pairs, ~pairs], axis=1).reshape(-1, n_players)
        settings = {"weights": np.concatenate([[0.0, 0.0], np.repeat(weights, 2)])}
        return Design(
            n_players, budget, np.concatenate([ends, both]), uniform=False, order=1, settings=settings
        )

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        return next_masks(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """Masks of another design are weighed by the kernel, as uniform draws.

        If all kept or none kept has no value, the sum is left free, and a note says so.
        """
        n, data = design.n_players, FitData.of(seen)
        if not data.scale:
            return data.constant()
        kept = data.masks.sum(axis=1)
        weights = design_weights(design, data.masks)
        if weights is None:
            weights = _kernel(n, kept)
        inner = (kept > 0) & (kept < n)
        if (kept == 0).any() and (kept == n).any():
            base = float(data.values[kept == 0][0])
            total = float(data.values[kept == n][0]) - base
            return _constrained(data, inner, weights, base, total)
        return _free(data, inner, weights)


def _constrained(data: FitData, inner: Bools, weights: Floats, base: float, total: float) -> Fit:
    """Effects that add up to `total`: an equal share of it each, and a part that adds up to 0."""
    masks: Floats = data.masks[inner].astype(np.float64)
    n, notes = masks.shape[1], list[str]()
    share: Floats = masks.mean(axis=1)
    root: Floats = np.sqrt(weights[inner])
    # rows that add up to 0: so does the shortest solution
    rows = (masks - share[:, None]) * root[:, None]
    target = (data.values[inner] - base - share * total) * root
    apart, _, rank, _ = np.linalg.lstsq(rows, target, rcond=None)
    if rank < n - 1:
        notes.append(f"the masks tell {rank + 1} of {n} effects apart: more are needed for the rest")
    return additive_fit(data, base, total / n + apart, *notes)


def _free(data: FitData, inner: Bools, weights: Floats) -> Fit:
    """Without the values of all kept and none kept the constant is fitted as well."""
    n = len(data.masks[0])
    note = "all kept or none kept has no value, so the effects do not add up to their difference"
    if not inner.any():
        return additive_fit(data, 0.0, np.zeros(n), note, "nothing else was measured")
    columns = parities(data.masks[inner], [(), *((i,) for i in range(n))])
    weighed = np.maximum(weights[inner], 1e-300)
    found = ridge(columns, data.values[inner], constant=0, weights=weighed / weighed.max())
    return additive_fit(data, float(found.coef[0] + found.coef[1:].sum()), -2 * found.coef[1:], note)


def _kernel(n: int, kept: NDArray[np.intp]) -> Floats:
    """(m,) Shapley kernel of masks by their number of kept players, largest 1; 0 for none and all."""
    inner = (kept > 0) & (kept < n)
    log = np.array([lgamma(k) + lgamma(n - k) if ok else -np.inf for k, ok in zip(kept, inner, strict=True)])
    return np.exp(log - log.max()) if inner.any() else np.zeros(len(kept))


def _pairs(n: int, count: int, rng: Generator) -> tuple[Bools, Floats]:
    """(k, n) bool, one mask of each pair, k <= count, and the weight (k,) of each mask of the pair.

    From the smallest size on, a size is taken whole as long as its share of the draws is as large anyway.
    """
    halves = np.arange(1, n // 2 + 1)
    share = np.where(2 * halves == n, 1.0, 2.0) / (halves * (n - halves))  # of the kernel's weight, by size
    share = share / share.sum()
    masks, weights = [np.zeros((0, n), dtype=np.bool_)], [np.zeros(0)]
    left, whole = count, 0
    for k, weight in zip(halves.tolist(), share.tolist(), strict=True):
        pairs = comb(n, k) // (2 if 2 * k == n else 1)
        if left * weight / share[whole:].sum() < pairs * (1 - 1e-9):
            break
        # of a pair of halves, the one with player 0
        chosen = [s for s in combinations(range(n), k) if 2 * k < n or s[0] == 0]
        rows = np.zeros((pairs, n), dtype=np.bool_)
        rows[np.repeat(np.arange(pairs), k), np.array(chosen).reshape(-1)] = True
        masks.append(rows)
        weights.append(np.full(pairs, weight / pairs))
        left, whole = left - pairs, whole + 1
    if left > 0 and whole < len(halves):
        rest = share[whole:] / share[whole:].sum()

        def draw(m: int) -> Bools:
            drawn = subsets_of_sizes(n, rng.choice(halves[whole:], size=m, p=rest), rng)
            twin = (2 * drawn.sum(axis=1) == n) & ~drawn[:, 0]
            return drawn ^ twin[:, None]

        drawn, times = distinct_draws(draw, left)
        masks.append(drawn)
        weights.append(times / times.sum() * share[whole:].sum())
    return np.concatenate(masks), np.concatenate(weights)
