"""The strongest interactions as they were measured on the model: rows for the terminal and for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.narrative.wording import name, names, one_line, signed
from spexapi.views.html.safe import safe, tag

if TYPE_CHECKING:
    from rich.console import Console

    from spexapi.explanation.explanation import Explanation
    from spexapi.fourier.spectrum import Interaction

LEDE = "With the others kept, each was taken apart on the model itself, without the explanation in between."


def mark(explanation: Explanation, players: Interaction) -> str:
    """What measuring this interaction said, "" where it was not measured."""
    found = explanation.verification
    return "" if found is None else found.said(players)


def rows(explanation: Explanation) -> list[tuple[str, str, str, str]]:
    """(interaction, measured, predicted, verdict) with all others kept, strongest first."""
    found = explanation.verification
    if found is None:
        return []
    first = {check.players: check for check in reversed(found.checks)}
    said: list[tuple[str, str, str, str]] = []
    for players in found.interactions:
        check, many = first[players], len(players) != 1
        called = names(explanation.players, players) if many else name(explanation.players, players[0])
        measured = "failed" if check.confirmed is None else signed(check.measured)
        said.append((one_line(called, 120), measured, signed(check.predicted), found.said(players)))
    return said


def show_checked(explanation: Explanation, console: Console) -> None:
    """Prints the rows; nothing where nothing was verified."""
    from rich.table import Table
    from rich.text import Text

    if explanation.verification is None:
        return
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column("Measured directly", ratio=4, overflow="fold")
    table.add_column("Measured", justify="right", no_wrap=True)
    table.add_column("Predicted", justify="right", no_wrap=True)
    table.add_column("", ratio=4, overflow="fold")
    for called, measured, predicted, verdict in rows(explanation):
        colour = "green" if verdict == "confirmed" else "yellow"
        table.add_row(Text(called), Text(measured), Text(predicted, "dim"), Text(verdict, colour))
    console.print()
    console.print(table)
    console.print(Text(explanation.verification.summary(), "dim"))
    for note in explanation.verification.notes:
        console.print(Text(note, "dim"))


def checked(explanation: Explanation) -> str:
    """The rows as a section of the report, "" where nothing was verified."""
    if explanation.verification is None:
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
        for called, measured, predicted, verdict in rows(explanation)
    )
    table = tag("table", tag("thead", tag("tr", head)) + tag("tbody", body), class_="numbers")
    notes = "".join(tag("p", safe(note), class_="note") for note in explanation.verification.notes)
    return tag(
        "section",
        tag("h3", "Measured directly")
        + tag("p", safe(f"{LEDE} {explanation.verification.summary()}."), class_="lede")
        + tag("div", table, class_="scroll", tabindex=0)
        + notes,
    )
