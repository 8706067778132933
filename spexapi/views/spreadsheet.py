"""All interactions as rows for a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from spexapi.explanation.claims.search import claims_of
from spexapi.explanation.reading import Reading
from spexapi.narrative.meaning import said

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

COLUMNS = ("players", "labels", "order", "value", "low", "high", "meaning")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(explanation: Explanation) -> str:
    """A row an interaction, strongest first; no cell of it is a formula to a spreadsheet."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n")
    write.writerow(COLUMNS)
    reading = Reading.of(explanation)
    claims = claims_of(reading)
    for s, value in explanation.top(len(explanation.interactions)):
        low, high = explanation.intervals.get(s, ("", ""))
        numbers = " ".join(map(str, s))
        cells = (_cell(numbers), _cell(explanation.label(s)), len(s), value, low, high)
        write.writerow([*cells, said(reading, claims, s, value)])
    return out.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
