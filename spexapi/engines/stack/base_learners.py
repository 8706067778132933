"""The fits that ProxySPEX combines: boosted trees, and regressions on the terms that the trees found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spexapi.engines.lasso import lasso_path
from spexapi.engines.stack.trees import BoostingParams, Terms, boost, fourier
from spexapi.fourier.parity import blocks
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import Interaction, parities
from spexapi.measurements import Bools, Floats

# sets of five players, and random parts of the masks and players for each tree, which spares a grid search
_BOOSTING = BoostingParams(depth=5, trees=250, rate=0.05, rows=0.7, columns=0.7)
# lasso penalties, as shares of the smallest at which all coefficients are 0
_PENALTIES = np.geomspace(1.0, 1e-3, 12)
# entries of a design matrix of float32: 200 MB
_MOST_ENTRIES = 5e7
# columns of a regression: its eigendecomposition then takes a second or two
_MOST_TERMS = 1500
# beyond, a ridge on every player costs more than all the rest
_MOST_PLAYERS = 2000
# of the energy of the trees' terms: what is kept when they predict by themselves
_ENERGY = 0.999


@dataclass(frozen=True, slots=True, eq=False)
class BaseLearner:
    """A fit in one or more settings, before the stack chooses a setting and a weight.

    name     for the notes
    support  s interactions
    coef     (s, c) float64, a column for each setting
    common   fits many games: its prior weight is above 0. One that is not common must earn its weight
    """

    name: str
    support: Sequence[Interaction]
    coef: Floats
    common: bool = True

    def predict(self, masks: Bools) -> Floats:
        """(m, c) the value of each mask under each setting."""
        parts = [
            parities(masks[rows], self.support, np.float64) @ self.coef
            for rows in blocks(len(masks), len(self.support))
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.coef.shape[1]))


def fit_base_learners(
    masks: Bools, values: Floats, seed: int, weights: Floats | None = None
) -> list[BaseLearner]:
    """Ridge on single players, boosted trees, and ridge and lasso on the terms of the trees.

    masks    (m, n) bool
    values   (m,) of scale about 1
    weights  (m,) above 0, of mean about 1; None if all count the same

    Any masks give the same learners with the same settings, so that they can be compared over folds.
    """
    n = masks.shape[1]
    mean = float(np.average(values, weights=weights))
    terms = fourier(boost(masks, values - mean, _BOOSTING, seed=seed, weights=weights))
    support, strength = _regressors(terms, n, len(masks))
    columns = parities(masks, support, np.float32)
    regression = _Regression(columns, values, weights, support, strength)
    label = f"trees of depth {_BOOSTING.depth}"
    learners = [first_order(masks, values, weights)] if n <= _MOST_PLAYERS else []
    return [
        *learners,
        _trees_alone(terms, mean, f"boosted {label}"),
        _ridge_on_terms(regression, f"ridge on the terms of {label}"),
        _lasso_on_terms(regression, f"lasso on the terms of {label}"),
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Regression:
    """The data of a regression on the trees' terms.

    columns   (m, s) parities, the constant first
    values    (m,)
    weights   (m,) or None
    support   s interactions
    strength  (s,) prior size of each coefficient, relative to the largest
    """

    columns: NDArray[np.float32]
    values: Floats
    weights: Floats | None
    support: list[Interaction]
    strength: Floats


def first_order(masks: Bools, values: Floats, weights: Floats | None = None) -> BaseLearner:
    """Ridge on single players, the penalty by leave-one-out."""
    support = [(), *((i,) for i in range(masks.shape[1]))]
    found = ridge(parities(masks, support, np.int8), values, constant=0, weights=weights)
    return BaseLearner("ridge on single players", support, found.coef[:, None])


def _trees_alone(terms: Terms, mean: float, name: str) -> BaseLearner:
    """The trees' own prediction, but for the terms that hold the last thousandth of their energy."""
    coef, support = terms.coef, terms.support()
    constant = np.array([s == () for s in support], dtype=np.bool_)
    energy = np.where(constant, 0.0, coef**2)
    count = int(np.count_nonzero(np.cumsum(energy) < _ENERGY * energy.sum())) + 1
    kept = np.flatnonzero(~constant[:count])
    offset = mean + float(coef[constant].sum())
    return BaseLearner(
        name, [(), *(support[j] for j in kept)], np.concatenate([[offset], coef[kept]])[:, None]
    )


def _regressors(terms: Terms, n: int, m: int) -> tuple[list[Interaction], Floats]:
    """The terms to regress on, strongest first after (), and the prior size of each coefficient.

    All players are in, with at least the size of the median player: without first order a fit to about 2n
    samples collapses. For all other terms the trees decide.
    """
    most = int(min(_MOST_TERMS, max(200, _MOST_ENTRIES // (2 * max(m, 1)))))
    size = {s: abs(c) for s, c in zip(terms.support(most), terms.coef[:most].tolist(), strict=True) if s}
    single = np.array([size.get((i,), 0.0) for i in range(n)])
    for i, strength in enumerate(np.maximum(single, np.median(single)).tolist()):
        if strength > 0:
            size[(i,)] = strength
    ranked = sorted(size, key=lambda s: (-size[s], len(s), s))
    largest = size[ranked[0]] if ranked else 1.0
    return [(), *ranked], np.array([1.0, *(size[s] / largest for s in ranked)])


def _ridge_on_terms(data: _Regression, name: str) -> BaseLearner:
    """Ridge with prior variances proportional to the sizes in the trees: weak terms are shrunk, not cut."""
    scale = np.sqrt(data.strength).astype(np.float32)
    found = ridge(data.columns * scale, data.values, constant=0, weights=data.weights)
    return BaseLearner(name, data.support, (found.coef * scale)[:, None])


def _lasso_on_terms(data: _Regression, name: str) -> BaseLearner:
    """Adaptive lasso (Zou 2006): a path with smaller penalties for the terms that are strong in the trees."""
    scale = np.sqrt(data.strength[1:])
    if data.weights is None:
        mean, centre = data.values.mean(), data.columns[:, 1:].mean(axis=0, dtype=np.float64)
        design, target = (data.columns[:, 1:] - centre) * scale, data.values - mean
    else:
        share = data.weights / data.weights.sum()
        mean, centre = share @ data.values, share @ data.columns[:, 1:]
        root = np.sqrt(data.weights)
        design = (data.columns[:, 1:] - centre) * scale * root[:, None]
        target = (data.values - mean) * root
    coef = _compressed_path(design, target) * scale[:, None]
    return BaseLearner(name, data.support, np.vstack([mean - centre @ coef, coef]))


def _compressed_path(design: Floats, target: Floats) -> Floats:
    """(s, c) lasso coefficients; m > s rows are first replaced by s rows with the same Gram matrix.

    Warns if the end of the path stops early.
    """
    m, s = design.shape
    pull = design.T @ target
    if not s or not np.abs(pull).max() > 0:
        return np.zeros((s, len(_PENALTIES)))
    if m > s:
        gram = design.T @ design
        gram[np.diag_indices(s)] += 1e-9 * float(np.trace(gram)) / s
        root = np.linalg.cholesky(gram)
        design = np.asfortranarray(root.T.astype(np.float64))
        target = np.linalg.solve(root, pull).astype(np.float64)
    penalties = _PENALTIES * np.abs(pull).max() / len(design)
    return lasso_path(design, target, penalties, sweeps=300, tolerance=1e-3)
