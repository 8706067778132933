"""The fits that ProxySPEX combines: boosted trees, and regressions on the terms that the trees found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from spexapi.engines.stack.trees import BoostingParams, Terms, fourier, grow
from spexapi.fourier.parity import blocks
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import Interaction, parities
from spexapi.measurements import Bools, Floats

# deep enough for interactions of five players; random parts of the masks and players need no grid search
_BOOSTING = BoostingParams(depth=5, trees=250, rate=0.05, rows=0.7, columns=0.7)
_PATH = np.geomspace(1.0, 1e-3, 12)  # lasso penalties, as shares of the smallest that leaves nothing
# entries of a design matrix of float32: 200 MB
_MOST_ENTRIES = 5e7
_MOST_TERMS = 1500  # columns of a regression: its eigendecomposition then takes a second or two
_MOST_PLAYERS = 2000  # beyond, a ridge on every player costs more than all the rest


@dataclass(frozen=True, slots=True, eq=False)
class BaseLearner:
    """One way to fit, in one or more settings.

    name     for the notes
    support  s interactions
    coef     (s, c) float64, a column for each setting
    common   right for many games, so that it has weight until it predicts worse; else it has to earn it
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
    """All members, fitted to the same masks.

    masks    (m, n) bool
    values   (m,) of scale about 1
    weights  (m,) above 0, of mean about 1; None where all count the same

    The same members with the same settings come back for any masks, so that they can be compared over folds.
    """
    n = masks.shape[1]
    mean = float(np.average(values, weights=weights))
    terms = fourier(grow(masks, values - mean, _BOOSTING, seed=seed, weights=weights))
    support, strength = _regressors(terms, n, len(masks))
    columns = parities(masks, support, np.float32)
    regression = _Regression(columns, values, weights, support, strength)
    label = f"trees of depth {_BOOSTING.depth}"
    members = [first_order(masks, values, weights)] if n <= _MOST_PLAYERS else []
    return [
        *members,
        _trees_alone(terms, mean, f"boosted {label}"),
        _ridge_on_terms(regression, f"ridge on the terms of {label}"),
        _lasso_on_terms(regression, f"lasso on the terms of {label}"),
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Regression:
    """What the regressions on the trees' terms are given.

    columns   (m, s) float32 parities, the constant first
    values    (m,)
    weights   (m,) or None
    support   s interactions
    strength  (s,) how large each is expected to be
    """

    columns: Any
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
    """What the trees say themselves, without the terms that hold the last thousandth of their energy."""
    coef, support = terms.coef, terms.support()
    alone = np.array([s == () for s in support], dtype=np.bool_)
    energy = np.where(alone, 0.0, coef**2)
    count = int(np.count_nonzero(np.cumsum(energy) < 0.999 * energy.sum())) + 1
    kept = np.flatnonzero(~alone[:count])
    offset = mean + float(coef[alone].sum())
    return BaseLearner(
        name, [(), *(support[j] for j in kept)], np.concatenate([[offset], coef[kept]])[:, None]
    )


def _regressors(terms: Terms, n: int, m: int) -> tuple[list[Interaction], Floats]:
    """The terms to regress on, strongest first after (), and how strong each is expected to be.

    Every player is in, at least as strong as the median player: leaving out first order at about 2n samples
    makes a fit collapse. The trees decide on all else.
    """
    most = int(min(_MOST_TERMS, max(200, _MOST_ENTRIES // (2 * max(m, 1)))))
    size = {s: abs(c) for s, c in zip(terms.support(most), terms.coef[:most].tolist(), strict=True) if s}
    alone = np.array([size.get((i,), 0.0) for i in range(n)])
    for i, strength in enumerate(np.maximum(alone, np.median(alone)).tolist()):
        if strength > 0:
            size[(i,)] = strength
    ranked = sorted(size, key=lambda s: (-size[s], len(s), s))
    largest = size[ranked[0]] if ranked else 1.0
    return [(), *ranked], np.array([1.0, *(size[s] / largest for s in ranked)])


def _ridge_on_terms(given: _Regression, name: str) -> BaseLearner:
    """Ridge whose prior variance of a coefficient is proportional to its size in the trees.

    In place of a cut at a share of the energy: weak terms are shrunk, not lost.
    """
    scale = np.sqrt(given.strength).astype(np.float32)
    found = ridge(given.columns * scale, given.values, constant=0, weights=given.weights)
    return BaseLearner(name, given.support, (found.coef * scale)[:, None])


def _lasso_on_terms(given: _Regression, name: str) -> BaseLearner:
    """Lasso path, cheaper for the terms that are strong in the trees (adaptive lasso, Zou 2006)."""
    scale = np.sqrt(given.strength[1:])
    if given.weights is None:
        mean, centre = given.values.mean(), given.columns[:, 1:].mean(axis=0, dtype=np.float64)
        design, target = (given.columns[:, 1:] - centre) * scale, given.values - mean
    else:
        share = given.weights / given.weights.sum()
        mean, centre = share @ given.values, share @ given.columns[:, 1:]
        root = np.sqrt(given.weights)
        design = (given.columns[:, 1:] - centre) * scale * root[:, None]
        target = (given.values - mean) * root
    coef = _lasso(design, target) * scale[:, None]
    return BaseLearner(name, given.support, np.vstack([mean - centre @ coef, coef]))


def _lasso(design: Floats, target: Floats) -> Floats:
    """(s, c) coefficients along the path of penalties; more rows than columns are first made as many.

    Warns where the end of the path stops early.
    """
    # scikit-learn has no types
    lasso_path: Any = import_module("sklearn.linear_model").lasso_path
    m, s = design.shape
    pull = design.T @ target
    if not s or not np.abs(pull).max() > 0:
        return np.zeros((s, len(_PATH)))
    if m > s:
        gram = design.T @ design
        gram[np.diag_indices(s)] += 1e-9 * float(np.trace(gram)) / s
        root = np.linalg.cholesky(gram)
        design = np.asfortranarray(root.T.astype(np.float64))
        target = np.linalg.solve(root, pull).astype(np.float64)
    penalties = _PATH * np.abs(pull).max() / len(design)
    path = lasso_path(design, target, alphas=penalties, max_iter=300, tol=1e-3)
    return np.asarray(path[1], dtype=np.float64)
