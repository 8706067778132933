"""Combining fits by what each predicts for masks it did not see."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spexapi.engines.stack.base_learners import BaseLearner
from spexapi.fourier.spectrum import Interaction
from spexapi.measurements import Bools, Floats

_LARGE = 1_000_000  # entries of the masks above which fits run side by side
_UNEQUAL = 0.8  # of an equal weight, how far weights are expected to be from their start
_SURE = 1e-6  # of the largest squared error: a smaller one counts as this
_ROUNDS = 4
_WORKERS = min(2, os.cpu_count() or 1)  # each holds a design matrix of up to 200 MB

Fitter = Callable[[NDArray[np.intp]], list[BaseLearner]]  # the rows to fit to


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """A weighted sum of members, which is a spectrum again.

    coef         interaction -> coefficient
    shares       name of each member and its weight
    without      for each fold the coefficients of fits that did not see it, weighed by the other rows
    out_of_fold  (m,) what these predict for their folds
    """

    coef: dict[Interaction, float]
    shares: list[tuple[str, float]]
    without: list[dict[Interaction, float]]
    out_of_fold: Floats


def stack(
    masks: Bools, values: Floats, fit: Fitter, fold: NDArray[np.intp], weights: Floats | None = None
) -> Stack:
    """Fits the members on all masks and on all but each fold; weighs them by their out-of-fold predictions.

    masks    (m, n) bool, no mask twice
    values   (m,)
    fold     (m,)
    weights  (m,) above 0, how much each value counts; None where all count the same

    Non-negative least squares drawn towards an average of the members; what is missing to 1 is the weight of
    the mean. The weights of the fits without a fold leave its rows out too, so that they are an honest
    forecast of it. Wolpert (1992); Breiman (1996), "Stacked regressions".
    """
    counts: Floats = np.ones(len(values)) if weights is None else weights
    rows = [np.arange(len(values)), *(np.flatnonzero(fold != k) for k in range(int(fold.max()) + 1))]
    members, *parts = _fits(fit, rows, _WORKERS if masks.size > _LARGE else 1)
    guesses = _out_of_fold(masks, parts, fold)
    common = np.array([member.common for member in members], dtype=np.bool_)
    without: list[dict[Interaction, float]] = []
    out_of_fold = np.empty(len(values))
    for k, part in enumerate(parts):
        rest = fold != k
        mix = _weigh([g[rest] for g in guesses], values[rest], counts[rest], common)
        without.append(_combined(part, mix))
        there = np.column_stack([g[~rest, j] for g, j in zip(guesses, mix.chosen, strict=True)])
        out_of_fold[~rest] = mix.mean + (there - mix.mean) @ mix.weights
    mix = _weigh(guesses, values, counts, common)
    shares = [(member.name, weight) for member, weight in zip(members, mix.weights.tolist(), strict=True)]
    return Stack(_combined(members, mix), shares, without, out_of_fold)


def _fits(fit: Fitter, rows: Sequence[NDArray[np.intp]], workers: int) -> list[list[BaseLearner]]:
    """One fit for each set of rows; the same bits whatever the number of workers."""
    unfinished: Any = import_module("sklearn.exceptions").ConvergenceWarning
    with warnings.catch_warnings():
        # the end of a lasso path may stop early; the folds judge what it predicts. Set here and not in each
        # fit, as filters belong to the process and not to a thread
        warnings.simplefilter("ignore", unfinished)
        if workers == 1:
            return [fit(part) for part in rows]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(fit, rows))


@dataclass(frozen=True, slots=True, eq=False)
class _Mix:
    """How members are combined.

    mean     of the values, which has the weight that is missing to 1
    chosen   the best setting of each member
    weights  one a member
    """

    mean: float
    chosen: list[int]
    weights: Floats


def _combined(members: Sequence[BaseLearner], mix: _Mix) -> dict[Interaction, float]:
    """The weighted sum of the members at their chosen settings, the rest of the weight on the mean."""
    coef: dict[Interaction, float] = {(): mix.mean * (1 - float(mix.weights.sum()))}
    for member, j, weight in zip(members, mix.chosen, mix.weights.tolist(), strict=True):
        if weight > 0:
            for s, value in zip(member.support, member.coef[:, j].tolist(), strict=True):
                coef[s] = coef.get(s, 0.0) + weight * value
    return coef


def _out_of_fold(
    masks: Bools, parts: Sequence[Sequence[BaseLearner]], fold: NDArray[np.intp]
) -> list[Floats]:
    """For each member (m, c): what each of its settings predicts for the rows it did not see."""
    guesses = [np.empty((len(masks), member.coef.shape[1])) for member in parts[0]]
    for k, members in enumerate(parts):
        there = fold == k
        for guess, member in zip(guesses, members, strict=True):
            guess[there] = member.predict(masks[there])
    return guesses


def _weigh(guesses: Sequence[Floats], values: Floats, counts: Floats, common: Bools) -> _Mix:
    """The best setting of each member, and the members' weights: 0 or more, 1 at most in all.

    common  (k,) the members that share all the weight until something speaks against it

    The likeliest weights where the errors of the weighted sum are normal, and weights are normal around those
    inverse to each member's squared error (Bates & Granger 1969): at few samples, and where nothing predicts
    well, members are averaged. What is missing to 1 is the weight of the mean: noise is not explained.
    """
    nnls: Any = import_module("scipy.optimize").nnls  # scipy has no types
    chosen = [int(np.argmin(counts @ (g - values[:, None]) ** 2)) for g in guesses]
    mean = float(np.average(values, weights=counts))
    root = np.sqrt(counts / counts.mean())
    ahead = np.column_stack([g[:, j] - mean for g, j in zip(guesses, chosen, strict=True)]) * root[:, None]
    target = (values - mean) * root
    errors = ((target[:, None] - ahead) ** 2).mean(axis=0)
    prior = common / np.maximum(errors, _SURE * float(errors.max()) or 1.0)
    weights: Floats = prior / prior.sum()
    prior = np.append(weights, 0.0)
    ahead = np.column_stack([ahead, np.zeros(len(values))])
    sum_to_one = 1e3 * np.sqrt(len(values)) * max(float(values.std()), 1e-9)
    for _ in range(_ROUNDS):
        # how far off the sum is, is known once there are weights
        missed = target - ahead[:, :-1] @ weights
        pull = float(np.sqrt((missed**2).mean())) * int(common.sum()) / _UNEQUAL
        rows = np.vstack([ahead, pull * np.eye(len(prior)), np.full(len(prior), sum_to_one)])
        weights = nnls(rows, np.concatenate([target, pull * prior, [sum_to_one]]))[0][:-1]
    return _Mix(mean, chosen, weights)
