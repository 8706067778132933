"""The picture as a file: an SVG that stands alone, with the story, the players, their bars and the arcs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.narrative.wording import names, one_line, signed
from spexapi.views.colours import LIGHT
from spexapi.views.presentation import Combination, Presentation, Row
from spexapi.views.safe import safe
from spexapi.views.svg.arcs import LANE, ROW, Curve, curves, lanes_of

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

WIDTH, TOP, LINE = 860, 96, 26
DASH = {"and": "", "or": "7 4", "vs": "2 4", "mix": "10 3 2 3"}
FONT = "system-ui,-apple-system,Segoe UI,Roboto,Noto Sans,Arial,sans-serif"


def picture(explanation: Explanation) -> str:
    """SVG text, on white, for a slide or a paper."""
    shown = Presentation(explanation)
    lanes = lanes_of(shown.places, shown.drawn)
    left = 48 + LANE * (max(lanes.values(), default=-1) + 1)
    body = _words(one_line(shown.story.text, 110))
    body += "".join(_row(TOP + r * ROW, left, row, shown.scale) for r, row in enumerate(shown.rows))
    arcs = curves(shown.places, shown.drawn, left - 10.0, top=TOP, first=14.0 + LANE)
    body += "".join(_arc(c, curve) for c, curve in arcs)
    below = TOP + len(shown.rows) * ROW + 34
    for k, c in enumerate(shown.drawn):
        said = f"{names(explanation.players, c.players, c.joiner)}: {c.words}"
        body += _legend(below + k * LINE, c, said)
    height = below + len(shown.drawn) * LINE + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="{FONT}" fill="{LIGHT.ink}">'
        f'<rect width="{WIDTH}" height="{height}" fill="{LIGHT.paper}"/>{body}</svg>'
    )


def _words(story: str) -> str:
    """The headline, broken in two if it is long."""
    if len(story) <= 58:
        return f'<text x="24" y="52" font-size="22">{safe(story)}</text>'
    cut = story.rfind(" ", 0, 60)
    first, second = story[:cut], story[cut + 1 :]
    return (
        f'<text x="24" y="40" font-size="22">{safe(first)}</text>'
        f'<text x="24" y="70" font-size="22">{safe(second)}</text>'
    )


def _row(y: int, x: int, row: Row, scale: float) -> str:
    middle = y + ROW / 2 + 5
    long = 120 * min(abs(row.share) / scale, 1.0) if scale > 0 else 0.0
    bar = f'x="{WIDTH - 220}" y="{y + ROW / 2 - 4}" height="8" rx="4"'
    called, text = safe(one_line(row.name, 22)), safe(one_line(row.text, 42))
    number = safe(signed(row.share))
    return (
        f'<path d="M{x} {y + ROW}H{WIDTH - 24}" stroke="{LIGHT.line}"/>'
        f'<text x="{x + 8}" y="{middle}" font-size="15" font-weight="600">{called}</text>'
        f'<text x="{x + 190}" y="{middle}" font-size="14" fill="{LIGHT.soft}">{text}</text>'
        f'<rect {bar} width="120" fill="{LIGHT.line}"/>'
        f'<rect {bar} width="{long:.1f}" fill="{LIGHT.signed(row.share)}"/>'
        f'<text x="{WIDTH - 28}" y="{middle}" font-size="14" text-anchor="end">{number}</text>'
    )


def _arc(c: Combination, curve: Curve) -> str:
    (out, middle), colour = curve.tip, LIGHT.of(c.style)
    dash = f' stroke-dasharray="{DASH[c.style]}"' if DASH[c.style] else ""
    line = f'fill="none" stroke="{colour}" stroke-width="2.5"{dash}'
    ticks = "".join(f'<path d="M{start:.1f} {y:.1f}H{curve.x:.1f}" {line}/>' for start, y in curve.ticks)
    dots = "".join(f'<circle cx="{curve.x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for y in curve.ys)
    return (
        f'<path d="{curve.path}" {line}/>{ticks}{dots}'
        f'<circle cx="{out:.1f}" cy="{middle:.1f}" r="10" fill="{LIGHT.paper}" stroke="{colour}"/>'
        f'<text x="{out:.1f}" y="{middle + 4:.1f}" font-size="12" font-weight="700" '
        f'text-anchor="middle" fill="{colour}">{safe(c.letter)}</text>'
    )


def _legend(y: int, c: Combination, said: str) -> str:
    letter = f'<tspan font-weight="700" fill="{LIGHT.of(c.style)}">{safe(c.letter)}</tspan>'
    return (
        f'<text x="24" y="{y}" font-size="14">{letter}</text>'
        f'<text x="48" y="{y}" font-size="14">{safe(one_line(said, 96))}</text>'
        f'<text x="{WIDTH - 28}" y="{y}" font-size="14" text-anchor="end">{safe(signed(c.value))}</text>'
    )
