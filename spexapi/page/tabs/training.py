"""The tab for training data: which examples made a model as good as it is, and which of them together."""

from __future__ import annotations

from dataclasses import dataclass

from spexapi.games.training.learners import LEARNERS
from spexapi.page.components import QUIET, Changes, Component, gr, html
from spexapi.page.forms.fields import engine_field, seed_field
from spexapi.page.requests.request import ExplainOptions
from spexapi.page.requests.training import TrainingRequest, columns_of
from spexapi.page.result.panel import panel
from spexapi.page.result.status import failed
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import Site
from spexapi.page.tabs.wiring import Form, run_buttons, wire
from spexapi.views.html.training import gallery
from spexapi.views.presentation import Presentation
from spexapi.views.safe import safe, tag

EMPTY = tag(
    "div",
    tag("b", "Which training examples made the model?")
    + "A model is trained hundreds of times, each time without some of the examples, to see which ones it "
    "owes its accuracy to, which mislead it, and which do the same as another. Press Explain for forty "
    "handwritten ones and sevens, three of them with a wrong label: it takes seconds.",
    class_="empty",
)
UNITS = [("Rows", "rows"), ("Labels", "labels"), ("20 clusters", "clusters")]


@dataclass(frozen=True, slots=True)
class _Cards:
    """The examples that matter most, as cards above the panel."""

    cards: Component

    @property
    def all(self) -> list[Component]:
        return [self.cards]

    def show(self, result: SessionResult) -> Changes:
        request = result.request
        picture = request.picture if isinstance(request, TrainingRequest) else None
        return {self.cards: gallery(Presentation(result.shown), picture)}

    def clear(self) -> Changes:
        return {self.cards: ""}


@dataclass(frozen=True, slots=True)
class _Data:
    """Which data: the file (its path, "" for the ready example), its label column, what is taken away."""

    path: Component
    label: Component
    groups: Component
    about: Component

    def wire(self, ready: Component, upload: Component, status: Component, site: Site) -> None:
        """The button of the ready example, and the one that opens a file; errors are said in `status`."""
        changed = [self.path, self.label, self.groups, self.about, status]

        def opened(file: str) -> tuple[object, ...]:
            try:
                names = columns_of(file, site.limits)
            except Exception as error:  # shown as a banner, logged if it is none of ours
                return *(gr.skip() for _ in changed[1:]), failed(error)
            label = gr.update(choices=names, value=names[-1], visible=True)
            name = file.replace("\\", "/").rpartition("/")[2]
            return file, label, gr.update(visible=True), _about(name), ""

        def example() -> tuple[object, ...]:
            hidden = gr.update(visible=False)
            return "", gr.update(choices=[], value=None, visible=False), hidden, _about(""), ""

        upload.upload(opened, upload, changed, **QUIET)
        ready.click(example, None, changed, queue=False, **QUIET)


def training_tab(demo: Component, site: Site, stops: StopFlags) -> None:
    """The form on the left; on the right the examples, and below them what every explanation has."""
    path = gr.State("", time_to_live=3600)
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            with gr.Row(elem_classes="try"):
                ready = gr.Button("Ones and sevens", size="sm", variant="secondary", elem_id="t-ready")
                upload = gr.UploadButton(
                    "Open a CSV file", file_types=[".csv", ".tsv"], size="sm", elem_id="t-open"
                )
            about = html("t-data", _about(""))
            label = gr.Dropdown([], label="Label", info="The column to predict.", visible=False)
            learners = [(what, name) for name, what in LEARNERS.items()]
            learner = gr.Dropdown(learners, value="knn", label="What is trained")
            groups = gr.Radio(UNITS, value="rows", label="Explain by", visible=False)
            run, stop = run_buttons("t-")
            progress = html("t-progress")
            forecast = html("t-forecast")
            budget, engine, seed = _options(site)
        with gr.Column(scale=7, min_width=300, elem_classes="results"):
            cards = html("t-examples")
            shown = panel(EMPTY, "t-")
    _Data(path, label, groups, about).wire(ready, upload, progress, site)
    fields = [path, label, learner, groups, budget, engine, seed]
    form = Form("t-", run, stop, forecast, fields, request_of, None, status=progress)
    wire(demo, form, shown, site, stops, _Cards(cards))


def request_of(
    path: str, label: str | None, learner: str, groups: str, budget: float, engine: str, seed: float
) -> TrainingRequest:
    """The request from the values of the fields."""
    options = ExplainOptions("example", int(budget), engine, "fbii", int(seed or 0))
    return TrainingRequest(path or "", label or "", learner, groups, options)


def _options(site: Site) -> tuple[Component, Component, Component]:
    """Budget, engine, seed."""
    most = min(4096, site.limits.budget)
    said = "How many models may be trained; more is surer."
    budget = gr.Slider(64, most, value=400, step=16, label="Thoroughness (models)", info=said)
    with gr.Accordion("Advanced", open=False):
        return budget, engine_field(), seed_field()


def _about(name: str) -> str:
    example = (
        "Forty small images of handwritten ones and sevens; three have the wrong label. The model is tested"
        " on 160 others."
    )
    return tag("p", safe(f"Rows of {name}." if name else example), class_="about")
