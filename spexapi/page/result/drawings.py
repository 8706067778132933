"""Views for many units and for orders above two: sets, matrix, network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import gradio

from spexapi.page.result.held import SessionResult
from spexapi.views.html.safe import tag
from spexapi.views.plots import matrix, network
from spexapi.views.svg.upset import upset

gr = cast("Any", gradio)  # its stubs leave most types unknown

KINDS = [
    ("Sets: one column a combination", "sets"),
    ("Matrix: who with whom", "matrix"),
    ("Network", "network"),
]
DARK = "(held, kind) => [held, kind, spex.dark()]"


@dataclass(frozen=True, slots=True)
class Drawings:
    """The choice, and a place for each way to draw."""

    kind: Any
    dark: Any
    sets: Any
    plot: Any

    @property
    def all(self) -> list[Any]:
        return [self.kind, self.sets, self.plot]

    def show(self, held: SessionResult) -> dict[Any, Any]:
        """Starts with the sets; the plots are drawn when asked for."""
        return {self.kind: "sets", self.sets: _sets(held), self.plot: gr.update(value=None, visible=False)}

    def wire(self, held: Any) -> None:
        def draw(held: SessionResult | None, kind: str, dark: bool) -> Any:
            if held is None or kind == "sets":
                return gr.update(visible=True), gr.update(visible=False)
            figure = (matrix if kind == "matrix" else network)(held.shown, dark=bool(dark))
            return gr.update(visible=False), gr.update(value=figure, visible=True)

        self.kind.input(
            draw, [held, self.kind, self.dark], [self.sets, self.plot], js=DARK,
            api_visibility="private", show_progress="hidden",
        )  # fmt: skip


def drawings(name: str) -> Drawings:
    """The components, folded away."""
    with gr.Accordion("All combinations at a glance", open=False, elem_id=f"{name}drawings"):
        kind = gr.Radio(KINDS, value="sets", label="Draw as")
        dark = gr.Checkbox(False, visible=False)
        sets = gr.HTML("", apply_default_css=False)
        plot = gr.Plot(show_label=False, visible=False, elem_id=f"{name}plot")
    return Drawings(kind, dark, sets, plot)


def _sets(held: SessionResult) -> Any:
    return gr.update(value=tag("div", upset(held.shown), class_="spex"), visible=True)
