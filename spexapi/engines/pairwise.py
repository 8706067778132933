"""The pairwise baseline: one coefficient for each player and each pair, by ridge or lasso."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines._additive import need_budget, smallest_budget
from spexapi.engines._fit_data import FitData, bounds_unused
from spexapi.engines.base import Design, Fit, next_masks
from spexapi.engines.lasso import lasso, lasso_penalties
from spexapi.engines.resampling import FOLDS, folds
from spexapi.errors import InputError
from spexapi.fourier.masks import uniform_masks
from spexapi.fourier.ranking import NO_ERROR, first_least
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import parities
from spexapi.measurements import Bools, Floats, Measurements

# 20,101 terms; a fit then takes a few seconds
MOST_PLAYERS = 200

# 64 players: a second or two; beyond, ridge alone
_LASSO_TERMS = 2_080
# values: with fewer, five folds say nothing
_FEWEST = 10


@dataclass(frozen=True, slots=True)
class Pairwise:
    """All players and all pairs on uniform masks: the faith-Banzhaf interactions of order 2, estimated.

    The best approximation of order 2 over uniform masks is the spectrum up to order 2. Tsai, Yeh & Ravikumar
    (2023), "Faith-Shap", theorem on faith-Banzhaf; Hammer & Holzman (1992). With fewer masks than terms (the
    usual case) least squares has no unique answer: ridge with the penalty by leave-one-out, or lasso (penalty
    by five folds), whichever predicts the left-out folds better.
    """

    @property
    def name(self) -> str:
        return "pairwise"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """Uniform masks, none twice. BudgetError below n + 2, InputError above 200 players."""
        need_budget("pairs", n_players, budget, smallest_budget(n_players))
        if n_players > MOST_PLAYERS:
            raise InputError(
                f"{n_players} players have {n_players * (n_players - 1) // 2:,} pairs; the pairwise engine"
                f" takes up to {MOST_PLAYERS} players: choose proxyspex, or make fewer, larger players"
            )
        masks = uniform_masks(n_players, budget, rng)
        return Design(n_players, budget, masks, settings={"seed": int(rng.integers(2**31))})

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        return next_masks(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """Ridge or lasso. Time O(m s min(m, s)) for s terms, six times, and that of the lasso."""
        n, data = design.n_players, FitData.of(seen)
        if not data.scale:
            return data.constant()
        support = [s for size in (1, 2) for s in combinations(range(n), size)]
        columns = parities(data.masks, support)
        coef, how = _better(columns, data.values, np.random.default_rng(design.seed))
        found = dict(zip([(), *support], coef.tolist(), strict=True))
        kept = {s: value for s, value in found.items() if not s or value != 0.0}
        note = f"{how} on {len(support)} players and pairs from {len(data.values)} masks"
        return Fit(data.spectrum(kept), notes=(*data.notes, *bounds_unused(data), note))


def _better(columns: NDArray[np.int8], values: Floats, rng: Generator) -> tuple[Floats, str]:
    """(1 + s,) coefficients, the constant first, and the name of the method."""
    whole = _ridge(columns, values)
    if len(values) < _FEWEST or columns.shape[1] > _LASSO_TERMS:
        return whole, "ridge"
    penalties = lasso_penalties(columns, values, 20, 2e-3)
    fold = folds(len(values), rng)
    missed, missed_lasso = 0.0, np.zeros(len(penalties))
    for k in range(FOLDS):
        there, rest = fold == k, fold != k
        coef = _ridge(columns[rest], values[rest])
        missed += float(((coef[0] + columns[there] @ coef[1:] - values[there]) ** 2).sum())
        base, path = lasso(columns[rest], values[rest], penalties)
        missed_lasso += ((base + columns[there] @ path - values[there, None]) ** 2).sum(axis=0)
    rounding = NO_ERROR * float(values @ values)
    best = first_least(missed_lasso, rounding)
    if first_least([missed, missed_lasso[best]], rounding) == 0:
        return whole, "ridge"
    base, path = lasso(columns, values, penalties[: best + 1])
    return np.concatenate([base[-1:], path[:, -1]]), "lasso"


def _ridge(columns: NDArray[np.int8], values: Floats) -> Floats:
    with_constant = np.column_stack([np.ones(len(values), dtype=np.int8), columns])
    return ridge(with_constant, values, constant=0).coef
