"""Which combinations a picture of sets shows, and the rows of their players."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spexapi.narrative.meaning import said
from spexapi.narrative.wording import names, signed
from spexapi.views.presentation import Presentation, style_of

if TYPE_CHECKING:
    from spexapi.fourier.spectrum import Interaction

MOST_COLUMNS, MOST_ROWS = 24, 30


@dataclass(frozen=True, slots=True)
class Column:
    """A combination: share of the largest value (its sign too), style, and the words a pointer finds."""

    players: Interaction
    value: float
    share: float
    style: str
    words: str


def sets_of(shown: Presentation) -> tuple[list[Column], list[int]]:
    """The strongest combinations whose players fit the rows, and those players in reading order."""
    chosen: list[tuple[Interaction, float]] = []
    rows: set[int] = set()
    for s, v in shown.ranked:
        if v and len(rows | set(s)) <= MOST_ROWS:
            chosen.append((s, v))
            rows |= set(s)
        if len(chosen) == MOST_COLUMNS:
            break
    largest = max((abs(v) for _, v in chosen), default=1.0)
    return [_column(shown, s, v, largest) for s, v in chosen], sorted(rows)


def _column(shown: Presentation, s: Interaction, v: float, largest: float) -> Column:
    words = f"{names(shown.explanation.players, s)}: {said(shown.reading, shown.claims, s, v)} ({signed(v)})"
    return Column(s, v, v / largest, style_of(shown.meaning(s)), words)
