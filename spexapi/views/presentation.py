"""What one presentation of an explanation shares: its reading, its story, and what it draws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from spexapi.explanation.claims.claims import Claims, meaning_of
from spexapi.explanation.claims.search import claims_of
from spexapi.explanation.reading import Meaning, Reading
from spexapi.fourier.ranking import reaches, strongest_first
from spexapi.narrative.failures import deciding
from spexapi.narrative.meaning import aside, in_short
from spexapi.narrative.story import Story, tell
from spexapi.narrative.wording import name, one_line, signed
from spexapi.views.colours import tone

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.fourier.spectrum import Interaction

LETTERS = "ABCDEF"
WORTH = 0.25  # of the strongest effect: a picture of everything shows nothing
MOST_ROWS = 30
FULL_ROWS = 12  # up to here players without effect are drawn as well, so that nothing seems to be missing

_STYLES = {
    Meaning.TOGETHER: "and",
    Meaning.STRONGER: "and",
    Meaning.EITHER: "or",
    Meaning.ANY: "or",
    Meaning.OVERLAP: "or",
    Meaning.AGAINST: "vs",
    Meaning.HURT_TOGETHER: "vs",
    Meaning.HURT_MORE: "vs",
    Meaning.HURT_EITHER: "vs",
    Meaning.HURT_OVERLAP: "vs",
}


def style_of(meaning: Meaning) -> str:
    """ "and", "or", "vs" or "mix": the colour and the dashes of a combination."""
    return _STYLES.get(meaning, "mix")


@dataclass(frozen=True, slots=True)
class Combination:
    """A combination as it is drawn: its letter, its players, its value in the index and what it means.

    aside  what follows the words of the meaning if the value has another sign
    """

    letter: str
    players: Interaction
    value: float
    meaning: Meaning
    aside: str = ""

    @property
    def words(self) -> str:
        return in_short(self.meaning, len(self.players)) + self.aside

    @property
    def style(self) -> str:
        return style_of(self.meaning)

    @property
    def joiner(self) -> str:
        one = (Meaning.EITHER, Meaning.ANY, Meaning.HURT_EITHER)
        return "or" if self.meaning in one else "and"


@dataclass(frozen=True, slots=True)
class Row:
    """A player as it is drawn. tone: of tone(); letters: its combinations; said: its share."""

    player: int
    name: str
    text: str
    share: float
    tone: str
    letters: str
    said: str


@dataclass(frozen=True, eq=False)
class Presentation:
    """One explanation as all parts of a picture see it; each thing is found once, when it is asked for."""

    explanation: Explanation

    @cached_property
    def reading(self) -> Reading:
        return Reading.of(self.explanation)

    @cached_property
    def story(self) -> Story:
        return tell(self.explanation, self.reading)

    @cached_property
    def deciding(self) -> frozenset[int]:
        """Players that decide whether there is a value at all."""
        return deciding(self.explanation)

    def share(self, player: int) -> str:
        """A player's share in words; of one that decides whether there is a value, that it does."""
        return "decides" if player in self.deciding else signed(self.reading.shares[player])

    @cached_property
    def claims(self) -> Claims:
        return self.story.claims or claims_of(self.reading)

    def meaning(self, players: Interaction) -> Meaning:
        """What these players do together, as the headline has it if it speaks of them."""
        return meaning_of(self.reading, self.claims, players)

    @cached_property
    def scale(self) -> float:
        """The share of full colour: small differences must not look dramatic."""
        largest = max((abs(share) for share in self.reading.shares), default=0.0)
        return max(largest, 5 * self.reading.floor)

    @cached_property
    def ranked(self) -> list[tuple[Interaction, float]]:
        """Combinations of two or more players with their values, strongest first."""
        ranked = self.explanation.top(len(self.explanation.interactions))
        return [(s, v) for s, v in ranked if len(s) > 1]

    @cached_property
    def combinations(self) -> list[Combination]:
        """The strongest with their letters; none below WORTH of the strongest effect."""
        strongest = max((abs(v) for _, v in self.explanation.top(1)), default=0.0)
        least = max(self.reading.floor, WORTH * strongest)
        worth = [(s, v) for s, v in self.ranked if reaches(abs(v), least)]
        return [
            Combination(letter, s, v, self.meaning(s), aside(self.reading, self.meaning(s), s, v))
            for letter, (s, v) in zip(LETTERS, worth, strict=False)
        ]

    def letters(self, player: int) -> str:
        """The combinations that a player is in: "A C"."""
        return " ".join(c.letter for c in self.combinations if player in c.players)

    @cached_property
    def rows(self) -> list[Row]:
        """The players of the drawn combinations and those with the largest shares, in reading order."""
        shares = self.reading.shares
        in_arcs = [i for c in self.combinations for i in c.players]
        by_share = strongest_first(shares)
        seen = [
            i
            for k, i in enumerate(by_share)
            if k < FULL_ROWS or not tone(shares[i], self.scale).endswith("0")
        ]
        shown = list(dict.fromkeys([*self.story.core, *sorted(self.deciding), *in_arcs, *seen]))[:MOST_ROWS]
        return [self._row(i) for i in sorted(shown)]

    @cached_property
    def places(self) -> dict[int, int]:
        """Player -> the row it is drawn in."""
        return {row.player: place for place, row in enumerate(self.rows)}

    @cached_property
    def drawn(self) -> list[Combination]:
        """Those that mean something and whose players all have a row."""
        meant = (c for c in self.combinations if c.meaning is not Meaning.UNCLEAR)
        return [c for c in meant if all(i in self.places for i in c.players)]

    def _row(self, i: int) -> Row:
        player, share = self.explanation.players[i], self.reading.shares[i]
        called = name(self.explanation.players, i)
        text = player.text
        if one_line(text, 28) in called:
            text = ""
        elif not text and player.label not in called:
            text = player.label
        return Row(i, called, text, share, tone(share, self.scale), self.letters(i), self.share(i))
