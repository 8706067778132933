"""Baselines that give each player one number: leave-one-out, LIME and ContextCite's lasso."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from spexapi.engines._additive import additive_fit, design_weights, need_budget, smallest_budget
from spexapi.engines._fit_data import FitData
from spexapi.engines.base import Design, Fit, next_masks
from spexapi.engines.lasso import lasso
from spexapi.errors import InputError, NothingMeasured
from spexapi.fourier.masks import distinct_draws, subsets_of_sizes, uniform_masks
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import parities
from spexapi.measurements import Bools, Measurements


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """The effect of each player is what the value loses if that player alone is removed.

    The spectrum is that of value(mask) = value(all) less the effects of the removed players. Cook (1977) for
    examples; Li, Monroe & Jurafsky (2016), "Understanding neural networks through representation erasure",
    for text.
    """

    @property
    def name(self) -> str:
        return "loo"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """All players kept, then each one removed: n + 1 masks, however large the budget is."""
        need_budget("leave-one-out", n_players, budget, n_players + 1)
        masks = np.concatenate([np.ones((1, n_players), dtype=np.bool_), ~np.eye(n_players, dtype=np.bool_)])
        return Design(n_players, budget, masks, uniform=False, order=1)

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        return next_masks(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """Differences of two values. Raises NothingMeasured if the mask that keeps all has no value.

        A player whose removal has no value gets the effect 0; a note says how many do.
        """
        n, data = design.n_players, FitData.of(seen)
        removed = n - data.masks.sum(axis=1)
        if not (removed == 0).any():
            raise NothingMeasured(
                "the mask that keeps all players has no value, and leave-one-out measures every effect"
                " against it: measure it, or choose another engine"
            )
        if not data.scale:
            return data.constant()
        full = data.values[removed == 0][0]
        alone = np.flatnonzero(removed == 1)
        players = (~data.masks[alone]).argmax(axis=1)
        effects = np.zeros(n)
        effects[players] = full - data.values[alone]
        notes: list[str] = []
        if len(alone) < n:
            notes.append(f"{n - len(alone)} of {n} players were not measured: their effect is given as 0")
        if (unused := int((removed > 1).sum())) > 0:
            notes.append(f"{unused} masks remove several players and were not used")
        return additive_fit(data, float(full - effects.sum()), effects, *notes)


@dataclass(frozen=True, slots=True)
class Lime:
    """Ridge near the full input, as in LIME's text explainer.

    width  of the kernel, in hundredths of a cosine distance

    A mask removes a uniform number of players, 1 to n; its weight is exp(-d² / (2 width²)), where d is 100
    times the cosine distance from the mask that keeps all; the ridge penalty on effects is 1. Ribeiro, Singh
    & Guestrin (2016), "Why should I trust you?", equations 1 and 2; lime 0.2, lime_text.py. Unlike there,
    a mask that is drawn again adds to its weight and is not paid again, all players have an effect and not
    only ten, and values are standardised first, which changes nothing.
    """

    width: float = 25.0

    def __post_init__(self) -> None:
        if not self.width > 0:
            raise InputError(f"the width of LIME's kernel is {self.width}: it must be above 0")

    @property
    def name(self) -> str:
        return "lime"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """All players kept, then masks that remove 1 to n. BudgetError below min(n + 2, 2^n)."""
        need_budget("LIME", n_players, budget, smallest_budget(n_players))

        def draw(count: int) -> Bools:
            return ~subsets_of_sizes(n_players, rng.integers(1, n_players + 1, size=count), rng)

        drawn, times = distinct_draws(draw, budget - 1)
        masks = np.concatenate([np.ones((1, n_players), dtype=np.bool_), drawn])
        settings = {"weights": np.concatenate([[1.0], times])}
        return Design(n_players, budget, masks, uniform=False, order=1, settings=settings)

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        return next_masks(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """Weighted ridge. Masks of another design count once each."""
        n, data = design.n_players, FitData.of(seen)
        if not data.scale:
            return data.constant()
        times = design_weights(design, data.masks)
        distance = 100 * (1 - np.sqrt(data.masks.sum(axis=1) / n))
        weights = np.exp(-(distance**2) / (2 * self.width**2)) * (1.0 if times is None else times)
        weights = np.maximum(weights, 1e-300)
        columns = parities(data.masks, [(), *((i,) for i in range(n))])
        # an effect is -2 times its coefficient: a penalty of 1 on effects is 4 on coefficients
        found = ridge(columns, data.values, constant=0, penalty=4.0, weights=weights)
        return additive_fit(data, float(found.coef[0] + found.coef[1:].sum()), -2 * found.coef[1:])


@dataclass(frozen=True, slots=True)
class ContextCite:
    """The lasso of ContextCite on uniform masks.

    penalty  alpha of the lasso, for columns and values at standard deviation 1

    Cohen-Wang, Shah, Georgiev & Madry (2024), "ContextCite: attributing model generation to context", section
    3, arXiv 2409.00729. The package divides the values by the number of answer tokens and leaves their scale;
    here they are standardised, so that one penalty serves values of any unit. No mask is asked twice.
    """

    penalty: float = 0.01

    def __post_init__(self) -> None:
        if not self.penalty >= 0:
            raise InputError(f"the lasso's penalty is {self.penalty}: it must be 0 or more")

    @property
    def name(self) -> str:
        return "contextcite"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """Uniform masks, none twice. BudgetError below 8, or 4 for two players."""
        need_budget("ContextCite's lasso", n_players, budget, 8 if n_players > 2 else 4)
        return Design(n_players, budget, uniform_masks(n_players, budget, rng), order=1)

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        return next_masks(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """Lasso on the kept players; weak effects are 0."""
        data = FitData.of(seen)
        if not data.scale:
            return data.constant()
        base, effects = lasso(data.masks.astype(np.float64), data.values, np.array([self.penalty]))
        left = int(np.count_nonzero(effects))
        note = f"the lasso left {left} of {design.n_players} players with an effect"
        return additive_fit(data, float(base[0]), effects[:, 0], note)
