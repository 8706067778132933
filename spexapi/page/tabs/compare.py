"""The tab that asks twice: two models, two engines or two questions, side by side on the same units."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import gradio

from spexapi.engines.registry import known_engines
from spexapi.errors import InputError
from spexapi.page.components import MODEL, Changes, Component, Value, gr, html
from spexapi.page.forms.fields import model_fields, model_of
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
from spexapi.views.safe import safe, tag

SAME = "as in Documents"
HINT = tag(
    "div",
    tag("b", "Same documents, something else changed.")
    + "A is what the Documents tab says. B takes the same, except what you change here.",
    class_="empty",
)


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
    both = _both_results(site, stops)

    def shown(on: bool) -> object:
        return gr.update(visible=on)

    async def compare(
        caller: gradio.Request, login: gradio.OAuthToken | None, *values: Value
    ) -> AsyncIterator[Changes]:
        yield both.begin()
        try:
            async for changes in both.compare(*_requests(documents, *values), caller, login):
                yield changes
        except Exception as error:  # shown as a banner, logged if it is none of ours
            yield {both.status: failed(error)}
        yield both.busy(False)

    other.change(shown, other, models, queue=False, api_visibility="private")
    inputs = [engine, question, other, *model.all, model.key, *documents.inputs]
    both.run.click(compare, inputs, both.all, **MODEL)
    wire_stop(both.stop, stops)


WithKey = tuple[TextRequest, str]  # a request and the key typed with its model


def _requests(
    documents: Form[TextRequest], engine: str, question: str, other: bool, *rest: Value
) -> tuple[WithKey, WithKey]:
    """A as the Documents tab has it, and B. Raises InputError if B is the same."""
    (*model, key), values = rest[:5], rest[5:]
    a, key_a = documents.read(*values)
    b, key_b = a, key_a
    if engine != SAME:
        b = replace(b, options=replace(b.options, engine=engine))
    if question.strip() and isinstance(b.prompt, Rag):
        b = replace(b, prompt=replace(b.prompt, question=question.strip()))
    if other:
        b, key_b = replace(b, model=model_of(*model)), key or ""
    if a == b:
        raise InputError("A and B are the same: choose another engine, question or model for B.")
    return (a, key_a), (b, key_b)


@dataclass(frozen=True, slots=True)
class _BothResults:
    """Where A and B and their differences are shown."""

    site: Site
    stops: StopFlags
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

    async def compare(
        self, a: WithKey, b: WithKey, caller: object, login: gradio.OAuthToken | None
    ) -> AsyncIterator[Changes]:
        """What changes from the start of the first run to the table. Raises SpexError."""
        done: list[SessionResult] = []
        with self.stops.run(caller, sum(request.options.budget for request, _ in (a, b))) as (stop, counted):
            for letter, place, (request, typed) in zip("AB", self.places, (a, b), strict=True):
                key, last = key_of(request.model, typed, login), None
                async for update in results(request, key, self.site, stop):
                    if isinstance(update, Progress):
                        yield {self.status: progress_line(update, request.words, letter)}
                    else:
                        last = update
                if last is None:
                    raise InputError("Stopped before both were measured.")
                done.append(last)
                yield {place: _heading(letter, request, a[0]) + await asyncio.to_thread(top, last)}
                if last.ended:
                    break
            counted.calls = sum(result.whole.cost.calls for result in done)
        if len(done) < 2:
            yield {self.status: note("A broke off, so B was not asked.")}
        else:
            compared = await asyncio.to_thread(differences, *(result.whole for result in done))
            yield {self.status: "", self.table: compared}


def _both_results(site: Site, stops: StopFlags) -> _BothResults:
    with gr.Row():
        run = gr.Button("Compare", variant="primary", elem_id="c-run")
        stop = gr.Button("Stop", interactive=False, elem_id="c-stop")
    status = html("c-status")
    script = "spex.result(element, props, trigger, watch)"
    with gr.Row():
        with gr.Column(min_width=300, elem_classes="results"):
            left = html("c-a", js_on_load=script)
        with gr.Column(min_width=300, elem_classes="results"):
            right = html("c-b", js_on_load=script)
    with gr.Column(elem_classes="results"):
        table = html("c-table")
    return _BothResults(site, stops, run, stop, status, (left, right), table)


def _heading(letter: str, request: TextRequest, first: TextRequest) -> str:
    """The heading of a side: what it has that A has not."""
    own = [f"{request.options.engine} engine"] * (request.options != first.options)
    own += ["another question"] * (request.prompt != first.prompt)
    own += [request.model.spec] * (request.model != first.model)
    said = f"{letter}: {', '.join(own) or 'as in Documents'}"
    return tag("p", safe(said), class_="side", dir="auto")
