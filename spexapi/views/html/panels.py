"""The parts of the picture: the proof, the players with their arcs, the combinations in words, the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from spexapi.explanation.reading import Reading
from spexapi.fourier.ranking import strongest_first
from spexapi.narrative.meaning import convention
from spexapi.narrative.story import Step
from spexapi.narrative.wording import (
    explained,
    kind_plural,
    name,
    names,
    one_line,
    quoted,
    ranged,
    signed,
    valued,
)
from spexapi.views.html.safe import safe, tag
from spexapi.views.svg.arcs import TAG, Combination, Row, bar, diagram, tone
from spexapi.views.svg.drawing import Drawn

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.games.base import Piece

MOST_ROWS = 30
FULL_ROWS = 12  # up to here players without effect are drawn as well, so that nothing seems to be missing
ROLES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool result"}


def proof(drawn: Drawn) -> str:
    """The few masks that carry the story, each with its value as a bar."""
    ex, steps = drawn.explanation, drawn.story.steps
    values = [s.ablation.value for s in steps]
    low, high = min(values), max(values)
    reading = Reading.of(ex)
    likely = reading.probability(values[0]) is not None
    title = f"How likely is {quoted(explained(ex), 40)}?" if likely else "What the value becomes"
    apart = reading.tokens_apart
    what = (
        f"When only some {kind_plural(ex)} are left for the model{', on average a token' * (apart != 1)}:"
        if likely
        else "When only some players are kept:"
    )
    lines = "".join(_step(reading, step, low, high) for step in steps)
    note = _where_from([s.ablation.measured for s in steps])
    return tag(
        "section",
        tag("h3", safe(title))
        + tag("p", safe(what), class_="lede")
        + tag("dl", lines, class_="steps")
        + note,
    )


def _where_from(measured: Sequence[bool]) -> str:
    if all(measured):
        return ""
    rest = "the others were measured on the model" if any(measured) else "none of these was measured itself"
    return tag("p", f"≈ predicted by the explanation; {rest}.", class_="note")


def _step(reading: Reading, step: Step, low: float, high: float) -> str:
    value = step.ablation.value
    share = reading.probability(value)
    if share is None:
        share = (value - low) / (high - low) if high > low else 1.0
    about = "" if step.ablation.measured else "≈ "
    title = f"{signed(value)} {reading.explanation.target.unit}".strip()
    said = about + valued(reading, value).removesuffix(" a token")
    number = tag("span", safe(said), class_="num", title=title)
    told = tag("dt", tag("bdi", safe(step.label))) + tag("dd", bar(max(share, 0.004)) + number)
    return tag("div", told, class_="step")


def combinations(drawn: Drawn) -> str:
    """The players with arcs beside them, and the same combinations in words."""
    ex = drawn.explanation
    rows, hidden = rows_of(drawn)
    figure = diagram(rows, drawn.combinations, drawn.scale)
    what = kind_plural(ex)
    lede = (
        f"Each bar is a share of the difference between everything and nothing kept ({_unit(ex)}). "
        "Blue helps the answer, orange hurts it. Arcs join what acts in combination."
    )
    notes: list[str] = []
    if hidden:
        notes.append(f"{hidden:,} {what} with less effect are not drawn.")
    missing = sum(any(i not in {r.player for r in rows} for i in c.players) for c in drawn.combinations)
    weaker = drawn.n_found - len(drawn.combinations)
    if weaker + missing:
        notes.append(f"{weaker + missing:,} weaker combinations are not drawn.")
    if said := convention(ex.index, (len(c.players) for c in drawn.combinations)):
        notes.append(said)
    note = tag("p", safe(" ".join(notes)), class_="note") if notes else ""
    return tag(
        "section",
        tag("h3", f"The {safe(what)} and how they combine")
        + tag("p", safe(lede), class_="lede")
        + figure
        + _list(drawn)
        + note,
    )


def _unit(ex: Explanation) -> str:
    return f"in {ex.target.unit}" if ex.target.unit else "in the unit of the value"


def rows_of(drawn: Drawn) -> tuple[list[Row], int]:
    """The players of the drawn combinations and those with the largest shares, in reading order."""
    n = drawn.explanation.n_players
    in_arcs = list(dict.fromkeys(i for c in drawn.combinations for i in c.players))
    by_share = strongest_first(drawn.shares)
    by_share = [
        i
        for k, i in enumerate(by_share)
        if k < FULL_ROWS or not tone(drawn.shares[i], drawn.scale).endswith("0")
    ]
    shown = sorted(list(dict.fromkeys([*drawn.story.core, *in_arcs, *by_share]))[:MOST_ROWS])
    return [_row(drawn, i) for i in shown], n - len(shown)


def _row(drawn: Drawn, i: int) -> Row:
    players, share = drawn.explanation.players, drawn.shares[i]
    called = name(players, i)
    text = players[i].text
    if one_line(text, 28) in called:
        text = ""
    elif not text and players[i].label not in called:
        text = players[i].label
    return Row(i, called, text, share, tone(share, drawn.scale), drawn.letters(i))


def _list(drawn: Drawn) -> str:
    ex = drawn.explanation
    if not drawn.combinations:
        return tag("p", "No combination stands out: each part acts on its own.", class_="none")
    return tag("ol", "".join(_combination(ex, c) for c in drawn.combinations), class_="combos")


def _combination(ex: Explanation, c: Combination) -> str:
    words = tag("bdi", safe(names(ex.players, c.players, c.joiner)))
    interval = ranged(ex.intervals.get(c.players))
    return tag(
        "li",
        tag("span", safe(c.letter), class_="letter")
        + tag("span", words + " " + tag("em", safe(c.words)), class_="words")
        + tag("span", safe(TAG[c.style]), class_="kind")
        + tag("span", safe(signed(c.value) + interval), class_="num", title=f"{ex.index} value"),
        class_=f"combo {c.style}",
        data_combo=c.letter,
        data_players=" ".join(map(str, c.players)),
        tabindex=0,
    )


def prompt(drawn: Drawn) -> str:
    """The prompt in reading order, coloured by share, with the letters of the combinations."""
    pieces = drawn.explanation.target.pieces
    if not pieces:
        return ""
    turns = "".join(_turn(drawn, role, list(group)) for role, group in groupby(pieces, key=lambda p: p.role))
    lede = (
        "As the model read it. Blue helps the answer, orange hurts it; letters name the combinations above."
    )
    return tag("section", tag("h3", "The prompt") + tag("p", lede, class_="lede") + turns)


def _turn(drawn: Drawn, role: str, pieces: Sequence[Piece]) -> str:
    body = tag("div", "".join(_piece(drawn, piece) for piece in pieces), class_="turn", dir="auto")
    who = safe(ROLES.get(role, role))
    # a long turn scrolls on the page, so the keyboard must reach it
    return tag("div", tag("span", who, class_="label") + body, class_="role", tabindex=0, role="group")


def _piece(drawn: Drawn, piece: Piece) -> str:
    if piece.player is None:
        return tag("span", safe(piece.text), class_="pinned")
    share, letters = drawn.shares[piece.player], drawn.letters(piece.player)
    title = f"{name(drawn.explanation.players, piece.player)}: {signed(share)}"
    body = piece.text.rstrip()
    badge = tag("sup", safe(letters.replace(" ", "")), class_="in") if letters and body else ""
    mark = tag(
        "mark",
        safe(body),
        class_=tone(share, drawn.scale),
        data_in=letters or None,
        title=title,
        data_player=piece.player,
    )
    return mark + badge + safe(piece.text[len(body) :])
