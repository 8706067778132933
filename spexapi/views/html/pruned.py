"""What the model does with only the best parts kept: a line a size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spexapi.explanation.reading import Reading
from spexapi.narrative.wording import kind_plural, valued
from spexapi.views.html.bar import bar
from spexapi.views.safe import safe, tag

if TYPE_CHECKING:
    from spexapi.explanation.pruned import Pruned


def pruned(reading: Reading) -> str:
    """The table as a section of the report, "" if nothing was pruned."""
    ex = reading.explanation
    if not ex.pruned:
        return ""
    lede = f"With only the best {kind_plural(ex)} kept, measured on the model itself."
    return tag(
        "section",
        tag("h3", "What the best few can do alone")
        + tag("p", safe(lede), class_="lede")
        + pruned_table(reading, ex.pruned, 0),
    )


def pruned_table(reading: Reading, found: Sequence[Pruned], asked: int, chosen: int | None = None) -> str:
    """A <table>: for each number of parts kept what the pruned model does.

    asked   held-out questions that accuracy was measured on, 0 if it was not
    chosen  the size whose line is marked
    """
    lines = "".join(_line(reading, each, asked, len(each.labels) == chosen) for each in found)
    likely = reading.probability(0.0) is not None
    head = tag("th", "kept", scope="col") + tag("th", "the answer" if likely else "the value", scope="col")
    if asked:
        head += tag("th", "right on other questions", scope="col")
    return tag("table", tag("thead", tag("tr", head)) + tag("tbody", lines), class_="pruned")


def _line(reading: Reading, each: Pruned, asked: int, marked: bool) -> str:
    cells = tag("th", f"{len(each.labels):,} of {reading.n:,}", scope="row")
    if math.isfinite(each.measured):
        cells += _cell(reading.probability(each.measured), valued(reading, each.measured))
    else:
        cells += _cell(None, "failed")
    if asked:
        cells += _cell(each.held_out, f"{each.held_out * asked:.0f} of {asked}")
    return tag("tr", cells, class_="on" if marked else None)


def _cell(share: float | None, words: str) -> str:
    drawn = bar(share) if share is not None else ""
    return tag("td", tag("span", drawn + tag("b", safe(words), class_="num")))
