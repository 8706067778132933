"""The explanation on a terminal: `plain` for pipes and __str__, `show` with colours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spexapi.explanation.confidence import level
from spexapi.explanation.reading import Reading
from spexapi.fourier.ranking import strongest_first
from spexapi.narrative.meaning import convention, in_full
from spexapi.narrative.story import tell
from spexapi.narrative.wording import (
    ablated,
    how_checked,
    kind_plural,
    name,
    names,
    one_line,
    ranged,
    signed,
    spent,
    steady,
    trust,
    valued,
    warnings,
)
from spexapi.views.html.checked import mark, show_checked
from spexapi.views.svg.drawing import combinations_of

if TYPE_CHECKING:
    from rich.console import Console

    from spexapi.explanation.explanation import Explanation
    from spexapi.trust.audit import Audit

WIDTH = 80
MOST_PLAYERS = 12


def plain(explanation: Explanation) -> str:
    """The table as text without colour codes, 80 columns wide."""
    import io

    from rich.console import Console

    page = io.StringIO()
    console = Console(file=page, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    show(explanation, console)
    return "\n".join(line.rstrip() for line in page.getvalue().rstrip().splitlines())


def show(explanation: Explanation, console: Console | None = None) -> None:
    """Prints the story, the players, the combinations, the trust and the cost."""
    from rich.console import Console
    from rich.text import Text

    console = console or Console()
    target = explanation.target
    for label, text in (("Question", target.question), ("Answer", target.answer)):
        if text:
            console.print(Text(f"{label}: ", "dim").append(one_line(text, 400), ""))
    console.print()
    _story(explanation, console)
    _ends(explanation, console)
    _players(explanation, console)
    _combinations(explanation, console)
    show_checked(explanation, console)
    _pruned(explanation, console)
    console.print()
    console.print(Text("Trust: ", "bold").append(trust(explanation), ""))
    if level(explanation.audit) not in ("exact", "none"):
        console.print(Text(f"       ({how_checked(explanation.audit)})", "dim"))
    if words := steady(explanation.audit):
        console.print(Text(f"       {words}", "dim"))
    console.print(Text("Cost:  ", "bold").append(spent(explanation.cost, explanation.target.kind), ""))
    for warning in warnings(explanation):
        console.print(Text("Note:  ", "bold yellow").append(warning, "yellow"))


def _story(explanation: Explanation, console: Console) -> None:
    from rich.text import Text

    story = tell(explanation)
    headline = Text()
    for piece, stressed in story.headline:
        headline.append(one_line_kept(piece), "bold" if stressed else "")
    console.print(headline)
    for aside in story.asides:
        console.print(Text(one_line(aside, 400)))


def one_line_kept(piece: str) -> str:
    """A piece of a sentence on one line, its outer spaces kept."""
    inner = one_line(piece, 400)
    return (" " if piece[:1] == " " else "") + inner + (" " if piece[-1:] == " " and inner else "")


def _ends(explanation: Explanation, console: Console) -> None:
    from rich.text import Text

    reading = Reading.of(explanation)
    full, none = reading.full, reading.none
    kept = f"Everything kept: {ablated(reading, full)}; nothing kept: {ablated(reading, none)}"
    by = f"{signed(full.value - none.value)} {explanation.target.unit}".rstrip()
    console.print(Text(f"{kept} ({by})", "dim"))
    console.print()


def _players(explanation: Explanation, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    shares = Reading.of(explanation).shares
    strongest = strongest_first(shares)[:MOST_PLAYERS]
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column(kind_plural(explanation).capitalize(), no_wrap=True, ratio=2)
    table.add_column("", no_wrap=True, ratio=5)
    table.add_column("Share", justify="right", no_wrap=True, min_width=8)
    for i in sorted(strongest):
        called, text = name(explanation.players, i), explanation.players[i].text
        about = "" if one_line(text, 28) in called else one_line(text, 200)
        colour = "blue" if shares[i] > 0 else "dark_orange"
        table.add_row(Text(called), Text(about, "dim"), Text(signed(shares[i]), colour))
    console.print(table)
    if len(shares) > len(strongest):
        console.print(Text(f"{len(shares) - len(strongest):,} more with less effect are not shown.", "dim"))


def _combinations(explanation: Explanation, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    found, n_found = combinations_of(explanation)
    console.print()
    if not found:
        console.print(Text("No combination stands out: each part acts on its own.", "dim"))
        return
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column("Combinations", ratio=4, overflow="fold")
    table.add_column("What it means", ratio=4, overflow="fold")
    table.add_column(explanation.index.upper(), justify="right", no_wrap=True, min_width=8)
    ranges = [ranged(explanation.intervals.get(c.players)).strip(" ()") for c in found]
    if any(ranges):
        table.add_column("90% interval", justify="right", no_wrap=True)
    for c, ends in zip(found, ranges, strict=True):
        called = one_line(names(explanation.players, c.players, c.joiner), 120)
        said = mark(explanation, c.players)
        meaning = in_full(c.meaning) + c.aside + (f"; {said}" if said else "")
        cells = [Text(called), Text(meaning), Text(signed(c.value), "bold"), Text(ends, "dim")]
        table.add_row(*cells[: len(table.columns)])
    console.print(table)
    if said := convention(explanation.index, (len(c.players) for c in found)):
        console.print(Text(said, "dim"))
    if n_found > len(found):
        console.print(Text(f"{n_found - len(found):,} weaker combinations are not shown.", "dim"))


def _pruned(explanation: Explanation, console: Console) -> None:
    """Prints what the model does with the best players only; nothing if it was not pruned."""
    from rich.table import Table
    from rich.text import Text

    if not explanation.pruned:
        return
    reading = Reading.of(explanation)
    everything = ablated(reading, reading.full)
    ends = f"(all {explanation.n_players:,}: {everything})"
    console.print()
    console.print(Text(f"With only the best k {kind_plural(explanation)} found {ends}"))
    table = Table("k", "predicted", "measured", "which", box=None)
    for each in explanation.pruned:
        measured = valued(reading, each.measured) if math.isfinite(each.measured) else "failed"
        predicted = valued(reading, each.optimum.predicted)
        which = one_line(", ".join(each.labels), 400)
        table.add_row(*map(Text, (f"{len(each.labels)}", predicted, measured, which)))
    console.print(table)


def in_a_line(explanation: Explanation) -> str:
    """The explanation for a debugger or a log: how large, how sure, what it took, what is strongest."""
    facts = [f"{explanation.n_players:,} players", explanation.index, _r2(explanation.audit)]
    facts += [explanation.engine, f"{explanation.cost.calls:,} calls"]
    if explanation.stopped:
        facts.append("stopped early")
    strongest = [(s, v) for s, v in explanation.top(1) if v]
    found = "no effect found"
    for players, value in strongest:
        called = [name(explanation.players, i) for i in players[:4]]
        called += [f"{len(players) - 4} more"] * (len(players) > 4)
        found = f"strongest: {' + '.join(called)} {signed(value)}"
    return f"Explanation({', '.join(facts)}; {found})"


def _r2(audit: Audit) -> str:
    """R² with its interval in few signs."""
    if (known := level(audit)) in ("exact", "none"):
        return "exact" if known == "exact" else "no R²"
    if audit.r2_interval is None:
        return f"R² {audit.r2:.2f}"
    low, high = audit.r2_interval
    return f"R² {audit.r2:.2f} ({low:.2f}{'-' if low >= 0 else ' to '}{high:.2f})"
