"""What all plotly figures share: plotly itself, their look, and labels that are text."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, Any, Protocol, cast

from spexapi.errors import InputError
from spexapi.narrative.wording import name, one_line
from spexapi.views.colours import DARK, LIGHT, Palette

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

MOST_LABELS = 40
APART = {"ticks": "outside", "ticklen": 7, "tickcolor": "rgba(0,0,0,0)"}  # labels clear of what they name
DASHES = {"and": "solid", "or": "dash", "vs": "dot", "mix": "dashdot"}
STYLES = {
    "and": "AND: needed or stronger together",
    "or": "OR: one stands in for the other",
    "vs": "VS: one works against the other",
    "mix": "mixed",
}
_FONT = "system-ui, -apple-system, Segoe UI, Roboto, Noto Sans, Arial, sans-serif"


class Figure(Protocol):
    """As much of plotly.graph_objects.Figure as is used here."""

    layout: Any

    def add_bar(self, **given: object) -> object: ...
    def add_heatmap(self, **given: object) -> object: ...
    def add_scatter(self, **given: object) -> object: ...
    def add_annotation(self, **given: object) -> object: ...
    def update_layout(self, **given: object) -> object: ...
    def update_xaxes(self, **given: object) -> object: ...
    def update_yaxes(self, **given: object) -> object: ...


def new_figure() -> Figure:
    """An empty plotly figure. Raises InputError if plotly is not installed."""
    try:
        plotly = importlib.import_module("plotly.graph_objects")
    except ImportError as error:
        raise InputError('plots need plotly, which is not installed: pip install "spexapi[ui]"') from error
    return cast("Figure", plotly.Figure())


def palette(*, dark: bool) -> Palette:
    return DARK if dark else LIGHT


def scale_of(colours: Palette, *, dark: bool) -> Sequence[Sequence[float | str]]:
    """From orange over next to nothing to blue; small values are seen, so it is steeper in the middle."""
    nothing = "#232a33" if dark else "#f1f2f4"
    orange, blue = ("#b06a2e", "#5a3c22"), ("#3f7fb3", "#243f56")
    if not dark:
        orange, blue = ("#e39a66", "#f6dcc8"), ("#76aedb", "#cfe2f2")
    below = [[0.0, colours.hurt], [0.28, orange[0]], [0.46, orange[1]]]
    return [*below, [0.5, nothing], [0.54, blue[1]], [0.72, blue[0]], [1.0, colours.help]]


def plain_text(text: str) -> str:
    """plotly reads some HTML tags and MathJax in labels: none of a text may become one."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")


def labels_of(explanation: Explanation, width: int = 18) -> list[str]:
    """A short label for each player, no two the same: plotly would lay equal ones on each other."""
    short = [one_line(name(explanation.players, i), width) for i in range(explanation.n_players)]
    often = Counter(short)
    return [plain_text(text if often[text] == 1 else f"{i + 1} {text}") for i, text in enumerate(short)]


def value_axis(explanation: Explanation) -> str:
    """What a number is: "FBII value (nats)"."""
    unit = explanation.target.unit
    return plain_text(f"{explanation.index.upper()} value" + (f" ({unit})" if unit else ""))


def colour_bar(words: str) -> dict[str, object]:
    """The scale of a heatmap with its words above, the unit on a line of its own."""
    title = {"text": words.replace(" (", "<br>("), "side": "top", "font": {"size": 12}}
    return {"title": title, "thickness": 12, "outlinewidth": 0, "x": 1.01, "xpad": 4}


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a drawing, and its size in pixels.

    title, said   the headline, and the sentence below it that says how to read the figure
    tall          the drawing itself
    left          room for the labels of rows
    above         room for an axis
    below         room for an axis; the legend comes below it
    legend        lines of it, 0 for none
    right         room for a scale of colours
    """

    title: str
    said: str
    tall: float
    left: float = 14
    above: float = 0
    below: float = 14
    legend: int = 0
    right: float = 14


def finish(figure: Figure, frame: Frame, *, dark: bool) -> Figure:
    """The figure with its title and the look that all have in common. Nothing moves the margins."""
    colours = palette(dark=dark)
    lines, below = _wrapped(frame.title, 64), _wrapped(frame.said, 92)
    top = 30 + 24 * len(lines) + 19 * len(below) + frame.above
    head = f"<b>{'<br>'.join(map(plain_text, lines))}</b>"
    soft = f"<span style='font-size:13px;color:{colours.soft}'>{'<br>'.join(map(plain_text, below))}</span>"
    bottom = frame.below + (16 + 21 * frame.legend if frame.legend else 0)
    figure.update_layout(
        title={"text": f"{head}<br>{soft}", "font": {"size": 17}, "pad": {"l": 14, "t": 14},
               "x": 0.0, "xref": "container", "xanchor": "left",
               "y": 1.0, "yref": "container", "yanchor": "top"},
        height=frame.tall + top + bottom,
        margin={"l": frame.left, "r": frame.right, "t": top, "b": bottom, "autoexpand": False},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", template="none", dragmode="pan",
        font={"color": colours.ink, "size": 13, "family": _FONT},
        hoverlabel={"align": "left", "font": {"size": 13, "family": _FONT}},
        showlegend=bool(frame.legend),
        legend={"x": 0.0, "xanchor": "left", "xref": "container", "font": {"size": 13},
                "y": 0.0, "yanchor": "bottom", "yref": "container", "bgcolor": "rgba(0,0,0,0)",
                "tracegroupgap": 0},
    )  # fmt: skip
    return figure


def without_title(figure: Figure) -> Figure:
    """The figure less its headline and the sentence below it, and less their room."""
    room = figure.layout.margin.t - 14
    figure.update_layout(title=None, margin_t=14, height=figure.layout.height - room)
    return figure


def room_for(labels: Sequence[str]) -> float:
    """Pixels that the longest label takes, about."""
    return 20 + 7.4 * max((len(unescape(re.sub("<[^>]*>", "", label))) for label in labels), default=0)


def _wrapped(text: str, width: int) -> list[str]:
    """The words in lines of up to `width` letters, three at most."""
    lines = [""]
    for word in one_line(text, 3 * width - 12).split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
