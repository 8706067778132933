"""Gaussian processes as sparse spectra: members of the stack, and what the engine `gp` reports."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from spexapi.engines.stack.base_learners import BaseLearner
from spexapi.engines.stack.gp_kernel import Process, coefficients, condition, energy, scales_of
from spexapi.fourier.spectrum import Interaction
from spexapi.measurements import Bools, Floats

MOST_MASKS = 2000  # a factor of that many rows takes a second and 100 MB
_SETS = 4096  # of largest prior variance, among which the largest coefficients are kept
_ENERGY = 0.9999  # of theirs
# one that lets players differ by a factor of three, and one that switches most of them off if it must
_SPREADS = (1.0, 2.0)


def process_members(masks: Bools, values: Floats, variance: Floats, seed: int) -> list[BaseLearner]:
    """Two Gaussian processes that differ in how unlike players may be.

    masks     (m, n) bool, m <= 2,000
    values    (m,) of scale about 1
    variance  (m,) of the sampling noise
    """
    mean = float(values.mean())
    members: list[BaseLearner] = []
    for spread, scales in zip(
        _SPREADS, scales_of(masks, values - mean, variance, _SPREADS, seed), strict=True
    ):
        process = condition(masks, values - mean, variance, scales)
        support, coef, _, _ = largest(process, _SETS)
        alone = next(j for j, s in enumerate(support) if not s)
        coef[alone] += mean
        name = "Gaussian process" if spread == min(_SPREADS) else "Gaussian process on few players"
        members.append(BaseLearner(name, support, coef[:, None]))
    return members


def largest(process: Process, most: int) -> tuple[list[Interaction], Floats, Floats, float]:
    """The constant and the largest coefficients, which hold 99.99% of what the likeliest sets hold.

    Returns support, coefficients, their prior variances, and the share of the whole energy that is not in
    them.
    """
    support, coef, prior = coefficients(process, most)
    squares: Floats = coef**2
    squares[support.index(())] = 0.0
    order = np.argsort(-squares, kind="stable")
    held: Floats = np.cumsum(squares[order])
    count = int(np.searchsorted(held, _ENERGY * float(held[-1]))) + 1 if held[-1] > 0 else 0
    kept = sorted({support.index(()), *order[:count].tolist()})
    names = [support[j] for j in kept]
    total = energy(process)
    left = 1 - float((coef[kept] ** 2).sum()) / total if total > 0 else 0.0
    return names, coef[kept], prior[kept], max(0.0, left)


def one_thread() -> Any:
    """A context in which BLAS has one thread: those of small products wait for each other longer than they
    work, and add up in another order.
    """
    import_module("scipy.linalg.lapack")  # its own BLAS: a limit reaches only the libraries loaded by then
    limits: Any = import_module("threadpoolctl").threadpool_limits  # comes with scikit-learn, has no types
    return limits(limits=1, user_api="blas")
