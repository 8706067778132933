"""KernelSHAP: Shapley values by weighted least squares on paired masks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb, lgamma
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines._draws import distinct_draws, subsets_of_sizes
from spexapi.engines._given import Given, additive, given, next_masks, weights_of
from spexapi.engines.base import Design, Fit
from spexapi.engines.first_order import need_budget
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import parities
from spexapi.measurements import Bools, Floats, Measurements


@dataclass(frozen=True, slots=True)
class KernelShap:
    """Estimates of the Shapley values, which add up to value(all) - value(nobody).

    Minimises sum of weight * (value(mask) - value(nobody) - sum of effects kept)² under that sum; a mask of k
    players has weight (n - 1) / (C(n, k) k (n - k)). Lundberg & Lee (2017), "A unified approach to
    interpreting model predictions", theorem 2; pairs of a mask and its complement: Covert & Lee (2021),
    "Improving KernelSHAP". Sizes of which all masks fit the budget are taken whole, the others drawn, as in
    the shap package; unlike there, no effect is set to 0 by a lasso.
    """

    @property
    def name(self) -> str:
        return "kernelshap"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """All kept, none kept, then pairs. BudgetError below 2n, with which n effects can be told apart."""
        need_budget("KernelSHAP", n_players, budget, 2 * n_players)
        ends = np.array([[True] * n_players, [False] * n_players])
        pairs, weights = _pairs(n_players, (budget - 2) // 2, rng)
        both = np.stack([pairs, ~pairs], axis=1).reshape(-1, n_players)
        settings = {"weights": np.concatenate([[0.0, 0.0], np.repeat(weights, 2)])}
        return Design(n_players, budget, np.concatenate([ends, both]), uniform=False, settings=settings)

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        return next_masks(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """Masks of another design are weighed by the kernel, as uniform draws.

        Where all kept or none kept has no value, the sum is left free and the notes say so.
        """
        n, use = design.n_players, given(seen)
        if not use.scale:
            return use.constant()
        kept = use.masks.sum(axis=1)
        weights = weights_of(design, use.masks)
        if weights is None:
            weights = _kernel(n, kept)
        inner = (kept > 0) & (kept < n)
        if (kept == 0).any() and (kept == n).any():
            base = float(use.values[kept == 0][0])
            total = float(use.values[kept == n][0]) - base
            return _constrained(use, inner, weights, base, total)
        return _free(use, inner, weights)


def _constrained(use: Given, inner: Bools, weights: Floats, base: float, total: float) -> Fit:
    """Effects that add up to `total`: an equal share of it, and a part that adds up to 0."""
    masks: Floats = use.masks[inner].astype(np.float64)
    n, notes = masks.shape[1], use.notes
    share: Floats = masks.mean(axis=1)
    root: Floats = np.sqrt(weights[inner])
    # rows that add up to 0: so does the shortest solution
    rows = (masks - share[:, None]) * root[:, None]
    target = (use.values[inner] - base - share * total) * root
    lstsq: Any = np.linalg.lstsq  # its parts have no types
    apart, _, rank, _ = lstsq(rows, target, rcond=None)
    if rank < n - 1:
        notes = (*notes, f"the masks tell {rank + 1} of {n} effects apart: more are needed for the rest")
    spectrum = additive(n, float(use.in_units(np.array(base))), use.scale * (total / n + apart))
    return Fit(spectrum, notes=notes)


def _free(use: Given, inner: Bools, weights: Floats) -> Fit:
    """Without the two ends, the constant is fitted as well."""
    n = len(use.masks[0])
    note = "all kept or none kept has no value, so the effects do not add up to their difference"
    if not inner.any():
        return Fit(
            additive(n, use.centre, np.zeros(n)), notes=(*use.notes, note, "nothing else was measured")
        )
    columns = parities(use.masks[inner], [(), *((i,) for i in range(n))])
    weighed = np.maximum(weights[inner], 1e-300)
    found = ridge(columns, use.values[inner], constant=0, weights=weighed / weighed.max())
    base = use.in_units(found.coef[0] + found.coef[1:].sum())
    effects: Floats = (-2 * use.scale) * found.coef[1:]
    return Fit(additive(n, float(base), effects), notes=(*use.notes, note))


def _kernel(n: int, kept: NDArray[np.intp]) -> Floats:
    """(m,) Shapley kernel of a mask that keeps so many, largest 1; 0 for none and all."""
    inner = (kept > 0) & (kept < n)
    log = np.array([lgamma(k) + lgamma(n - k) if ok else -np.inf for k, ok in zip(kept, inner, strict=True)])
    return np.exp(log - log.max()) if inner.any() else np.zeros(len(kept))


def _pairs(n: int, count: int, rng: Generator) -> tuple[Bools, Floats]:
    """(k, n) bool, one mask of each pair, k <= count, and the weight (k,) of each mask of the pair.

    From the smallest size on, a size is taken whole while its share of the draws would hold it anyway.
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
