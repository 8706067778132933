"""Lasso regression on parities along a path of penalties, by scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from spexapi.measurements import Floats

Number = TypeVar("Number", np.int8, np.float64)


class _Solver(Protocol):
    def __call__(
        self, design: Floats, target: Floats, *, alphas: Floats, max_iter: int, tol: float
    ) -> tuple[Floats, Floats, Floats]: ...


_SWEEPS = 2000


def lasso(columns: NDArray[Number], values: Floats, penalties: Floats) -> tuple[Floats, Floats]:
    """Minimises sum of residual² / (2 m) + penalty * sum of |coef|, the columns at standard deviation 1.

    columns    (m, s), none of them the constant
    values     (m,) of scale about 1
    penalties  (c,) falling

    Returns the constant (c,) and the coefficients (s, c) of the columns as they were given. A column that
    never changes gets 0. Tibshirani (1996); coordinate descent of scikit-learn, O(m s) a sweep.
    """
    centre, spread = _moments(columns)
    design = np.asfortranarray((columns - centre) / spread)
    mean = float(values.mean())
    with early_stops_accepted():
        path = lasso_path(design, values - mean, penalties, sweeps=_SWEEPS, tolerance=1e-5)
    coef = path / spread[:, None]
    return mean - centre @ coef, coef


def lasso_penalties(columns: NDArray[Number], values: Floats, count: int, end: float) -> Floats:
    """(count,) penalties from the smallest at which all coefficients are 0, down to `end` times it."""
    centre, spread = _moments(columns)
    strongest = float(np.abs(((values - values.mean()) @ (columns - centre)) / spread).max()) / len(values)
    return (strongest or 1.0) * np.geomspace(1.0, end, count)


def lasso_path(design: Floats, target: Floats, penalties: Floats, *, sweeps: int, tolerance: float) -> Floats:
    """(s, c) coefficients that minimise sum of residual² / (2 m) + penalty * sum of |coef|, no constant.

    design  (m, s), used as it is: neither centred nor scaled

    Warns if `sweeps` passes over the columns do not reach the tolerance.
    """
    # scikit-learn has no types
    solve = cast("_Solver", import_module("sklearn.linear_model").lasso_path)
    return solve(design, target, alphas=penalties, max_iter=sweeps, tol=tolerance)[1]


@contextmanager
def early_stops_accepted() -> Generator[None]:
    """Silences the warning of `lasso_path`: its fit is then slightly worse, and judged like any other.

    Filters belong to the process, not to a thread: set it once around threads that fit.
    """
    unfinished = cast("type[Warning]", import_module("sklearn.exceptions").ConvergenceWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", unfinished)
        yield


def _moments(columns: NDArray[Number]) -> tuple[Floats, Floats]:
    """(s,) means and standard deviations; 1 in place of a deviation of 0."""
    spread: Floats = columns.std(axis=0, dtype=np.float64)
    spread[spread == 0] = 1.0
    return columns.mean(axis=0, dtype=np.float64), spread
