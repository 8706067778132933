"""Combining fits by what each predicts for masks it did not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines._members import Member
from spexapi.measurements import Bools, Floats
from spexapi.spectrum import Interaction

Fitter = Callable[[Bools, Floats], list[Member]]


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


def folds(m: int, count: int, rng: Generator) -> NDArray[np.intp]:
    """(m,) the fold of each row, sizes equal within one."""
    return rng.permutation(m) % count


def stack(masks: Bools, values: Floats, fit: Fitter, fold: NDArray[np.intp]) -> Stack:
    """Fits the members on all masks and on all but each fold; weighs them by their out-of-fold predictions.

    masks   (m, n) bool, no mask twice
    values  (m,)
    fold    (m,)

    Non-negative least squares drawn towards equal weights, which sum to 1 with the weight of the mean. The
    weights of the fits without a fold leave its rows out too, so that they are an honest forecast of it.
    Wolpert (1992); Breiman (1996), "Stacked regressions".
    """
    parts = [fit(masks[fold != k], values[fold != k]) for k in range(int(fold.max()) + 1)]
    guesses = _out_of_fold(masks, parts, fold)
    without: list[dict[Interaction, float]] = []
    out_of_fold = np.empty(len(values))
    for k, part in enumerate(parts):
        rest = fold != k
        chosen, weights = _weigh([g[rest] for g in guesses], values[rest])
        without.append(_combined(part, chosen, weights, values[rest]))
        mean = values[rest].mean()
        there = np.column_stack([g[~rest, j] for g, j in zip(guesses, chosen, strict=True)])
        out_of_fold[~rest] = mean + (there - mean) @ weights
    chosen, weights = _weigh(guesses, values)
    members = fit(masks, values)
    shares = [(member.name, weight) for member, weight in zip(members, weights.tolist(), strict=True)]
    return Stack(_combined(members, chosen, weights, values), shares, without, out_of_fold)


def _combined(
    members: Sequence[Member], chosen: Sequence[int], weights: Floats, values: Floats
) -> dict[Interaction, float]:
    """The weighted sum of the members at their chosen settings, the rest of the weight on the mean."""
    coef: dict[Interaction, float] = {(): float(values.mean() * (1 - weights.sum()))}
    for member, j, weight in zip(members, chosen, weights.tolist(), strict=True):
        if weight > 0:
            for s, value in zip(member.support, member.coef[:, j].tolist(), strict=True):
                coef[s] = coef.get(s, 0.0) + weight * value
    return coef


def _out_of_fold(masks: Bools, parts: Sequence[Sequence[Member]], fold: NDArray[np.intp]) -> list[Floats]:
    """For each member (m, c): what each of its settings predicts for the rows it did not see."""
    guesses = [np.empty((len(masks), member.coef.shape[1])) for member in parts[0]]
    for k, members in enumerate(parts):
        there = fold == k
        for guess, member in zip(guesses, members, strict=True):
            guess[there] = member.predict(masks[there])
    return guesses


def _weigh(guesses: Sequence[Floats], values: Floats) -> tuple[list[int], Floats]:
    """The best setting of each member, and the members' weights: 0 or more, 1 at most in all.

    What is missing to 1 is the weight of the mean, so that noise is not explained.
    """
    nnls: Any = import_module("scipy.optimize").nnls  # scipy has no types
    chosen = [int(np.argmin(((g - values[:, None]) ** 2).mean(axis=0))) for g in guesses]
    mean = values.mean()
    count = len(chosen)
    ahead = np.column_stack(
        [*(g[:, j] for g, j in zip(guesses, chosen, strict=True)), np.full(len(values), mean)]
    )
    # the pull towards equal weights is worth two samples a member: it fades as samples come in
    pull = np.sqrt(2 * count * (ahead[:, :count] - mean).var())
    equal = np.append(np.full(count, 1 / count), 0.0)
    sum_to_one = 1e3 * np.sqrt(len(values)) * max(float(values.std()), 1e-9)
    rows = np.vstack([ahead - mean, pull * np.eye(count + 1), np.full(count + 1, sum_to_one)])
    weights: Floats = nnls(rows, np.concatenate([values - mean, pull * equal, [sum_to_one]]))[0]
    return chosen, weights[:count]
