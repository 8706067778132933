"""What the parts of the picture share: the story, the shares, and the combinations that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spexapi.explanation.reading import Reading
from spexapi.fourier.ranking import reaches
from spexapi.narrative.meaning import aside
from spexapi.narrative.story import Story, tell
from spexapi.views.svg.arcs import LETTERS, Combination

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

WORTH = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What the parts of the fragment share."""

    explanation: Explanation
    story: Story
    shares: Sequence[float]
    scale: float
    combinations: Sequence[Combination]
    n_found: int

    def letters(self, player: int) -> str:
        return " ".join(c.letter for c in self.combinations if player in c.players)


def combinations_of(explanation: Explanation, most: int = len(LETTERS)) -> tuple[list[Combination], int]:
    """The strongest combinations of two or more players with their letters, and how many there are in all.

    None is drawn below WORTH of the strongest effect: a picture of everything shows nothing.
    """
    reading = Reading.of(explanation)
    ranked = [(s, v) for s, v in explanation.top(len(explanation.interactions)) if len(s) > 1]
    bar = max(reading.floor, WORTH * max((abs(v) for _, v in explanation.top(1)), default=0.0))
    worth = [(s, v) for s, v in ranked if reaches(abs(v), bar)][:most]
    found = [
        Combination(letter, s, v, reading.meaning(s), aside(reading, s, v))
        for letter, (s, v) in zip(LETTERS, worth, strict=False)
    ]
    return found, len(ranked)


def draw(explanation: Explanation) -> Drawn:
    reading = Reading.of(explanation)
    shares = reading.shares
    # small differences must not look dramatic: full colour is at least ten times what counts as a difference
    scale = max(max((abs(s) for s in shares), default=0.0), 5 * reading.floor)
    found, n_found = combinations_of(explanation)
    return Drawn(explanation, tell(explanation), shares, scale, found, n_found)
