"""How large SPEX's terms are: a fit to all masks, judged on those that no choice of terms has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spexapi.engines.resampling import FEWEST, FOLDS, folds
from spexapi.engines.stack.base_learners import BaseLearner, fit_base_learners
from spexapi.engines.stack.stacking import stack
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import Interaction, parities
from spexapi.measurements import Bools, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Sized:
    """Coefficients, and what they were judged by.

    coef         interaction -> coefficient
    out_of_fold  (m,) predictions of the masks apart by fits without them, NaN for others; None where they
                 are too few
    note         a sentence: what was fitted
    """

    coef: Mapping[Interaction, float]
    out_of_fold: Floats | None
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What every fit is given, whatever is left out: the masks that chose the terms."""

    terms: list[Interaction]
    masks: Bools
    values: Floats

    def fits(self, masks: Bools, values: Floats, *, seed: int | None) -> list[BaseLearner]:
        """Ridge on the terms, and with a seed what ProxySPEX combines, on these masks and the known ones."""
        every, their = np.concatenate([self.masks, masks]), np.concatenate([self.values, values])
        mine = on_terms(self.terms, every, their)
        return [mine] if seed is None else [mine, *fit_base_learners(every, their, seed)]


def on_terms(terms: list[Interaction], masks: Bools, values: Floats) -> BaseLearner:
    """Ridge on the terms, the constant first among them; the penalty by leave-one-out."""
    found = ridge(parities(masks, terms), values, constant=0)
    return BaseLearner("SPEX's terms", terms, found.coef[:, None])


def size(
    terms: list[Interaction], masks: Bools, values: Floats, apart: Bools, *, seed: int, combined: bool
) -> Sized:
    """Ridge on the terms; or, where that predicts the masks apart clearly better, stacked with ProxySPEX.

    masks   (m, n) bool
    values  (m,) of variance about 1
    apart   (m,) True for uniform masks that the terms were chosen without

    Clearly: by more than one standard error, since few terms are easier to read than many. The predictions
    out of fold repeat that choice without the fold, so that they are an honest forecast for new masks.
    """
    member = on_terms(terms, masks, values)
    coef: Mapping[Interaction, float] = dict(zip(terms, member.coef[:, 0].tolist(), strict=True))
    note = f"ridge on {len(terms) - 1} terms and the constant"
    if apart.sum() < FEWEST:
        return Sized(coef, None, note)
    there, target = masks[apart], values[apart]
    fold = folds(len(target), np.random.default_rng(seed))
    known = Known(terms, masks[~apart], values[~apart])
    guesses = _without_fold(known, there, target, fold)
    if combined:
        found = stack(there, target, lambda rows: known.fits(there[rows], target[rows], seed=seed), fold)
        ahead = (guesses - target) ** 2 - (found.out_of_fold - target) ** 2
        for k in range(FOLDS):
            if _clear(ahead[fold != k]):
                guesses[fold == k] = found.out_of_fold[fold == k]
        if _clear(ahead):
            parts = ", ".join(f"{weight:.2f} {name}" for name, weight in found.shares if weight > 0.005)
            coef, note = found.coef, f"combined, which predicts better than SPEX's terms alone: {parts}"
    out_of_fold = np.full(len(values), np.nan)
    out_of_fold[apart] = guesses
    return Sized(coef, out_of_fold, note)


def _without_fold(known: Known, masks: Bools, values: Floats, fold: NDArray[np.intp]) -> Floats:
    guesses = np.empty(len(values))
    for k in range(FOLDS):
        (member,) = known.fits(masks[fold != k], values[fold != k], seed=None)
        guesses[fold == k] = member.predict(masks[fold == k])[:, 0]
    return guesses


def _clear(ahead: Floats) -> bool:
    """Is the mean above its standard error?"""
    return bool(ahead.mean() > ahead.std() / np.sqrt(len(ahead)))
