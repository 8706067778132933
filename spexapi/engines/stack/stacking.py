"""Stacking: a weighted sum of fits, the weights by what each predicts out of fold."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spexapi.engines.lasso import early_stops_accepted
from spexapi.engines.stack.base_learners import BaseLearner
from spexapi.fourier.ranking import NO_ERROR, first_least
from spexapi.fourier.spectrum import Interaction
from spexapi.measurements import Bools, Floats

# entries of the masks above which fits run in parallel
PARALLEL_FROM = 1_000_000
# each holds a design matrix of up to 200 MB
WORKERS = min(2, os.cpu_count() or 1)
# prior standard deviation of a weight, as a share of an equal weight
_SPREAD = 0.8
# of the largest squared error: a smaller one counts as this
_LEAST_ERROR = 1e-6
# the noise of the prior is estimated again with each solution
_ROUNDS = 4

# fits the base learners to the rows it is given
Fitter = Callable[[NDArray[np.intp]], list[BaseLearner]]


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """A weighted sum of base learners, which is a spectrum again.

    coef         interaction -> coefficient
    shares       name of each base learner and its weight
    without      for each fold the coefficients of the stack fitted and weighed without it
    out_of_fold  (m,) the predictions of those for their folds
    """

    coef: dict[Interaction, float]
    shares: list[tuple[str, float]]
    without: list[dict[Interaction, float]]
    out_of_fold: Floats


def stack(
    masks: Bools, values: Floats, fit: Fitter, fold: NDArray[np.intp], weights: Floats | None = None
) -> Stack:
    """The base learners fitted to all masks, weighed by their out-of-fold predictions.

    masks    (m, n) bool, no mask twice
    values   (m,)
    fold     (m,)
    weights  (m,) above 0, how much each value counts; None if all count the same

    Non-negative least squares shrunk towards an average of the learners; the mean of the values has the
    weight that is missing to 1. Without each fold the weights are chosen without its rows too, so that the
    out-of-fold predictions forecast new masks. Wolpert (1992); Breiman (1996), "Stacked regressions".
    """
    counts: Floats = np.ones(len(values)) if weights is None else weights
    rows = [np.arange(len(values)), *(np.flatnonzero(fold != k) for k in range(int(fold.max()) + 1))]
    learners, *parts = _fits(fit, rows, WORKERS if masks.size > PARALLEL_FROM else 1)
    guesses = _out_of_fold(masks, parts, fold)
    common = np.array([learner.common for learner in learners], dtype=np.bool_)
    without: list[dict[Interaction, float]] = []
    out_of_fold = np.empty(len(values))
    for k, part in enumerate(parts):
        rest = fold != k
        mix = _choose_mix([g[rest] for g in guesses], values[rest], counts[rest], common)
        without.append(_combined(part, mix))
        there = np.column_stack([g[~rest, j] for g, j in zip(guesses, mix.chosen, strict=True)])
        out_of_fold[~rest] = mix.mean + (there - mix.mean) @ mix.weights
    mix = _choose_mix(guesses, values, counts, common)
    shares = [(learner.name, weight) for learner, weight in zip(learners, mix.weights.tolist(), strict=True)]
    return Stack(_combined(learners, mix), shares, without, out_of_fold)


def _fits(fit: Fitter, rows: Sequence[NDArray[np.intp]], workers: int) -> list[list[BaseLearner]]:
    """One fit for each set of rows; the number of workers changes no bit."""
    # the end of a lasso path may stop early; the folds judge what it predicts
    with early_stops_accepted():
        if workers == 1:
            return [fit(part) for part in rows]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(fit, rows))


@dataclass(frozen=True, slots=True, eq=False)
class _Mix:
    """Settings and weights of the learners.

    mean     of the values; its weight is what is missing to 1
    chosen   the best setting of each learner
    weights  of each learner
    """

    mean: float
    chosen: list[int]
    weights: Floats


def _combined(learners: Sequence[BaseLearner], mix: _Mix) -> dict[Interaction, float]:
    """The weighted sum of the learners at their chosen settings, the rest of the weight on the mean."""
    coef: dict[Interaction, float] = {(): mix.mean * (1 - float(mix.weights.sum()))}
    for learner, j, weight in zip(learners, mix.chosen, mix.weights.tolist(), strict=True):
        if weight > 0:
            for s, value in zip(learner.support, learner.coef[:, j].tolist(), strict=True):
                coef[s] = coef.get(s, 0.0) + weight * value
    return coef


def _out_of_fold(
    masks: Bools, parts: Sequence[Sequence[BaseLearner]], fold: NDArray[np.intp]
) -> list[Floats]:
    """For each learner (m, c): the out-of-fold predictions of each of its settings."""
    guesses = [np.empty((len(masks), learner.coef.shape[1])) for learner in parts[0]]
    for k, learners in enumerate(parts):
        there = fold == k
        for guess, learner in zip(guesses, learners, strict=True):
            guess[there] = learner.predict(masks[there])
    return guesses


def _choose_mix(guesses: Sequence[Floats], values: Floats, counts: Floats, common: Bools) -> _Mix:
    """The best setting of each learner, and the learners' weights: 0 or more, 1 at most in all.

    common  (k,) the learners whose prior weight is above 0

    The posterior mode for normal errors of the weighted sum and weights that are normal around a prior
    inverse to each learner's squared error (Bates & Granger 1969): with few samples, and if nothing predicts
    well, learners are averaged. The mean has the weight that is missing to 1, so noise is not explained.
    """
    from scipy.optimize import nnls

    rounding = NO_ERROR * float(counts @ values**2)
    chosen = [first_least(counts @ (g - values[:, None]) ** 2, rounding) for g in guesses]
    mean = float(np.average(values, weights=counts))
    root = np.sqrt(counts / counts.mean())
    inputs = np.column_stack([g[:, j] - mean for g, j in zip(guesses, chosen, strict=True)]) * root[:, None]
    target = (values - mean) * root
    errors = ((target[:, None] - inputs) ** 2).mean(axis=0)
    prior = common / np.maximum(errors, _LEAST_ERROR * float(errors.max()) or 1.0)
    weights: Floats = prior / prior.sum()
    prior = np.append(weights, 0.0)
    inputs = np.column_stack([inputs, np.zeros(len(values))])
    sum_to_one = 1e3 * np.sqrt(len(values)) * max(float(values.std()), 1e-9)
    for _ in range(_ROUNDS):
        missed = target - inputs[:, :-1] @ weights
        pull = float(np.sqrt((missed**2).mean())) * int(common.sum()) / _SPREAD
        rows = np.vstack([inputs, pull * np.eye(len(prior)), np.full(len(prior), sum_to_one)])
        weights = nnls(rows, np.concatenate([target, pull * prior, [sum_to_one]]))[0][:-1]
    return _Mix(mean, chosen, weights)
