"""The picture as a file: an SVG that stands alone, with the story, the players, their bars and the arcs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.narrative.wording import names, one_line, signed
from spexapi.views.html.panels import rows_of
from spexapi.views.html.safe import safe
from spexapi.views.svg.arcs import LANE, ROW, Combination, lanes_of
from spexapi.views.svg.drawing import draw

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

WIDTH, TOP, LINE = 860, 96, 26
HELP, HURT, EITHER, MIX, INK, SOFT = "#1f6fb2", "#c2570c", "#6b4fa0", "#5a6473", "#1c2430", "#5a6473"
COLOUR = {"and": HELP, "or": EITHER, "vs": HURT, "mix": MIX}
DASH = {"and": "", "or": "7 4", "vs": "2 4", "mix": "10 3 2 3"}
FONT = "system-ui,-apple-system,Segoe UI,Roboto,Noto Sans,Arial,sans-serif"


def picture(explanation: Explanation) -> str:
    """SVG text, on white, for a slide or a paper."""
    drawn = draw(explanation)
    rows, _ = rows_of(drawn)
    place = {row.player: r for r, row in enumerate(rows)}
    found = [c for c in drawn.combinations if all(i in place for i in c.players)]
    lanes = lanes_of(place, found)
    left = 48 + LANE * (max(lanes.values(), default=-1) + 1)
    body = _words(one_line(drawn.story.text, 110))
    for r, row in enumerate(rows):
        body += _row(TOP + r * ROW, left, row.name, row.text, row.share, drawn.scale)
    below = TOP + len(rows) * ROW + 34
    for k, c in enumerate(found):
        body += _arc(c, place, left - 10, 14.0 + LANE * (lanes[c.letter] + 1))
        said = f"{names(explanation.players, c.players)}: {c.words}"
        body += _legend(below + k * LINE, c, said)
    height = below + len(found) * LINE + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="{FONT}" fill="{INK}">'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>{body}</svg>'
    )


def _words(story: str) -> str:
    """The headline, broken in two where it is long."""
    if len(story) <= 58:
        return f'<text x="24" y="52" font-size="22">{safe(story)}</text>'
    cut = story.rfind(" ", 0, 60)
    first, second = story[:cut], story[cut + 1 :]
    return (
        f'<text x="24" y="40" font-size="22">{safe(first)}</text>'
        f'<text x="24" y="70" font-size="22">{safe(second)}</text>'
    )


def _row(y: int, x: int, called: str, text: str, share: float, scale: float) -> str:
    middle, long = y + ROW / 2 + 5, 120 * min(abs(share) / scale, 1.0) if scale > 0 else 0.0
    colour = HELP if share >= 0 else HURT
    bar = f'x="{WIDTH - 220}" y="{y + ROW / 2 - 4}" height="8" rx="4"'
    return (
        f'<path d="M{x} {y + ROW}H{WIDTH - 24}" stroke="#e3e6eb"/>'
        f'<text x="{x + 8}" y="{middle}" font-size="15" font-weight="600">{safe(one_line(called, 22))}</text>'
        f'<text x="{x + 190}" y="{middle}" font-size="14" fill="{SOFT}">{safe(one_line(text, 42))}</text>'
        f'<rect {bar} width="120" fill="#e3e6eb"/><rect {bar} width="{long:.1f}" fill="{colour}"/>'
        f'<text x="{WIDTH - 28}" y="{middle}" font-size="14" text-anchor="end">{safe(signed(share))}</text>'
    )


def _arc(c: Combination, place: dict[int, int], x: float, depth: float) -> str:
    ys = sorted(TOP + (place[i] + 0.5) * ROW for i in c.players)
    top, bottom, reach = ys[0], ys[-1], x - depth * 4 / 3
    dash = f' stroke-dasharray="{DASH[c.style]}"' if DASH[c.style] else ""
    colour = COLOUR[c.style]
    middle = (top + bottom) / 2
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for y in ys)
    return (
        f'<path d="M{x:.1f} {top:.1f}C{reach:.1f} {top:.1f} {reach:.1f} {bottom:.1f} {x:.1f} {bottom:.1f}" '
        f'fill="none" stroke="{colour}" stroke-width="2.5"{dash}/>{dots}'
        f'<circle cx="{x - depth:.1f}" cy="{middle:.1f}" r="10" fill="#ffffff" stroke="{colour}"/>'
        f'<text x="{x - depth:.1f}" y="{middle + 4:.1f}" font-size="12" font-weight="700" '
        f'text-anchor="middle" fill="{colour}">{safe(c.letter)}</text>'
    )


def _legend(y: int, c: Combination, said: str) -> str:
    letter = f'<tspan font-weight="700" fill="{COLOUR[c.style]}">{safe(c.letter)}</tspan>'
    return (
        f'<text x="24" y="{y}" font-size="14">{letter}</text>'
        f'<text x="48" y="{y}" font-size="14">{safe(one_line(said, 96))}</text>'
        f'<text x="{WIDTH - 28}" y="{y}" font-size="14" text-anchor="end">{safe(signed(c.value))}</text>'
    )
