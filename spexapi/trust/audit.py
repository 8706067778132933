"""The audit of a fit: how well it predicts masks that it did not see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines.base import Design, Engine, Fit
from spexapi.engines.resampling import FEWEST, bootstrap_r2, judged_rows, within_bounds
from spexapi.fourier.masks import unique_rows
from spexapi.fourier.ranking import ranked, reaches
from spexapi.fourier.spectrum import Interaction, Spectrum
from spexapi.measurements import Floats, Measurements, is_constant
from spexapi.trust.cross_fitting import CrossFits, cross_fit
from spexapi.trust.tails import heavy_tail

Method = Literal["out-of-fold", "held-out", "exact", "none"]

_RESAMPLES = 1000
_STRONGEST = 10
_NOT_UNIFORM = (
    "R² is defined on uniform masks, and these masks are not uniform draws: set fresh ones aside for it with"
    " held_out (at least 8, 32 or more to tell much)"
)


@dataclass(frozen=True, slots=True)
class Audit:
    """How well the spectrum predicts masks it was not fitted to.

    r2           1 - squared residuals / squared distance from the mean, over uniform masks; below 0 if
                 the mean predicts better; None if it means nothing, with the reason in notes
    r2_interval  90%, by resampling masks; out-of-fold its upper end allows for what the fit to all masks may
                 have gained over those without a fold. If the values have a heavy tail, its lower end allows
                 for a region of masks that was not met (see `tails`)
    n_held_out   how many predictions r2 is computed from
    n_failed     measurements that gave no value
    method       out-of-fold (the masks already paid for, each predicted by a fit without it), held-out (fresh
                 masks), exact (every mask was measured) or none
    notes        sentences
    stability    the share of the strongest terms that are among the strongest again in a fit without a fifth
                 of the masks, the mean over five; None if there were no such fits
    noise_share  the share of sampling noise in the variance of the values: no R² above 1 - noise_share can
                 be reached on them
    pending      True for a snapshot of a run that goes on: it is not audited yet
    """

    r2: float | None
    r2_interval: tuple[float, float] | None
    n_held_out: int
    n_failed: int
    method: Method
    notes: tuple[str, ...] = ()
    stability: float | None = None
    noise_share: float = 0.0
    pending: bool = False

    @property
    def verdict(self) -> str:
        """R² in words, for someone who has never heard of it."""
        if self.r2 is None:
            return "Not audited: " + ("; ".join(self.notes) or "no reason was given") + "."
        if self.method == "exact":
            return "Exact: every mask was measured, so nothing is estimated."
        if self.r2 <= 0:
            return "Do not trust it: on masks it never saw it predicts no better than the mean."
        share = f"it explains {100 * self.r2:.0f}% of the change in value on masks it never saw"
        if self.r2_interval is not None:
            low, high = (100 * max(0.0, end) for end in self.r2_interval)
            share += f" (90% interval {low:.0f}% to {high:.0f}%)"
        if self.r2 >= 0.9:
            return f"Trust it: {share}."
        if self.r2 >= 0.7:
            return f"Trust its strong interactions, not its weak ones: {share}."
        if self.r2 >= 0.4:
            return f"Read it as a hint: {share}. A larger budget would tell more."
        return f"Do not trust it: {share}. Raise the budget."


def audit(
    engine: Engine,
    design: Design,
    seen: Measurements,
    fit: Fit,
    *,
    held_out: Measurements | None = None,
    cross_fits: CrossFits | None = None,
    rng: Generator,
) -> Audit:
    """R² with a 90% interval, from fresh masks if there are any, else from those already paid for.

    fit         of engine on seen
    held_out    fresh uniform masks that the engine did not see
    cross_fits  cross_fit(engine, design, seen, fit, rng), if they were made already

    Without fresh masks and without fit.out_of_fold, the engine is fitted five times more, each time with all
    its choices made without a fold, equal masks in one fold. The masks that keep all or nothing are left out
    of R²: they are in every design and not uniform draws. A design that is not uniform (LIME, KernelSHAP,
    leave-one-out) has no R² without fresh masks. A value known within bounds counts as predicted if the
    prediction lies between them.
    """
    n_failed = seen.n_failed + (0 if held_out is None else held_out.n_failed)
    values = seen.values[seen.ok]
    if held_out is not None:
        values = np.concatenate([values, held_out.values[held_out.ok]])
    if (reason := _why_no_r2(values, n_failed)) is not None:
        return Audit(None, None, 0, n_failed, "none", (reason,))
    if is_exact(design, seen):
        noise = _noise_share(seen)
        return Audit(1.0, (1.0, 1.0), 0, n_failed, "exact", _noise_note(noise), None, noise)
    if held_out is not None and len(held_out):
        steady = None if cross_fits is None else stability(fit.spectrum, cross_fits)
        there = held_out.take(held_out.ok)
        found = _score(there, fit.spectrum.predict(there.masks), "held-out", n_failed, rng)
        return replace(found, stability=steady)
    if not design.uniform:
        return Audit(None, None, 0, n_failed, "none", (_NOT_UNIFORM,))
    if cross_fits is None and fit.out_of_fold is None:
        cross_fits = cross_fit(engine, design, seen, fit, rng)
    return _audit_out_of_fold(seen, fit, cross_fits, n_failed, rng)


def _audit_out_of_fold(
    seen: Measurements, fit: Fit, cross_fits: CrossFits | None, n_failed: int, rng: Generator
) -> Audit:
    guesses = fit.out_of_fold
    if guesses is None:
        guesses = np.full(len(seen), np.nan) if cross_fits is None else cross_fits.out_of_fold(seen.masks)
    rows = judged_rows(seen, guesses)
    moved = 0.0 if cross_fits is None else _squared_distance(fit.spectrum, cross_fits)
    found = _score(seen.take(rows), guesses[rows], "out-of-fold", n_failed, rng, moved)
    return replace(found, stability=None if cross_fits is None else stability(fit.spectrum, cross_fits))


def stability(spectrum: Spectrum, cross_fits: CrossFits) -> float | None:
    """The share of a spectrum's strongest terms that are among as many strongest of a cross-fit, on average.

    Strongest: up to ten, none below a tenth of the largest. None if there is no term but the constant.
    """
    chosen = _strongest(spectrum, _STRONGEST)
    size = abs(spectrum.coef[chosen[0]]) if chosen else 0.0
    chosen = [s for s in chosen if reaches(abs(spectrum.coef[s]), size / 10)]
    if not size or not cross_fits.spectra:
        return None
    shares = [
        len({*chosen} & {*_strongest(other, len(chosen))}) / len(chosen) for other in cross_fits.spectra
    ]
    return float(np.mean(shares))


def _strongest(spectrum: Spectrum, count: int) -> list[Interaction]:
    return ranked({s: value for s, value in spectrum.coef.items() if s})[:count]


def _squared_distance(spectrum: Spectrum, cross_fits: CrossFits) -> float:
    """The mean squared distance, over all masks, between the fit and those without a fold (Parseval)."""
    total = 0.0
    for other in cross_fits.spectra:
        terms = {*spectrum.coef, *other.coef}
        total += sum((spectrum.coef.get(s, 0.0) - other.coef.get(s, 0.0)) ** 2 for s in terms)
    return total / max(len(cross_fits.spectra), 1)


def _why_no_r2(values: Floats, n_failed: int) -> str | None:
    if not len(values):
        return "no measurement gave a value"
    if is_constant(values) and n_failed:
        return (
            f"there is no R²: all {len(values)} masks that have a value have the same one; {n_failed} failed"
        )
    if is_constant(values):
        return f"all {len(values)} values are the same, so there is nothing to explain"
    return None


def is_exact(design: Design, seen: Measurements) -> bool:
    """True if every mask has a value, so that nothing is estimated."""
    if not design.exact:
        return False
    first, _ = unique_rows(seen.masks[seen.ok])
    return len(first) == 2**seen.n_players


def _score(
    there: Measurements, predicted: Floats, method: Method, n_failed: int, rng: Generator, moved: float = 0.0
) -> Audit:
    """The audit of predictions for masks that the fit did not see, all of them with a value."""
    values = there.values
    if len(values) < FEWEST:
        reason = f"{len(values)} masks it never saw have a value, and R² needs {FEWEST}: raise the budget"
        return Audit(None, None, len(values), n_failed, "none", (reason,))
    if is_constant(values):
        reason = f"all {len(values)} values are the same apart from the masks that keep all or nothing"
        return Audit(None, None, len(values), n_failed, "none", (reason,))
    bounded = there.lower < there.upper
    values = within_bounds(there, predicted)
    _, group = unique_rows(there.masks)
    squares = (values - predicted) ** 2
    gain = _gain(float(squares.mean()), float(there.variance.mean()), moved)
    interval = _interval(squares, there.values, group, rng, gain)
    r2 = float(1 - squares.sum() / ((there.values - there.values.mean()) ** 2).sum())
    noise = _noise_share(there)
    notes = _noise_note(noise)
    if interval is not None and (tail := heavy_tail(there.values, squares)) is not None:
        interval = (min(interval[0], tail.r2), interval[1])
        notes = (*notes, tail.note)
    if bounded.any():
        notes = (
            *notes,
            f"{int(bounded.sum())} values are known within bounds only: R² counts what lies outside",
        )
    return Audit(r2, interval, len(values), n_failed, method, notes, None, noise)


def _gain(missed: float, noise: float, moved: float) -> float:
    """The least share of the squared residuals that the fit to all masks can leave.

    moved  squared distance between it and the fits without a fold

    The fit to all masks gains most on those without a fold if it moved straight towards the truth; it cannot
    have gained more than this distance allows. Sampling noise is left in any case.
    """
    signal = missed - noise
    if signal <= 0 or moved <= 0:
        return 1.0
    left = max(0.0, 1 - min(1.0, moved / signal) ** 0.5) ** 2
    return (noise + signal * left) / missed


def _interval(
    squares: Floats, values: Floats, group: NDArray[np.intp], rng: Generator, gain: float
) -> tuple[float, float] | None:
    """The 90% interval of R² over bootstrap samples of masks; repeated measurements are drawn together.

    gain  the share of the squared residuals that is left at the upper end
    """
    drawn = bootstrap_r2(values, squares, rng, resamples=_RESAMPLES, group=group)
    if not len(drawn):
        return None
    low, high = np.quantile(drawn, [0.05, 0.95])
    return float(low), float(1 - gain * (1 - high))


def _noise_share(there: Measurements) -> float:
    values = there.values[there.ok]
    return float(min(1.0, there.variance[there.ok].mean() / values.var())) if len(values) else 0.0


def _noise_note(share: float) -> tuple[str, ...]:
    """A sentence if sampling noise bounds R²: no explanation predicts it."""
    if share <= 0.01:
        return ()
    return (
        f"sampling noise is {100 * share:.0f}% of the variance of the values: no explanation can reach an R²"
        f" above {1 - share:.2f} on them",
    )
