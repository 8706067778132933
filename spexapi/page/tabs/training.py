"""The tab for training data: which examples made a model as good as it is, and which of them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import gradio

from spexapi.engines.registry import known_engines
from spexapi.errors import SpexError
from spexapi.explanation.explanation import Explanation
from spexapi.games.training.learners import LEARNERS
from spexapi.page.forms.fields import ModelFields
from spexapi.page.forms.requests import ExplainOptions
from spexapi.page.forms.training_request import Study, columns_of, picture
from spexapi.page.result.alive import alive
from spexapi.page.result.held import SessionResult
from spexapi.page.result.panel import MODEL, QUIET, Panel, Shown, failed, on_the_way, panel, working
from spexapi.page.runs.run_loop import Progress, StopFlags, ask
from spexapi.page.site import Site
from spexapi.views.html.safe import safe, tag
from spexapi.views.html.training import gallery

gr = cast("Any", gradio)  # its stubs leave most types unknown

EMPTY = tag(
    "div",
    tag("b", "Which training examples made the model?")
    + "A model is trained hundreds of times, each time without some of the examples, to see which ones it "
    "owes its accuracy to, which mislead it, and which do the same as another. Press Explain for forty "
    "handwritten ones and sevens, three of them with a wrong label: it takes seconds.",
    class_="empty",
)
SHOW_RESULT = "() => { if (innerWidth < 700) document.getElementById('t-examples').scrollIntoView(); }"
WHAT = [("Rows", "rows"), ("Labels", "labels"), ("20 clusters", "clusters")]


def training_tab(demo: Any, site: Site, stops: StopFlags) -> None:
    """The form on the left; on the right the examples, and below them what every explanation has."""
    path = gr.State("", time_to_live=3600)
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            with gr.Row(elem_classes="try"):
                ready = gr.Button("Ones and sevens", size="sm", variant="secondary", elem_id="t-ready")
                upload = gr.UploadButton(
                    "Open a CSV file", file_types=[".csv", ".tsv"], size="sm", elem_id="t-open"
                )
            data = gr.HTML(_about(""), elem_id="t-data", apply_default_css=False)
            label = gr.Dropdown([], label="Label", info="The column to predict.", visible=False)
            name = gr.Dropdown(
                [(what, key) for key, what in LEARNERS.items()], value="knn", label="What is trained"
            )
            groups = gr.Radio(WHAT, value="rows", label="Take away", visible=False)
            with gr.Row():
                run = gr.Button("Explain", variant="primary", elem_id="t-run")
                stop = gr.Button("Stop", interactive=False, elem_id="t-stop")
            progress = gr.HTML("", elem_id="t-progress", apply_default_css=False)
            forecast = gr.HTML("", elem_id="t-forecast", apply_default_css=False)
            budget, engine, seed = _how(site)
        with gr.Column(scale=7, min_width=300, elem_classes="results"):
            examples = gr.HTML("", elem_id="t-examples", apply_default_css=False)
            here = panel(EMPTY, "t-")
    fields = [path, label, name, groups, budget, engine, seed]
    _opens(ready, upload, [path, label, groups, data, progress], site)
    _runs((run, stop, progress, examples), fields, here, site, stops)
    _forecasts(demo, fields, forecast, site)
    unused = gr.Textbox("", visible=False)
    alive(here, ModelFields(unused, unused, unused, unused, unused), site, stops, lambda asking: {}, [])


def _how(site: Site) -> tuple[Any, Any, Any]:
    """Budget, engine, seed."""
    most = min(4096, site.limits.budget)
    said = "How many models may be trained; more is surer."
    budget = gr.Slider(64, most, value=400, step=16, label="Budget", info=said)
    with gr.Accordion("Advanced", open=False):
        engine = gr.Dropdown(list(known_engines()), value="auto", label="Engine")
        seed = gr.Number(0, label="Seed", precision=0)
    return budget, engine, seed


def study_of(
    path: str, label: str | None, name: str, groups: str, budget: float, engine: str, seed: float
) -> Study:
    """The values of the fields as a study."""
    how = ExplainOptions("example", int(budget), engine, "fbii", int(seed or 0))
    return Study(path or "", label or "", name, groups, how)


def trained(progress: Progress) -> str:
    """The status line of a run."""
    if progress.checking:
        return working("Training without the strongest combinations, to check them…")
    bar = tag("progress", "", value=progress.done, max=max(progress.planned, 1), aria_label="trained so far")
    said = f"trained {progress.done:,} of {progress.planned:,} models"
    if progress.done and progress.seconds > 0.5:
        said += f" · {progress.rate:,.3g} a second"
    return tag("div", f"{bar} {safe(said)}", class_="status", role="status")


def _about(name: str) -> str:
    example = (
        "Forty small images of handwritten ones and sevens; three have the wrong label. The model is tested"
        " on 160 others."
    )
    return tag("p", safe(f"Rows of {name}." if name else example), class_="about")


def _opens(ready: Any, upload: Any, fields: list[Any], site: Site) -> None:
    """fields: path, label, groups, what the data is, and where errors are said."""

    def opened(file: str) -> Any:
        try:
            names = columns_of(file, site.limits)
        except Exception as error:  # shown as a banner, logged if it is none of ours
            return *(gr.skip() for _ in fields[1:]), failed(error)
        label = gr.update(choices=names, value=names[-1], visible=True)
        name = file.replace("\\", "/").rpartition("/")[2]
        return file, label, gr.update(visible=True), _about(name), ""

    def example() -> Any:
        hidden = gr.update(visible=False)
        return "", gr.update(choices=[], value=None, visible=False), hidden, _about(""), ""

    upload.upload(opened, upload, fields, **QUIET)
    ready.click(example, None, fields, queue=False, **QUIET)


def _runs(
    own: tuple[Any, Any, Any, Any], fields: list[Any], here: Panel, site: Site, stops: StopFlags
) -> None:
    """own: the button that runs, the one that stops, the progress, the examples."""
    run, stop, status, examples = own

    def busy(asking: bool) -> Shown:
        return {run: gr.update(interactive=not asking), stop: gr.update(interactive=asking)}

    def shown(study: Study, ex: Explanation, *, done: bool, ended: str = "") -> Shown:
        cards = gallery(ex, partial(picture, study))
        return {examples: cards, **here.show(SessionResult(None, ex, ex, ended=ended), done=done)}

    async def trains(study: Study, request: gradio.Request) -> AsyncIterator[Shown]:
        last: Explanation | None = None
        ended = ""
        with stops.run(request, study.how.budget) as (flag, bill):
            try:
                async for update in ask(lambda: study.game(site), study.how, flag, site.limits.seconds):
                    if isinstance(update, Progress):
                        yield {status: trained(update)}
                        continue
                    last = update
                    yield await asyncio.to_thread(shown, study, update, done=False)
            except Exception as error:  # told beside what was trained by then
                if last is None:
                    raise
                ended = on_the_way(error, site)
            if last is None:
                yield {status: working("Stopped before anything was trained.")}
                return
            bill.calls = last.cost.calls
        yield {status: ""} | await asyncio.to_thread(shown, study, last, done=True, ended=ended)

    async def explain(request: gradio.Request, *values: Any) -> AsyncIterator[Shown]:
        yield busy(True) | {status: working("Training on everything…"), here.outcome: ""}
        try:
            async for change in trains(study_of(*values), request):
                yield change
        except Exception as error:  # the page must stay usable whatever a file holds; the log has the rest
            yield {status: failed(error)}
        yield busy(False)

    def end(request: gradio.Request) -> None:
        stops.ask(str(request.session_hash))

    outputs = [*own, *here.all]
    run.click(explain, fields, outputs, **MODEL).then(None, None, None, js=SHOW_RESULT)
    stop.click(end, None, None, concurrency_limit=None, **QUIET)


def _forecasts(demo: Any, fields: list[Any], forecast: Any, site: Site) -> None:
    async def tell(*values: Any) -> str:
        try:
            said = await study_of(*values).forecast(site)
        except SpexError as error:
            said = str(error)
        except Exception:  # a forecast is a courtesy: what is wrong is said when Explain is pressed
            return ""
        return tag("p", safe(said), class_="about", role="status")

    demo.load(tell, fields, forecast, queue=False, **QUIET)
    for field in fields[1:]:
        field.change(tell, fields, forecast, queue=False, trigger_mode="always_last", **QUIET)
    fields[0].change(tell, fields, forecast, queue=False, **QUIET)
