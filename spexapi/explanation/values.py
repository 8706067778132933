"""The value of any mask: measured if it was, else predicted. The one place where that is decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from spexapi.fourier.masks import unique_rows
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import Bools, Measurements


@dataclass(frozen=True, slots=True)
class Ablation:
    """The value with exactly `kept` kept. measured: the model was asked; else the spectrum predicts it."""

    kept: frozenset[int]
    value: float
    measured: bool


class MaskValues:
    """The values of masks: the mean of what was measured, the prediction of the spectrum for the others."""

    def __init__(self, seen: Measurements, spectrum: Spectrum) -> None:
        self._spectrum = spectrum
        there = seen.take(seen.ok)
        first, of = unique_rows(there.masks)
        values = there.values[first]
        for repeated in np.flatnonzero(np.bincount(of, minlength=len(first)) > 1):
            values[repeated] = mean_of(there.take(of == repeated))
        keys = [row.tobytes() for row in np.packbits(there.masks[first], axis=1)]
        self._known: dict[bytes, float] = dict(zip(keys, values.tolist(), strict=True))

    def at(self, kept: Iterable[int]) -> Ablation:
        """The value with these players kept and the others removed."""
        chosen = frozenset(kept)
        mask: Bools = np.zeros((1, self._spectrum.n_players), dtype=np.bool_)
        mask[0, list(chosen)] = True
        known = self._known.get(np.packbits(mask, axis=1)[0].tobytes())
        if known is not None:
            return Ablation(chosen, known, True)
        return Ablation(chosen, float(self._spectrum.predict(mask)[0]), False)


def mean_of(seen: Measurements) -> float:
    """The value of one mask from all its measurements, each weighed by one over its variance.

    A value without noise decides alone, and so does one that is more than a bound: as engines read them.
    """
    bounded = seen.lower < seen.upper
    used = seen if bounded.all() else seen.take(~bounded)
    exact = used.variance <= 0
    if exact.any():
        return float(used.values[exact].mean())
    return float(np.average(used.values, weights=1 / used.variance))
