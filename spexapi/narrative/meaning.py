"""What a combination does, in words, and what is added if the number next to them says otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from spexapi.explanation.claims.claims import Claims
from spexapi.explanation.claims.claims import meaning_of as told
from spexapi.explanation.claims.search import claims_of
from spexapi.explanation.reading import Meaning, Reading
from spexapi.fourier.ranking import exceeds

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.fourier.spectrum import Interaction

IN_FULL = {
    Meaning.HELPS: "helps",
    Meaning.HURTS: "hurts",
    Meaning.TOGETHER: "needed together",
    Meaning.STRONGER: "stronger together",
    Meaning.EITHER: "either is enough (one stands in for the other)",
    Meaning.ANY: "any one is enough (they stand in for each other)",
    Meaning.OVERLAP: "partly stand in for each other",
    Meaning.AGAINST: "one works against the other",
    Meaning.MAKES_UP: "one makes up for the other",
    Meaning.HURT_TOGETHER: "hurt only together",
    Meaning.HURT_MORE: "hurt more together",
    Meaning.HURT_EITHER: "either is enough to hurt",
    Meaning.HURT_OVERLAP: "hurt less together than one by one",
    Meaning.MORE: "more than the sum of their parts",
    Meaning.LESS: "less than the sum of their parts",
    Meaning.UNCLEAR: "not told apart from nothing",
}
_IN_SHORT = {
    Meaning.EITHER: "either will do",
    Meaning.ANY: "any one will do",
    Meaning.AGAINST: "one cancels the other",
}


def meaning_of(explanation: Explanation, players: Interaction) -> str:
    """What these players do to the value, as a table says it."""
    reading = Reading.of(explanation)
    return in_full(told(reading, claims_of(reading), players))


def in_full(meaning: Meaning) -> str:
    """What a combination does, as a table says it."""
    return IN_FULL[meaning]


def in_short(meaning: Meaning, size: int) -> str:
    """What a combination of this many players does, for someone in a hurry."""
    if meaning is Meaning.TOGETHER:
        return "all needed" if size > 2 else "both needed"
    return _IN_SHORT.get(meaning, IN_FULL[meaning])


def said(reading: Reading, claims: Claims, players: Interaction, value: float) -> str:
    """The words next to a value in the explanation's index."""
    meaning = told(reading, claims, players)
    other = aside(reading, meaning, players, value)
    if other and exceeds(reading.floor, abs(value)):
        return "next to nothing"
    return in_short(meaning, len(players)) + other


def aside(reading: Reading, meaning: Meaning, players: Interaction, value: float) -> str:
    """What follows the words if the value next to them has the other sign; "" if it agrees.

    The words are about the group, a coin deciding on the others. An index may weigh the others, smaller parts
    and larger combinations differently, and then its sign can be another.
    """
    if meaning is Meaning.UNCLEAR or reading.agrees(meaning, players, value):
        return ""
    up = reading.raises(players, value)
    if len(players) == 1:
        own = "helps" if up else "hurts"
    else:
        own = "more" if up else "less"
        sum_of_parts = meaning in (Meaning.MORE, Meaning.LESS)
        own += "" if sum_of_parts else " than the sum of their parts"
    return f"; on average, {own} ({reading.explanation.index.upper()})"


def no_combination(explanation: Explanation) -> str:
    """What is said if no combination is shown: that there is none, or why none could be found."""
    if explanation.recipe.order == 1:
        return f"The engine {explanation.engine} knows no combinations."
    if explanation.max_order == 1 or explanation.index in ("sv", "bv"):
        name = explanation.index.upper()
        return f"{name} of single players knows no combinations: read it in another index, such as FBII."
    return "No combination stands out: each part acts on its own."


def convention(index: str, sizes: Iterable[int]) -> str:
    """What a reader must know of the signs of the index for interactions of these sizes; "" if nothing."""
    if index != "fourier" or all(size % 2 == 0 for size in sizes):
        return ""
    kept = "Fourier counts a part as −1 if it is kept: "
    return kept + "for one part, or three, a negative number raises the value."
