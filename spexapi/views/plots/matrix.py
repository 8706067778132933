"""Who acts with whom: a cell for each two players."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.fourier.ranking import largest_first
from spexapi.narrative.meaning import convention
from spexapi.narrative.wording import names, signed
from spexapi.views.plots.canvas import (
    APART,
    MOST_LABELS,
    Figure,
    Frame,
    colour_bar,
    finish,
    labels_of,
    new_figure,
    palette,
    plain_text,
    room_for,
    scale_of,
    value_axis,
)
from spexapi.views.presentation import Presentation

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

MOST_DRAWN = 300
MOST_NUMBERED = 14  # up to here each cell says its value
_HOW = (
    "A cell is the sum of the combinations that both players are in, the diagonal what each does by itself."
    " Blue raises the value, orange lowers it."
)


def matrix(shown: Presentation, *, dark: bool = False) -> Figure:
    """A cell for each two players; the 300 players with the strongest effects are drawn."""
    ex, colours = shown.explanation, palette(dark=dark)
    drawn = _strongest(ex)
    table, hover = _cells(ex, {player: k for k, player in enumerate(drawn)})
    most = max((abs(v) for row in table for v in row), default=0.0) or 1.0
    every = labels_of(ex)
    labels = [every[i] for i in drawn]
    few = len(drawn) <= MOST_NUMBERED
    figure = new_figure()
    figure.add_heatmap(
        z=table, x=labels, y=labels, zmin=-most, zmax=most, colorscale=scale_of(colours, dark=dark),
        hovertext=hover, hoverinfo="text", xgap=1, ygap=1,
        text=[[signed(v) if v else "" for v in row] for row in table] if few else None,
        texttemplate="%{text}" if few else None,
        colorbar=colour_bar(value_axis(ex)),
    )  # fmt: skip
    named = len(drawn) <= MOST_LABELS
    shared = {"showticklabels": named, "showgrid": False, "zeroline": False, **APART}
    order = {"text": "" if named else "players in reading order", "font": {"size": 13}}
    figure.update_yaxes(autorange="reversed", title=order, **shared)
    figure.update_xaxes(tickangle=-40, title=order, **shared)
    how = f"{_HOW} {convention(ex.index, map(len, ex.interactions))}".strip()
    room = room_for(labels) if named else 40
    tall = min(max(30 * len(drawn), 200), 640)
    frame = Frame("Who acts with whom", how, tall, room, below=10 + 0.72 * room if named else 40, right=100)
    return finish(figure, frame, dark=dark)


def _strongest(ex: Explanation) -> list[int]:
    weight = [0.0] * ex.n_players
    for s, v in ex.interactions.items():
        for i in s:
            weight[i] += abs(v)
    return sorted(largest_first(weight)[:MOST_DRAWN])


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
                    said[place[i]][place[j]] = plain_text(names(ex.players, sorted({i, j})))
    for row, texts in zip(table, said, strict=True):
        for j, text in enumerate(texts):
            texts[j] = f"{text}: {signed(row[j])}" if text else ""
    return table, said
