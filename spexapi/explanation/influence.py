"""Which players help or hurt most, and which pairs do the same or need each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.explanation.reading import Meaning, Reading
from spexapi.fourier.ranking import exceeds, largest_first

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.fourier.spectrum import Interaction

MOST = 6
REDUNDANT = {Meaning.EITHER, Meaning.ANY, Meaning.OVERLAP}
TOGETHER = {Meaning.TOGETHER, Meaning.STRONGER}


def helpful(reading: Reading, most: int = MOST) -> list[tuple[int, float]]:
    """The players with the largest Shapley values above 0."""
    return _ends(reading, 1, most)


def harmful(reading: Reading, most: int = MOST) -> list[tuple[int, float]]:
    """The players with the lowest Shapley values, below 0: without them the value is higher."""
    return _ends(reading, -1, most)


def pairs(reading: Reading, kinds: set[Meaning], most: int = MOST) -> list[tuple[Interaction, float]]:
    """The strongest pairs of these kinds, in the explanation's index; those that may be 0 come last."""
    explanation, less = reading.explanation, bool(kinds & REDUNDANT)
    found: list[tuple[Interaction, float]] = []
    for players, value in explanation.top(len(explanation.interactions)):
        if len(players) == 2 and (value < 0) == less and reading.meaning(players) in kinds:
            found.append((players, value))
        if len(found) == 4 * most:
            break
    return sorted(found, key=lambda pair: not sure(explanation, pair[0]))[:most]


def sure(explanation: Explanation, players: Interaction) -> bool:
    """Whether the interval of an interaction does not reach 0."""
    low, high = explanation.intervals.get(players, (0.0, 0.0))
    scale = max(abs(low), abs(high))
    return exceeds(low, 0.0, scale) or exceeds(0.0, high, scale)


def _ends(reading: Reading, sign: int, most: int) -> list[tuple[int, float]]:
    shares = [sign * share for share in reading.shares]
    best = largest_first(shares)[:most]
    return [(i, sign * shares[i]) for i in best if exceeds(shares[i], 0.1 * reading.floor)]
