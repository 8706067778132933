"""What a fit can use of the measurements: each mask once, on a scale of one, with noise and bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spexapi.engines.base import Fit
from spexapi.errors import NothingMeasured
from spexapi.fourier.masks import unique_rows
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import Interaction, Spectrum, parities
from spexapi.measurements import Bools, Floats, Measurements, is_constant

_FEWEST = 8  # values from which a fit can tell anything about the others
_EVEN = 0.01  # of the variance of the values: noise that differs by less is the same
_MOST_PLAYERS = 2000  # of a first-order fit


@dataclass(frozen=True, slots=True, eq=False)
class FitData:
    """The masks that have a value, none twice; in units in which the values have mean 0 and variance 1.

    masks     (m, n) bool, m >= 1
    values    (m,) float64; all 0 where they do not differ
    variance  (m,) of the sampling noise of each value
    lower     (m,) bounds of values that were censored, equal to values elsewhere
    upper     (m,)
    group     (rows of the measurements,) which of these masks each is, -1 where it failed
    centre    the mean of the values in their own unit
    scale     their standard deviation, 0 where they do not differ
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

    @property
    def censored(self) -> Bools:
        """(m,) True where only bounds are known."""
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
        """The fold of each mask as the fold of each row of the measurements, -1 where it was not used."""
        return np.where(self.group >= 0, fold[self.group], -1)

    def spectrum(self, coef: Mapping[Interaction, float]) -> Spectrum:
        """In the unit of the values, from coefficients in units of one."""
        scaled = {s: self.scale * value for s, value in coef.items()}
        scaled[()] = self.centre + scaled.get((), 0.0)
        return Spectrum(self.masks.shape[1], scaled)

    def constant(self) -> Fit:
        """The fit where there is no spread to explain."""
        m = len(self.masks)
        why = "only one mask has a value" if m == 1 else f"all {m} masks have the same value"
        spectrum = Spectrum(self.masks.shape[1], {(): self.centre})
        return Fit(spectrum, notes=(*self.notes, f"{why}: there is nothing to explain"))


def observed(seen: Measurements) -> FitData:
    """Failed rows are dropped; equal masks are averaged, each value weighed by one over its variance.

    Of values with and without noise for one mask, those without decide. A censored value of a mask that was
    also measured without bounds is dropped. Raises NothingMeasured, with the most frequent reason, where no
    value is finite.
    """
    used = _usable(seen)
    first, of = unique_rows(seen.masks[used])
    values, variance, low, high = _averaged(seen.take(used), of)
    group = np.full(len(seen), -1)
    group[used] = of
    certain = ~(low < high)
    if not certain.any():
        certain[:] = True
    centre = float(values[certain].mean())
    # the largest difference first: squares of values of 1e-200 would vanish
    widest = float(np.abs(values - centre).max())
    scale = 0.0
    if not is_constant(values):
        scale = widest * (float(((values[certain] - centre) / widest).std()) or 1.0)
    unit = scale or 1.0
    return FitData(
        seen.masks[used][first],
        (values - centre) / unit if scale else np.zeros(len(values)),
        variance / unit / unit,
        (low - centre) / unit,
        (high - centre) / unit,
        group,
        centre,
        scale,
        _failures(seen),
    )


def _averaged(seen: Measurements, of: NDArray[np.intp]) -> tuple[Floats, Floats, Floats, Floats]:
    """Values, variances and bounds of each mask, from the rows that measured it."""
    exact = seen.variance <= 0
    settled = np.bincount(of, weights=exact) > 0
    weight = np.where(settled[of], exact, 1.0 / np.where(exact, 1.0, seen.variance))
    total: Floats = np.bincount(of, weights=weight).astype(np.float64)
    counted = weight > 0  # weights of 0 and bounds of -inf must not meet
    share, place = weight[counted] / total[of[counted]], of[counted]

    def mean(part: Floats) -> Floats:
        return np.bincount(place, weights=share * part[counted]).astype(np.float64)

    variance = np.where(settled, 0.0, 1.0 / total)
    return mean(seen.values), variance, mean(seen.lower), mean(seen.upper)


def _usable(seen: Measurements) -> NDArray[np.intp]:
    """Rows with a value, without censored ones of masks that were also measured without bounds."""
    ok = np.flatnonzero(seen.ok)
    if not len(ok):
        reasons = [r for r in seen.reason if r]
        why = max(set(reasons), key=lambda r: (reasons.count(r), r)) if reasons else "nothing was measured"
        raise NothingMeasured(f"none of {len(seen)} measurements gave a value; most often: {why}")
    censored = seen.lower[ok] < seen.upper[ok]
    if not censored.any():
        return ok
    _, group = unique_rows(seen.masks[ok])
    better = np.bincount(group, weights=~censored)[group] > 0
    return ok[~(censored & better)]


def _failures(seen: Measurements) -> tuple[str, ...]:
    if not seen.n_failed:
        return ()
    return (f"{seen.n_failed} of {len(seen)} measurements failed and were left out",)


def imputed(seen: FitData, fit: Callable[[FitData], tuple[Mapping[Interaction, float], float]]) -> FitData:
    """Censored values replaced by what a fit to the others predicts for them, moved inside their bounds.

    fit  coefficients in units of one, and the mean squared error on values that they were made without

    One step of Buckley & James (1979). The replaced values are as uncertain as the fit, or as the width of
    their bounds where that says more. With fewer than 8 other values they stay as they are.
    """
    censored = seen.censored
    certain = int((~censored).sum())
    if not censored.any():
        return seen
    if certain < _FEWEST:
        return replace(seen, notes=(*seen.notes, *as_they_stand(seen)))
    coef, error = fit(seen.take(~censored))
    guesses = Spectrum(seen.masks.shape[1], coef).predict(seen.masks)
    inside = np.clip(guesses, seen.lower, seen.upper)
    width = np.where(censored, seen.upper, 1.0) - np.where(censored, seen.lower, 0.0)
    added = np.where(censored, np.minimum(error, width**2 / 12), 0.0)
    done = f"they were taken as what the other {certain} predict, moved inside the bounds"
    return replace(
        seen,
        values=np.where(censored, inside, seen.values),
        variance=seen.variance + added,
        notes=(*seen.notes, f"{int(censored.sum())} values are known within bounds only: {done}"),
    )


def as_they_stand(seen: FitData) -> tuple[str, ...]:
    """A sentence where there are censored values, for a fit that does not read bounds."""
    if not seen.censored.any():
        return ()
    return (f"{int(seen.censored.sum())} values are known within bounds only and were taken as they stand",)


def weights_of(seen: FitData) -> Floats | None:
    """(m,) one over the variance of each value around the best fit, of mean 1; None where all are the same.

    That variance is the sampling noise and what a fit misses, for which first order has the error: more than
    the fit will miss, so that no value is trusted too much.
    """
    variance = seen.variance
    if np.ptp(variance) <= _EVEN * (1.0 + variance.min()):
        return None
    support = [(), *((i,) for i in range(min(seen.masks.shape[1], _MOST_PLAYERS)))]
    found = ridge(parities(seen.masks, support), seen.values, constant=0)
    missed = np.nanmean((found.left_out - seen.values) ** 2) - variance.mean()
    weights = 1.0 / (variance + max(float(missed), _EVEN))
    return weights / weights.mean()
