"""What the measurements say of each reported term without the fit's shrinkage: for the intervals."""

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
from spexapi.measurements import Floats, Measurements
from spexapi.trust.cross_fitting import CrossFits, cross_fit_sure_terms
from spexapi.trust.shrinkage import Shrinkage, shrink

_LISTED = 24  # players; of more, those measured are too few of all masks to matter


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """What the measurements say of each reported Fourier coefficient, without the fit's shrinkage.

    spectrum  for each reported term an estimate that is right on average
    variance  of each of these estimates
    missed    variance of the values over uniform masks that no reported term explains; sampling noise apart
    freedom   degrees of freedom of `variance`; inf where it is known
    """

    spectrum: Spectrum
    variance: float
    missed: float = 0.0
    freedom: float = inf


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """Residuals of fits that did not see their rows, as weights for parities.

    pull      (m,) times the parities: the correction of the coefficients
    weight    (m,) of each value in an estimate, but for the sign
    residual  (m,) out of fold, NaN where there is none
    without   the fits that judged something
    """

    pull: Floats
    weight: Floats
    residual: Floats
    without: list[Spectrum]


def exact_estimates(seen: Measurements, spectrum: Spectrum) -> Estimates:
    """Where every mask was measured: the spectrum itself, with the sampling noise of the values."""
    once, _ = each_mask_once(seen)
    return Estimates(spectrum, float(once.variance.sum()) / len(once) ** 2)


def estimate(
    seen: Measurements,
    reported: Spectrum,
    again: CrossFits,
    also: Sequence[Interaction] = (),
    *,
    sure: bool = False,
) -> Estimates | None:
    """Cross-fitted one-step estimates of the reported terms and of those in `also`; nothing is fitted.

    seen   what the engine was fitted to; uniform masks, and those that keep all or nothing
    again  fits without each fold
    sure   these hold sure terms only: some are missed, even where that is estimated as 0 or less

    The mean over folds of the coefficient without the fold, corrected by the mean of residual times parity
    in the fold: parities are orthonormal over uniform masks, so that is right on average whatever the fits
    shrank, chose or missed. Where masks are few (small n) those measured need no estimate, which the variance
    counts. A value known within bounds is the prediction where that lies between them. None for fewer than 8
    masks. Time that of predicting, and O(m s). Chernozhukov et al. (2018), "Double/debiased machine
    learning", definition 3.1; Cochran (1977), "Sampling techniques", section 2.6, for the finite number of
    masks.
    """
    once, fold = _distinct(seen, again)
    judged = _judge(once, fold, again)
    known = np.isfinite(judged.residual)
    if int(known.sum()) < FEWEST:
        return None
    support = list(dict.fromkeys([*reported.coef, *also]))
    pull = np.zeros(len(support))
    for part in blocks(len(once.masks), len(support)):
        pull += judged.pull[part] @ parities(once.masks[part], support, np.float64)
    without = np.array([[found.coef.get(s, 0.0) for s in support] for found in judged.without])
    centre = without.mean(axis=0) + pull
    noise, count = once.variance, int(known.sum())
    squares = judged.residual[known] ** 2 - noise[known]
    share = max(0.0, 1 - len(once.masks) / 2.0 ** min(reported.n_players, 1000))  # of all masks, not measured
    variance = max(0.0, float(squares.mean())) * share / count + float((judged.weight**2 * noise).sum())
    coef = dict(zip(support, centre.tolist(), strict=True))
    believed = shrink(coef, variance, reported)
    missed = _missed(squares, without, believed, sure)
    return Estimates(Spectrum(reported.n_players, coef), variance, missed, float(count - 1))


def coded_estimates(seen: Measurements, spectrum: Spectrum, rng: Generator) -> Estimates | None:
    """Where the engine's masks are one code, of which no fold can be missing: without its surest terms alone.

    As `estimate`, with least squares on the terms that all masks leave no doubt about in place of the engine.
    None for fewer than 8 masks, or where all values are the same.
    """
    again = cross_fit_sure_terms(seen, spectrum, rng)
    return None if again is None else estimate(seen, spectrum, again, sure=True)


def _missed(squares: Floats, without: Floats, believed: Shrinkage, sure: bool) -> float:
    """Of the mean of the squares, what fits without a fold (folds, s) did not get wrong of known terms."""
    off = ((without - np.array(list(believed.mean.values()))) ** 2).sum(axis=1)
    missed = float(squares.mean() - off.mean()) - sum(believed.variance.values())
    return _above_0(missed, float(squares.std()) / len(squares) ** 0.5) if sure else max(0.0, missed)


def _above_0(value: float, error: float) -> float:
    """The mean of what cannot be below 0, where it was seen as `value` with a normal error: flat prior."""
    from importlib import import_module

    if error <= 0:
        return max(0.0, value)
    z = value / error
    log_below = float(import_module("scipy.special").log_ndtr(z))
    return max(0.0, value + error * float(np.exp(-(z**2) / 2 - log_below)) / (2 * np.pi) ** 0.5)


def _distinct(seen: Measurements, again: CrossFits) -> tuple[Measurements, NDArray[np.intp]]:
    """Each mask once, and its fold: -1 if it is no draw (all kept, none kept) or in no fold."""
    once, row = each_mask_once(seen)
    fold = np.full(len(once), -1)
    fold[row[row >= 0]] = again.fold[row >= 0]
    kept = once.masks.sum(axis=1)
    fold[(kept == 0) | (kept == once.n_players)] = -1
    return once, fold


def _judge(once: Measurements, fold: NDArray[np.intp], again: CrossFits) -> _Judged:
    m, n = once.masks.shape
    every = 2.0 ** min(n, 1000)
    used = [k for k in range(len(again.spectra)) if (fold == k).any()]
    pull, weight, residual = np.zeros(m), np.zeros(m), np.full(m, np.nan)
    for k in used:
        there = fold == k
        count = float(there.sum())
        left = every - (m - count)
        asked = np.flatnonzero(there if n > _LISTED else np.ones(m, dtype=np.bool_))
        missed = np.zeros(m)
        missed[asked] = _beyond(once, asked, again.spectra[k].predict(once.masks[asked]))
        share = np.full(m, 1 / every)
        share[there] = left / every / count
        pull += share * missed / len(used)
        weight += share / len(used)
        residual[there] = missed[there]
    return _Judged(pull, weight, residual, [again.spectra[k] for k in used])


def _beyond(once: Measurements, asked: NDArray[np.intp], guess: Floats) -> Floats:
    """How far the values are from the guess; of a value known within bounds, the nearer bound."""
    low, high = once.lower[asked], once.upper[asked]
    return np.where(low < high, np.clip(guess, low, high), once.values[asked]) - guess
