"""What the numbers of an explanation mean, as values: all views read them here, the words are elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from spexapi.explanation.values import Ablation, MaskValues
from spexapi.fourier.ranking import ROUNDING, exceeds, reaches
from spexapi.games.base import Target

if TYPE_CHECKING:
    from spexapi.explanation.behaviour import Behaviour
    from spexapi.explanation.explanation import Explanation
    from spexapi.fourier.spectrum import Interaction

CUBE_ORDER = 10  # a combination of k players needs 2^k values to be read; larger ones are called an interplay


class Meaning(StrEnum):
    """What a combination does to the value; `narrative.meaning` has the words."""

    HELPS = auto()
    HURTS = auto()
    TOGETHER = auto()  # neither adds much without the other
    STRONGER = auto()
    EITHER = auto()  # one of two is enough
    ANY = auto()  # one of three or more is enough
    OVERLAP = auto()
    AGAINST = auto()
    MAKES_UP = auto()
    HURT_TOGETHER = auto()
    HURT_MORE = auto()
    HURT_EITHER = auto()
    HURT_OVERLAP = auto()
    MORE = auto()  # than the sum of their parts
    LESS = auto()
    UNCLEAR = auto()  # its interval holds 0


_LESS = {
    Meaning.HURTS,
    Meaning.OVERLAP,
    Meaning.AGAINST,
    Meaning.HURT_TOGETHER,
    Meaning.HURT_MORE,
    Meaning.LESS,
}


def _sign(meaning: Meaning, size: int) -> int:
    """The sign of the pure interaction that such a meaning speaks of."""
    if meaning in (Meaning.EITHER, Meaning.ANY):
        return 1 if size % 2 else -1
    if meaning is Meaning.HURT_EITHER:
        return -1 if size % 2 else 1
    return -1 if meaning in _LESS else 1


@dataclass(frozen=True, eq=False)
class Reading:
    """Values of masks (measured if they were), and the cube of any small combination.

    A presentation has one: what it reads off the explanation is read once.
    """

    explanation: Explanation

    @classmethod
    def of(cls, explanation: Explanation) -> Reading:
        return cls(explanation)

    @cached_property
    def _values(self) -> MaskValues:
        explanation = self.explanation
        return MaskValues(explanation.observations, explanation.spectrum, explanation.target)

    @property
    def n(self) -> int:
        return self.explanation.n_players

    @property
    def everyone(self) -> frozenset[int]:
        return frozenset(range(self.n))

    def ablate(self, kept: Iterable[int]) -> Ablation:
        """The value of one mask."""
        return self._values.at(kept)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest value that the score can have."""
        return self._values.bounds

    def within(self, predicted: float) -> float:
        """A prediction, brought to the nearest value that the score can have."""
        return self._values.within(predicted)

    def value(self, kept: Iterable[int]) -> float:
        return self.ablate(kept).value

    def value_without(self, gone: Iterable[int]) -> float:
        return self.value(self.everyone - frozenset(gone))

    @cached_property
    def measured(self) -> list[Ablation]:
        """Every mask that was measured."""
        return self._values.measured()

    @cached_property
    def full(self) -> Ablation:
        """Everything kept."""
        return self.ablate(self.everyone)

    @cached_property
    def none(self) -> Ablation:
        """Nothing kept."""
        return self.ablate(())

    def says(self, kept: Iterable[int]) -> str:
        """What the model writes in place of the answer with these kept: all of it, or the first words that
        differ; "" if it still writes the answer, or that is not known."""
        chosen = frozenset(kept)
        written = dict(self.explanation.written).get(tuple(sorted(chosen)), "")
        found = self.ablate(chosen).behaviour
        if found is not None and found.stays:
            return ""
        if written or found is None:
            return "" if written.strip() == self.explanation.target.answer.strip() else written
        return _continued(self.explanation.target, found)

    @property
    def typical_chance(self) -> float | None:
        """The probability of everything kept, of a token if the answer has several; None if it is none."""
        target, tokens = self.explanation.target, len(self.full.tokens)
        if target.score == "logprob" and tokens > 1:
            return math.exp(min(self.full.value / tokens, 0.0))
        return self.probability(self.full.value)

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """n Shapley values: they add up to the predicted difference of everything and nothing kept."""
        found = self.explanation.values("sv", 1)
        scale = max((abs(c) for s, c in self.explanation.spectrum.coef.items() if s), default=0.0)
        shares = (float(found.get((i,), 0.0)) for i in range(self.n))
        return tuple(share if abs(share) > ROUNDING * scale else 0.0 for share in shares)

    @cached_property
    def floor(self) -> float:
        """Smaller differences are not worth a colour: a tenth of a nat, or 2% of the spread of the values."""
        if self.explanation.target.unit == "nats":
            return 0.1
        seen = self.explanation.observations
        values = seen.values[seen.ok]
        return 0.02 * float(np.ptp(values)) if len(values) else 0.0

    @cached_property
    def tokens_apart(self) -> int:
        """Over how many tokens a likelihood is spread to be readable; 1: it is not; 0: the value is a mean.

        The probability of a whole long answer is always tiny, so the geometric mean of its tokens is shown.
        """
        target = self.explanation.target
        if target.score == "mean_logprob":
            return 0
        if target.score != "logprob" or exceeds(self.full.value, math.log(0.01)):
            return 1
        start, end = target.span or (0, len(target.answer))
        return max(sum(a < end and b > start for a, b in target.answer_offsets), 1)

    def probability(self, value: float) -> float | None:
        """The probability a value stands for, of the answer or of a token of it; None if it is none."""
        target = self.explanation.target
        if target.unit != "nats" and target.score != "mean_logprob":
            return None
        if target.score in ("logprob", "mean_logprob"):
            return math.exp(min(value / max(self.tokens_apart, 1), 0.0))
        if target.score in ("logit", "choice"):
            return 1.0 / (1.0 + math.exp(-max(min(value, 700.0), -700.0)))
        return None

    def cube(self, players: Interaction) -> dict[frozenset[int], float]:
        """The mean value of every subset of `players` kept; a fair coin decides on the others."""
        inside = set(players)
        terms = [(s, c) for s, c in self.explanation.spectrum.coef.items() if inside.issuperset(s)]
        found: dict[frozenset[int], float] = {}
        for bits in product((False, True), repeat=len(players)):
            kept = frozenset(p for p, bit in zip(players, bits, strict=True) if bit)
            found[kept] = sum(c * (-1.0) ** sum(i in kept for i in s) for s, c in terms)
        return found

    def meaning(self, players: Interaction) -> Meaning:
        """What these players do to the value; for two or more, what they do as a group."""
        if len(players) > CUBE_ORDER:
            sign = self.explanation.spectrum.coef.get(players, 0.0) * (-1.0) ** len(players)
            return Meaning.MORE if sign >= 0 else Meaning.LESS
        cube = self.cube(players)
        if len(players) == 1:
            return Meaning.HELPS if reaches(cube[frozenset(players)], cube[frozenset()]) else Meaning.HURTS
        return _meaning_of(cube, frozenset(players))

    def raises(self, players: Interaction, value: float) -> bool:
        """Whether a value in the explanation's index says that these players raise the value of the game."""
        fourier_odd = self.explanation.index == "fourier" and len(players) % 2 == 1
        return (-value if fourier_odd else value) > 0

    def agrees(self, meaning: Meaning, players: Interaction, value: float) -> bool:
        """Whether the sign of a value in the explanation's index is the one that the meaning speaks of."""
        if exceeds(0.005, abs(value)):
            return True
        return self.raises(players, value) == (_sign(meaning, len(players)) > 0)


