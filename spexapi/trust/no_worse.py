"""No fit is returned that predicts unseen masks worse than their mean does."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spexapi.engines.base import Fit
from spexapi.engines.resampling import FEWEST, judged_rows, squared_errors, within_bounds
from spexapi.fourier.ranking import exceeds
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import NORMAL_95, Floats, Measurements, is_constant
from spexapi.trust.cross_fitting import CrossFits


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the values on their predictions: their mean, and by how much the predictions are shrunk."""

    mean: float
    slope: float

    @classmethod
    def through(cls, guesses: Floats, values: Floats) -> _Line:
        """The largest slope that the predictions allow with 95% confidence, halfway to 1 at most."""
        spread = guesses - guesses.mean()
        square = float(spread @ spread)
        if not square > 0:
            return cls(float(values.mean()), 0.0)
        slope = float(spread @ values) / square
        missed = values - values.mean() - slope * spread
        error = (float(missed @ missed) / len(values) / square) ** 0.5
        slope = min(max(slope, 0.0), 1.0)
        return cls(float(values.mean()), min(slope + NORMAL_95 * error, (1 + slope) / 2))

    def shrunk(self, spectrum: Spectrum) -> Spectrum:
        """Every coefficient times the slope, and the mean as the constant."""
        there = exceeds(self.slope, 0.0, 1.0)
        coef = {s: self.slope * value for s, value in spectrum.coef.items() if s and there}
        return Spectrum(spectrum.n_players, {(): self.mean, **coef})


def no_worse_than_mean(
    seen: Measurements, fit: Fit, cross_fits: CrossFits | None
) -> tuple[Fit, CrossFits | None]:
    """The fit and its cross-fits, shrunk towards the mean if they predict unseen masks worse than it does.

    That is, if the out-of-fold R² over the uniform masks is below 0. All coefficients are multiplied by a
    slope, and the constant becomes the mean. The slope of least squares of the values on the out-of-fold
    predictions, within [0, 1], would shrink too much: a region of which one mask was measured is predicted by
    the fit to all masks, and never out of fold. So the slope is the largest that these predictions allow with
    95% confidence, and halfway to 1 at most. Each cross-fit is shrunk by a slope and a mean computed without
    its fold. Copas (1983), "Regression, prediction and shrinkage"; van Houwelingen & le Cessie (1990),
    "Predictive value of statistical models", for the slope by cross-validation.
    """
    guesses = fit.out_of_fold
    if guesses is None and cross_fits is not None:
        guesses = cross_fits.out_of_fold(seen.masks)
    if guesses is None:
        return fit, cross_fits
    rows = judged_rows(seen, guesses)
    r2 = _r2(seen, guesses, rows)
    if r2 is None or r2 >= 0:
        return fit, cross_fits
    near = within_bounds(seen, guesses)
    line = _Line.through(guesses[rows], near[rows])
    note = (
        f"fits to part of the masks predicted the rest worse than the mean (R² {r2:.2f}): all effects are"
        f" shrunk to {100 * line.slope:.0f}% of what was fitted"
    )
    fit = replace(fit, spectrum=line.shrunk(fit.spectrum), intervals={}, notes=(*fit.notes, note))
    if cross_fits is None:
        return replace(fit, out_of_fold=_each_without_itself(guesses, near, rows)), None
    spectra = tuple(
        _Line.through(guesses[part], near[part]).shrunk(spectrum)
        for k, spectrum in enumerate(cross_fits.spectra)
        for part in [rows[cross_fits.fold[rows] != k]]
    )
    cross_fits = CrossFits(cross_fits.fold, spectra)
    guesses = cross_fits.out_of_fold(seen.masks)
    return replace(fit, out_of_fold=guesses, fold=cross_fits.fold, fold_spectra=spectra), cross_fits


def _r2(seen: Measurements, guesses: Floats, rows: NDArray[np.intp]) -> float | None:
    values = seen.values[rows]
    if len(rows) < FEWEST or is_constant(values):
        return None
    missed = squared_errors(seen, guesses)[rows].sum()
    return float(1 - missed / ((values - values.mean()) ** 2).sum())


def _each_without_itself(guesses: Floats, values: Floats, rows: NDArray[np.intp]) -> Floats:
    """The predictions on the line through all rows but their own; time O(m²)."""
    found = np.full(len(guesses), np.nan)
    for row in rows.tolist():
        rest = rows[rows != row]
        line = _Line.through(guesses[rest], values[rest])
        found[row] = line.mean + line.slope * (guesses[row] - guesses[rest].mean())
    return found
