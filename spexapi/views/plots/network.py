"""Players on a circle in reading order, a line for each few that act in combination."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spexapi.fourier.ranking import step_of
from spexapi.narrative.meaning import no_combination, said
from spexapi.narrative.wording import names, signed
from spexapi.views.colours import Palette
from spexapi.views.plots.canvas import (
    DASHES,
    MOST_LABELS,
    STYLES,
    Figure,
    Frame,
    finish,
    labels_of,
    new_figure,
    palette,
    plain_text,
)
from spexapi.views.presentation import Presentation, style_of

if TYPE_CHECKING:
    from spexapi.fourier.spectrum import Interaction

MOST = 150
WIDTHS = (1.2, 2.5, 4.5)
Ranked = Sequence[tuple["Interaction", float]]
Points = Sequence[tuple[float, float]]
_HOW = (
    "A line joins players that act in combination, the thicker the stronger. A dot is a player, the larger"
    " the larger its share: blue helps the answer, orange hurts it."
)


def network(shown: Presentation, *, dark: bool = False) -> Figure:
    """The strongest combinations as lines between their players, by what they mean."""
    n, colours = shown.explanation.n_players, palette(dark=dark)
    at = [(math.sin(2 * math.pi * i / n), math.cos(2 * math.pi * i / n)) for i in range(n)]
    ranked = [(s, v) for s, v in shown.ranked if v][:MOST]
    figure = new_figure()
    _lines(figure, shown, ranked, at, colours)
    _middles(figure, shown, ranked, at)
    _dots(figure, shown, at, colours)
    figure.update_xaxes(visible=False, range=[-1.9, 1.9])
    figure.update_yaxes(visible=False, range=[-1.2, 1.2], scaleanchor="x")
    styles = {style_of(shown.meaning(s)) for s, _ in ranked}
    how = _HOW if ranked else no_combination(shown.explanation)
    if len(shown.ranked) > MOST:
        how += f" The {MOST} strongest of {len(shown.ranked):,} are drawn."
    frame = Frame("What acts in combination", how, 470, legend=len(styles))
    return finish(figure, frame, dark=dark)


def _lines(figure: Figure, shown: Presentation, ranked: Ranked, at: Points, colours: Palette) -> None:
    """A trace for each style and width: hundreds of lines stay few traces."""
    largest = max((abs(v) for _, v in ranked), default=1.0)
    found: dict[tuple[str, float], list[Interaction]] = {}
    for s, v in ranked:
        width = WIDTHS[step_of(abs(v) / largest, len(WIDTHS))]
        found.setdefault((style_of(shown.meaning(s)), width), []).append(s)
    named: set[str] = set()
    for style, width in sorted(found, key=lambda key: (list(STYLES).index(key[0]), -key[1])):
        x, y = _polygons(found[style, width], at)
        figure.add_scatter(
            x=x, y=y, mode="lines", opacity=min(0.5 + width / 8, 1.0), hoverinfo="skip", name=STYLES[style],
            line={"color": colours.of(style), "width": width, "dash": DASHES[style]},
            showlegend=style not in named, legendgroup=style,
        )  # fmt: skip
        named.add(style)


def _polygons(group: Sequence[Interaction], at: Points) -> tuple[list[float | None], list[float | None]]:
    """A polygon through the players of each combination, a gap between two."""
    x: list[float | None] = []
    y: list[float | None] = []
    for s in group:
        ring = (*s, s[0]) if len(s) > 2 else s
        x += [*(at[i][0] for i in ring), None]
        y += [*(at[i][1] for i in ring), None]
    return x, y


def _middles(figure: Figure, shown: Presentation, ranked: Ranked, at: Points) -> None:
    """The place at which a pointer finds a line's words: its middle."""
    players = shown.explanation.players
    figure.add_scatter(
        x=[sum(at[i][0] for i in s) / len(s) for s, _ in ranked],
        y=[sum(at[i][1] for i in s) / len(s) for s, _ in ranked],
        mode="markers", marker={"size": 9, "opacity": 0.0}, hoverinfo="text", showlegend=False,
        hovertext=[
            plain_text(f"{names(players, s)}: {said(shown.reading, shown.claims, s, v)} ({signed(v)})")
            for s, v in ranked
        ],
    )  # fmt: skip


def _dots(figure: Figure, shown: Presentation, at: Points, colours: Palette) -> None:
    shares, labels = shown.reading.shares, labels_of(shown.explanation)
    biggest = max((abs(s) for s in shares), default=0.0) or 1.0
    figure.add_scatter(
        x=[p[0] for p in at], y=[p[1] for p in at],
        mode="markers+text" if len(at) <= MOST_LABELS else "markers",
        marker={
            "size": [7 + 17 * abs(s) / biggest for s in shares],
            "color": [colours.signed(s) if s else colours.mix for s in shares],
            "opacity": 1,
        },
        text=labels, textposition=[_outside(p) for p in at],
        hovertext=[f"{label}: {signed(share)}" for label, share in zip(labels, shares, strict=True)],
        hoverinfo="text", showlegend=False, cliponaxis=False,
    )  # fmt: skip


def _outside(point: tuple[float, float]) -> str:
    """Outside the circle, so that no line crosses a label."""
    if abs(point[0]) < 0.2:
        return "top center" if point[1] > 0 else "bottom center"
    return "middle right" if point[0] > 0 else "middle left"
