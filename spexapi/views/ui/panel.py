"""The result beside a form: picture, what-if, the mathematics, what to keep; and what happens in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, cast

import gradio

import spexapi
from spexapi.errors import SpexError
from spexapi.views.safe import safe, tag
from spexapi.views.table import table
from spexapi.views.ui import whatif
from spexapi.views.ui.asking import Progress, Stops, ask
from spexapi.views.ui.drawings import Drawings, drawings
from spexapi.views.ui.fields import INDICES, ModelFields
from spexapi.views.ui.forms import Form
from spexapi.views.ui.held import Held, rest, top
from spexapi.views.ui.keep import Keeping, keeping
from spexapi.views.ui.site import Site

gr = cast("Any", gradio)  # its stubs leave most types unknown

EVENTS = "'span' 'whole' 'inside' 'back' 'measure' 'smallest' 'fewest' 'verify'"
BROKEN = "Something failed that should not have; the log of the page says what. Try again."
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
MODEL: dict[str, Any] = {**QUIET, "concurrency_limit": 4, "concurrency_id": "model"}
Shown = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Panel:
    """The components of a result. held: what this session keeps of it."""

    held: Any
    status: Any
    result: Any
    asking: Any
    outcome: Any
    details: Any
    more: Any
    index: Any
    numbers: Any
    drawings: Drawings
    keeping: Keeping
    empty: str

    def show(self, held: Held | None, *, done: bool = True) -> Shown:
        """What changes when this explanation is shown."""
        if held is None:
            return {self.held: None, self.result: self.empty, self.asking: "", self.details: ""}
        shown = {self.result: top(held, measuring=not done), self.details: rest(held)}
        if not done:
            return {**shown, self.asking: "", self.outcome: ""}
        return {
            **shown,
            self.held: held,
            self.asking: whatif.asking(held),
            self.outcome: "",
            self.more: gr.update(visible=True),
            self.numbers: table(held.shown),
            self.index: held.shown.index,
            **self.drawings.show(held),
            **self.keeping.reset(),
        }

    @property
    def all(self) -> list[Any]:
        return [
            self.held, self.status, self.result, self.asking, self.outcome, self.details, self.more,
            self.index, self.numbers, *self.drawings.all, *self.keeping.all,
        ]  # fmt: skip


def working(text: str | None, progress: Progress | None = None) -> str:
    """The status line of a run."""
    if progress is None:
        return tag("div", safe(text or ""), class_="status", role="status")
    if progress.checking:
        return working("Checking the strongest combinations on the model itself…")
    bar = tag("progress", "", value=progress.done, max=max(progress.planned, 1), aria_label="asked so far")
    parts = [f"asked {progress.done:,} of {progress.planned:,} times"]
    if progress.done and progress.seconds > 0.5:
        parts.append(
            f"{progress.rate:,.0f} a second" if progress.rate >= 1 else f"{progress.rate:.2f} a second"
        )
    if progress.price:
        parts.append(f"about ${progress.price:.4f}")
    return tag("div", f"{bar} {safe(' · '.join(parts))}", class_="status", role="status")


def banner(reason: str) -> str:
    """What went wrong, in plain words."""
    return tag("div", tag("b", "This did not work.") + safe(reason), class_="banner", role="alert")


def failed(error: Exception) -> str:
    """A banner for any error: our own in their words, others to the log."""
    if isinstance(error, SpexError):
        return banner(str(error))
    logging.getLogger("spexapi").error("the page failed", exc_info=error)
    return banner(BROKEN)


def panel(empty: str, name: str) -> Panel:
    """The components of a result; the column around them is of class "results"."""
    held = gr.State(None, time_to_live=3600)
    status = gr.HTML("", elem_id=f"{name}status", apply_default_css=False)
    result = gr.HTML(
        empty,
        elem_id=f"{name}result",
        elem_classes="result",
        apply_default_css=False,
        js_on_load=f"spex.result(element, props, trigger, watch) // {EVENTS}",
    )
    asking = gr.HTML(
        "",
        elem_id=f"{name}whatif",
        apply_default_css=False,
        js_on_load="spex.asking(element, props, trigger, watch)",
    )
    outcome = gr.HTML(
        "",
        elem_id=f"{name}outcome",
        apply_default_css=False,
        js_on_load="spex.outcome(element, props, trigger, watch)",
    )
    details = gr.HTML("", elem_id=f"{name}details", apply_default_css=False)
    with gr.Column(visible=False) as more:
        keep = keeping(name)
        drawn = drawings(name)
        with gr.Accordion("The mathematics", open=False, elem_id=f"{name}mathematics"):
            index = gr.Dropdown(INDICES, value="fbii", label="Read the same measurements as")
            numbers = gr.HTML("", apply_default_css=False)
    drawn.wire(held)
    keep.wire(held)
    return Panel(held, status, result, asking, outcome, details, more, index, numbers, drawn, keep, empty)


async def running(
    form: Form, key: str, above: Held | None, title: str, here: Panel, site: Site, stop: Any
) -> AsyncIterator[Shown]:
    """What changes on the page from the start of a run to its end."""
    last: Held | None = None
    yield {here.status: working("Loading the model…"), here.outcome: ""}
    try:
        async for update in ask(lambda: form.game(site, key), form.how, stop, site.limits.seconds):
            if isinstance(update, Progress):
                yield {here.status: working(None, update)}
                continue
            last = Held(form, update, update, title, above)
            yield await asyncio.to_thread(here.show, last, done=False)
    except Exception as error:  # the page must stay usable whatever a model does; the log has the rest
        yield {here.status: failed(error)} | ({} if above or last else here.show(None))
        return
    if last is None:
        nothing = "Stopped before anything was measured."
        yield {here.status: working(nothing)} | ({} if above else here.show(None))
        return
    yield {here.status: ""} | await asyncio.to_thread(here.show, last)


def alive(
    here: Panel,
    fields: ModelFields,
    site: Site,
    stops: Stops,
    busy: Callable[[bool], Shown],
    buttons: list[Any],
) -> None:
    """The events inside a result. busy: what changes on the buttons while the model is asked."""

    def quick(act: Callable[[Held, Any], Held]) -> Callable[..., Any]:
        def run(held: Held | None, event: gradio.EventData) -> Any:
            if held is None:
                return {here.status: gr.skip()}
            try:
                return {here.status: ""} | here.show(act(held, event))
            except Exception as error:  # shown as a banner, logged if it is none of ours
                return {here.status: failed(error)}

        return run

    result = here.result

    def of_span(held: Held, event: Any) -> Held:
        return held.of_span(int(event.start), int(event.end))

    def of_all(held: Held, event: Any) -> Held:
        return held.of_span(0, len(held.whole.target.answer))

    def above(held: Held, event: Any) -> Held:
        return held.above or held

    for event, act in ((result.span, of_span), (result.whole, of_all), (result.back, above)):
        event(quick(act), here.held, here.all, **QUIET)

    def read_as(held: Held | None, index: str) -> Any:
        return {here.status: gr.skip()} if held is None else here.show(held.in_index(index))

    here.index.input(read_as, [here.held, here.index], here.all, **QUIET)
    _asks_the_model(here, fields, site, stops, busy, buttons)


def _asks_the_model(
    here: Panel,
    fields: ModelFields,
    site: Site,
    stops: Stops,
    busy: Callable[[bool], Shown],
    buttons: list[Any],
) -> None:
    async def inside(
        held: Held | None,
        base_url: str,
        key: str,
        event: gradio.EventData,
        request: gradio.Request,
    ) -> AsyncIterator[Shown]:
        if held is None:
            return
        try:
            form, title = held.inside(int(event.player))  # pyright: ignore[reportAttributeAccessIssue]
        except Exception as error:  # shown as a banner, logged if it is none of ours
            yield {here.status: failed(error)}
            return
        yield busy(True)
        stop = stops.begin(str(request.session_hash))
        async for change in running(form, key_for(held, base_url, key), held, title, here, site, stop):
            yield change
        yield busy(False)

    async def checked(held: Held | None, key: str, act: Callable[[Held, str], Any]) -> AsyncIterator[Shown]:
        if held is None:
            return
        yield {here.outcome: working("Asking the model…")}
        try:
            yield {here.outcome: await act(held, key)}
        except Exception as error:  # shown as a banner, logged if it is none of ours
            yield {here.outcome: failed(error)}

    def on(act: Callable[[Held, Any, str], Any]) -> Callable[..., Any]:
        async def run(
            held: Held | None, base_url: str, key: str, event: gradio.EventData
        ) -> AsyncIterator[Shown]:
            mine = key if held is None else key_for(held, base_url, key)
            async for change in checked(held, mine, lambda held, key: act(held, event, key)):
                yield change

        return run

    async def measure(held: Held, event: Any, key: str) -> str:
        found = await whatif.answer(held, whatif.chosen(held.shown, event.kept), site, key)
        return whatif.told(held, found)

    def of_set(solve: Callable[[spexapi.Explanation], Any]) -> Callable[[Held, Any, str], Any]:
        async def run(held: Held, event: Any, key: str) -> str:
            optimum = await asyncio.to_thread(solve, held.shown)
            if held.form is None:
                return whatif.told(held, whatif.Answered(optimum))
            return whatif.told(held, await whatif.answer(held, optimum, site, key))

        return run

    async def verify(held: Held, event: Any, key: str) -> str:
        return await whatif.verified(held, site, key)

    result = here.result
    asks = [here.held, fields.base_url, fields.key]
    for event, act in (
        (result.measure, measure),
        (result.smallest, of_set(whatif.smallest)),
        (result.fewest, of_set(whatif.fewest)),
        (result.verify, verify),
    ):
        event(on(act), asks, here.outcome, **MODEL)
    result.inside(inside, asks, [*here.all, *buttons], **MODEL)


def key_for(held: Held, base_url: str, key: str) -> str:
    """The key in the form, if it is for the address this explanation was made at; else none."""
    model = held.form.model if held.form else None
    same = model is not None and model.where == "openai" and model.base_url == (base_url or "").strip()
    return key if same else ""
