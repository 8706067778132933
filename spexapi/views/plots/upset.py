"""Combinations of any order at a glance, after UpSet (Lex et al., 2014)."""

from __future__ import annotations

from collections.abc import Sequence

from spexapi.narrative.meaning import no_combination
from spexapi.narrative.wording import signed
from spexapi.views.colours import Palette
from spexapi.views.plots.canvas import (
    APART,
    STYLES,
    Figure,
    Frame,
    finish,
    labels_of,
    new_figure,
    palette,
    plain_text,
    room_for,
    value_axis,
)
from spexapi.views.presentation import Presentation
from spexapi.views.sets import Column, sets_of

_HOW = "A column is a combination: its dots are the players in it, its bar is how much they do together"
_TALL, _ROW = 190, 28
_FEW, _MANY = 8, 14  # columns the width is made for at least; above it their values stand upright


def upset(shown: Presentation, *, dark: bool = False) -> Figure:
    """A column for each of the strongest combinations: a bar above, its players as dots below."""
    colours, (columns, rows) = palette(dark=dark), sets_of(shown)
    figure = new_figure()
    if not columns:
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
        alone = no_combination(shown.explanation)
        return finish(figure, Frame("Combinations of any size", alone, 20), dark=dark)
    _bars(figure, columns, colours)
    _dots(figure, columns, {player: r for r, player in enumerate(rows)}, colours)
    every = labels_of(shown.explanation, 28)
    labels = [every[i] for i in rows]
    room = 1.2 if len(columns) <= _MANY else 1.4  # for the values above the bars
    tall = _TALL + _ROW * len(rows)
    split = _ROW * len(rows) / tall
    figure.update_layout(
        xaxis={"range": [-0.6, max(len(columns), _FEW) - 0.4], "visible": False, "fixedrange": True,
               "anchor": "y2"},
        yaxis={"domain": [split + 0.02, 1.0], "gridcolor": colours.line, "fixedrange": True, "nticks": 5,
               "range": [0, room * max(abs(column.value) for column in columns)]},
        yaxis2={"domain": [0.0, split], "range": [len(rows) - 0.5, -0.5], "tickvals": list(range(len(rows))),
                "ticktext": labels, "showgrid": False, "zeroline": False, "fixedrange": True, "anchor": "x",
                **APART},
        barmode="overlay",
    )  # fmt: skip
    styles = len({column.style for column in columns})
    how = f"{_HOW}: its {value_axis(shown.explanation)}, with its sign above."
    frame = Frame("Combinations of any size", how, tall, max(room_for(labels), 70), legend=styles)
    return finish(figure, frame, dark=dark)


def _bars(figure: Figure, columns: Sequence[Column], colours: Palette) -> None:
    """A trace a style, so that the legend names the styles."""
    for style, meaning in STYLES.items():
        own = [(c, column) for c, column in enumerate(columns) if column.style == style]
        if own:
            figure.add_bar(
                x=[c for c, _ in own], y=[abs(column.value) for _, column in own], name=meaning, width=0.62,
                marker={"color": colours.of(style)}, legendgroup=style,
                text=[signed(column.value) for _, column in own], textposition="outside",
                textangle=0 if len(columns) <= _MANY else -90, constraintext="none",
                cliponaxis=False, textfont={"size": 11},
                hovertext=[plain_text(column.words) for _, column in own], hoverinfo="text",
            )  # fmt: skip


def _dots(figure: Figure, columns: Sequence[Column], place: dict[int, int], colours: Palette) -> None:
    empty = [(c, r) for c, column in enumerate(columns) for p, r in place.items() if p not in column.players]
    shared = {"yaxis": "y2", "showlegend": False}
    figure.add_scatter(
        x=[c for c, _ in empty], y=[r for _, r in empty], mode="markers", hoverinfo="skip",
        marker={"color": colours.line, "size": 9}, **shared,
    )  # fmt: skip
    for style in dict.fromkeys(column.style for column in columns):
        x: list[int | None] = []
        y: list[int | None] = []
        words: list[str] = []
        for c, column in enumerate(columns):
            if column.style == style:
                x += [*[c] * len(column.players), None]
                y += [*(place[i] for i in column.players), None]
                words += [plain_text(column.words)] * (len(column.players) + 1)
        figure.add_scatter(
            x=x, y=y, mode="lines+markers", hovertext=words, hoverinfo="text", legendgroup=style,
            line={"color": colours.of(style), "width": 2.5},
            marker={"color": colours.of(style), "size": 12}, **shared,
        )  # fmt: skip
