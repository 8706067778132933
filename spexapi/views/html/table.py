"""All interactions as rows: for a spreadsheet, and as the table behind "the mathematics"."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from spexapi.explanation.reading import Reading
from spexapi.narrative.meaning import convention, said
from spexapi.narrative.wording import name, names, ranged, signed
from spexapi.views.html.safe import safe, tag

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.fourier.spectrum import Interaction

MOST = 200
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = ("players", "labels", "order", "value", "low", "high", "meaning")


def to_csv(explanation: Explanation) -> str:
    """A row an interaction, strongest first; no cell of it is a formula to a spreadsheet."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n")
    write.writerow(COLUMNS)
    reading = Reading.of(explanation)
    for s, value in explanation.top(len(explanation.interactions)):
        low, high = explanation.intervals.get(s, ("", ""))
        words = said(reading, s, value)
        numbers = " ".join(map(str, s))
        write.writerow([_cell(numbers), _cell(explanation.label(s)), len(s), value, low, high, words])
    return out.getvalue()


def table(explanation: Explanation, most: int = MOST) -> str:
    """The strongest interactions as an HTML table; a row can be pointed at like a combination."""
    reading = Reading.of(explanation)
    ranked = explanation.top(len(explanation.interactions))
    rows = "".join(_row(explanation, reading, s, v) for s, v in ranked[:most])
    head = "".join(
        tag("th", safe(t), scope="col") for t in ("Parts", "What they do", explanation.index.upper())
    )
    left = len(ranked) - most
    note = tag("p", f"{left:,} weaker ones are in the CSV and the JSON.", class_="note") if left > 0 else ""
    if signs := convention(explanation.index, (len(s) for s, _ in ranked)):
        note += tag("p", safe(signs), class_="note")
    body = tag("thead", tag("tr", head)) + tag("tbody", rows)
    return tag("div", tag("table", body, class_="numbers"), class_="scroll", tabindex=0) + note


def _row(ex: Explanation, reading: Reading, s: Interaction, value: float) -> str:
    called = names(ex.players, s) if len(s) != 1 else name(ex.players, min(s))
    number = signed(value) + ranged(ex.intervals.get(s))
    cells = (
        tag("td", tag("bdi", safe(called)))
        + tag("td", safe(said(reading, s, value)))
        + tag("td", safe(number), class_="num")
    )
    return tag("tr", cells, data_players=" ".join(map(str, s)))


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
