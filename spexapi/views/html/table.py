"""The strongest interactions as the table of "the mathematics"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.explanation.claims.claims import Claims
from spexapi.explanation.claims.search import claims_of
from spexapi.explanation.reading import Reading
from spexapi.narrative.meaning import convention, said
from spexapi.narrative.wording import are, counted, names, ranged, signed
from spexapi.views.safe import safe, tag

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.fourier.spectrum import Interaction

MOST = 200


def table(explanation: Explanation, most: int = MOST) -> str:
    """An HTML table; a row can be pointed at like a combination."""
    reading = Reading.of(explanation)
    claims = claims_of(reading)
    ranked = explanation.top(len(explanation.interactions))
    rows = "".join(_row(reading, claims, s, v) for s, v in ranked[:most])
    head = "".join(
        tag("th", safe(t), scope="col") for t in ("Parts", "What they do", explanation.index.upper())
    )
    note = ""
    if (left := len(ranked) - most) > 0:
        weaker = counted(left, "weaker one")
        note = tag("p", f"{weaker} {are(left)} in the CSV and the JSON.", class_="note")
    if signs := convention(explanation.index, (len(s) for s, _ in ranked)):
        note += tag("p", safe(signs), class_="note")
    body = tag("thead", tag("tr", head)) + tag("tbody", rows)
    return tag("div", tag("table", body, class_="numbers"), class_="scroll", tabindex=0) + note


def _row(reading: Reading, claims: Claims, s: Interaction, value: float) -> str:
    ex = reading.explanation
    number = signed(value) + ranged(ex.intervals.get(s))
    cells = (
        tag("td", tag("bdi", safe(names(ex.players, s))))
        + tag("td", safe(said(reading, claims, s, value)))
        + tag("td", safe(number), class_="num")
    )
    return tag("tr", cells, data_players=" ".join(map(str, s)))
