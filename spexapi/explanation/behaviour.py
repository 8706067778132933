"""What the model does with certain players kept: whether it would still write the answer, else what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the model writes (greedily) in place of the answer, or of the span of it that is explained.

    stays    True if every token is the model's first choice, False if one is known not to be; None if that
             is not known
    upto     characters of the span that it would still write, counted from the span's start; up to the first
             token of which that is not known; None if the places of the tokens are not known
    instead  the text of its first choice where it leaves the answer; "" if it stays or that is not known
    """

    stays: bool | None
    upto: int | None
    instead: str = ""


def behaviour_of(
    ranks: Sequence[int],
    choices: Sequence[str],
    offsets: Sequence[tuple[int, int]],
    span: tuple[int, int] | None = None,
) -> Behaviour:
    """The behaviour that one mask's ranks show.

    ranks    (t,) 1 = the model's first choice, 0 = unknown
    choices  (t,) texts of the first choices, "" = unknown; may be empty
    offsets  t pairs (start, end) of characters of the answer; none if they are not known
    span     start and end of the characters that count, None for all
    """
    if not offsets:
        places = tuple((t, t + 1) for t in range(len(ranks)))
        return replace(behaviour_of(ranks, choices, places), upto=None)
    begin, end = span or (0, max((stop for _, stop in offsets), default=0))
    inside = [t for t, (start, stop) in enumerate(offsets) if start < end and begin < stop]
    unsure = next((t for t in inside if ranks[t] != 1), None)
    if unsure is None:
        return Behaviour(True if inside else None, end - begin)
    upto = max(offsets[unsure][0] - begin, 0)
    left = next((t for t in inside if ranks[t] > 1), None)
    if left is None:
        return Behaviour(None, upto)
    known = choices[left] if left == unsure and left < len(choices) else ""
    return Behaviour(False, upto, known)
