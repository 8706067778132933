"""The whole engine again, without a fifth of the masks each time: for R², intervals and stability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines.base import Design, Engine, Fit
from spexapi.errors import NothingMeasured
from spexapi.masks import unique_rows
from spexapi.measurements import Bools, Floats, Measurements
from spexapi.spectrum import Spectrum

_FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Refits:
    """Fits that did not see a fold, all their choices made without it.

    fold     (m,) the fold of each measurement, -1 where no fit was made without it
    spectra  for each fold the fit to the others
    """

    fold: NDArray[np.intp]
    spectra: tuple[Spectrum, ...]

    def out_of_fold(self, masks: Bools) -> Floats:
        """(m,) what the fit that did not see a mask predicts for it, NaN where there is none."""
        guesses = np.full(len(masks), np.nan)
        for k, spectrum in enumerate(self.spectra):
            there = self.fold == k
            guesses[there] = spectrum.predict(masks[there])
        return guesses


def refits(engine: Engine, design: Design, seen: Measurements, fit: Fit, rng: Generator) -> Refits | None:
    """Those the engine made itself; else five more fits, equal masks in one fold.

    None where masks are no uniform draws, or where the engine judged only a part of them (SPEX, whose other
    masks are one code: a fold of it missing is another design).
    """
    if fit.fold is not None and fit.fold_spectra:
        return Refits(fit.fold, fit.fold_spectra)
    in_part = fit.out_of_fold is not None and not np.isfinite(fit.out_of_fold[seen.ok]).all()
    if not design.uniform or in_part or not len(seen):
        return None
    _, group = unique_rows(seen.masks)
    drawn = (rng.permutation(int(group.max()) + 1) % _FOLDS)[group]
    fold = np.full(len(seen), -1)
    spectra: list[Spectrum] = []
    for k in range(_FOLDS):
        there = drawn == k
        if not there.any():
            continue
        try:
            found = engine.fit(design, seen.take(~there))
        except NothingMeasured:
            continue
        fold[there & seen.ok] = len(spectra)
        spectra.append(found.spectrum)
    return Refits(fold, tuple(spectra)) if spectra else None
