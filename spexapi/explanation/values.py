"""The value of any mask: measured if it was, else predicted. The one place that decides it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from spexapi.fourier.repeats import each_mask_once
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import Bools, Measurements


@dataclass(frozen=True, slots=True)
class Ablation:
    """The value with exactly `kept` kept. measured: the model was asked; else the spectrum predicts it."""

    kept: frozenset[int]
    value: float
    measured: bool


class MaskValues:
    """The values of masks: what was measured, by its variance if more than once; else the prediction."""

    def __init__(self, seen: Measurements, spectrum: Spectrum) -> None:
        self._spectrum = spectrum
        once, _ = each_mask_once(seen)
        keys = [row.tobytes() for row in np.packbits(once.masks, axis=1)]
        self._known: dict[bytes, float] = dict(zip(keys, once.values.tolist(), strict=True))

    def at(self, kept: Iterable[int]) -> Ablation:
        """The value with these players kept and the others removed."""
        chosen = frozenset(kept)
        mask: Bools = np.zeros((1, self._spectrum.n_players), dtype=np.bool_)
        mask[0, list(chosen)] = True
        known = self._known.get(np.packbits(mask, axis=1)[0].tobytes())
        if known is not None:
            return Ablation(chosen, known, True)
        return Ablation(chosen, float(self._spectrum.predict(mask)[0]), False)
