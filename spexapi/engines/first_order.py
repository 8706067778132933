"""Baselines that give each player one number: leave-one-out, LIME, ContextCite's lasso."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from spexapi.engines._draws import distinct_draws, subsets_of_sizes
from spexapi.engines._given import Given, additive, given, next_masks, weights_of
from spexapi.engines._lasso import lasso
from spexapi.engines.base import Design, Fit
from spexapi.errors import BudgetError, InputError, NothingMeasured
from spexapi.fourier.masks import uniform_masks
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import parities
from spexapi.measurements import Bools, Floats, Measurements


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """Each player's effect is what the value loses when that player alone is removed.

    value(mask) is then taken to be value(all) less the effects of the removed players. Cook (1977) for
    examples; Li, Monroe & Jurafsky (2016), "Understanding neural networks through representation erasure",
    for text.
    """

    @property
    def name(self) -> str:
        return "loo"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """All players kept, then each one removed: n + 1 masks, whatever the budget is beyond."""
        need_budget("leave-one-out", n_players, budget, n_players + 1)
        masks = np.concatenate([np.ones((1, n_players), dtype=np.bool_), ~np.eye(n_players, dtype=np.bool_)])
        return Design(n_players, budget, masks, uniform=False)

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        return next_masks(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """Differences of two values. Raises NothingMeasured where the mask that keeps all has no value.

        A player whose removal has no value gets the effect 0, and the notes say how many do.
        """
        n, use = design.n_players, given(seen)
        removed = n - use.masks.sum(axis=1)
        if not (removed == 0).any():
            raise NothingMeasured(
                "the mask that keeps all players has no value, and leave-one-out measures every effect"
                " against it: measure it, or choose another engine"
            )
        if not use.scale:
            return use.constant()
        full = use.values[removed == 0][0]
        alone = np.flatnonzero(removed == 1)
        players = (~use.masks[alone]).argmax(axis=1)
        effects = np.zeros(n)
        effects[players] = full - use.values[alone]
        notes = use.notes
        if len(alone) < n:
            notes = (*notes, f"{n - len(alone)} of {n} players were not measured: their effect stands as 0")
        if (unused := int((removed > 1).sum())) > 0:
            notes = (*notes, f"{unused} masks remove several players and were not used")
        base = float(use.in_units(full - effects.sum()))
        return Fit(additive(n, base, use.scale * effects), notes=notes)


@dataclass(frozen=True, slots=True)
class Lime:
    """Ridge near the full input, as LIME's text explainer does it.

    width  of the kernel, in hundredths of a cosine distance

    A mask removes a uniform number of players, 1 to n; its weight is exp(-d² / (2 width²)), where d is 100
    times the cosine distance from the mask that keeps all; the ridge penalty on effects is 1. Ribeiro, Singh
    & Guestrin (2016), "Why should I trust you?", equations 1 and 2; lime 0.2, lime_text.py. Unlike there,
    a mask drawn again is not paid again but counted in its weight, all players are kept in place of ten, and
    values are standardised first, which changes nothing.
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
        need_budget("LIME", n_players, budget, _few(n_players))

        def draw(count: int) -> Bools:
            return ~subsets_of_sizes(n_players, rng.integers(1, n_players + 1, size=count), rng)

        drawn, times = distinct_draws(draw, budget - 1)
        masks = np.concatenate([np.ones((1, n_players), dtype=np.bool_), drawn])
        settings = {"weights": np.concatenate([[1.0], times])}
        return Design(n_players, budget, masks, uniform=False, settings=settings)

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        return next_masks(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """Weighted ridge. Masks of another design count once each."""
        n, use = design.n_players, given(seen)
        if not use.scale:
            return use.constant()
        times = weights_of(design, use.masks)
        distance = 100 * (1 - np.sqrt(use.masks.sum(axis=1) / n))
        weights = np.exp(-(distance**2) / (2 * self.width**2)) * (1.0 if times is None else times)
        weights = np.maximum(weights, 1e-300)
        columns = parities(use.masks, [(), *((i,) for i in range(n))])
        # an effect is -2 times its coefficient: a penalty of 1 on effects is 4 on coefficients
        found = ridge(columns, use.values, constant=0, penalty=4.0, weights=weights)
        return _linear(use, -2 * found.coef[1:], float(found.coef[0] + found.coef[1:].sum()))


@dataclass(frozen=True, slots=True)
class ContextCite:
    """The lasso of ContextCite on uniform masks.

    penalty  alpha of the lasso, for columns and values at standard deviation 1

    Cohen-Wang, Shah, Georgiev & Madry (2024), "ContextCite: attributing model generation to context",
    section 3, arXiv 2409.00729. The package divides the values by the number of answer tokens and leaves
    their scale; here they are standardised, so that one penalty serves values of any unit. No mask twice.
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
        return Design(n_players, budget, uniform_masks(n_players, budget, rng))

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        return next_masks(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """Lasso on which players are kept; weak effects are 0."""
        use = given(seen)
        if not use.scale:
            return use.constant()
        base, effects = lasso(use.masks.astype(np.float64), use.values, np.array([self.penalty]))
        left = int(np.count_nonzero(effects))
        note = f"the lasso left {left} of {design.n_players} players with an effect"
        return _linear(use, effects[:, 0], float(base[0]), note)


def need_budget(who: str, n_players: int, budget: int, least: int) -> None:
    """Raises InputError for fewer than 2 players, BudgetError with the number below `least`."""
    if n_players < 2:
        raise InputError(f"there is nothing to compare with fewer than 2 players, got {n_players}")
    if budget < least:
        raise BudgetError(
            f"a budget of {budget} measurements is too small for {who} on {n_players} players: raise it to"
            f" {least} or more, or make fewer, larger players"
        )


def _few(n: int) -> int:
    return n + 2 if n > 2 else 4


def _linear(use: Given, effects: Floats, base: float, *notes: str) -> Fit:
    """From standardised effects to a fit in the game's own unit."""
    spectrum = additive(use.masks.shape[1], float(use.in_units(np.array(base))), use.scale * effects)
    return Fit(spectrum, notes=(*use.notes, *notes))
