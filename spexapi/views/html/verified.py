"""The strongest interactions as they were measured on the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.narrative.verification import rows_of, summary_of
from spexapi.views.safe import safe, tag

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

LEDE = "With the others kept, each was taken apart on the model itself, without the explanation in between."


def verified(explanation: Explanation) -> str:
    """A section with a row an interaction, "" if nothing was verified."""
    found = explanation.verification
    if found is None:
        return ""
    head = "".join(tag("th", safe(t), scope="col") for t in ("Parts", "Measured", "Predicted", "Verdict"))
    body = "".join(
        tag(
            "tr",
            tag("td", tag("bdi", safe(called)))
            + tag("td", safe(measured), class_="num")
            + tag("td", safe(predicted), class_="num")
            + tag("td", safe(verdict)),
        )
        for called, measured, predicted, verdict in rows_of(explanation)
    )
    table = tag("table", tag("thead", tag("tr", head)) + tag("tbody", body), class_="numbers")
    notes = "".join(tag("p", safe(note), class_="note") for note in found.notes)
    return tag(
        "section",
        tag("h3", "Measured directly")
        + tag("p", safe(f"{LEDE} {summary_of(found)}."), class_="lede")
        + tag("div", table, class_="scroll", tabindex=0)
        + notes,
    )
