"""The result beside a form: picture, what-if, the mathematics, what to keep. What happens in it: alive.py."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, cast

import gradio

from spexapi.errors import BackendError, BudgetError, RateLimited, SpexError, Unavailable
from spexapi.page.forms.fields import INDICES
from spexapi.page.forms.requests import RunRequest
from spexapi.page.result import whatif
from spexapi.page.result.downloads import Keeping, keeping
from spexapi.page.result.drawings import Drawings, drawings
from spexapi.page.result.held import SessionResult, rest, top
from spexapi.page.runs.forecast import learn
from spexapi.page.runs.run_loop import Progress, StopFlags, ask
from spexapi.page.site import Site
from spexapi.views.html.safe import safe, tag
from spexapi.views.html.table import table

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

    def show(self, held: SessionResult | None, *, done: bool = True) -> Shown:
        """What changes when this explanation is shown."""
        if held is None:
            return {
                **{part: "" for part in (self.asking, self.outcome, self.details)},
                self.held: None,
                self.result: self.empty,
                self.more: gr.update(visible=False),
            }
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


def working(text: str | None, progress: Progress | None = None, of: str = "") -> str:
    """The status line of a run. of: which run, where there are several."""
    if progress is None:
        return tag("div", safe(text or ""), class_="status", role="status")
    if progress.checking:
        return working("Checking the strongest combinations on the model itself…")
    bar = tag("progress", "", value=progress.done, max=max(progress.planned, 1), aria_label="asked so far")
    parts = [f"{f'{of}: ' * bool(of)}asked {progress.done:,} of {progress.planned:,} times"]
    if progress.done and progress.seconds > 0.5:
        parts.append(
            f"{progress.rate:,.0f} a second" if progress.rate >= 1 else f"{progress.rate:.2f} a second"
        )
    if progress.price:
        parts.append(f"about ${progress.price:.4f}")
    return tag("div", f"{bar} {safe(' · '.join(parts))}", class_="status", role="status")


def banner(reason: str) -> str:
    """What went wrong, in plain words."""
    return tag("div", tag("b", "This did not work.") + safe(sentence(reason)), class_="banner", role="alert")


def sentence(text: str) -> str:
    """With a capital and a full stop, but for an address or a name at the start."""
    first = text.split(" ", 1)[0]
    text = text[:1].upper() + text[1:] if first.isalpha() else text
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def plainly(error: SpexError) -> str:
    """Our own errors in the words of the page."""
    if isinstance(error, BudgetError):
        return str(error).replace("player", "part").replace("measurements", "questions to the model")
    if isinstance(error, Unavailable):
        return f"{error}. Check the address, and whether the server runs."
    return str(error)


def reason(error: Exception) -> str:
    """Any error in words: our own in theirs, others go to the log."""
    if isinstance(error, SpexError):
        return plainly(error)
    logging.getLogger("spexapi").error("the page failed", exc_info=error)
    return BROKEN


def failed(error: Exception) -> str:
    """A banner for any error."""
    return banner(reason(error))


def on_the_way(error: Exception, site: Site) -> str:
    """What broke a run off, and how to go on."""
    again = "run it again"
    if site.keeps and isinstance(error, BackendError):
        again += ": what was answered is kept on this computer and is not asked a second time"
    when = "Some time later" if isinstance(error, RateLimited) else "Once that is mended"
    said = sentence(reason(error))
    return f"{said} {when}, {again}." if isinstance(error, BackendError) else said


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
    form: RunRequest,
    key: str,
    above: SessionResult | None,
    title: str,
    here: Panel,
    site: Site,
    stops: StopFlags,
    request: Any,
) -> AsyncIterator[Shown]:
    """What changes on the page from the start of a run to its end."""
    last, kept, bill = None, 0, None
    first = "Loading the model…" if form.model.local else "Connecting to the model…"
    yield {here.status: working(first), here.outcome: ""}
    try:
        site.limits.check(form.texts, form.how.budget)
        with stops.run(request, form.how.budget) as (stop, bill):
            async for update in ask(lambda: form.game(site, key), form.how, stop, site.limits.seconds):
                if isinstance(update, Progress):
                    kept = update.kept
                    yield {here.status: working(None, update)}
                    continue
                last = SessionResult(form, update, update, title, above, kept)
                yield await asyncio.to_thread(here.show, last, done=False)
            if last is not None:
                learn(form.model, last.whole.cost)
    except Exception as error:  # the page must stay usable whatever a model does; the log has the rest
        if last is None:
            yield {here.status: failed(error)} | ({} if above else here.show(None))
            return
        last = replace(last, ended=on_the_way(error, site))
    if last is None:
        nothing = "Stopped before anything was measured."
        yield {here.status: working(nothing)} | ({} if above else here.show(None))
        return
    if bill is not None:
        bill.calls = last.whole.cost.calls
    yield {here.status: ""} | await asyncio.to_thread(here.show, last)
