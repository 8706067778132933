"""Ridge regression on parities, with the penalty chosen by leave-one-out from one eigendecomposition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spexapi.fourier.parity import blocks
from spexapi.fourier.ranking import EQUAL
from spexapi.measurements import Floats

_PENALTIES = 60
# times eps and the condition number: what leave-one-out errors are off by at most, as seen on 600 terms
_LOST = 100.0
# a row whose leverage is this close to 1 decides its own fit: there is no fit without it
_FIXED = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """What ridge found.

    coef      (s,)
    penalty   the one given or chosen
    left_out  (m,) the leave-one-out prediction of each row, at this penalty; NaN if
              the others do not decide it
    """

    coef: Floats
    penalty: float
    left_out: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """Ridge without a constant: the target is centred, and the columns stand for columns - centre.

    columns   (m, s) parities
    target    (m,)
    weights   (m,), None if all are 1
    centre    (s,) zeros if the fit has no constant
    """

    columns: NDArray[Any]
    target: Floats
    weights: Floats | None
    centre: Floats

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """Some rows at a time, as floats, not centred."""
        for part in blocks(*self.columns.shape):
            yield part, self.columns[part].astype(np.float64)

    def pull(self, residual: Floats) -> Floats:
        """(s,) the columns' weighted product with a residual (m,)."""
        weighed = residual if self.weights is None else residual * self.weights
        total = np.zeros(len(self.centre))
        for part, block in self.blocks():
            total += weighed[part] @ block
        return total - self.centre * weighed.sum()

    def predict(self, coef: Floats) -> Floats:
        """(m,)"""
        parts = [block @ coef for _, block in self.blocks()]
        return np.concatenate(parts) - self.centre @ coef


@dataclass(frozen=True, slots=True, eq=False)
class _Axes:
    """The eigenvectors of the weighted Gram matrix of the columns, those of full rank.

    squares  (r,) eigenvalues, above 0
    columns  (s, r) eigenvectors
    rows     (m, r) columns @ eigenvectors, None if it is made block by block
    """

    squares: Floats
    columns: Floats
    rows: Floats | None


def ridge(
    columns: NDArray[Any],
    values: Floats,
    *,
    constant: int | None,
    penalty: float | None = None,
    weights: Floats | None = None,
) -> Ridge:
    """Minimises sum of weight * residual² + penalty * sum of coef² (the constant's not counted).

    columns   (m, s) parities, +1 or -1 in int8, or any floats
    values    (m,) finite
    constant  which column is all ones, None if there is none
    penalty   None takes the one of 60 with the smallest leave-one-out error; 0 is tried too if m is above
              the rank
    weights   (m,) above 0

    Time O(m s min(m, s)): one eigendecomposition of the smaller Gram matrix. Memory O(m s) bytes, and floats
    for min(m, s)² and 61 m. Golub, Heath & Wahba (1979) for the penalty; Allen (1974), PRESS, for the
    leave-one-out predictions.
    """
    s = int(columns.shape[1])
    if constant is None:
        problem = _Problem(columns, values, weights, np.zeros(s))
        return _solve(problem, penalty, np.zeros(len(values)))
    share: Floats = np.full(len(values), 1.0 / len(values)) if weights is None else weights / weights.sum()
    mean = float(share @ values)
    rest: NDArray[np.intp] = np.flatnonzero(np.arange(s) != constant)
    others = columns[:, rest]
    centre = _Problem(others, values, None, np.zeros(s - 1)).pull(share)
    found = _solve(_Problem(others, values - mean, weights, centre), penalty, share)
    coef: Floats = np.empty(s)
    coef[rest] = found.coef
    coef[constant] = mean - centre @ found.coef
    return Ridge(coef, found.penalty, found.left_out + mean)


