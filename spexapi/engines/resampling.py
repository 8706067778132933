"""Resampling of masks: folds that a fit does not see, and bootstrap samples of R²."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.fourier.parity import blocks
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import Bools, Floats, Measurements, centre_and_scale

# fits to four fifths of the masks predict nearly as well as the fit to all; ten folds cost twice as much
FOLDS = 5
# with fewer predictions R² and what rests on it say nothing
FEWEST = 8
# of the variance of all values: a sample that varies less holds equal values, but for rounding
_ROUNDING = 1e-12


def folds(m: int, rng: Generator) -> NDArray[np.intp]:
    """(m,) the fold of each row, 0 to 4; their sizes differ by at most one."""
    return rng.permutation(m) % FOLDS


def predict_out_of_fold(spectra: Sequence[Spectrum], fold: NDArray[np.intp], masks: Bools) -> Floats:
    """(m,) the prediction of each row by the spectrum fitted without its fold; NaN if the fold is -1."""
    guesses = np.full(len(masks), np.nan)
    for k, spectrum in enumerate(spectra):
        held_out = fold == k
        guesses[held_out] = spectrum.predict(masks[held_out])
    return guesses


def judged_rows(seen: Measurements, guesses: Floats) -> NDArray[np.intp]:
    """The rows on which predictions are compared with values: both are finite, the mask is a uniform draw.

    The masks that keep all or nothing are no draws: they are in every design.
    """
    kept = seen.masks.sum(axis=1)
    return np.flatnonzero(seen.ok & np.isfinite(guesses) & (kept > 0) & (kept < seen.n_players))


def squared_errors(seen: Measurements, guesses: Floats) -> Floats:
    """(m,) squared distances of values and predictions; NaN for the rows that are not judged.

    A value known within bounds has no distance from a prediction between them.
    """
    rows = judged_rows(seen, guesses)
    errors = np.full(len(seen), np.nan)
    errors[rows] = (within_bounds(seen, guesses)[rows] - guesses[rows]) ** 2
    return errors


def within_bounds(seen: Measurements, guesses: Floats) -> Floats:
    """(m,) the values; of those known within bounds what is nearest to the prediction."""
    return np.where(seen.lower < seen.upper, np.clip(guesses, seen.lower, seen.upper), seen.values)


def bootstrap_r2(
    values: Floats, squares: Floats, rng: Generator, *, resamples: int, group: NDArray[np.intp] | None = None
) -> Floats:
    """R² of bootstrap samples of the rows, 1 - squared residuals / squared distance from the mean.

    values   (m,) not all equal
    squares  (m,) squared residuals of the predictions, in the unit of the values squared
    group    (m,) rows of one group are drawn together: repeated measurements of one mask

    Returns at most `resamples` numbers: samples whose values are all equal have no R² and are left out.
    Efron & Tibshirani (1993), "An introduction to the bootstrap". Time O(m resamples).
    """
    rows = np.arange(len(values)) if group is None else group
    centre, scale = centre_and_scale(values)
    standard = (values - centre) / scale
    parts = (np.ones(len(values)), standard, standard**2, squares / scale / scale)
    sums = [np.bincount(rows, weights=part) for part in parts]
    count = len(sums[0])
    found: list[Floats] = []
    for part in blocks(resamples, count):
        picks = rng.integers(count, size=(part.stop - part.start, count))
        m, total, total_squares, missed = (row[picks].sum(axis=1) for row in sums)
        spread = total_squares - total**2 / m
        varied = spread > _ROUNDING * m
        found.append(1 - missed[varied] / spread[varied])
    return np.concatenate(found)
