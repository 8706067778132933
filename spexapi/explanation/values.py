"""What is known of any mask: measured if it was, else predicted. The one place that decides it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from spexapi.explanation.behaviour import Behaviour, behaviour_of
from spexapi.explanation.bounds import bounds_of
from spexapi.explanation.failures import failures_of
from spexapi.fourier.repeats import each_mask_once
from spexapi.fourier.spectrum import Spectrum
from spexapi.games.base import Target
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
    """What the model does with exactly `kept` kept.

    measured   the model was asked; else the spectrum predicts the value
    gap        if there is no value: `value` is then what the spectrum says, which is of other masks
    tokens     log-probability of each token of the answer (of its span), nats; () if they are not known
    behaviour  what the model writes in place of the answer; None if that is not known
    """

    kept: frozenset[int]
    value: float
    measured: bool
    gap: Gap | None = None
    tokens: tuple[float, ...] = ()
    behaviour: Behaviour | None = None


class MaskValues:
    """The values of masks: what was measured, by its variance if more than once; else the prediction."""

    def __init__(self, seen: Measurements, spectrum: Spectrum, target: Target | None = None) -> None:
        self._spectrum, self._target, self._seen = spectrum, target or Target(), seen
        self.bounds = bounds_of(self._target, seen)
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
        rows = np.flatnonzero(seen.ok).tolist()
        packed = np.packbits(seen.masks, axis=1)
        self._row: dict[bytes, int] = {packed[row].tobytes(): row for row in reversed(rows)}

    def at(self, kept: Iterable[int]) -> Ablation:
        """The value with these players kept and the others removed."""
        chosen = frozenset(kept)
        mask: Bools = np.zeros((1, self._spectrum.n_players), dtype=np.bool_)
        mask[0, list(chosen)] = True
        key = np.packbits(mask, axis=1)[0].tobytes()
        if (known := self._known.get(key)) is not None:
            return Ablation(chosen, known, True, None, *self._details(self._row[key]))
        predicted = self.within(float(self._spectrum.predict(mask)[0]))
        return Ablation(chosen, predicted, False, self._gap(key, mask))

    def within(self, predicted: float) -> float:
        """A prediction, brought to the nearest value that the score can have."""
        low, high = self.bounds
        return min(max(predicted, low), high)

    def measured(self) -> list[Ablation]:
        """Every mask that was measured, in the order of its first value."""
        masks = self._seen.masks
        rows = sorted(self._row[key] for key in self._known)
        return [self.at(np.flatnonzero(masks[row]).tolist()) for row in rows]

    def _details(self, row: int) -> tuple[tuple[float, ...], Behaviour | None]:
        """Tokens and behaviour of the first measurement of a mask."""
        seen, offsets, span = self._seen, self._target.answer_offsets, self._target.span
        if self._target.score == "choice":
            return (), self._chosen(row)
        places = _places(offsets, span)
        tokens: tuple[float, ...] = ()
        if seen.token_values is not None and (places is not None or not span):
            chosen = seen.token_values[row] if places is None else seen.token_values[row][places]
            tokens = tuple(chosen.tolist()) if np.isfinite(chosen).all() else ()
        if seen.ranks is None or len(offsets) not in (0, seen.ranks.shape[1]) or (span and not offsets):
            return tokens, None
        choices = () if seen.choices is None else seen.choices[row]
        return tokens, behaviour_of(seen.ranks[row].tolist(), choices, offsets, span)

    def _chosen(self, row: int) -> Behaviour | None:
        """Of k options the model chooses the likeliest.

        That is the answer if it is likelier than all others together, and another one if it has less than its
        share, 1 / k: log-odds of -log(k - 1), 0 for two. Not known in between, nor of a mean over questions.
        """
        seen, others = self._seen, len(self._target.options) - 1
        if not self._target.answer:
            return None
        if seen.lower[row] > 0:
            return Behaviour(True, None)
        return Behaviour(False, None) if others > 0 and seen.upper[row] < -math.log(others) else None

    def _gap(self, key: bytes, mask: Bools) -> Gap | None:
        """Why that mask has no value, if it has none."""
        if (end := self._gaps.get(key)) is not None:
            return Gap(end, True)
        found = self._failures
        if found is None or not any(cause.holds(mask)[0] for cause in found.causes):
            return None
        return Gap(found.infinite, False)


def _places(offsets: tuple[tuple[int, int], ...], span: tuple[int, int] | None) -> list[int] | None:
    """The tokens that lie in the span; None for all."""
    if span is None or not offsets:
        return None
    return [t for t, (start, stop) in enumerate(offsets) if start < span[1] and span[0] < stop]
