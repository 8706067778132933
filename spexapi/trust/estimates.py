"""Estimates of the reported terms without the fit's shrinkage, for the intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines.resampling import FEWEST
from spexapi.fourier.parity import blocks
from spexapi.fourier.repeats import each_mask_once
from spexapi.fourier.spectrum import Interaction, Spectrum, parities
from spexapi.measurements import Bools, Floats, Measurements
from spexapi.trust.cross_fitting import CrossFits, cross_fit_selected_terms
from spexapi.trust.shrinkage import Shrinkage, shrink

# players: with more, the measured masks are too small a share of all masks to matter
_LISTED = 24


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """Estimates of the reported Fourier coefficients, without the fit's shrinkage.

    spectrum  an unbiased estimate of each reported term
    variance  of each of these estimates
    missed    variance of the values over uniform masks that no reported term explains; sampling noise apart
    freedom   degrees of freedom of `variance`; inf if it is known
    """

    spectrum: Spectrum
    variance: float
    missed: float = 0.0
    freedom: float = inf


@dataclass(frozen=True, slots=True, eq=False)
class _Residuals:
    """Residuals of fits that did not see their rows, and their weights in the estimates.

    pull      (m,) weighted residuals: their product with a parity corrects its coefficient
    weight    (m,) of each value in an estimate, apart from the sign
    residual  (m,) out of fold, NaN if there is none
    without   the fits that predicted some row
    """

    pull: Floats
    weight: Floats
    residual: Floats
    without: list[Spectrum]


def exact_estimates(seen: Measurements, spectrum: Spectrum) -> Estimates:
    """If every mask was measured: the spectrum itself, with the sampling noise of the values."""
    once, _ = each_mask_once(seen)
    return Estimates(spectrum, float(once.variance.sum()) / len(once) ** 2)


def estimate(
    seen: Measurements,
    reported: Spectrum,
    cross_fits: CrossFits,
    also: Sequence[Interaction] = (),
    *,
    selected: bool = False,
) -> Estimates | None:
    """Cross-fitted one-step estimates of the reported terms and of those in `also`; no further fit is made.

    seen        measurements that the engine was fitted to: uniform masks, and those that keep all or nothing
    cross_fits  fits without each fold
    selected    True if these hold significant terms only: some terms are then missed, even if their variance
                is estimated as 0 or less

    For each term the mean over folds of its coefficient without the fold, corrected by the mean of residual
    times parity in the fold. Parities are orthonormal over uniform masks, so the estimate is unbiased
    whatever the fits shrank, selected or missed. If all masks are few (small n), the measured ones need no
    estimate, and the variance is smaller by their share. The residual of a value known within bounds is 0 if
    the prediction lies between them. None for fewer than 8 masks. Time that of predicting, and O(m s).
    Chernozhukov et al. (2018), "Double/debiased machine learning", definition 3.1; Cochran (1977), "Sampling
    techniques", section 2.6, for the finite number of masks.
    """
    once, fold = _distinct(seen, cross_fits)
    residuals = _residuals(once, fold, cross_fits)
    known = np.isfinite(residuals.residual)
    if int(known.sum()) < FEWEST:
        return None
    support = list(dict.fromkeys([*reported.coef, *also]))
    without = np.array([[found.coef.get(s, 0.0) for s in support] for found in residuals.without])
    centre = without.mean(axis=0) + _corrections(once.masks, residuals.pull, support)
    noise, count = once.variance, int(known.sum())
    squares = residuals.residual[known] ** 2 - noise[known]
    # of all masks those that were not measured
    share = max(0.0, 1 - len(once) / 2.0 ** min(reported.n_players, 1000))
    variance = max(0.0, float(squares.mean())) * share / count + float((residuals.weight**2 * noise).sum())
    coef = dict(zip(support, centre.tolist(), strict=True))
    posterior = shrink(coef, variance, reported)
    missed = _missed(squares, without, posterior, selected)
    return Estimates(Spectrum(reported.n_players, coef), variance, missed, float(count - 1))


def _corrections(masks: Bools, pull: Floats, support: Sequence[Interaction]) -> Floats:
    """(s,) the products of the weighted residuals with the parities."""
    total = np.zeros(len(support))
    for part in blocks(len(masks), len(support)):
        total += pull[part] @ parities(masks[part], support, np.float64)
    return total


def coded_estimates(seen: Measurements, spectrum: Spectrum, rng: Generator) -> Estimates | None:
    """Estimates for an engine whose masks are one code, which cannot be fitted without a fold.

    As `estimate`, with least squares on the significant terms in place of the engine. None for fewer than 8
    masks, or if all values are the same.
    """
    cross_fits = cross_fit_selected_terms(seen, spectrum, rng)
    return None if cross_fits is None else estimate(seen, spectrum, cross_fits, selected=True)


def _missed(squares: Floats, without: Floats, posterior: Shrinkage, selected: bool) -> float:
    """The variance that no known term explains.

    squares  of out-of-fold residuals, less sampling noise
    without  (folds, s) coefficients without each fold: their distance from the posterior is not counted
    """
    off = ((without - np.array(list(posterior.mean.values()))) ** 2).sum(axis=1)
    missed = float(squares.mean() - off.mean()) - sum(posterior.variance.values())
    if not selected:
        return max(0.0, missed)
    return truncated_normal_mean(missed, float(squares.std()) / len(squares) ** 0.5)


def truncated_normal_mean(value: float, error: float) -> float:
    """The posterior mean of a number of 0 or more, observed as `value` with a normal error; flat prior."""
    from scipy.special import log_ndtr

    if error <= 0:
        return max(0.0, value)
    z = value / error
    log_below = float(log_ndtr(z))
    return max(0.0, value + error * float(np.exp(-(z**2) / 2 - log_below)) / (2 * np.pi) ** 0.5)


def _distinct(seen: Measurements, cross_fits: CrossFits) -> tuple[Measurements, NDArray[np.intp]]:
    """Each mask once, and its fold: -1 if it is no draw (all kept, none kept) or in no fold."""
    once, row = each_mask_once(seen)
    fold = np.full(len(once), -1)
    fold[row[row >= 0]] = cross_fits.fold[row >= 0]
    kept = once.masks.sum(axis=1)
    fold[(kept == 0) | (kept == once.n_players)] = -1
    return once, fold


def _residuals(once: Measurements, fold: NDArray[np.intp], cross_fits: CrossFits) -> _Residuals:
    m, n = once.masks.shape
    every = 2.0 ** min(n, 1000)
    used = [k for k in range(len(cross_fits.spectra)) if (fold == k).any()]
    pull, weight, residual = np.zeros(m), np.zeros(m), np.full(m, np.nan)
    for k in used:
        there = fold == k
        count = float(there.sum())
        left = every - (m - count)
        asked = np.flatnonzero(there if n > _LISTED else np.ones(m, dtype=np.bool_))
        missed = np.zeros(m)
        missed[asked] = _beyond(once, asked, cross_fits.spectra[k].predict(once.masks[asked]))
        share = np.full(m, 1 / every)
        share[there] = left / every / count
        pull += share * missed / len(used)
        weight += share / len(used)
        residual[there] = missed[there]
    return _Residuals(pull, weight, residual, [cross_fits.spectra[k] for k in used])


def _beyond(once: Measurements, asked: NDArray[np.intp], guess: Floats) -> Floats:
    """The residuals of a guess; of a value known within bounds, the distance to the nearer bound."""
    low, high = once.lower[asked], once.upper[asked]
    return np.where(low < high, np.clip(guess, low, high), once.values[asked]) - guess
