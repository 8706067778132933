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
            "Anna is in the garden.",
            "The key is in the red box.",
            "The lamp is in the attic.",
            "The red box is in the cellar.",
            "Tom has the map.",
            "The coin is in the hall.",
        ),
    ),
    Example(
        "Either of two",
        "Where is the lamp?",
        _blocks(
            "The lamp is in the kitchen.",
            "Tom has the map.",
            "You can find the lamp in the kitchen.",
            "The coin is in the hall.",
            "Anna is in the garden.",
        ),
    ),
    Example(
        "Overridden",
        "Where is the ring?",
        _blocks(
            "The ring is in the hall.",
            "Tom has the map.",
            "The lamp is in the attic.",
            "The ring is in the kitchen.",
            "Anna is in the garden.",
        ),
    ),
    Example(
        "Unknown",
        "Where is the letter?",
        _blocks(
            "The lamp is in the attic.",
            "Tom has the map.",
            "The coin is in the hall.",
            "Anna is in the garden.",
        ),
    ),
)
