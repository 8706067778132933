"""Two explanations of the same players in a table: what each part and each combination does."""

from __future__ import annotations

from collections.abc import Sequence

from spexapi.explanation.explanation import Explanation
from spexapi.explanation.reading import Reading
from spexapi.fourier.ranking import strongest_first
from spexapi.narrative.meaning import said
from spexapi.narrative.wording import name, names, one_line, signed
from spexapi.views.presentation import Presentation
from spexapi.views.safe import safe, tag

_PLAYERS, _COMBINATIONS = 20, 12  # rows


def differences(a: Explanation, b: Explanation) -> str:
    """What the players and the combinations do in A and in B, the largest differences first."""
    if tuple(p.text for p in a.players) != tuple(p.text for p in b.players):
        return tag("p", "A and B do not have the same parts, so there is no table.", class_="about")
    body = tag("h3", "Where they differ") + tag("p", safe(_lede(a, b)), class_="lede")
    body += _players(a, b) + _combinations(a, b)
    return tag("div", tag("section", body), class_="spex")


def _lede(a: Explanation, b: Explanation) -> str:
    """The two answers, the unit of the numbers, and whether one is a partial result."""
    same = a.target.answer.strip() == b.target.answer.strip()
    answers = (
        f"Both answer “{a.target.answer}”."
        if same
        else f"A answers “{a.target.answer}”, B answers “{b.target.answer}”."
    )
    unit = f"in {a.target.unit}" if a.target.unit else "by value"
    lede = f"{answers} What each part adds to the answer, {unit}. The largest differences come first."
    if cut := [letter for letter, ex in zip("AB", (a, b), strict=True) if ex.stopped]:
        lede += f" {' and '.join(cut)} {'are partial results' if len(cut) > 1 else 'is a partial result'}."
    return lede


def _players(a: Explanation, b: Explanation) -> str:
    of_a, of_b = (Reading.of(ex).shares for ex in (a, b))
    order = strongest_first([one - other for one, other in zip(of_a, of_b, strict=True)])[:_PLAYERS]
    rows = [(_with_text(a, i), signed(of_a[i]), signed(of_b[i]), signed(of_b[i] - of_a[i])) for i in order]
    return _table(("Part", "A", "B", "Difference"), rows)


def _with_text(ex: Explanation, i: int) -> str:
    """A player by its name and its text, for which the pictures side by side have no room."""
    own, text = name(ex.players, i), one_line(ex.players[i].text, 60)
    return own if not text or one_line(text, 28) in own else f"{own}: {text}"


def _combinations(a: Explanation, b: Explanation) -> str:
    both = [Presentation(ex) for ex in (a, b)]
    strong = dict.fromkeys(c.players for shown in both for c in shown.combinations)
    rows: list[tuple[str, ...]] = []
    for players in strong:
        cells = (f"{_said(shown, players)} ({signed(shown.explanation[players])})" for shown in both)
        rows.append((names(a.players, players), *cells))
    return _table(("Combination", "A", "B"), rows[:_COMBINATIONS]) if rows else ""


def _said(shown: Presentation, players: tuple[int, ...]) -> str:
    if players not in {c.players for c in shown.combinations}:
        return "next to nothing"
    return said(shown.reading, shown.claims, players, shown.explanation[players])


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = tag("thead", tag("tr", "".join(tag("th", safe(t), scope="col") for t in titles)))
    lines = "".join(tag("tr", "".join(tag("td", tag("bdi", safe(c))) for c in row)) for row in rows)
    return tag("div", tag("table", head + tag("tbody", lines), class_="numbers"), class_="scroll", tabindex=0)
