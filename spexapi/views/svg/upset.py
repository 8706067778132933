"""Combinations of any order at a glance: a column each, its strength above, its players as dots below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.narrative.meaning import no_combination
from spexapi.narrative.wording import name, one_line
from spexapi.views.presentation import Presentation
from spexapi.views.safe import safe, tag
from spexapi.views.sets import Column, sets_of

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

COLUMN, ROW, TALL, SIDE = 26, 24, 110, 150


def upset(explanation: Explanation) -> str:
    """An SVG after UpSet (Lex et al., 2014), or a sentence if nothing acts in combination."""
    chosen, rows = sets_of(Presentation(explanation))
    if not chosen:
        return tag("p", safe(no_combination(explanation)), class_="none")
    place = {player: r for r, player in enumerate(rows)}
    width, height = SIDE + COLUMN * len(chosen) + 8, TALL + ROW * len(rows) + 12
    body = "".join(_stripe(explanation, r, i, width) for i, r in place.items())
    body += "".join(_column(c, column, place) for c, column in enumerate(chosen))
    svg = (
        f'<svg class="upset" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="The {len(chosen)} strongest combinations; the table says the same in words.">{body}'
        "</svg>"
    )
    return tag("div", svg, class_="scroll", tabindex=0)


def _stripe(ex: Explanation, row: int, player: int, width: int) -> str:
    y = TALL + row * ROW
    rect = f'<rect class="stripe s{row % 2}" y="{y}" width="{width}" height="{ROW}"/>'
    label = safe(one_line(name(ex.players, player), 22))
    return f'{rect}<text class="who" x="4" y="{y + ROW - 8}" data-player="{player}">{label}</text>'


def _column(c: int, column: Column, place: dict[int, int]) -> str:
    x = SIDE + c * COLUMN + COLUMN / 2
    long = max(abs(column.share) * (TALL - 22), 1.5)
    ys = [TALL + place[i] * ROW + ROW / 2 for i in column.players]
    bar = f'<rect class="up" x="{x - 8:.1f}" y="{TALL - 8 - long:.1f}" width="16" height="{long:.1f}"/>'
    sign = "+" if column.share > 0 else "−"
    above = f'<text class="sign" x="{x:.1f}" y="{TALL - 12 - long:.1f}">{sign}</text>'
    line = f'<path d="M{x:.1f} {min(ys):.1f}V{max(ys):.1f}"/>'
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6"/>' for y in ys)
    hit = f'<rect class="hit" x="{x - COLUMN / 2:.1f}" width="{COLUMN}" height="{TALL + ROW * len(place)}"/>'
    players = " ".join(map(str, column.players))
    inside = f"<title>{safe(column.words)}</title>{hit}{bar}{above}{line}{dots}"
    return f'<g class="col {column.style}" data-players="{players}">{inside}</g>'
