"""Numbers and names in plain words: what every sentence and every view calls things."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spexapi.fourier.ranking import exceeds, settled

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.explanation.reading import Reading
    from spexapi.explanation.values import Ablation, Gap
    from spexapi.games.base import Player

NUMBERED = ("document", "sentence", "paragraph", "line", "turn")


def one_line(text: str, width: int) -> str:
    """The text on one line, in at most `width` characters; control characters do not survive."""
    flat = " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text).split())
    return flat if len(flat) <= width else flat[: max(width - 1, 1)].rstrip() + "…"


def quoted(text: str, width: int = 80) -> str:
    return f"“{one_line(text, width)}”"


def name(players: Sequence[Player], i: int) -> str:
    """How a sentence calls player i: "document 3", “cellar”, or its label."""
    player = players[i]
    if player.kind in NUMBERED:
        return f"{player.kind} {number(players, i)}"
    if player.text.strip() and player.kind != "example":  # an example's text is a whole row
        return quoted(player.text, 28) + _twin(player.text.strip(), [p.text.strip() for p in players[:i]])
    called = one_line(player.label, 28) or f"player {i + 1}"
    return called + _twin(called, [one_line(p.label, 28) for p in players[:i]])


def _twin(called: str, before: Sequence[str]) -> str:
    """ " (2)" for the second of that name."""
    return f" ({before.count(called) + 1})" if called in before else ""


def number(players: Sequence[Player], i: int) -> int:
    """The place of player i among the players of its kind, from 1."""
    return sum(p.kind == players[i].kind for p in players[: i + 1])


def names(players: Sequence[Player], group: Sequence[int], joiner: str = "and") -> str:
    """ "documents 1 and 2", "document 1 or 2", "“red” and “blue”"."""
    kinds = {players[i].kind for i in group}
    if len(group) > 1 and len(kinds) == 1 and (kind := players[group[0]].kind) in NUMBERED:
        counted = listed([str(number(players, i)) for i in group], joiner)
        return f"{kind} {counted}" if joiner == "or" else f"{kind}s {counted}"
    return listed([name(players, i) for i in group], joiner)


def listed(words: Sequence[str], joiner: str = "and") -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joiner} {words[-1]}"


def kind(explanation: Explanation) -> str:
    """What one player is called: "document", "word", "player"; "part" if they are of several kinds."""
    kinds = {p.kind for p in explanation.players}
    return kinds.pop() if len(kinds) == 1 and kinds != {"span"} else "part"


def kind_plural(explanation: Explanation) -> str:
    """What the players are called as a whole: "documents", "words", "players"."""
    return f"{kind(explanation)}s"


def counted(count: int, one: str, many: str = "") -> str:
    """ "1 document", "1,200 documents": the number and the word that agrees with it."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def are(count: int) -> str:
    """The verb that agrees with a number."""
    return "is" if count == 1 else "are"


def have(count: int) -> str:
    return "has" if count == 1 else "have"


def were(count: int) -> str:
    return "was" if count == 1 else "were"


_ROUNDING = 1e-13  # what sums of values of 1 to 100 are off by; a game of values of 1e-12 still shows its own


def percent(p: float) -> str:
    """A probability with as many digits as it deserves."""
    p = settled(p)
    if p < 0.001:
        return "<0.1%"
    if p < 0.0995:
        return f"{100 * p:.1f}%"
    return ">99.9%" if p > 0.9995 else f"{100 * p:.1f}%" if p > 0.995 else f"{100 * p:.0f}%"


def signed(value: float) -> str:
    """A number with its sign and three digits or so: the true minus sign, and no "-0.00"."""
    if abs(value) < _ROUNDING:
        return "0.00"
    value = settled(value)
    text = f"{value:+.2f}" if abs(value) < 1000 else f"{value:+.3g}"
    if value and float(text) == 0.0:
        text = f"{value:+.1g}"
    return text.replace("-", "−") if float(text) else "0.00"


def ranged(interval: tuple[float, float] | None) -> str:
    """An interval after its value; "" if there is none, or if it is no wider than the digits."""
    if interval is None or exceeds(0.005, interval[1] - interval[0], abs(interval[1])):
        return ""
    return f" ({signed(interval[0])} to {signed(interval[1])})"


def valued(reading: Reading, value: float) -> str:
    """A value for people: as a probability if it is one, else the number and its unit.

    A prediction beyond what the score can be is told as the nearest value that it can have.
    """
    value = reading.within(value)
    p = reading.probability(value)
    if p is not None:
        return percent(p) + (" a token" if reading.tokens_apart != 1 else "")
    unit = reading.explanation.target.unit
    return signed(value).lstrip("+") + (f" {unit}" if unit else "")


def ablated(reading: Reading, found: Ablation) -> str:
    """The value of a mask for people; ≈ if it is a prediction."""
    if found.gap is not None:
        return missing(found.gap)
    return ("" if found.measured else "≈ ") + valued(reading, found.value)


def missing(gap: Gap) -> str:
    """What stands in place of a value: "−inf", or "no value"; "≈ −inf" if that very mask was not asked."""
    said = endless(gap.infinite) if gap.infinite else "no value"
    return said if gap.asked else f"≈ {said}"


def endless(end: float) -> str:
    """An infinite value."""
    return "−inf" if end < 0 else "+inf"


def explained(explanation: Explanation) -> str:
    """The answer, or the span of it that is explained."""
    target = explanation.target
    return target.answer[slice(*target.span)] if target.span else target.answer


def some_words(words: Sequence[str], most: int = 4, joiner: str = "and", width: int = 20) -> str:
    """Up to `most` words in quotation marks, and how many more there are."""
    shown = [quoted(word, width) for word in words[:most]]
    return listed([*shown, f"{len(words) - most} more"] if len(words) > most else shown, joiner)


def chosen_from(explanation: Explanation) -> str:
    """The options of a choice, up to a dozen; "" if it is none."""
    options = explanation.target.options
    shown = [one_line(option, 48) for option in options[:12]]
    return ", ".join(shown) + (f" and {len(options) - 12} more" if len(options) > 12 else "")


def outside(words: Sequence[str]) -> str:
    """What the reader should know before a run with the built-in model."""
    return (
        "the built-in model reads simple sentences about things, people and rooms; it does not know"
        f" {some_words(words)}: choose a real model"
    )
