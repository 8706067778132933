"""Gaussian processes as sparse spectra: base learners of the stack, and the report of the engine `gp`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from typing import Protocol, cast

import numpy as np

from spexapi.engines.stack.base_learners import BaseLearner
from spexapi.engines.stack.gp_kernel import Process, coefficients, condition, energy, scales_of
from spexapi.fourier.ranking import EQUAL, largest_first
from spexapi.fourier.spectrum import Interaction
from spexapi.measurements import Bools, Floats

# a Cholesky factor of that many rows takes a second and 100 MB
MOST_MASKS = 2000
# of largest prior variance, among which the largest coefficients are kept
_SETS = 4096
# of the energy of those sets: what the kept ones hold
_ENERGY = 0.9999
# in one process the rates of players differ by about a factor of three, in the other most may be about 0
_SPREADS = (1.0, 2.0)


class _Limits(Protocol):
    def __call__(self, *, limits: int, user_api: str) -> AbstractContextManager[object]: ...


def process_learners(masks: Bools, values: Floats, variance: Floats, seed: int) -> list[BaseLearner]:
    """Two Gaussian processes that differ in how much the rates of players may differ.

    masks     (m, n) bool, m <= 2,000
    values    (m,) of scale about 1
    variance  (m,) of the sampling noise
    """
    mean = float(values.mean())
    learners: list[BaseLearner] = []
    for spread, scales in zip(
        _SPREADS, scales_of(masks, values - mean, variance, _SPREADS, seed), strict=True
    ):
        process = condition(masks, values - mean, variance, scales)
        support, coef, _, _ = largest(process, _SETS)
        constant = next(j for j, s in enumerate(support) if not s)
        coef[constant] += mean
        name = "Gaussian process" if spread == min(_SPREADS) else "Gaussian process on few players"
        learners.append(BaseLearner(name, support, coef[:, None]))
    return learners


def largest(process: Process, most: int) -> tuple[list[Interaction], Floats, Floats, float]:
    """The constant and the largest coefficients, which hold 99.99% of the energy of the most probable sets.

    Returns support, coefficients, their prior variances, and the share of the whole energy outside them.
    """
    support, coef, prior = coefficients(process, most)
    squares: Floats = coef**2
    squares[support.index(())] = 0.0
    order = largest_first(squares)
    held: Floats = np.cumsum(squares[order])
    count = int(np.searchsorted(held, _ENERGY * (1 - EQUAL) * float(held[-1]))) + 1 if held[-1] > 0 else 0
    kept = sorted({support.index(()), *order[:count]})
    names = [support[j] for j in kept]
    total = energy(process)
    left = 1 - float((coef[kept] ** 2).sum()) / total if total > 0 else 0.0
    return names, coef[kept], prior[kept], max(0.0, left)


def one_thread() -> AbstractContextManager[object]:
    """A context in which BLAS has one thread: with small products threads wait more than they work.

    The number of threads also decides the order of summation, hence the last bits.
    """
    # scipy has a BLAS of its own: a limit reaches only libraries that are loaded
    import_module("scipy.linalg.lapack")
    # comes with scikit-learn, has no types
    limits = cast("_Limits", import_module("threadpoolctl").threadpool_limits)
    return limits(limits=1, user_api="blas")
