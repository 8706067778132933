"""ProxySPEX as its paper has it, on xgboost: to compare with, and for those who want it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

from spexapi.engines.resampling import FOLDS, folds
from spexapi.engines.stack.trees import BoostingParams, boost, fourier
from spexapi.fourier.ranking import first_least
from spexapi.fourier.spectrum import Spectrum, refit, truncate
from spexapi.measurements import Bools, Floats

if TYPE_CHECKING:
    from xgboost import Booster

_GRID = [BoostingParams(depth=depth, trees=5000, rate=rate) for depth in (3, 5) for rate in (0.01, 0.1)]
_TREES = (500, 1000, 5000)


def published(masks: Bools, values: Floats, rng: Generator) -> tuple[Spectrum, BoostingParams]:
    """The paper's fit and the settings that its grid search chose.

    masks   (m, n) bool
    values  (m,) of scale about 1

    Grid search over 12 settings in five folds, the terms that hold 95% of the energy, ridge on them. The
    first trees of an ensemble of 5,000 are a smaller one, so 12 settings cost the trees of 4: still 100,000
    trees, a hundred times the combined fit. Butler et al. (2025), section 4 and appendix.
    """
    fold = folds(len(values), rng)
    errors = np.zeros((len(_GRID), len(_TREES)))
    for i, params in enumerate(_GRID):
        for k in range(FOLDS):
            held_out = fold == k
            mean = values[~held_out].mean()
            booster = boost(masks[~held_out], values[~held_out] - mean, params)
            for j, trees in enumerate(_TREES):
                guesses = mean + _predict(booster, masks[held_out], trees)
                errors[i, j] += ((guesses - values[held_out]) ** 2).sum()
    i, j = np.unravel_index(first_least(errors.ravel()), errors.shape)
    chosen = replace(_GRID[int(i)], trees=_TREES[int(j)])
    terms = fourier(boost(masks, values - values.mean(), chosen))
    grown = Spectrum(masks.shape[1], dict(zip(terms.support(), terms.coef.tolist(), strict=True)))
    kept = list(truncate(grown, 0.95).coef)
    return refit(masks, values, kept if () in kept else [(), *kept]), chosen


def _predict(booster: Booster, masks: Bools, trees: int) -> Floats:
    """(m,) what the first trees of an ensemble predict."""
    import xgboost

    data = xgboost.DMatrix(masks.astype(np.float32), nthread=1)
    return np.asarray(booster.predict(data, iteration_range=(0, trees)), dtype=np.float64)
