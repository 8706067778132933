"""Parts of a model in their place: a row a layer, a column a head, links between what acts together."""

from __future__ import annotations

from spexapi.narrative.wording import names, one_line, signed
from spexapi.views.colours import Palette
from spexapi.views.head_grid import Grid, Point, letters_of
from spexapi.views.plots.canvas import (
    DASHES,
    Figure,
    Frame,
    colour_bar,
    finish,
    new_figure,
    palette,
    plain_text,
    scale_of,
)
from spexapi.views.presentation import Combination, Presentation

_HOW = (
    "A cell is a part of the model, the last layer on top. Blue helps the answer, orange hurts it."
    " Links join what acts in combination."
)


def heads(shown: Presentation, *, dark: bool = False) -> Figure:
    """Every part as a cell coloured by its share; only for players that are parts of a model."""
    ex, grid = shown.explanation, Grid.of(shown.explanation.players)
    colours = palette(dark=dark)
    cells: list[list[float | None]] = [[None] * len(grid.columns) for _ in grid.layers]
    hover = [[""] * len(grid.columns) for _ in grid.layers]
    for i, share in enumerate(shown.reading.shares):
        column, row = grid.place(i)
        cells[row][column] = share
        hover[row][column] = f"<b>{plain_text(ex.players[i].label)}</b>: {signed(share)}"
    figure = new_figure()
    unit = plain_text(f"share ({ex.target.unit})" if ex.target.unit else "share")
    figure.add_heatmap(
        z=cells, zmin=-shown.scale, zmax=shown.scale, colorscale=scale_of(colours, dark=dark),
        hovertext=hover, hoverinfo="text", xgap=3, ygap=3,
        colorbar=colour_bar(unit),
    )  # fmt: skip
    letters = letters_of(shown.combinations, grid.place, (0.3, 0.5), 0.62)
    for c in shown.combinations:
        _link(figure, shown, grid, c, letters[c.letter], colours)
    for c in shown.combinations:  # above all lines
        _letter(figure, c, letters[c.letter], colours)
    _axes(figure, grid)
    tall = max(46 * len(grid.layers), 120)
    frame = Frame("Where it happens", _HOW, tall, 76, above=40, legend=len(shown.combinations), right=100)
    return finish(figure, frame, dark=dark)


def _axes(figure: Figure, grid: Grid) -> None:
    step = 1 if len(grid.columns) <= 20 else 4
    some = [c for c, name in enumerate(grid.columns) if c % step == 0 or not name.isdecimal()]
    named = any(name.isdecimal() for name in grid.columns)
    shared = {"showgrid": False, "zeroline": False, "fixedrange": True, "ticks": ""}
    figure.update_xaxes(
        tickvals=some, ticktext=[grid.columns[c] for c in some], side="top",
        title={"text": "head" if named else "", "font": {"size": 13}, "standoff": 4}, **shared,
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(grid.layers))), ticktext=[f"layer {layer}" for layer in grid.layers],
        autorange="reversed", **shared,
    )  # fmt: skip


def _link(
    figure: Figure, shown: Presentation, grid: Grid, c: Combination, at: Point, colours: Palette
) -> None:
    """From the letter of the combination to each of its parts, with a rim that sets it off from the cells."""
    called = one_line(names(shown.explanation.players, c.players, c.joiner), 70)
    said = f"<b>{c.letter}</b>  {plain_text(called)}: {plain_text(c.words)} ({signed(c.value)})"
    x: list[float | None] = []
    y: list[float | None] = []
    for column, row in (grid.place(i) for i in c.players):
        x += [at[0], column, None]
        y += [at[1], row, None]
    figure.add_scatter(
        x=x, y=y, mode="lines", hoverinfo="skip", line={"color": colours.paper, "width": 5},
        legendgroup=c.letter, showlegend=False,
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=y, mode="lines+markers", name=said, hovertext=said, hoverinfo="text", legendgroup=c.letter,
        line={"color": colours.of(c.style), "width": 2.5, "dash": DASHES[c.style]},
        marker={"color": colours.of(c.style), "size": 9, "line": {"color": colours.paper, "width": 1.5}},
    )  # fmt: skip


def _letter(figure: Figure, c: Combination, at: Point, colours: Palette) -> None:
    rim = {"color": colours.of(c.style), "width": 1.5}
    figure.add_scatter(
        x=[at[0]], y=[at[1]], mode="markers+text", text=[c.letter], hoverinfo="skip", legendgroup=c.letter,
        marker={"color": colours.paper, "size": 19, "line": rim, "opacity": 1}, showlegend=False,
        textfont={"color": colours.of(c.style), "size": 12, "weight": "bold"},
    )  # fmt: skip
