"""The tab that asks twice: two models, two engines or two questions, side by side on the same units."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from threading import Event

import gradio

from spexapi.engines.registry import known_engines
from spexapi.errors import InputError
from spexapi.page.components import MODEL, Changes, Component, Value, gr, html
from spexapi.page.forms.fields import ModelFields, model_fields, model_of
from spexapi.page.requests.text import Rag, TextRequest
from spexapi.page.result.comparison import differences
from spexapi.page.result.shown import top
from spexapi.page.result.status import failed, note, progress_line, status_line
from spexapi.page.runs.keys import key_of
from spexapi.page.runs.run_loop import Progress, results
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import Site
from spexapi.page.tabs.wiring import Form, wire_stop
from spexapi.views.html.safe import safe, tag

SAME = "as in Documents"
HINT = tag(
    "div",
    tag("b", "Same documents, something else changed.")
    + "A is what the Documents tab says. B takes the same, except what you change here.",
    class_="empty",
)


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two runs. typed: a key that came with its model."""

    letter: str
    request: TextRequest
    typed: str
    heading: str


@dataclass(frozen=True, slots=True)
class _Components:
    """What the comparison changes on the page; places: where A and B are shown."""

    run: Component
    stop: Component
    status: Component
    places: tuple[Component, Component]
    table: Component

    @property
    def all(self) -> list[Component]:
        return [self.run, self.stop, self.status, *self.places, self.table]

    def busy(self, running: bool) -> Changes:
        return {self.run: gr.update(interactive=not running), self.stop: gr.update(interactive=running)}

    def begin(self) -> Changes:
        cleared: Changes = {place: "" for place in (*self.places, self.table)}
        return {**self.busy(True), **cleared, self.status: status_line("Getting ready…")}


def compare_tab(site: Site, stops: StopFlags, documents: Form[TextRequest]) -> None:
    """What B has of its own, and both results. documents: the form of the Documents tab."""
    html(None, HINT)
    with gr.Row():
        engine = gr.Dropdown([SAME, *known_engines()], value=SAME, label="Engine of B")
        question = gr.Textbox(
            label="Question of B",
            placeholder="empty: the same question",
            lines=1,
            max_lines=4,
            elem_id="c-question",
        )
    other = gr.Checkbox(False, label="B asks another model")
    with gr.Column(visible=False) as models:
        model = model_fields(site)
    page = _components()

    def shown(on: bool) -> object:
        return gr.update(visible=on)

    async def compare(
        caller: gradio.Request, login: gradio.OAuthToken | None, *values: Value
    ) -> AsyncIterator[Changes]:
        yield page.begin()
        try:
            sides = _sides(documents, *values)
            async for changes in _compared(page, sides, caller, login, site, stops):
                yield changes
        except Exception as error:  # shown as a banner, logged if it is none of ours
            yield {page.status: failed(error)}
        yield page.busy(False)

    other.change(shown, other, models, queue=False, api_visibility="private")
    inputs = [engine, question, other, *_of(model), *documents.inputs]
    page.run.click(compare, inputs, page.all, **MODEL)
    wire_stop(page.stop, stops)


def _of(model: ModelFields) -> list[Component]:
    return [*model.all, model.key]


def _components() -> _Components:
    with gr.Row():
        run = gr.Button("Compare", variant="primary", elem_id="c-run")
        stop = gr.Button("Stop", interactive=False, elem_id="c-stop")
    status = html("c-status")
    with gr.Row():
        with gr.Column(min_width=300, elem_classes="results"):
            left = html("c-a", js_on_load="spex.result(element, props, trigger, watch)")
        with gr.Column(min_width=300, elem_classes="results"):
            right = html("c-b", js_on_load="spex.result(element, props, trigger, watch)")
    with gr.Column(elem_classes="results"):
        table = html("c-table")
    return _Components(run, stop, status, (left, right), table)


async def _compared(
    page: _Components,
    sides: Sequence[_Side],
    caller: object,
    login: gradio.OAuthToken | None,
    site: Site,
    stops: StopFlags,
) -> AsyncIterator[Changes]:
    """What changes from the start of the first run to the table. Raises SpexError."""
    done: list[SessionResult] = []
    with stops.run(caller, sum(side.request.options.budget for side in sides)) as (flag, counted):
        for side, place in zip(sides, page.places, strict=True):
            key = key_of(side.request.model, side.typed, login)
            async for update in _final(side.request, key, site, flag):
                if isinstance(update, Progress):
                    yield {page.status: progress_line(update, side.request.words, side.letter)}
                else:
                    done.append(update)
                    yield {place: side.heading + await asyncio.to_thread(top, update)}
            if done[-1].ended:
                break
        counted.calls = sum(result.whole.cost.calls for result in done)
    if len(done) < 2:
        yield {page.status: note("A broke off, so B was not asked.")}
    else:
        compared = await asyncio.to_thread(differences, *(result.whole for result in done))
        yield {page.status: "", page.table: compared}


async def _final(
    request: TextRequest, key: str, site: Site, stop: Event
) -> AsyncIterator[Progress | SessionResult]:
    """Progress, then the last result. Raises InputError if there is none."""
    found = False
    async for update in results(request, key, site, stop):
        if isinstance(update, Progress) or update.done:
            found = found or isinstance(update, SessionResult)
            yield update
    if not found:
        raise InputError("Stopped before both were measured.")


def _sides(
    documents: Form[TextRequest], engine: str, question: str, other: bool, *rest: Value
) -> list[_Side]:
    """A as the Documents tab has it, and B. Raises InputError if B is the same."""
    (*model, key), values = rest[:5], rest[5:]
    first, first_key = documents.read(*values)
    second, second_key = first, first_key
    if engine != SAME:
        second = replace(second, options=replace(second.options, engine=engine))
    if question.strip() and isinstance(second.prompt, Rag):
        second = replace(second, prompt=replace(second.prompt, question=question.strip()))
    if other:
        second, second_key = replace(second, model=model_of(*model)), key or ""
    if second == first:
        raise InputError("A and B are the same: choose another engine, question or model for B.")
    return [
        _Side("A", first, first_key, _heading("A", first, first)),
        _Side("B", second, second_key, _heading("B", second, first)),
    ]


def _heading(letter: str, request: TextRequest, first: TextRequest) -> str:
    """The heading of a side: what it has that A has not."""
    own = [f"{request.options.engine} engine"] * (request.options != first.options)
    own += ["another question"] * (request.prompt != first.prompt)
    own += [request.model.spec] * (request.model != first.model)
    said = f"{letter}: {', '.join(own) or 'as in Documents'}"
    return tag("p", safe(said), class_="side", dir="auto")
