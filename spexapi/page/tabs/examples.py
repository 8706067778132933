"""Questions the embedded model answers in seconds, one for each way documents combine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """What a button fills in. about: what to look for in the result."""

    name: str
    about: str
    question: str
    documents: tuple[str, ...]


EXAMPLES = (
    Example(
        "Needs both documents",
        "The key is in the box; where the box is, another document says. Either alone is worth nothing.",
        "Which room is the key in?",
        (
            "Mary is in the garden.",
            "The key is in the box.",
            "The lamp is in the attic.",
            "The box is in the cellar.",
            "John has the coin.",
        ),
    ),
    Example(
        "Either will do",
        "Two documents say the same: the answer survives the loss of one, not of both.",
        "Where is the lamp?",
        (
            "The lamp is in the kitchen.",
            "John has the coin.",
            "You will find the lamp in the kitchen.",
            "The ring is in the bag.",
            "Mary is in the garden.",
        ),
    ),
    Example(
        "Overridden",
        "A later document overrides an earlier one, which now speaks against the answer.",
        "Where is the ring?",
        (
            "The ring is in the office.",
            "John has the coin.",
            "The ring is in the kitchen.",
            "The lamp is in the attic.",
            "Mary is in the garden.",
        ),
    ),
    Example(
        "Distractors",
        "Ten documents, of which two matter.",
        "Which room is the ring in?",
        (
            "The lamp is in the attic.",
            "The key is in the box.",
            "Mary is in the garden.",
            "The box is in the cellar.",
            "The ring is in the bag.",
            "John has the coin.",
            "The bag is in the kitchen.",
            "The letter is in the drawer.",
            "Tom has the map.",
            "Anna is in the hall.",
        ),
    ),
    Example(
        "A wrong answer",
        "The box stands in the cellar; a stale document says otherwise. Untick it and ask the model again.",
        "Which room is the key in?",
        (
            "The key is in the box.",
            "Mary is in the garden.",
            "The box is in the cellar.",
            "John has the coin.",
            "The box is in the attic.",
        ),
    ),
)
