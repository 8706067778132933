"""ProxySPEX as its paper has it, on xgboost: to compare with, and for those who want it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.random import Generator

from spexapi.engines.resampling import FOLDS, folds
from spexapi.engines.stack.trees import BoostingParams, fourier, grow
from spexapi.fourier.spectrum import Spectrum, refit, truncate
from spexapi.measurements import Bools, Floats

_GRID = [BoostingParams(depth=depth, trees=5000, rate=rate) for depth in (3, 5) for rate in (0.01, 0.1)]
_STAGES = (500, 1000, 5000)


def published(masks: Bools, values: Floats, rng: Generator) -> tuple[Spectrum, BoostingParams]:
    """Grid search in five folds, the terms that hold 95% of the energy, ridge; and what the search chose.

    masks   (m, n) bool
    values  (m,) of scale about 1

    An ensemble of 5,000 trees holds the smaller ones, so 12 settings cost the trees of 4. Still 100,000
    trees, a hundred times the combined fit. Butler et al. (2025), section 4 and appendix.
    """
    fold = folds(len(values), rng)
    errors = np.zeros((len(_GRID), len(_STAGES)))
    for i, growth in enumerate(_GRID):
        for k in range(FOLDS):
            there = fold == k
            mean = values[~there].mean()
            booster = grow(masks[~there], values[~there] - mean, growth)
            for j, trees in enumerate(_STAGES):
                errors[i, j] += (
                    (mean + _first_trees(booster, masks[there], trees) - values[there]) ** 2
                ).sum()
    i, j = np.unravel_index(np.argmin(errors), errors.shape)
    chosen = replace(_GRID[int(i)], trees=_STAGES[int(j)])
    terms = fourier(grow(masks, values - values.mean(), chosen))
    grown = Spectrum(masks.shape[1], dict(zip(terms.support(), terms.coef.tolist(), strict=True)))
    kept = list(truncate(grown, 0.95).coef)
    return refit(masks, values, kept if () in kept else [(), *kept]), chosen


def _first_trees(booster: Any, masks: Bools, trees: int) -> Floats:
    import xgboost

    data = cast("Any", xgboost).DMatrix(masks.astype(np.float32), nthread=1)
    return booster.predict(data, iteration_range=(0, trees)).astype(np.float64)
