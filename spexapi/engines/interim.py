"""Interim analyses of a growing sample: when they are made, and what each says of R²."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from spexapi.engines.resampling import bootstrap_r2, judged_rows
from spexapi.measurements import Floats, Measurements, centre_and_scale, is_constant

_RESAMPLES = 2000
# values; with fewer a bound on R² says nothing
_FEWEST = 16
# the sample grows by this factor from one analysis to the next
_GROWTH = 1.3
# the first analysis: 3 masks a player, 24 at least
_FIRST_A_PLAYER = 3
_FIRST = 24


@dataclass(frozen=True, slots=True)
class InterimR2:
    """R² at an interim analysis.

    r2       out of fold, of the values as they are measured
    low      its lower confidence bound
    ceiling  the R² that sampling noise leaves to be reached; 1 without noise
    """

    r2: float
    low: float
    ceiling: float


def sample_sizes(n_players: int, most: int) -> list[int]:
    """The sample sizes of the analyses: 3 masks a player, then 1.3 times the one before, `most` at last."""
    sizes = [min(most, max(_FIRST_A_PLAYER * n_players, _FIRST))]
    while sizes[-1] < most:
        sizes.append(min(most, int(np.ceil(_GROWTH * sizes[-1]))))
    return sizes


def interim_r2(seen: Measurements, guesses: Floats, level: float, rng: Generator) -> InterimR2 | None:
    """R² of out-of-fold predictions, with a lower bound at confidence 1 - level; None for too few values.

    guesses  (m,) predictions of each row by fits that did not see it, NaN if there is none

    The bound is the quantile of 2,000 bootstrap samples; its coverage was measured, see benchmarks/README.md.
    """
    rows = judged_rows(seen, guesses)
    values = seen.values[rows]
    if len(rows) < _FEWEST or is_constant(values):
        return None
    centre, scale = centre_and_scale(values)
    standard, squares = (values - centre) / scale, ((values - guesses[rows]) / scale) ** 2
    noise = float((seen.variance[rows] / scale / scale).mean())
    drawn = bootstrap_r2(standard, squares, rng, resamples=_RESAMPLES)
    low = float(np.quantile(drawn, level)) if len(drawn) else -np.inf
    return InterimR2(1 - float(squares.mean()), low, max(0.0, 1 - noise))


def explained_gain(seen: Measurements, before: Floats, now: Floats) -> tuple[float, float]:
    """The share of the variance that predictions explain beyond earlier ones, and its standard error.

    before, now  (m,) predictions, compared on the rows that have both; (0, inf) for too few of them
    """
    rows = np.intersect1d(judged_rows(seen, before), judged_rows(seen, now))
    values = seen.values[rows]
    if len(rows) < _FEWEST or is_constant(values):
        return 0.0, np.inf
    _, scale = centre_and_scale(values)
    gain = ((values - before[rows]) / scale) ** 2 - ((values - now[rows]) / scale) ** 2
    return float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain)))
