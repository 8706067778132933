"""What happens inside a result: spans, indices, the way back; looking inside; what the model says itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import gradio

import spexapi
from spexapi.page.forms.fields import ModelFields
from spexapi.page.result import whatif
from spexapi.page.result.held import SessionResult
from spexapi.page.result.panel import MODEL, QUIET, Panel, Shown, failed, running, working
from spexapi.page.runs.keys import key_for
from spexapi.page.runs.run_loop import StopFlags
from spexapi.page.runs.visits import Visitor
from spexapi.page.site import Site

gr = cast("Any", gradio)  # its stubs leave most types unknown


def alive(
    here: Panel,
    fields: ModelFields,
    site: Site,
    stops: StopFlags,
    busy: Callable[[bool], Shown],
    buttons: list[Any],
) -> None:
    """The events inside a result. busy: what changes on the buttons while the model is asked."""
    _reads_again(here)
    _looks_inside(here, fields, site, stops, busy, buttons)
    _asks_the_model(here, fields, site, stops)


def _reads_again(here: Panel) -> None:
    """What needs no call: a span of the answer, the way back, another index."""

    def quick(act: Callable[[SessionResult, Any], SessionResult]) -> Callable[..., Any]:
        def run(held: SessionResult | None, event: gradio.EventData) -> Any:
            if held is None:
                return {here.status: gr.skip()}
            try:
                return {here.status: ""} | here.show(act(held, event))
            except Exception as error:  # shown as a banner, logged if it is none of ours
                return {here.status: failed(error)}

        return run

    def of_span(held: SessionResult, event: Any) -> SessionResult:
        return held.of_span(int(event.start), int(event.end))

    def of_all(held: SessionResult, event: Any) -> SessionResult:
        return held.of_span(0, len(held.whole.target.answer))

    def above(held: SessionResult, event: Any) -> SessionResult:
        return held.above or held

    result = here.result
    for event, act in ((result.span, of_span), (result.whole, of_all), (result.back, above)):
        event(quick(act), here.held, here.all, **QUIET)

    def read_as(held: SessionResult | None, index: str) -> Any:
        return {here.status: gr.skip()} if held is None else here.show(held.in_index(index))

    here.index.input(read_as, [here.held, here.index], here.all, **QUIET)


def _looks_inside(
    here: Panel,
    fields: ModelFields,
    site: Site,
    stops: StopFlags,
    busy: Callable[[bool], Shown],
    buttons: list[Any],
) -> None:
    async def inside(
        held: SessionResult | None,
        where: str,
        base_url: str,
        typed: str,
        event: gradio.EventData,
        request: gradio.Request,
        login: gradio.OAuthToken | None,
    ) -> AsyncIterator[Shown]:
        if held is None:
            return
        try:
            form, title = held.inside(int(event.player))  # pyright: ignore[reportAttributeAccessIssue]
        except Exception as error:  # shown as a banner, logged if it is none of ours
            yield {here.status: failed(error)}
            return
        yield busy(True)
        key = key_for(held, where, base_url, typed, login)
        async for change in running(form, key, held, title, here, site, stops, request):
            yield change
        yield busy(False)

    here.result.inside(inside, [here.held, *fields.place], [*here.all, *buttons], **MODEL)


def _asks_the_model(here: Panel, fields: ModelFields, site: Site, stops: StopFlags) -> None:
    """Selections, optimal sets and the strongest combinations, measured on the model itself."""

    def on(act: Callable[[SessionResult, Any, str], Any], calls: int) -> Callable[..., Any]:
        async def run(
            held: SessionResult | None,
            where: str,
            base_url: str,
            typed: str,
            event: gradio.EventData,
            request: gradio.Request,
            login: gradio.OAuthToken | None,
        ) -> AsyncIterator[Shown]:
            if held is None:
                return
            yield {here.outcome: working("Asking the model…")}
            try:
                key = key_for(held, where, base_url, typed, login)
                with stops.visits.run(Visitor.of(request), calls):
                    yield {here.outcome: await act(held, event, key)}
            except Exception as error:  # shown as a banner, logged if it is none of ours
                yield {here.outcome: failed(error)}

        return run

    async def measure(held: SessionResult, event: Any, key: str) -> str:
        found = await whatif.answer(held, whatif.chosen(held.shown, event.kept), site, key)
        return whatif.told(held, found)

    def of_set(solve: Callable[[spexapi.Explanation], Any]) -> Callable[[SessionResult, Any, str], Any]:
        async def run(held: SessionResult, event: Any, key: str) -> str:
            optimum = await asyncio.to_thread(solve, held.shown)
            if held.form is None:
                return whatif.told(held, whatif.Answered(optimum))
            return whatif.told(held, await whatif.answer(held, optimum, site, key))

        return run

    async def verify(held: SessionResult, event: Any, key: str) -> str:
        return await whatif.verified(held, site, key)

    result = here.result
    for event, act, calls in (
        (result.measure, measure, 2),
        (result.smallest, of_set(whatif.smallest), 2),
        (result.fewest, of_set(whatif.fewest), 2),
        (result.verify, verify, whatif.MOST_CHECKS),
    ):
        event(on(act, calls), [here.held, *fields.place], here.outcome, **MODEL)
