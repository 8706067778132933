"""The result next to a form: picture, what-if, the mathematics, what to keep."""

from __future__ import annotations

from dataclasses import dataclass

from spexapi.page.components import Changes, Component, gr, html
from spexapi.page.forms.fields import INDICES
from spexapi.page.result import what_if
from spexapi.page.result.downloads import Downloads, downloads
from spexapi.page.result.drawings import Drawings, drawings
from spexapi.page.result.shown import rest, top
from spexapi.page.runs.session_result import SessionResult
from spexapi.views.html.table import table

EVENTS = "'span' 'whole' 'inside' 'back' 'measure' 'smallest' 'fewest' 'verify'"


@dataclass(frozen=True, slots=True)
class Panel:
    """The components of a result; what happens in them is in interactions.py.

    session  the SessionResult that this session holds
    empty    shown before there is a result
    """

    session: Component
    status: Component
    result: Component
    what_if: Component
    outcome: Component
    details: Component
    more: Component
    index: Component
    numbers: Component
    drawings: Drawings
    downloads: Downloads
    empty: str

    def show(self, result: SessionResult) -> Changes:
        """What changes when this result is shown; what is interactive comes when it is done."""
        shown: Changes = {self.result: top(result), self.details: rest(result), self.outcome: ""}
        if not result.done:
            return {**shown, self.what_if: ""}
        return {
            **shown,
            self.session: result,
            self.what_if: what_if.form(result),
            self.more: gr.update(visible=True),
            self.numbers: table(result.shown),
            self.index: result.shown.index,
            **self.drawings.show(result),
            **self.downloads.reset(),
        }

    def clear(self) -> Changes:
        """What changes when there is no result any more."""
        return {
            **{part: "" for part in (self.what_if, self.outcome, self.details)},
            self.session: None,
            self.result: self.empty,
            self.more: gr.update(visible=False),
        }

    @property
    def all(self) -> list[Component]:
        return [
            self.session, self.status, self.result, self.what_if, self.outcome, self.details, self.more,
            self.index, self.numbers, *self.drawings.all, *self.downloads.all,
        ]  # fmt: skip


def panel(empty: str, name: str) -> Panel:
    """The components of a result; the column around them is of class "results".

    name  what the ids of its elements begin with
    """
    session = gr.State(None, time_to_live=3600)
    status = html(f"{name}status")
    result = html(
        f"{name}result",
        empty,
        elem_classes="result",
        js_on_load=f"spex.result(element, props, trigger, watch) // {EVENTS}",
    )
    selections = html(f"{name}whatif", js_on_load="spex.whatIf(element, props, trigger, watch)")
    outcome = html(f"{name}outcome", js_on_load="spex.outcome(element, props, trigger, watch)")
    details = html(f"{name}details")
    with gr.Column(visible=False) as more:
        files = downloads(name)
        drawn = drawings(name)
        with gr.Accordion("The mathematics", open=False, elem_id=f"{name}mathematics"):
            index = gr.Dropdown(INDICES, value="fbii", label="Read the same measurements as")
            numbers = html()
    drawn.wire(session)
    files.wire(session)
    return Panel(
        session, status, result, selections, outcome, details, more, index, numbers, drawn, files, empty
    )
