"""How far an explanation can be trusted: what it predicts for masks that it never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines.base import Design, Engine, Fit
from spexapi.errors import NothingMeasured
from spexapi.masks import unique_rows
from spexapi.measurements import Floats, Measurements

Method = Literal["out-of-fold", "held-out", "exact", "none"]

_FOLDS = 5
_FEWEST = 8
_RESAMPLES = 1000
_CELLS = 1 << 22
_CONSTANT = 1e-12  # spread below this share of the values is rounding
_NOT_UNIFORM = (
    "R² is defined on uniform masks, and these masks are not uniform draws: set fresh ones aside for it with"
    " held_out (at least 8, 32 or more to tell much)"
)


@dataclass(frozen=True, slots=True)
class Audit:
    """How well the spectrum predicts masks it was not fitted to.

    r2           1 - squared residuals / squared distance from the mean, over uniform masks; below 0 where
                 the mean predicts better; None where it means nothing, with the reason in notes
    r2_interval  90%, by resampling masks
    n_held_out   how many predictions r2 rests on
    n_failed     measurements that gave no value
    method       out-of-fold (the masks already paid for, each predicted by a fit without it), held-out (fresh
                 masks), exact (every mask was measured) or none
    notes        sentences
    """

    r2: float | None
    r2_interval: tuple[float, float] | None
    n_held_out: int
    n_failed: int
    method: Method
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The figure in words, for someone who has never heard of R²."""
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
    rng: Generator,
) -> Audit:
    """R² with a 90% interval, from fresh masks where there are any, else from those already paid for.

    fit       of engine on seen
    held_out  fresh uniform masks that the engine did not see

    Without fresh masks and without fit.out_of_fold, the engine is fitted five times more, with all its
    choices inside the fold and equal masks in one fold. The masks that keep all or nothing are left out of
    R²: they are in every design and not uniform draws. A design that is not uniform at all (LIME, KernelSHAP,
    leave-one-out) has no R² without fresh masks.
    """
    n_failed = seen.n_failed + (0 if held_out is None else held_out.n_failed)
    values = seen.values[seen.ok]
    if held_out is not None:
        values = np.concatenate([values, held_out.values[held_out.ok]])
    if (reason := _no_reason_to_ask(values)) is not None:
        return Audit(None, None, 0, n_failed, "none", (reason,))
    if _is_exact(design, seen):
        return Audit(1.0, (1.0, 1.0), 0, n_failed, "exact", _noise_note(seen))
    if held_out is not None and len(held_out):
        there = held_out.take(held_out.ok)
        return _score(there, fit.spectrum.predict(there.masks), "held-out", n_failed, rng)
    if not design.uniform:
        return Audit(None, None, 0, n_failed, "none", (_NOT_UNIFORM,))
    guesses = fit.out_of_fold
    if guesses is None:
        guesses = _refit_in_folds(engine, design, seen, rng)
    kept = seen.masks.sum(axis=1)
    rows = np.flatnonzero(seen.ok & np.isfinite(guesses) & (kept > 0) & (kept < seen.n_players))
    return _score(seen.take(rows), guesses[rows], "out-of-fold", n_failed, rng)


def r_squared(values: Floats, predicted: Floats) -> float:
    """1 - squared residuals over squared distance from the mean; values must differ."""
    return float(1 - ((values - predicted) ** 2).sum() / ((values - values.mean()) ** 2).sum())


def _no_reason_to_ask(values: Floats) -> str | None:
    if not len(values):
        return "no measurement gave a value"
    if _is_constant(values):
        return f"all {len(values)} values are the same, so there is nothing to explain"
    return None


def _is_constant(values: Floats) -> bool:
    return bool(np.ptp(values) <= _CONSTANT * np.abs(values).max())


def _is_exact(design: Design, seen: Measurements) -> bool:
    if not design.exact:
        return False
    first, _ = unique_rows(seen.masks[seen.ok])
    return len(first) == 2**seen.n_players


def _score(there: Measurements, predicted: Floats, method: Method, n_failed: int, rng: Generator) -> Audit:
    """The audit of predictions for masks they did not see, all of them measured."""
    values = there.values
    if len(values) < _FEWEST:
        reason = f"{len(values)} masks it never saw have a value, and R² needs {_FEWEST}: raise the budget"
        return Audit(None, None, len(values), n_failed, "none", (reason,))
    if _is_constant(values):
        reason = f"all {len(values)} values are the same apart from the masks that keep all or nothing"
        return Audit(None, None, len(values), n_failed, "none", (reason,))
    _, group = unique_rows(there.masks)
    interval = _interval((values - predicted) ** 2, values, group, rng)
    r2 = r_squared(values, predicted)
    return Audit(r2, interval, len(values), n_failed, method, _noise_note(there))


def _interval(
    squares: Floats, values: Floats, group: NDArray[np.intp], rng: Generator
) -> tuple[float, float] | None:
    """90% of R² over bootstrap samples of the masks; a mask measured twice is drawn as one."""
    count = int(group.max()) + 1
    squares = squares / values.var()
    values = (values - values.mean()) / values.std()
    parts = (np.ones(len(group)), values, values**2, squares)
    sums = [np.bincount(group, weights=part) for part in parts]
    drawn: list[Floats] = []
    step = max(1, _CELLS // count)
    for top in range(0, _RESAMPLES, step):
        picks = rng.integers(count, size=(min(step, _RESAMPLES - top), count))
        drawn.append(np.stack([row[picks].sum(axis=1) for row in sums]))
    m, total, total_squares, left = np.concatenate(drawn, axis=1)
    spread = total_squares - total**2 / m
    usable = spread > _CONSTANT * m
    if not usable.any():
        return None
    low, high = np.quantile(1 - left[usable] / spread[usable], [0.05, 0.95])
    return float(low), float(high)


def _refit_in_folds(engine: Engine, design: Design, seen: Measurements, rng: Generator) -> Floats:
    """(m,) what a fit of the whole engine without the row's fold predicts, NaN where that failed."""
    _, group = unique_rows(seen.masks)
    fold = (rng.permutation(int(group.max()) + 1) % _FOLDS)[group]
    guesses = np.full(len(seen), np.nan)
    for k in range(_FOLDS):
        there = fold == k
        if not there.any():
            continue
        try:
            found = engine.fit(design, seen.take(~there))
        except NothingMeasured:
            continue
        guesses[there] = found.spectrum.predict(seen.masks[there])
    return guesses


def _noise_note(there: Measurements) -> tuple[str, ...]:
    """Sampling noise bounds R²: no explanation predicts it."""
    values = there.values[there.ok]
    share = float(there.variance[there.ok].mean() / values.var()) if len(values) else 0.0
    if share <= 0.01:
        return ()
    return (
        f"sampling noise is {100 * min(share, 1.0):.0f}% of the variance of the values: no explanation can"
        f" reach an R² above {max(0.0, 1 - share):.2f} on them",
    )
