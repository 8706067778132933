"""The exact engine: every mask is measured, and the spectrum is the transform of the values."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb, sqrt

import numpy as np
from numpy.random import Generator

from spexapi.engines._fit_data import nothing_measured
from spexapi.engines.base import Design, Fit
from spexapi.errors import BudgetError
from spexapi.fourier.masks import all_masks, codes
from spexapi.fourier.ranking import NO_ERROR, first_least
from spexapi.fourier.repeats import each_mask_once
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import Interaction, Spectrum, parities
from spexapi.fourier.walsh_hadamard import walsh_hadamard
from spexapi.measurements import NORMAL_95, Bools, Floats, Measurements

MOST_PLAYERS = 20

# of the largest value: rounding of the transform, n eps
_ZERO = 1e-14
# of a fit to part of the masks
_MOST_TERMS = 1_000


@dataclass(frozen=True, slots=True)
class Exact:
    """Measures all 2^n masks of up to 20 players; the spectrum then has the value of each.

    If some masks failed or the run was stopped early, it is an estimate, and the notes say so: ridge on all
    interactions up to the order with the smallest leave-one-out error. O'Donnell (2014), chapter 1.
    """

    @property
    def name(self) -> str:
        return "exact"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """All masks, in an order drawn from rng: a run stopped early has seen a uniform sample of them."""
        if n_players > MOST_PLAYERS:
            raise BudgetError(
                f"{n_players} players have 2^{n_players} masks; the exact engine takes up to {MOST_PLAYERS}"
                " players: choose another engine, such as auto"
            )
        if budget < 2**n_players:
            raise BudgetError(
                f"the exact engine measures all {2**n_players:,} masks of {n_players} players, the budget"
                f" is {budget:,}: raise it to {2**n_players:,}, or choose another engine"
            )
        masks = all_masks(n_players)[rng.permutation(2**n_players)]
        return Design(
            n_players, budget, masks, exact=True, notes=(f"all {len(masks):,} masks are asked for",)
        )

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        """The masks that were not measured yet, failed ones not again."""
        left = ~np.isin(codes(design.masks), codes(seen.masks))
        return design.masks[left][: max(0, remaining)]

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """The transform if every mask has a value; else an estimate from those that have one."""
        n = design.n_players
        once, _ = each_mask_once(seen)
        if not len(once):
            raise nothing_measured(seen)
        if len(once) < 2**n:
            return _estimate(once, seen.n_failed)
        mean, variance = np.empty(2**n), once.variance
        mean[codes(once.masks)] = once.values
        rounding = _ZERO * float(np.abs(mean).max())
        walsh_hadamard(mean)
        mean /= 2**n
        spectrum = _sparse(n, mean, rounding)
        if not variance.any():
            return Fit(spectrum)
        half = NORMAL_95 * sqrt(variance.sum()) / 2**n
        intervals = {s: (value - half, value + half) for s, value in spectrum.coef.items()}
        return Fit(
            spectrum, intervals, notes=("every mask was measured, with the sampling noise of the values",)
        )


def _sparse(n: int, coef: Floats, rounding: float) -> Spectrum:
    """Coefficient x is that of the players whose bits are set in x; zeros are dropped, the constant never."""
    kept = np.abs(coef) > rounding
    kept[0] = True
    members = all_masks(n)[kept]
    places = np.flatnonzero(kept)
    players = np.nonzero(members)[1].tolist()
    ends = np.cumsum(members.sum(axis=1)).tolist()
    starts = [0, *ends[:-1]]
    keys = [tuple(players[a:b]) for a, b in zip(starts, ends, strict=True)]
    return Spectrum(n, dict(zip(keys, coef[places].tolist(), strict=True)))


def _estimate(once: Measurements, n_failed: int) -> Fit:
    """Ridge on all interactions up to the order with the smallest leave-one-out error."""
    n, masks, values = once.n_players, once.masks, once.values
    fits = [ridge(parities(masks, _low_order(n, 0)), values, constant=0)]
    for k in range(1, n + 1):
        if k > 1 and sum(comb(n, j) for j in range(k + 1)) > min(len(values), _MOST_TERMS):
            break
        fits.append(ridge(parities(masks, _low_order(n, k)), values, constant=0))
    rounding = NO_ERROR * float((values**2).mean())
    order = first_least([float(((found.left_out - values) ** 2).mean()) for found in fits], rounding)
    support, best = _low_order(n, order), fits[order]
    note = (
        f"{len(values):,} of {2**n:,} masks have a value ({n_failed:,} measurements failed): this is an"
        f" estimate, not exact, by ridge on the {len(support):,} interactions up to order {order}"
    )
    return Fit(Spectrum(n, dict(zip(support, best.coef.tolist(), strict=True))), notes=(note,))


def _low_order(n: int, order: int) -> list[Interaction]:
    """All interactions of up to `order` players, the constant first."""
    return [s for k in range(order + 1) for s in combinations(range(n), k)]
