"""When enough is known: looks at a growing sample, and what may be said at each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines.resampling import bootstrap_r2
from spexapi.measurements import Floats, Measurements, centre_and_scale, is_constant

_RESAMPLES = 2000
_FEWEST = 16  # values, below which a bound on R² says nothing

_GROWTH = 1.3  # of the sample from one look to the next
_FIRST = 3  # masks a player
_FEWEST_FIRST = 24


@dataclass(frozen=True, slots=True)
class Look:
    """What a sample says about R².

    r2       out of fold, of the values as they are measured
    low      lower confidence bound of it
    ceiling  the R² that sampling noise leaves to be reached; 1 without noise
    """

    r2: float
    low: float
    ceiling: float


def looks(n_players: int, most: int) -> list[int]:
    """At how many masks to look: from 3 a player, each time 1.3 times as many, the last at `most`."""
    ends = [min(most, max(_FIRST * n_players, _FEWEST_FIRST))]
    while ends[-1] < most:
        ends.append(min(most, int(np.ceil(_GROWTH * ends[-1]))))
    return ends


def look(seen: Measurements, guesses: Floats, level: float, rng: Generator) -> Look | None:
    """R² of the guesses and its lower bound at confidence 1 - level; None where too little is known.

    guesses  (m,) predictions of each row by fits that did not see it, NaN where there is none

    The masks that keep all or nothing are left out: they are no uniform draws. The bound is the quantile of
    2,000 bootstrap samples; its coverage was measured, see benchmarks/README.md.
    """
    rows = usable(seen, guesses)
    values = seen.values[rows]
    if len(rows) < _FEWEST or is_constant(values):
        return None
    centre, scale = centre_and_scale(values)
    standard, squares = (values - centre) / scale, ((values - guesses[rows]) / scale) ** 2
    noise = float((seen.variance[rows] / scale / scale).mean())
    drawn = bootstrap_r2(standard, squares, rng, resamples=_RESAMPLES)
    low = float(np.quantile(drawn, level)) if len(drawn) else -np.inf
    return Look(1 - float(squares.mean()), low, max(0.0, 1 - noise))


def gained(seen: Measurements, before: Floats, now: Floats) -> tuple[float, float]:
    """How much of the variance later masks explain beyond what earlier guesses did, and its standard error.

    before, now  (m,) guesses; only rows that both have are compared
    """
    rows = np.intersect1d(usable(seen, before), usable(seen, now))
    values = seen.values[rows]
    if len(rows) < _FEWEST or is_constant(values):
        return 0.0, np.inf
    _, scale = centre_and_scale(values)
    better = ((values - before[rows]) / scale) ** 2 - ((values - now[rows]) / scale) ** 2
    return float(better.mean()), float(better.std(ddof=1) / np.sqrt(len(better)))


def usable(seen: Measurements, guesses: Floats) -> NDArray[np.intp]:
    kept = seen.masks.sum(axis=1)
    return np.flatnonzero(seen.ok & np.isfinite(guesses) & (kept > 0) & (kept < seen.n_players))
