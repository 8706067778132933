"""When enough is known: looks at a growing sample, and what may be said at each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.measurements import Floats, Measurements, is_constant

_RESAMPLES = 2000
_CELLS = 1 << 21
_FEWEST = 16  # values, below which a bound on R² says nothing
_CONSTANT = 1e-12  # spread below this share is rounding

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
    # standardised by the largest difference first: squares of 1e-200 would vanish
    widest = np.abs(values - values.mean()).max()
    standard = (values - values.mean()) / widest
    squares = ((values - guesses[rows]) / widest) ** 2
    spread = float((standard**2).sum())
    noise = float((seen.variance[rows] / widest**2).sum()) / spread
    drawn = _resampled(standard, squares, rng)
    low = float(np.quantile(drawn, level)) if len(drawn) else -np.inf
    return Look(1 - float(squares.sum()) / spread, low, max(0.0, 1 - noise))


def gained(seen: Measurements, before: Floats, now: Floats) -> tuple[float, float]:
    """How much of the variance later masks explain beyond what earlier guesses did, and its standard error.

    before, now  (m,) guesses; only rows that both have are compared
    """
    rows = np.intersect1d(usable(seen, before), usable(seen, now))
    values = seen.values[rows]
    if len(rows) < _FEWEST or is_constant(values):
        return 0.0, np.inf
    widest = np.abs(values - values.mean()).max()
    better = ((values - before[rows]) / widest) ** 2 - ((values - now[rows]) / widest) ** 2
    better /= ((values - values.mean()) / widest).var()
    return float(better.mean()), float(better.std(ddof=1) / np.sqrt(len(better)))


def usable(seen: Measurements, guesses: Floats) -> NDArray[np.intp]:
    kept = seen.masks.sum(axis=1)
    return np.flatnonzero(seen.ok & np.isfinite(guesses) & (kept > 0) & (kept < seen.n_players))


def _resampled(values: Floats, squares: Floats, rng: Generator) -> Floats:
    """R² of bootstrap samples; fewer than 2,000 where some draw equal values only."""
    m, found = len(values), list[Floats]()
    step = max(1, _CELLS // m)
    for top in range(0, _RESAMPLES, step):
        picks = rng.integers(m, size=(min(step, _RESAMPLES - top), m))
        some = values[picks]
        spread = (some**2).sum(axis=1) - some.sum(axis=1) ** 2 / m
        left = squares[picks].sum(axis=1)
        there = spread > _CONSTANT * m
        found.append(1 - left[there] / spread[there])
    return np.concatenate(found)
