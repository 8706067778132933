"""Players in reading order with their shares as bars, and combinations as arcs next to them."""

from __future__ import annotations

from spexapi.fourier.ranking import step_of
from spexapi.narrative.wording import one_line
from spexapi.views.html.bar import bar
from spexapi.views.presentation import Combination, Presentation, Row
from spexapi.views.safe import safe, tag
from spexapi.views.svg.arcs import LANE, ROW, Curve, curves, lanes_of


def diagram(shown: Presentation) -> str:
    """The rows with their bars, and an arc for each combination whose players all have a row."""
    rows = shown.rows
    lines = "".join(_line(row, shown.scale) for row in rows)
    listing = tag("ol", lines, class_="players" if any(row.text for row in rows) else "players bare")
    if not shown.drawn:
        return tag("div", listing, class_="diagram")
    return tag("div", _svg(shown) + listing, class_="diagram with-arcs")


def _line(row: Row, scale: float) -> str:
    length = bar(abs(row.share) / scale if scale > 0 else 0.0)
    head = tag("b", tag("bdi", safe(row.name)), class_="who")
    quote = tag("span", safe(one_line(row.text, 160)), class_="what", dir="auto") if row.text else ""
    side = "helps" if row.share >= 0 else "hurts"
    number = tag("span", safe(row.said), class_="num", title=side)
    body = head + quote + length + number
    return tag("li", body, class_=f"player {row.tone}", data_in=row.letters or None, data_player=row.player)


def _svg(shown: Presentation) -> str:
    lanes = lanes_of(shown.places, shown.drawn)
    width, height = 34 + LANE * (max(lanes.values()) + 1), len(shown.rows) * ROW
    largest = max(abs(c.value) for c in shown.drawn) or 1.0
    drawn = curves(shown.places, shown.drawn, width - 6.0, first=16.0 + LANE)
    body = "".join(_arc(c, curve, abs(c.value) / largest) for c, curve in drawn)
    return (
        f'<svg class="arcs" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' preserveAspectRatio="none" role="img"'
        ' aria-label="Arcs join the players of each combination; the list below says the same in words.">'
        f"{body}</svg>"
    )


def _arc(c: Combination, curve: Curve, strength: float) -> str:
    x, (out, middle) = curve.x, curve.tip
    ticks = "".join(f'<path d="M{start:.1f} {y:.1f}H{x:.1f}"/>' for start, y in curve.ticks)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for y in curve.ys)
    letter = f'<circle class="disc" cx="{out:.1f}" cy="{middle:.1f}" r="10"/>'
    letter += f'<text x="{out:.1f}" y="{middle + 4:.1f}">{safe(c.letter)}</text>'
    inside = " ".join(map(str, c.players))
    head = f'<g class="arc {c.style} w{1 + step_of(strength, 3)}" data-combo="{safe(c.letter)}"'
    return f'{head} data-players="{inside}"><path d="{curve.path}"/>{ticks}{dots}{letter}</g>'
