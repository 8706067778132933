"""Pictures for many players, with plotly: who interacts with whom as a matrix and as a network."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spexapi.explanation.reading import Reading
from spexapi.fourier.ranking import largest_first, step_of
from spexapi.narrative.meaning import said
from spexapi.narrative.wording import name as called
from spexapi.narrative.wording import names, one_line, signed

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.fourier.spectrum import Interaction

MOST_DRAWN, MOST_LABELS = 300, 40
HELP, HURT = "#2f80c3", "#d2691e"
# as the style sheet: orange hurts, blue helps
SCALE = [
    [0.0, "#c2570c"],
    [0.25, "#e9b48b"],
    [0.5, "rgba(127,127,127,0.12)"],
    [0.75, "#8dbce0"],
    [1.0, "#1f6fb2"],
]


def matrix(explanation: Explanation, *, dark: bool = False) -> Any:
    """A plotly figure: a cell for each two players, the sum of the combinations both are in.

    Each player's own effect is on the diagonal; the 300 players with the strongest effects are drawn.
    """
    shown = _strongest(explanation, MOST_DRAWN)
    place = {player: k for k, player in enumerate(shown)}
    table, hover = _cells(explanation, place)
    most = max((abs(v) for row in table for v in row), default=0.0) or 1.0
    labels = [_numbered(explanation, i) for i in shown]
    figure = importlib.import_module("plotly.graph_objects").Figure()
    figure.add_heatmap(
        z=table, x=labels, y=labels, zmin=-most, zmax=most, colorscale=SCALE,
        text=hover, hoverinfo="text",
        colorbar={"title": {"text": explanation.target.unit or "value"}, "thickness": 12},
    )  # fmt: skip
    named: dict[str, Any] = {
        "showticklabels": len(shown) <= MOST_LABELS,
        "automargin": True,
        "showgrid": False,
    }
    figure.update_yaxes(autorange="reversed", **named)
    figure.update_xaxes(**named)
    return _styled(figure, dark)


def network(explanation: Explanation, *, dark: bool = False, most: int = 500) -> Any:
    """A plotly figure: players on a circle in reading order, a line for each two that act in combination."""
    n = explanation.n_players
    at = [(math.sin(2 * math.pi * i / n), math.cos(2 * math.pi * i / n)) for i in range(n)]
    ranked = [(s, v) for s, v in explanation.top(len(explanation.interactions)) if len(s) > 1 and v][:most]
    figure = importlib.import_module("plotly.graph_objects").Figure()
    for sign, colour, title in ((1, HELP, "more together"), (-1, HURT, "less together")):
        some = [(s, v) for s, v in ranked if v * sign > 0]
        for group, width in _by_strength(some, max((abs(v) for _, v in ranked), default=1.0)):
            x, y = _lines(group, at)
            figure.add_scatter(
                x=x, y=y, mode="lines", line={"color": colour, "width": width}, opacity=0.25 + width / 8,
                hoverinfo="skip", name=title, showlegend=False,
            )  # fmt: skip
    _middles(figure, explanation, ranked, at)
    shares = Reading.of(explanation).shares
    biggest = max((abs(s) for s in shares), default=0.0) or 1.0
    figure.add_scatter(
        x=[p[0] for p in at], y=[p[1] for p in at], mode="markers+text" if n <= MOST_LABELS else "markers",
        marker={
            "size": [7 + 17 * abs(s) / biggest for s in shares],
            "color": [HELP if s >= 0 else HURT for s in shares],
        },
        text=[_numbered(explanation, i) for i in range(n)],
        textposition=["middle right" if p[0] >= 0 else "middle left" for p in at],
        hovertext=[f"{_numbered(explanation, i)}: {signed(shares[i])}" for i in range(n)],
        hoverinfo="text", showlegend=False,
    )  # fmt: skip
    figure.update_xaxes(visible=False, range=[-1.7, 1.7])
    figure.update_yaxes(visible=False, range=[-1.15, 1.15], scaleanchor="x")
    return _styled(figure, dark)


def _strongest(ex: Explanation, most: int) -> list[int]:
    weight = [0.0] * ex.n_players
    for s, v in ex.interactions.items():
        for i in s:
            weight[i] += abs(v)
    return sorted(largest_first(weight)[:most])


def _cells(ex: Explanation, place: dict[int, int]) -> tuple[list[list[float]], list[list[str]]]:
    k = len(place)
    table = [[0.0] * k for _ in range(k)]
    said = [[""] * k for _ in range(k)]
    for s, v in ex.interactions.items():
        if not s or not all(i in place for i in s):
            continue
        for i in s:
            for j in s:
                if i != j or len(s) == 1:
                    table[place[i]][place[j]] += v
                    said[place[i]][place[j]] = f"{_safe(names(ex.players, sorted({i, j})))}"
    for row, texts in zip(table, said, strict=True):
        for j, text in enumerate(texts):
            texts[j] = f"{text}: {signed(row[j])}" if text else ""
    return table, said


def _by_strength(
    group: Sequence[tuple[Interaction, float]], largest: float
) -> list[tuple[list[Interaction], float]]:
    """Few widths, a trace each: hundreds of lines stay few traces."""
    found: dict[float, list[Interaction]] = {}
    for s, v in group:
        found.setdefault((1.0, 2.0, 3.5, 5.0)[step_of(abs(v) / largest, 4)], []).append(s)
    return [(chosen, width) for width, chosen in found.items()]


def _lines(
    group: Sequence[Interaction], at: Sequence[tuple[float, float]]
) -> tuple[list[float | None], list[float | None]]:
    """A polygon through the players of each combination, a gap between two."""
    x: list[float | None] = []
    y: list[float | None] = []
    for s in group:
        ring = (*s, s[0]) if len(s) > 2 else s
        x += [*(at[i][0] for i in ring), None]
        y += [*(at[i][1] for i in ring), None]
    return x, y


def _middles(
    figure: Any,
    ex: Explanation,
    ranked: Sequence[tuple[Interaction, float]],
    at: Sequence[tuple[float, float]],
) -> None:
    """Where a pointer finds a line's words: its middle."""
    reading = Reading.of(ex)
    figure.add_scatter(
        x=[sum(at[i][0] for i in s) / len(s) for s, _ in ranked],
        y=[sum(at[i][1] for i in s) / len(s) for s, _ in ranked],
        mode="markers", marker={"size": 9, "opacity": 0.0}, hoverinfo="text", showlegend=False,
        hovertext=[
            f"{_safe(names(ex.players, s))}: {said(reading, s, v)} ({signed(v)})"
            for s, v in ranked
        ],
    )  # fmt: skip


def _numbered(ex: Explanation, i: int) -> str:
    """A label no other player has: plotly would lay equal ones on each other."""
    text = one_line(called(ex.players, i), 18)
    return _safe(text if str(i + 1) in text else f"{i + 1} {text}")


def _safe(text: str) -> str:
    """plotly reads some HTML tags and MathJax in labels: none of a text may become one."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")


def _styled(figure: Any, dark: bool) -> Any:
    ink = "#e8ebf0" if dark else "#1c2430"
    figure.update_layout(
        height=520, margin={"l": 10, "r": 10, "t": 10, "b": 10}, paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)", font={"color": ink, "size": 12}, template="none", dragmode="pan",
    )  # fmt: skip
    return figure