def _continued(target: Target, found: Behaviour) -> str:
    """The answer as far as the model writes it, and then its own next word."""
    if not found.instead or found.upto is None:
        return found.instead.strip()
    begin = target.span[0] if target.span else 0
    before = target.answer[: begin + found.upto]
    return (before + found.instead).strip() + " …"


def _meaning_of(cube: Mapping[frozenset[int], float], group: frozenset[int]) -> Meaning:
    """AND, OR and their shades, from the mean value of every subset of the group."""
    base, gain = cube[frozenset()], cube[group] - cube[frozenset()]
    scale = max(map(abs, cube.values()))  # the values' own size: what their differences are rounded by
    averages = {i: _average_gain(cube, group, i) for i in group}
    small = 0.1 * max(abs(a) for a in averages.values())
    helping = {i for i, a in averages.items() if exceeds(a, small, scale)}
    hurting = {i for i, a in averages.items() if exceeds(-small, a, scale)}
    own = sum(value * (-1.0) ** (len(group) - len(kept)) for kept, value in cube.items())
    more = exceeds(own, 0.0, scale)
    if (helping and hurting) or not exceeds(abs(gain), 0.0, scale):
        if len(group) == 2:
            return Meaning.AGAINST if exceeds(0.0, own, scale) else Meaning.MAKES_UP
        return Meaning.MORE if more else Meaning.LESS
    up = gain > 0
    partial = [(cube[s] - base) / gain for s in cube if s and s != group]
    if reaches(0.3, max(partial), scale / abs(gain)):
        return Meaning.TOGETHER if up else Meaning.HURT_TOGETHER
    if reaches(min(partial), 0.7, scale / abs(gain)):
        either = Meaning.EITHER if len(group) == 2 else Meaning.ANY
        return either if up else Meaning.HURT_EITHER
    if len(group) > 2:
        return Meaning.MORE if more else Meaning.LESS
    if more == up:
        return Meaning.STRONGER if up else Meaning.HURT_MORE
    return Meaning.OVERLAP if up else Meaning.HURT_OVERLAP


def _average_gain(cube: Mapping[frozenset[int], float], group: frozenset[int], player: int) -> float:
    without = [s for s in cube if player not in s]
    return sum(cube[s | {player}] - cube[s] for s in without) / len(without)
