"""Players in reading order with their shares as bars, and arcs that join what acts in combination."""

from __future__ import annotations

from spexapi.narrative.meaning import no_combination
from spexapi.narrative.wording import names, one_line, signed
from spexapi.views.colours import Palette
from spexapi.views.plots.canvas import (
    DASHES,
    Figure,
    Frame,
    finish,
    new_figure,
    palette,
    plain_text,
    room_for,
)
from spexapi.views.presentation import Combination, Presentation, Row
from spexapi.views.svg.arcs import ROW, Curve, curves

_HOW = (
    "A bar is a part's share of the difference between everything and nothing kept."
    " Blue helps the answer, orange hurts it."
)


def text(shown: Presentation, *, dark: bool = False) -> Figure:
    """The picture of the report as a plotly figure."""
    colours, rows, unit = palette(dark=dark), shown.rows, shown.explanation.target.unit
    labels = [_label(row) for row in rows]
    figure = new_figure()
    arcs = curves(shown.places, shown.drawn, 0.0, first=16.0)
    wide = max((curve.depth for _, curve in arcs), default=0.0) + 18
    share = min(0.06 + 0.0016 * wide, 0.34) if arcs else 0.0
    _bars(figure, rows, colours, unit)
    for c, curve in sorted(arcs, key=lambda pair: pair[0].letter):
        _arc(figure, shown, c, curve, colours)
    figure.update_layout(
        xaxis={"domain": [0.0, 1.0 - share - 0.03 * bool(arcs)]},
        xaxis2={"domain": [1.0 - share, 1.0], "visible": False, "range": [4, -wide], "fixedrange": True},
        bargap=0.0,
    )
    figure.update_yaxes(
        range=[len(rows) * ROW, 0], tickvals=[(r + 0.5) * ROW for r in range(len(rows))], ticktext=labels,
        showgrid=False, zeroline=False, fixedrange=True, ticks="",
    )  # fmt: skip
    how = f"{_HOW} {'Arcs join what acts in combination.' if arcs else no_combination(shown.explanation)}"
    if shown.explanation.n_players > len(rows):
        how += f" The {len(rows)} strongest of {shown.explanation.n_players:,} are drawn."
    frame = Frame(shown.story.text, how, ROW * len(rows), room_for(labels), below=46, legend=len(arcs))
    return finish(figure, frame, dark=dark)


def _label(row: Row) -> str:
    short = plain_text(one_line(row.name, 24))
    return f"<b>{short}</b>  {plain_text(one_line(row.text, 26))}" if row.text else f"<b>{short}</b>"


def _bars(figure: Figure, rows: list[Row], colours: Palette, unit: str) -> None:
    shares = [row.share for row in rows]
    low, high = min([0.0, *shares]), max([0.0, *shares])
    room = 0.22 * ((high - low) or 1.0)
    figure.add_bar(
        x=shares, y=[(r + 0.5) * ROW for r in range(len(rows))], orientation="h", width=ROW * 0.42,
        marker={"color": [colours.signed(share) for share in shares]},
        text=[signed(share) for share in shares], textposition="outside", cliponaxis=False,
        hovertext=[_hover(row, unit) for row in rows], hoverinfo="text", showlegend=False,
    )  # fmt: skip
    figure.update_xaxes(
        title={"text": plain_text(f"share ({unit})" if unit else "share"), "font": {"size": 13}},
        range=[low - room * (low < 0), high + room], zeroline=True, zerolinecolor=colours.soft,
        gridcolor=colours.line, fixedrange=True, nticks=5,
    )  # fmt: skip


def _hover(row: Row, unit: str) -> str:
    side = "helps" if row.share >= 0 else "hurts"
    lines = [f"<b>{plain_text(row.name)}</b> {side}: {signed(row.share)} {plain_text(unit)}".rstrip()]
    lines += [plain_text(one_line(row.text, 120))] if row.text else []
    lines += [f"in combination {row.letters.replace(' ', ', ')}"] if row.letters else []
    return "<br>".join(lines)


def _arc(figure: Figure, shown: Presentation, c: Combination, curve: Curve, colours: Palette) -> None:
    colour, called = colours.of(c.style), names(shown.explanation.players, c.players, c.joiner)
    said = f"<b>{c.letter}</b>  {plain_text(one_line(called, 70))}: {plain_text(c.words)} ({signed(c.value)})"
    line = curve.points()
    for start, y in curve.ticks:
        line += [(float("nan"), y), (start, y), (curve.x, y)]
    shared = {"xaxis": "x2", "legendgroup": c.letter, "hoverinfo": "text"}
    figure.add_scatter(
        x=[x for x, _ in line], y=[y for _, y in line], mode="lines", name=said, hovertext=said,
        line={"color": colour, "width": 2.5, "dash": DASHES[c.style]}, **shared,
    )  # fmt: skip
    figure.add_scatter(
        x=[curve.x] * len(curve.ys), y=list(curve.ys), mode="markers", hovertext=said,
        marker={"color": colour, "size": 8}, showlegend=False, **shared,
    )  # fmt: skip
    figure.add_scatter(
        x=[curve.tip[0]], y=[curve.tip[1]], mode="markers+text", text=[c.letter], hovertext=said,
        marker={"color": colours.paper, "size": 19, "line": {"color": colour, "width": 1.5}, "opacity": 1},
        textfont={"color": colour, "size": 12, "weight": "bold"}, showlegend=False, **shared,
    )  # fmt: skip
