"""Questions the embedded model answers in seconds, one for each way documents combine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """What a button fills in. documents: as in the text box, an empty line between two."""

    name: str
    question: str
    documents: str


def _blocks(*documents: str) -> str:
    return "\n\n".join(documents)


EXAMPLES = (
    Example(
        "Two documents together",
        "Which room is the key in?",
        _blocks(
            "Mary is in the garden.",
            "The key is in the box.",
            "The lamp is in the attic.",
            "The box is in the cellar.",
            "John has the coin.",
        ),
    ),
    Example(
        "Either of two",
        "Where is the lamp?",
        _blocks(
            "The lamp is in the kitchen.",
            "John has the coin.",
            "You will find the lamp in the kitchen.",
            "The ring is in the bag.",
            "Mary is in the garden.",
        ),
    ),
    Example(
        "Overridden",
        "Where is the ring?",
        _blocks(
            "The ring is in the office.",
            "John has the coin.",
            "The ring is in the kitchen.",
            "The lamp is in the attic.",
            "Mary is in the garden.",
        ),
    ),
    Example(
        "Unknown",
        "Where is the letter?",
        _blocks(
            "The lamp is in the attic.",
            "John has the coin.",
            "The ring is in the bag.",
            "Mary is in the garden.",
        ),
    ),
)
