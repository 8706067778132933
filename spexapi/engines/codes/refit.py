"""The refit of SPEX: coefficients of its terms from all masks, judged on masks not used to select them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spexapi.engines.resampling import FEWEST, FOLDS, folds
from spexapi.engines.stack.base_learners import BaseLearner, fit_base_learners
from spexapi.engines.stack.stacking import stack
from spexapi.fourier.ranking import exceeds
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import Interaction, parities
from spexapi.measurements import Bools, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """Coefficients and their out-of-fold predictions.

    coef         interaction -> coefficient
    out_of_fold  (m,) predictions of the masks apart by fits without them, NaN for the others; None if there
                 are fewer than 8
    note         a sentence: what was fitted
    """

    coef: Mapping[Interaction, float]
    out_of_fold: Floats | None
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class _Selection:
    """The terms and the masks that selected them, which every fit uses, whatever fold it leaves out."""

    terms: list[Interaction]
    masks: Bools
    values: Floats

    def fits(self, masks: Bools, values: Floats, *, seed: int | None) -> list[BaseLearner]:
        """Ridge on the terms, and with a seed ProxySPEX's base learners, on these masks and the own ones."""
        every, target = np.concatenate([self.masks, masks]), np.concatenate([self.values, values])
        ridge_fit = _ridge_on(self.terms, every, target)
        return [ridge_fit] if seed is None else [ridge_fit, *fit_base_learners(every, target, seed)]


def _ridge_on(terms: list[Interaction], masks: Bools, values: Floats) -> BaseLearner:
    """Ridge on the terms, the constant first among them; the penalty by leave-one-out."""
    found = ridge(parities(masks, terms), values, constant=0)
    return BaseLearner("SPEX's terms", terms, found.coef[:, None])


def refit_terms(
    terms: list[Interaction], masks: Bools, values: Floats, apart: Bools, *, seed: int, combined: bool
) -> Refit:
    """Ridge on the terms; stacked with ProxySPEX's learners if that predicts the masks apart clearly better.

    masks   (m, n) bool
    values  (m,) of variance about 1
    apart   (m,) True for uniform masks that were not used to select the terms

    Clearly: by more than one standard error, as few terms are easier to read than many. The out-of-fold
    predictions repeat that choice without the fold, so that they forecast new masks.
    """
    learner = _ridge_on(terms, masks, values)
    coef: Mapping[Interaction, float] = dict(zip(terms, learner.coef[:, 0].tolist(), strict=True))
    note = f"ridge on {len(terms) - 1} terms and the constant"
    if apart.sum() < FEWEST:
        return Refit(coef, None, note)
    uniform, target = masks[apart], values[apart]
    fold = folds(len(target), np.random.default_rng(seed))
    selection = _Selection(terms, masks[~apart], values[~apart])
    guesses = _out_of_fold(selection, uniform, target, fold)
    if combined:
        found = stack(
            uniform, target, lambda rows: selection.fits(uniform[rows], target[rows], seed=seed), fold
        )
        gain = (guesses - target) ** 2 - (found.out_of_fold - target) ** 2
        for k in range(FOLDS):
            if _above_error(gain[fold != k]):
                guesses[fold == k] = found.out_of_fold[fold == k]
        if _above_error(gain):
            parts = ", ".join(f"{weight:.2f} {name}" for name, weight in found.shares if weight > 0.005)
            coef, note = found.coef, f"combined, which predicts better than SPEX's terms alone: {parts}"
    out_of_fold = np.full(len(values), np.nan)
    out_of_fold[apart] = guesses
    return Refit(coef, out_of_fold, note)


def _out_of_fold(selection: _Selection, masks: Bools, values: Floats, fold: NDArray[np.intp]) -> Floats:
    """(m,) the prediction of each mask by ridge on the terms without its fold."""
    guesses = np.empty(len(values))
    for k in range(FOLDS):
        (learner,) = selection.fits(masks[fold != k], values[fold != k], seed=None)
        guesses[fold == k] = learner.predict(masks[fold == k])[:, 0]
    return guesses


def _above_error(gain: Floats) -> bool:
    """True if the mean is above its standard error; gain (k,) of values of variance about 1."""
    return exceeds(float(gain.mean()), float(gain.std()) / len(gain) ** 0.5, scale=1.0)
