"""The explanation on a terminal: `plain` for pipes and __str__, `show` with colours, `in_a_line` for logs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spexapi.explanation.confidence import level
from spexapi.fourier.ranking import settled, strongest_first
from spexapi.narrative.meaning import convention, in_full, no_combination
from spexapi.narrative.trust import how_checked, spent, steady, trust, warnings
from spexapi.narrative.verification import rows_of, summary_of, verdict_of
from spexapi.narrative.wording import (
    ablated,
    are,
    chosen_from,
    counted,
    kind_plural,
    name,
    names,
    one_line,
    ranged,
    signed,
    valued,
)
from spexapi.views.presentation import Presentation

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

    console, shown = console or Console(), Presentation(explanation)
    target = explanation.target
    options = ("Chosen from", chosen_from(explanation))
    for label, text in (("Question", target.question), ("Answer", target.answer), options):
        if text:
            console.print(Text(f"{label}: ", "dim").append(one_line(text, 400), ""))
    console.print()
    _story(shown, console)
    _ends(shown, console)
    _players(shown, console)
    _combinations(shown, console)
    _verified(explanation, console)
    _pruned(shown, console)
    _trust(explanation, console)


def in_a_line(explanation: Explanation) -> str:
    """The explanation for a debugger or a log: how large, how sure, what it took, what is strongest."""
    facts = [f"{explanation.n_players:,} players", explanation.index, _r2(explanation.audit)]
    facts += [explanation.engine, counted(explanation.cost.calls, "call")]
    if explanation.stopped:
        facts.append("stopped early")
    found = "no effect found"
    for players, value in explanation.top(1):
        called = [name(explanation.players, i) for i in players[:4]]
        called += [f"{len(players) - 4} more"] * (len(players) > 4)
        if value:
            found = f"strongest: {' + '.join(called)} {signed(value)}"
    return f"Explanation({', '.join(facts)}; {found})"


def _r2(audit: Audit) -> str:
    """R² with its interval in few signs."""
    if (known := level(audit)) in ("exact", "none"):
        return "exact" if known == "exact" else "no R²"
    r2 = settled(audit.r2 or 0.0)
    if audit.r2_interval is None:
        return f"R² {r2:.2f}"
    low, high = map(settled, audit.r2_interval)
    return f"R² {r2:.2f} ({low:.2f}{'-' if low >= 0 else ' to '}{high:.2f})"


def _story(shown: Presentation, console: Console) -> None:
    from rich.text import Text

    headline = Text()
    for piece, stressed in shown.story.headline:
        headline.append(_one_line_kept(piece), "bold" if stressed else "")
    console.print(headline)
    for aside in shown.story.asides:
        console.print(Text(one_line(aside, 400)))


def _one_line_kept(piece: str) -> str:
    """A piece of a sentence on one line, its outer spaces kept."""
    inner = one_line(piece, 400)
    return (" " if piece[:1] == " " else "") + inner + (" " if piece[-1:] == " " and inner else "")


def _ends(shown: Presentation, console: Console) -> None:
    from rich.text import Text

    reading = shown.reading
    full, none = reading.full, reading.none
    kept = f"Everything kept: {ablated(reading, full)}; nothing kept: {ablated(reading, none)}"
    about = "" if full.measured and none.measured else "≈ "
    by = f" ({about}{signed(full.value - none.value)} {shown.explanation.target.unit}".rstrip() + ")"
    console.print(Text(kept if full.gap or none.gap else kept + by, "dim"))
    console.print()


def _players(shown: Presentation, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    ex, shares = shown.explanation, shown.reading.shares
    strongest = list(dict.fromkeys([*sorted(shown.deciding), *strongest_first(shares)]))[:MOST_PLAYERS]
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column(kind_plural(ex).capitalize(), no_wrap=True, ratio=2)
    table.add_column("", no_wrap=True, ratio=5)
    table.add_column("Share", justify="right", no_wrap=True, min_width=8)
    for i in sorted(strongest):
        called, text = name(ex.players, i), ex.players[i].text
        about = "" if one_line(text, 28) in called else one_line(text, 200)
        colour = "blue" if shares[i] > 0 else "dark_orange"
        table.add_row(Text(called), Text(about, "dim"), Text(shown.share(i), colour))
    console.print(table)
    if left := len(shares) - len(strongest):
        console.print(Text(f"{left:,} more with no larger effect {are(left)} not shown.", "dim"))


def _combinations(shown: Presentation, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    ex, found = shown.explanation, shown.combinations
    console.print()
    if not found:
        console.print(Text(no_combination(ex), "dim"))
        return
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column("Combinations", ratio=4, overflow="fold")
    table.add_column("What it means", ratio=4, overflow="fold")
    table.add_column(ex.index.upper(), justify="right", no_wrap=True, min_width=8)
    ranges = [ranged(ex.intervals.get(c.players)).strip(" ()") for c in found]
    if any(ranges):
        table.add_column("90% interval", justify="right", no_wrap=True)
    for c, ends in zip(found, ranges, strict=True):
        called = one_line(names(ex.players, c.players, c.joiner), 120)
        verdict = "" if ex.verification is None else verdict_of(ex.verification, c.players)
        meaning = in_full(c.meaning) + c.aside + (f"; {verdict}" if verdict else "")
        cells = [Text(called), Text(meaning), Text(signed(c.value), "bold"), Text(ends, "dim")]
        table.add_row(*cells[: len(table.columns)])
    console.print(table)
    if signs := convention(ex.index, (len(c.players) for c in found)):
        console.print(Text(signs, "dim"))
    if weaker := len(shown.ranked) - len(found):
        console.print(Text(f"{counted(weaker, 'weaker combination')} {are(weaker)} not shown.", "dim"))


def _verified(explanation: Explanation, console: Console) -> None:
    """Prints what measuring the strongest interactions found; nothing if none was measured."""
    from rich.table import Table
    from rich.text import Text

    if explanation.verification is None:
        return
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column("Measured directly", ratio=4, overflow="fold")
    table.add_column("Measured", justify="right", no_wrap=True)
    table.add_column("Predicted", justify="right", no_wrap=True)
    table.add_column("", ratio=4, overflow="fold")
    for called, measured, predicted, verdict in rows_of(explanation):
        colour = "green" if verdict == "confirmed" else "yellow"
        table.add_row(Text(called), Text(measured), Text(predicted, "dim"), Text(verdict, colour))
    console.print()
    console.print(table)
    console.print(Text(summary_of(explanation.verification), "dim"))
    for note in explanation.verification.notes:
        console.print(Text(note, "dim"))


def _pruned(shown: Presentation, console: Console) -> None:
    """Prints what the model does with the best players only; nothing if it was not pruned."""
    from rich.table import Table
    from rich.text import Text

    ex, reading = shown.explanation, shown.reading
    if not ex.pruned:
        return
    ends = f"(all {ex.n_players:,}: {ablated(reading, reading.full)})"
    console.print()
    console.print(Text(f"With only the best k {kind_plural(ex)} found {ends}"))
    table = Table("k", "predicted", "measured", "which", box=None)
    for each in ex.pruned:
        measured = valued(reading, each.measured) if math.isfinite(each.measured) else "failed"
        predicted = valued(reading, each.optimum.predicted)
        which = one_line(", ".join(each.labels), 400)
        table.add_row(*map(Text, (f"{len(each.labels)}", predicted, measured, which)))
    console.print(table)


def _trust(explanation: Explanation, console: Console) -> None:
    from rich.text import Text

    console.print()
    console.print(Text("Trust: ", "bold").append(trust(explanation), ""))
    if level(explanation.audit) not in ("exact", "none"):
        console.print(Text(f"       ({how_checked(explanation.audit)})", "dim"))
    if words := steady(explanation.audit):
        console.print(Text(f"       {words}", "dim"))
    console.print(Text("Cost:  ", "bold").append(spent(explanation.cost, explanation.target.kind), ""))
    for warning in warnings(explanation):
        console.print(Text("Note:  ", "bold yellow").append(warning, "yellow"))
