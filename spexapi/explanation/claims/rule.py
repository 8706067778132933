"""Does the answer stay? One rule, by what the model writes if that is known, else by likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from spexapi.explanation.values import Ablation
from spexapi.fourier.ranking import exceeds, reaches
from spexapi.games.base import Target

if TYPE_CHECKING:
    from spexapi.explanation.reading import Reading

# Probability of a token, on average: a model that finds its answer less likely does not stand behind it.
SURE = 0.5
# Nats: a token may be half as likely and the answer is still the same; at a quarter it is lost.
_HALVED, _QUARTERED = math.log(2), math.log(4)
# Of the difference between everything and nothing kept.
_NEAR, _FAR = 0.2, 0.5
# Of the way to the bar: nearer than this is close.
_CLOSE = 0.15
# Rows of either kind before a bar is learnt from them.
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Rule:
    """When the answer stays with some players kept, and when it is lost.

    By what the model writes, if it writes the answer with everything kept and stands behind it (at least half
    a token's probability): the answer stays if the model still writes all of it, and is lost if not. What a
    model barely prefers turns with every word. So else by likelihood, everything kept as the measure, and
    without a cliff: the worst token may be half as likely, and the whole answer of t tokens by sqrt(t) times
    as much in nats, or by a fifth of the difference between everything and nothing kept if that is less. Lost
    is a quarter, twice as much, or half of the difference.

    full, none   everything and nothing kept
    tokens_wide  what a nat of one token is in the value: sqrt(t) for the sum over t tokens, sqrt(1 / t) for
                 their mean, 1 for log-odds; 0 if the value is not in nats
    is_sure      the model stands behind the answer with everything kept
    bar          predicted values from here up are believed to stay
    """

    full: Ablation
    none: Ablation
    tokens_wide: float
    is_sure: bool
    bar: float

    @classmethod
    def of(cls, reading: Reading) -> Rule:
        full, none = reading.full, reading.none
        wide = _tokens_wide(reading.explanation.target, len(full.tokens))
        chance = reading.typical_chance
        rule = cls(full, none, wide, chance is None or reaches(chance, SURE), 0.0)
        bar = full.value - rule._allowed(_HALVED, _NEAR)
        return replace(rule, bar=_learnt(reading, bar) if rule.knows_behaviour else bar)

    @property
    def total(self) -> float:
        return self.full.value - self.none.value

    @property
    def near(self) -> float:
        """How far a value may fall and still be the answer."""
        return self._allowed(_HALVED, _NEAR)

    @property
    def far(self) -> float:
        """How far a value must fall for the answer to be lost."""
        return self._allowed(_QUARTERED, _FAR)

    @property
    def scale(self) -> float:
        """The size of the values, whose rounding their differences have."""
        return max(abs(self.full.value), abs(self.none.value))

    @property
    def knows_behaviour(self) -> bool:
        """Whether the model writes the answer with everything kept and stands behind it."""
        return _writes(self.full) is True and self.is_sure

    def stays(self, found: Ablation) -> bool:
        """Is it still the answer?"""
        if not found.measured:
            return reaches(found.value, self.bar, self.scale)
        if self.knows_behaviour and (writes := _writes(found)) is not None:
            return writes
        return reaches(1.0, self._distance(found, _HALVED, _NEAR), self._rounding(self.near))

    def lost(self, found: Ablation) -> bool:
        """Is the answer gone?"""
        if found.measured and self.knows_behaviour and (writes := _writes(found)) is not None:
            return not writes
        return reaches(self._distance(found, _QUARTERED, _FAR), 1.0, self._rounding(self.far))

    def is_close(self, found: Ablation) -> bool:
        """Whether a little more or less would have changed what stays() says; not known of behaviour."""
        if not found.measured or (self.knows_behaviour and _writes(found) is not None):
            return False
        return abs(self._distance(found, _HALVED, _NEAR) - 1.0) <= _CLOSE

    def _distance(self, found: Ablation, nats: float, share: float) -> float:
        """How far from everything kept, in bars: 1 is at the bar, beyond is more."""
        gone = self.full.value - found.value
        bar = self._allowed(nats, share)
        whole = gone / bar if bar > 0 else (math.inf if exceeds(gone, 0.0, self.scale) else 0.0)
        if self.tokens_wide in (0.0, 1.0) or len(found.tokens) != len(self.full.tokens):
            return whole
        worst = max(a - b for a, b in zip(self.full.tokens, found.tokens, strict=True))
        return max(whole, worst / nats)

    def _rounding(self, bar: float) -> float:
        """The size of the values in bars: what a distance is rounded by."""
        return self.scale / bar if bar > 0 else 0.0

    def _allowed(self, nats: float, share: float) -> float:
        """How much the value may fall."""
        part = max(share * self.total, 0.0)
        return min(part, nats * self.tokens_wide) if self.tokens_wide else part


def _tokens_wide(target: Target, tokens: int) -> float:
    if target.score == "logprob":
        return max(tokens, 1) ** 0.5
    if target.score == "mean_logprob":
        return max(tokens, 1) ** -0.5
    return 1.0 if target.unit == "nats" else 0.0


def _writes(found: Ablation) -> bool | None:
    """Whether the model writes the answer; None if that is not known."""
    return None if found.behaviour is None else found.behaviour.stays


def _learnt(reading: Reading, bar: float) -> float:
    """The value that best parts the measured masks whose answer stays from those whose does not.

    `bar` if there are too few of either.
    """
    seen = reading.measured
    known = [(a.value, _writes(a)) for a in seen if _writes(a) is not None]
    values = np.array([value for value, _ in known])
    stays = np.array([bool(writes) for _, writes in known])
    if min(stays.sum(), (~stays).sum()) < _FEWEST:
        return bar
    order = np.argsort(values, kind="stable")
    values, stays = values[order], stays[order]
    # errors if the bar lies below row k: those below that stay, and those from it up that do not
    wrong = np.concatenate([[0], np.cumsum(stays)]) + np.concatenate([np.cumsum(~stays[::-1])[::-1], [0]])
    best = np.flatnonzero(wrong == wrong.min())
    between = np.concatenate([values[:1], (values[1:] + values[:-1]) / 2, values[-1:]])
    return float(np.median(between[best]))
