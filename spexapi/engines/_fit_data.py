"""What a fit uses of the measurements: each mask once, on a scale of one, with noise and bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spexapi.engines.base import Fit
from spexapi.errors import NothingMeasured
from spexapi.fourier.repeats import each_mask_once
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import Interaction, Spectrum, parities
from spexapi.measurements import Bools, Floats, Measurements, centre_and_scale, is_constant

# values from which a fit can predict others
_FEWEST = 8
# of the variance of the values: noise that differs by less is taken for equal
_EQUAL_NOISE = 0.01
# of a first-order fit, whose time grows with the square of the players
_MOST_PLAYERS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class FitData:
    """The masks that have a value, none twice, with standardised values: mean 0 and variance 1.

    masks     (m, n) bool, m >= 1
    values    (m,) float64; all 0 if they do not differ
    variance  (m,) of the sampling noise of each value
    lower     (m,) bounds of censored values, equal to values for the others
    upper     (m,)
    group     (rows of the measurements,) which of these masks each is; -1 if it was not used
    centre    mean of the values in their own unit
    scale     their standard deviation, 0 if they do not differ
    notes     sentences about what was left out or replaced
    """

    masks: Bools
    values: Floats
    variance: Floats
    lower: Floats
    upper: Floats
    group: NDArray[np.intp]
    centre: float
    scale: float
    notes: tuple[str, ...]

    @classmethod
    def of(cls, seen: Measurements) -> FitData:
        """Failed rows are left out and repeated masks averaged, see `each_mask_once`; then standardised.

        Centre and scale are those of the values known exactly, if there are any. Raises NothingMeasured,
        with the most frequent reason, if no value is finite.
        """
        once, group = each_mask_once(seen)
        if not len(once):
            raise nothing_measured(seen)
        certain = ~(once.lower < once.upper)
        centre, scale = centre_and_scale(once.values[certain] if certain.any() else once.values)
        if is_constant(once.values):
            scale, values = 0.0, np.zeros(len(once))
        else:
            scale = scale or float(np.abs(once.values - centre).max())
            values = (once.values - centre) / scale
        unit = scale or 1.0
        return cls(
            once.masks,
            values,
            once.variance / unit / unit,
            (once.lower - centre) / unit,
            (once.upper - centre) / unit,
            group,
            centre,
            scale,
            (f"{seen.n_failed} of {len(seen)} measurements failed and were left out",)
            if seen.n_failed
            else (),
        )

    @property
    def censored(self) -> Bools:
        """(m,) True if only bounds of the value are known."""
        return self.lower < self.upper

    def take(self, rows: Bools | NDArray[np.intp]) -> FitData:
        """Some of the masks, in the same units. `group` still numbers all of them."""
        return replace(
            self,
            masks=self.masks[rows],
            values=self.values[rows],
            variance=self.variance[rows],
            lower=self.lower[rows],
            upper=self.upper[rows],
        )

    def rows(self, fold: NDArray[np.intp]) -> NDArray[np.intp]:
        """The fold of each row of the measurements, from that of each mask; -1 if the row was not used."""
        return np.where(self.group >= 0, fold[self.group], -1)

    def spectrum(self, coef: Mapping[Interaction, float]) -> Spectrum:
        """The spectrum in the unit of the values, from coefficients of the standardised ones."""
        scaled = {s: self.scale * value for s, value in coef.items()}
        scaled[()] = self.centre + scaled.get((), 0.0)
        return Spectrum(self.masks.shape[1], scaled)

    def constant(self) -> Fit:
        """The fit to values that do not differ."""
        m = len(self.masks)
        why = "only one mask has a value" if m == 1 else f"all {m} masks have the same value"
        spectrum = Spectrum(self.masks.shape[1], {(): self.centre})
        return Fit(spectrum, notes=(*self.notes, f"{why}: there is nothing to explain"))


def nothing_measured(seen: Measurements) -> NothingMeasured:
    """The error of a run without a finite value, with the most frequent reason."""
    if not len(seen):
        return NothingMeasured("no mask was measured, so there is nothing to explain")
    reasons = [r for r in seen.reason if r]
    why = max(set(reasons), key=lambda r: (reasons.count(r), r)) if reasons else "no reason was given"
    return NothingMeasured(f"none of {len(seen)} measurements gave a value; most often: {why}")


def impute_censored(
    data: FitData, fit: Callable[[FitData], tuple[Mapping[Interaction, float], float]]
) -> FitData:
    """Replaces each censored value by what a fit to the other masks predicts, moved inside its bounds.

    fit  returns coefficients of the standardised values, and the mean squared error out of fold

    One step of Buckley & James (1979). The variance of a replaced value is that error, or that of a uniform
    variable within its bounds if this is smaller. With fewer than 8 other values nothing is replaced.
    """
    censored = data.censored
    certain = int((~censored).sum())
    if not censored.any():
        return data
    if certain < _FEWEST:
        return replace(data, notes=(*data.notes, *bounds_unused(data)))
    coef, error = fit(data.take(~censored))
    guesses = Spectrum(data.masks.shape[1], coef).predict(data.masks)
    inside = np.clip(guesses, data.lower, data.upper)
    width = np.where(censored, data.upper, 1.0) - np.where(censored, data.lower, 0.0)
    added = np.where(censored, np.minimum(error, width**2 / 12), 0.0)
    done = f"they were taken as what the other {certain} predict, moved inside the bounds"
    return replace(
        data,
        values=np.where(censored, inside, data.values),
        variance=data.variance + added,
        notes=(*data.notes, f"{int(censored.sum())} values are known within bounds only: {done}"),
    )


def bounds_unused(data: FitData) -> tuple[str, ...]:
    """The note of a fit that does not use bounds, if some values are censored."""
    if not data.censored.any():
        return ()
    return (f"{int(data.censored.sum())} values are known within bounds only and were used without them",)


def precision_weights(data: FitData) -> Floats | None:
    """(m,) one over the variance of each value around the best fit, of mean 1; None if all are the same.

    That variance is the sampling noise plus the error of the fit. The error of a first-order fit stands in
    for it: it is larger, so that no value gets too much weight.
    """
    variance = data.variance
    if np.ptp(variance) <= _EQUAL_NOISE * (1.0 + variance.min()):
        return None
    support = [(), *((i,) for i in range(min(data.masks.shape[1], _MOST_PLAYERS)))]
    found = ridge(parities(data.masks, support), data.values, constant=0)
    missed = np.nanmean((found.left_out - data.values) ** 2) - variance.mean()
    weights = 1.0 / (variance + max(float(missed), _EQUAL_NOISE))
    return weights / weights.mean()