def _solve(problem: _Problem, penalty: float | None, leverage: Floats) -> Ridge:
    """Ridge without a constant; leverage (m,) is what the constant adds to the diagonal of the hat matrix."""
    m, s = len(problem.target), len(problem.centre)
    axes = _primal(problem) if m >= s else _dual(problem)
    determined = len(axes.squares) < m - int(leverage.any())
    if penalty is not None:
        penalties = np.array([penalty])
    else:
        penalties = np.geomspace(1e-6, 1e3, _PENALTIES) * (float(axes.squares.sum()) / max(s, 1) or 1.0)
        if s == len(axes.squares) and determined:
            penalties = np.concatenate([[0.0], penalties])
    shrink = 1.0 / (axes.squares[:, None] + penalties)  # (r, p)
    aim = axes.columns.T @ problem.pull(problem.target)  # (r,)
    residual = _left_out(problem, axes, shrink, aim, leverage)
    squared = residual**2 if problem.weights is None else residual**2 * problem.weights[:, None]
    error = squared.sum(axis=0)
    # with as many directions as rows, only the penalty keeps a row from deciding its own fit
    least = float(axes.squares.min(initial=np.inf)) if determined else 0.0
    best = 0
    if penalty is None:
        best = _first_best(error, float(axes.squares.max(initial=0.0)) / (least + penalties))
    taken = float(penalties[best])
    coef = axes.columns @ (aim * shrink[:, best])
    # the Gram matrix squares the condition number; two steps of refinement give the lost digits back
    for _ in range(2 if taken == 0 else 0):
        missed = problem.pull(problem.target - problem.predict(coef))
        coef = coef + axes.columns @ ((axes.columns.T @ missed) * shrink[:, best])
    return Ridge(coef, taken, problem.target - residual[:, best])


def _first_best(error: Floats, condition: Floats) -> int:
    """The position of the first error that is the least, as far as rounding lets them be told apart.

    error      (p,) leave-one-out, NaN if there is none
    condition  (p,) number of each fit: its error is off by this times eps, and more
    """
    error = np.where(np.isnan(error), np.inf, error)
    close = error * (EQUAL + _LOST * np.finfo(np.float64).eps * condition)
    close[np.isinf(error)] = 0.0
    return int(np.argmax(error - close <= (error + close).min()))


def _left_out(problem: _Problem, axes: _Axes, shrink: Floats, aim: Floats, leverage: Floats) -> Floats:
    """(m, p) the leave-one-out residual of each row for each penalty."""
    residual = np.empty((len(problem.target), shrink.shape[1]))
    offset = problem.centre @ axes.columns
    for part, block in problem.blocks():
        rows = block @ axes.columns - offset if axes.rows is None else axes.rows[part]
        hat = rows**2 @ shrink
        if problem.weights is not None:
            hat *= problem.weights[part, None]
        free = 1.0 - hat - leverage[part, None]
        free[free < _FIXED] = np.nan
        residual[part] = (problem.target[part, None] - rows @ (aim[:, None] * shrink)) / free
    return residual


def _primal(problem: _Problem) -> _Axes:
    s, weights = len(problem.centre), problem.weights
    gram = np.zeros((s, s))
    total = float(len(problem.target)) if weights is None else float(weights.sum())
    for part in blocks(*problem.columns.shape):
        if weights is None and problem.columns.dtype == np.int8:
            # products of +1 and -1 add up to whole numbers, which float32 holds exactly in half the time
            single = problem.columns[part].astype(np.float32)
            gram += single.T @ single
        else:
            block = problem.columns[part].astype(np.float64)
            gram += block.T @ (block if weights is None else block * weights[part, None])
    gram -= total * np.outer(problem.centre, problem.centre)
    squares, vectors = _ranked(gram)
    return _Axes(squares, vectors, None)


def _dual(problem: _Problem) -> _Axes:
    m, s = len(problem.target), len(problem.centre)
    root: Floats = np.ones(m) if problem.weights is None else np.sqrt(problem.weights)
    gram = np.zeros((m, m))
    for part in blocks(s, m):
        block = (problem.columns[:, part] - problem.centre[part]) * root[:, None]
        gram += block @ block.T
    squares, vectors = _ranked(gram)
    length = np.sqrt(squares)
    columns = np.empty((s, len(squares)))
    for part in blocks(s, m):
        columns[part] = (
            (problem.columns[:, part] - problem.centre[part]).T @ (vectors * root[:, None]) / length
        )
    return _Axes(squares, columns, vectors * length / root[:, None])


def _ranked(gram: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues and eigenvectors of a Gram matrix, without those that are 0 to rounding error."""
    if len(gram) == 0:
        return np.zeros(0), np.zeros((0, 0))
    squares, vectors = np.linalg.eigh(gram)
    kept = squares > max(squares[-1], 0.0) * len(gram) * np.finfo(np.float64).eps
    return squares[kept], vectors[:, kept]
