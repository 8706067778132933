"""What an engine can use of what was measured: finite values, each mask once, on a scale of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from spexapi.engines.base import Design, Fit
from spexapi.errors import NothingMeasured
from spexapi.fourier.masks import unique_rows
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import Bools, Floats, Measurements, is_constant


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """The values a fit can use.

    masks   (m, n) bool, m >= 1, no mask twice
    values  (m,) float64 with mean 0 and standard deviation 1; zeros where all are the same
    centre  the mean of the values as they were measured
    scale   their standard deviation; 0 where all are the same
    notes   sentences about what was left out
    """

    masks: Bools
    values: Floats
    centre: float
    scale: float
    notes: tuple[str, ...]

    def in_units(self, standard: Floats) -> Floats:
        """Standardised values as the game's own."""
        return self.centre + self.scale * standard

    def constant(self) -> Fit:
        """The fit where there is no spread to explain."""
        m, n = self.masks.shape
        why = "only one mask has a value" if m == 1 else f"all {m} masks have the same value"
        note = f"{why}: there is nothing to explain"
        return Fit(Spectrum(n, {(): self.centre}), notes=(*self.notes, note))


def given(seen: Measurements) -> Given:
    """Failed rows are dropped, equal masks averaged, values standardised.

    Raises NothingMeasured, with the most frequent reason, where no value is finite.
    """
    ok = seen.ok
    if not ok.any():
        reasons = [r for r in seen.reason if r]
        why = max(set(reasons), key=lambda r: (reasons.count(r), r)) if reasons else "nothing was measured"
        raise NothingMeasured(f"none of {len(seen)} measurements gave a value; most often: {why}")
    notes: list[str] = []
    if seen.n_failed:
        notes.append(f"{seen.n_failed} of {len(seen)} measurements failed and were left out")
    if bounded := int((ok & (seen.lower < seen.upper)).sum()):
        notes.append(f"{bounded} values are known within bounds only and were taken as they stand")
    first, group = unique_rows(seen.masks[ok])
    values = np.bincount(group, weights=seen.values[ok]) / np.bincount(group)
    centre = float(values.mean())
    # the largest difference first: squares of values of 1e-200 would vanish
    widest = float(np.abs(values - centre).max())
    if is_constant(values):
        return Given(seen.masks[ok][first], np.zeros(len(values)), centre, 0.0, tuple(notes))
    standard = (values - centre) / widest
    spread = float(standard.std())
    return Given(seen.masks[ok][first], standard / spread, centre, widest * spread, tuple(notes))


def additive(n: int, base: float, effects: Floats) -> Spectrum:
    """The spectrum of: value(mask) = base + sum of effects[i] over the players i that are kept."""
    singles = {(i,): -effect / 2 for i, effect in enumerate(effects.tolist())}
    return Spectrum(n, {(): base + float(effects.sum()) / 2, **singles})


def weights_of(design: Design, masks: Bools) -> Floats | None:
    """(m,) what the design's settings["weights"] give each mask, None where one is not of this design."""
    settled = design.settings.get("weights")
    if not isinstance(settled, np.ndarray):
        return None
    weights: list[float] = cast(Floats, settled).tolist()
    rows = np.packbits(design.masks, axis=1)
    known = {row.tobytes(): weight for row, weight in zip(rows, weights, strict=True)}
    found = [known.get(row.tobytes()) for row in np.packbits(masks, axis=1)]
    return None if None in found else np.array(found, dtype=np.float64)


def next_masks(design: Design, seen: Measurements, remaining: int) -> Bools:
    """The planned masks that were not measured yet, in order."""
    return design.masks[len(seen) : len(seen) + max(0, remaining)]
