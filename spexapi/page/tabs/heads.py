"""The tab for the inside of a model: which heads act together, and what is left when only k of them are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spexapi.page.components import Changes, Component, Value, gr, html
from spexapi.page.forms.fields import answer_field, model_and_options, model_fields, option_fields
from spexapi.page.requests.heads import HeadsRequest
from spexapi.page.result.panel import panel
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import Site
from spexapi.page.tabs.pruning import Pruning, pruning
from spexapi.page.tabs.wiring import Form, run_buttons, wire
from spexapi.views.html.heads import head_map
from spexapi.views.presentation import Presentation
from spexapi.views.safe import tag

FIRST = """Documents:

The lamp is in the attic.

The key is in the box.

Mary is in the garden.

The box is in the cellar.

Question: Which room is the key in?"""
EMPTY = tag(
    "div",
    tag("b", "Which parts of the model made the answer?")
    + "Attention heads are taken out in many different selections, all in one pass of the model, to see which"
    " of them the answer depends on, and which only work together. Press Explain: it takes seconds.",
    class_="empty",
)
UNITS = [
    ("Heads", "head"),
    ("MLP blocks", "MLP block"),
    ("Heads and MLP blocks", "part"),
    ("Layers", "layer"),
]


@dataclass(frozen=True, slots=True)
class _HeadMap:
    """The map of the model's parts, and the pruning below it."""

    map: Component
    pruning: Pruning

    @property
    def all(self) -> list[Component]:
        return [self.map, *self.pruning.all]

    def show(self, result: SessionResult) -> Changes:
        """The map of a new explanation; the map and the pruning of the one before are gone."""
        if not result.done:
            return self.clear()
        drawn = head_map(Presentation(result.shown))
        return {self.map: tag("div", drawn, class_="spex"), **self.pruning.begin()}

    def clear(self) -> Changes:
        return {self.map: "", **self.pruning.hide()}


def heads_tab(demo: Component, site: Site, stops: StopFlags) -> None:
    """The form on the left, the result on the right; a sentence if this page has no model of its own."""
    site = _local(site)
    if not site.kinds:
        gr.HTML(tag("p", "This page has no model of its own: install spexapi to look inside one at home."))
        return
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            prompt = gr.Textbox(FIRST, label="Prompt", lines=9, max_lines=18, elem_id="h-prompt")
            run, stop = run_buttons("h-")
            forecast = html("h-forecast")
            answer = answer_field()
            options = option_fields(site, UNITS, budget=256)
            model = model_fields(site)
        with gr.Column(scale=7, min_width=300, elem_classes="results"):
            heads = html("h-map")
            pruned = pruning()
            shown = panel(EMPTY, "h-")
    fields = [prompt, answer, *options.all, *model.all]
    form = Form("h-", run, stop, forecast, fields, request_of, model)
    wire(demo, form, shown, site, stops, _HeadMap(heads, pruned))
    pruned.wire(heads, stop, shown.session, site, stops)


def request_of(prompt: str, answer: str, *rest: Value) -> HeadsRequest:
    """The request from the values of the fields."""
    return HeadsRequest(prompt or "", answer or "", *model_and_options(rest))


def _local(site: Site) -> Site:
    """The site with only the models that run in this process."""
    named = ("embedded", "hf") if site.allowed is None else site.allowed
    return replace(site, allowed=tuple(n for n in named if n in ("embedded", "hf") or n.startswith("hf:")))
