"""Combinations of any order at a glance: a column each, its strength above, its players as dots below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.explanation.reading import Reading
from spexapi.narrative.meaning import said
from spexapi.narrative.wording import name, names, one_line, signed
from spexapi.views.html.safe import safe, tag
from spexapi.views.svg.arcs import combination_tone

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.fourier.spectrum import Interaction

COLUMN, ROW, TALL, SIDE = 26, 24, 110, 150
MOST_COLUMNS, MOST_ROWS = 24, 30


def upset(explanation: Explanation) -> str:
    """An SVG after UpSet (Lex et al., 2014), or a sentence where nothing acts in combination."""
    chosen, rows = _chosen(explanation)
    if not chosen:
        return tag("p", "No combination matters: each part acts on its own.", class_="none")
    reading = Reading.of(explanation)
    place = {player: r for r, player in enumerate(rows)}
    largest = max(abs(v) for _, v in chosen) or 1.0
    width, height = SIDE + COLUMN * len(chosen) + 8, TALL + ROW * len(rows) + 12
    body = "".join(_stripe(explanation, r, i, width) for i, r in place.items())
    for c, (s, v) in enumerate(chosen):
        tone = combination_tone(reading.meaning(s))
        words = f"{names(explanation.players, s)}: {said(reading, s, v)} ({signed(v)})"
        body += _column(c, s, v / largest, tone, words, place)
    svg = (
        f'<svg class="upset" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="The {len(chosen)} strongest combinations; the table says the same in words.">{body}'
        "</svg>"
    )
    return tag("div", svg, class_="scroll", tabindex=0)


def _chosen(ex: Explanation) -> tuple[list[tuple[Interaction, float]], list[int]]:
    """The strongest combinations whose players fit the rows, and those players in reading order."""
    chosen: list[tuple[Interaction, float]] = []
    rows: set[int] = set()
    for s, v in ex.top(len(ex.interactions)):
        if len(s) > 1 and v and len(rows | set(s)) <= MOST_ROWS:
            chosen.append((s, v))
            rows |= set(s)
        if len(chosen) == MOST_COLUMNS:
            break
    return chosen, sorted(rows)


def _stripe(ex: Explanation, row: int, player: int, width: int) -> str:
    y = TALL + row * ROW
    rect = f'<rect class="stripe s{row % 2}" y="{y}" width="{width}" height="{ROW}"/>'
    label = safe(one_line(name(ex.players, player), 22))
    return f'{rect}<text class="who" x="4" y="{y + ROW - 8}" data-player="{player}">{label}</text>'


def _column(c: int, s: Interaction, share: float, tone: str, words: str, place: dict[int, int]) -> str:
    x = SIDE + c * COLUMN + COLUMN / 2
    long = max(abs(share) * (TALL - 22), 1.5)
    ys = [TALL + place[i] * ROW + ROW / 2 for i in s]
    bar = f'<rect class="up" x="{x - 8:.1f}" y="{TALL - 8 - long:.1f}" width="16" height="{long:.1f}"/>'
    sign = f'<text class="sign" x="{x:.1f}" y="{TALL - 12 - long:.1f}">{"+" if share > 0 else "−"}</text>'
    line = f'<path d="M{x:.1f} {min(ys):.1f}V{max(ys):.1f}"/>'
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6"/>' for y in ys)
    hit = f'<rect class="hit" x="{x - COLUMN / 2:.1f}" width="{COLUMN}" height="{TALL + ROW * len(place)}"/>'
    players = " ".join(map(str, s))
    inside = f"<title>{safe(words)}</title>{hit}{bar}{sign}{line}{dots}"
    return f'<g class="col {tone}" data-players="{players}">{inside}</g>'
