"""The lasso on standardised columns."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spexapi.measurements import Floats

_SWEEPS = 2000


def lasso(columns: NDArray[Any], values: Floats, penalties: Floats) -> tuple[Floats, Floats]:
    """Minimises sum of residual² / (2 m) + penalty * sum of |coef|, the columns at standard deviation 1.

    columns    (m, s), none of them the constant
    values     (m,) of scale about 1
    penalties  (c,) falling

    Returns the constant (c,) and the coefficients (s, c) of the columns as they were given. A column that
    never changes gets 0. Tibshirani (1996); coordinate descent of scikit-learn, O(m s) a sweep.
    """
    # scikit-learn has no types
    lasso_path: Any = import_module("sklearn.linear_model").lasso_path
    unfinished: Any = import_module("sklearn.exceptions").ConvergenceWarning
    centre = columns.mean(axis=0, dtype=np.float64)
    spread = columns.std(axis=0, dtype=np.float64)
    spread[spread == 0] = 1.0
    design = np.asfortranarray((columns - centre) / spread)
    mean = float(values.mean())
    with warnings.catch_warnings():
        # stopping after many sweeps leaves a slightly worse fit, which the audit judges like any other
        warnings.simplefilter("ignore", unfinished)
        path = lasso_path(design, values - mean, alphas=penalties, max_iter=_SWEEPS, tol=1e-5)
    coef = np.asarray(path[1], dtype=np.float64) / spread[:, None]
    return mean - centre @ coef, coef


def path_of(columns: NDArray[Any], values: Floats, count: int, end: float) -> Floats:
    """(count,) penalties from the smallest that leaves nothing down to `end` times it."""
    centred = columns - columns.mean(axis=0, dtype=np.float64)
    spread = columns.std(axis=0, dtype=np.float64)
    spread[spread == 0] = 1.0
    strongest = float(np.abs(((values - values.mean()) @ centred) / spread).max()) / len(values)
    return (strongest or 1.0) * np.geomspace(1.0, end, count)
