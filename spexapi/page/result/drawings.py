"""Views for many players and for orders above two: sets, matrix, network."""

from __future__ import annotations

from dataclasses import dataclass

from spexapi.page.components import QUIET, Changes, Component, gr, html
from spexapi.page.runs.session_result import SessionResult
from spexapi.views.plots.kinds import plot
from spexapi.views.safe import tag
from spexapi.views.svg.upset import upset

KINDS = [
    ("Sets: one column a combination", "sets"),
    ("Matrix: who with whom", "matrix"),
    ("Network", "network"),
]
DARK = "(result, kind) => [result, kind, spex.dark()]"


@dataclass(frozen=True, slots=True)
class Drawings:
    """The choice, and a place for each way to draw."""

    kind: Component
    dark: Component
    sets: Component
    plot: Component

    @property
    def all(self) -> list[Component]:
        return [self.kind, self.sets, self.plot]

    def show(self, result: SessionResult) -> Changes:
        """Starts with the sets; the plots are drawn when asked for."""
        sets = gr.update(value=tag("div", upset(result.shown), class_="spex"), visible=True)
        return {self.kind: "sets", self.sets: sets, self.plot: gr.update(value=None, visible=False)}

    def wire(self, session: Component) -> None:
        """Draws what is chosen."""

        def draw(result: SessionResult | None, kind: str, dark: bool) -> tuple[object, object]:
            if result is None or kind == "sets":
                return gr.update(visible=True), gr.update(visible=False)
            figure = plot(result.shown, kind, dark=bool(dark), titled=False)
            return gr.update(visible=False), gr.update(value=figure, visible=True)

        self.kind.input(draw, [session, self.kind, self.dark], [self.sets, self.plot], js=DARK, **QUIET)


def drawings(name: str) -> Drawings:
    """The components, folded away."""
    with gr.Accordion("All combinations at a glance", open=False, elem_id=f"{name}drawings"):
        kind = gr.Radio(KINDS, value="sets", label="Draw as")
        dark = gr.Checkbox(False, visible=False)
        sets = html()
        plot = gr.Plot(show_label=False, visible=False, elem_id=f"{name}plot")
    return Drawings(kind, dark, sets, plot)
