"""The value of any mask: measured if it was, else predicted. The one place that decides it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from spexapi.explanation.failures import failures_of
from spexapi.fourier.repeats import each_mask_once
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import Bools, Measurements


@dataclass(frozen=True, slots=True)
class Gap:
    """That there is no value. infinite: -inf or inf if that is the value, else 0.

    asked  whether that very mask was; else it follows from the others that failed
    """

    infinite: float
    asked: bool


@dataclass(frozen=True, slots=True)
class Ablation:
    """The value with exactly `kept` kept. measured: the model was asked; else the spectrum predicts it.

    gap  if there is no value: `value` is then what the spectrum says, which is of other masks
    """

    kept: frozenset[int]
    value: float
    measured: bool
    gap: Gap | None = None


class MaskValues:
    """The values of masks: what was measured, by its variance if more than once; else the prediction."""

    def __init__(self, seen: Measurements, spectrum: Spectrum) -> None:
        self._spectrum = spectrum
        once, _ = each_mask_once(seen)
        keys = [row.tobytes() for row in np.packbits(once.masks, axis=1)]
        self._known: dict[bytes, float] = dict(zip(keys, once.values.tolist(), strict=True))
        asked = [row.tobytes() for row in np.packbits(seen.masks, axis=1)]
        self._gaps: dict[bytes, float] = {
            key: end
            for key, end, ok in zip(asked, seen.infinite.tolist(), seen.ok.tolist(), strict=True)
            if not ok
        }
        self._failures = failures_of(seen) if self._gaps else None

    def at(self, kept: Iterable[int]) -> Ablation:
        """The value with these players kept and the others removed."""
        chosen = frozenset(kept)
        mask: Bools = np.zeros((1, self._spectrum.n_players), dtype=np.bool_)
        mask[0, list(chosen)] = True
        key = np.packbits(mask, axis=1)[0].tobytes()
        if (known := self._known.get(key)) is not None:
            return Ablation(chosen, known, True)
        return Ablation(chosen, float(self._spectrum.predict(mask)[0]), False, self._gap(key, mask))

    def _gap(self, key: bytes, mask: Bools) -> Gap | None:
        """Why that mask has no value, if it has none."""
        if (end := self._gaps.get(key)) is not None:
            return Gap(end, True)
        found = self._failures
        if found is None or not any(cause.holds(mask)[0] for cause in found.causes):
            return None
        return Gap(found.infinite, False)
