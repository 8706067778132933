"""Whether a fit uses the masks that keep all or nothing, if their values lie far from those of all others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines.base import Design, Engine, Fit
from spexapi.engines.resampling import FEWEST, predict_out_of_fold, squared_errors
from spexapi.errors import SpexError
from spexapi.fourier.ranking import exceeds
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import NORMAL_95, Bools, Floats, Measurements
from spexapi.trust.cross_fitting import CrossFits, cross_fit
from spexapi.trust.fixed_players import without_fixed

# robust standard deviations from the median of the uniform masks
_FAR = 4.0
# times the distance of the farthest uniform mask from it
_BEYOND = 1.5
# of a normal variable: one over the median absolute deviation
_NORMAL = 1.4826
# engines whose effects are defined by these two masks
_NEEDED_BY = ("kernelshap", "loo")


def outlying_anchors(seen: Measurements) -> Bools:
    """(m,) True for a mask that keeps all or nothing, if its value is an outlier among the uniform masks.

    An outlier lies more than 4 robust standard deviations from the median of the uniform masks, and 1.5 times
    as far as any of them: a value that they come near to may tell the fit much. The robust standard deviation
    is 1.48 times the median absolute deviation, or the standard deviation if more than half of the values are
    equal. Hampel (1974), "The influence curve and its role in robust estimation".
    """
    kept = seen.masks.sum(axis=1)
    ends = seen.ok & ((kept == 0) | (kept == seen.n_players))
    values = seen.values[seen.ok & ~ends]
    if not ends.any() or len(values) < FEWEST:
        return np.zeros(len(seen), dtype=np.bool_)
    middle = float(np.median(values))
    apart = np.abs(values - middle)
    spread = _NORMAL * float(np.median(apart)) or float(values.std())
    limit = max(_FAR * spread, _BEYOND * float(apart.max()))
    far: Bools = np.abs(seen.values - middle) > limit
    return ends & far


def choose_anchors(
    engine: Engine, design: Design, seen: Measurements, fit: Fit, cross_fits: CrossFits | None, rng: Generator
) -> tuple[Fit, CrossFits | None]:
    """The fit and its cross-fits, without outlying anchors if it then predicts the uniform masks better.

    Better: the sum of the squared out-of-fold errors is smaller, and the signed ranks of the differences are
    beyond chance, as the sum may rest on a single mask. In each cross-fit the choice is made without the
    fold, too, so that R² is that of the choice. The measurements stay what they are: the rows left out are in
    no fold (-1). Nothing changes if there is no outlier, if there are no cross-fits (an exact or coded
    design, which needs all its masks), or if the engine cannot do without these masks. Costs a second fit,
    and one more for each fold in which the choice is another. Wilcoxon (1945), "Individual comparisons by
    ranking methods".
    """
    away = outlying_anchors(seen)
    if cross_fits is None or not away.any() or engine.name in _NEEDED_BY:
        return fit, cross_fits
    rest = np.flatnonzero(~away)
    try:
        other = _fit(engine, design, seen.take(rest))
        others = cross_fit(engine, design, seen.take(rest), other, rng)
    except SpexError:
        return fit, cross_fits
    if others is None:
        return fit, cross_fits
    others = _with_rows(others, rest, len(seen))
    lead = _lead(seen, cross_fits, others)
    left_out = _is_better(lead, np.ones(len(seen), dtype=np.bool_))
    chosen = others if left_out else cross_fits
    spectra: list[Spectrum] = []
    for k, spectrum in enumerate(chosen.spectra):
        outside = chosen.fold != k
        if _is_better(lead, outside) != left_out:
            used = outside if left_out else outside & ~away
            spectrum = _fit(engine, design, seen.take(used)).spectrum
        spectra.append(spectrum)
    chosen = CrossFits(chosen.fold, tuple(spectra))
    found = replace(other, notes=(*other.notes, _note(seen, away))) if left_out else fit
    return _judged_by(found, chosen, seen), chosen


def _fit(engine: Engine, design: Design, seen: Measurements) -> Fit:
    return without_fixed(engine.fit(design, seen), seen)


def _with_rows(found: CrossFits, rows: NDArray[np.intp], m: int) -> CrossFits:
    """The cross-fits of some rows, numbered as all of them."""
    fold = np.full(m, -1)
    fold[rows] = found.fold
    return CrossFits(fold, found.spectra)


def _judged_by(fit: Fit, cross_fits: CrossFits, seen: Measurements) -> Fit:
    guesses = predict_out_of_fold(cross_fits.spectra, cross_fits.fold, seen.masks)
    return replace(fit, out_of_fold=guesses, fold=cross_fits.fold, fold_spectra=cross_fits.spectra)


def _lead(seen: Measurements, whole: CrossFits, without: CrossFits) -> Floats:
    """(m,) by how much the squared error is smaller without the anchors; NaN if one of the two has none."""
    errors = [squared_errors(seen, found.out_of_fold(seen.masks)) for found in (whole, without)]
    return errors[0] - errors[1]


def _is_better(lead: Floats, rows: Bools) -> bool:
    """Whether the sum over the rows is above 0, and their signed ranks are beyond chance, 95% confidence."""
    part = lead[rows & np.isfinite(lead)]
    m = len(part)
    if not m or not exceeds(float(part.sum()), 0.0, float(np.abs(part).sum())):
        return False
    rank = np.empty(m)
    rank[np.argsort(np.abs(part), kind="stable")] = np.arange(1, m + 1)
    signed = float(rank @ np.sign(part))
    return signed > NORMAL_95 * (m * (m + 1) * (2 * m + 1) / 6) ** 0.5


def _note(seen: Measurements, away: Bools) -> str:
    """What was left out, and why."""
    kept = seen.masks.sum(axis=1)
    inner = seen.values[seen.ok & (kept > 0) & (kept < seen.n_players)]
    names = {
        f"{'nothing' if kept[row] == 0 else 'everything'} kept ({seen.values[row]:.4g})": None
        for row in np.flatnonzero(away).tolist()
    }
    return (
        f"the fit leaves out {' and '.join(names)}, far from all other values ({inner.min():.4g} to"
        f" {inner.max():.4g}): fits without it predict masks they have not seen better. What is shown for it"
        " is the measured value"
    )
