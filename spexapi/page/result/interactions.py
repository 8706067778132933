"""What happens inside a result: spans, indices, the way back; looking inside; what the model says itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import gradio

from spexapi.explanation.explanation import Explanation
from spexapi.fourier.optimize import Optimum
from spexapi.page.components import MODEL, QUIET, Changes, Component, gr
from spexapi.page.result import selections, what_if
from spexapi.page.result.panel import Panel
from spexapi.page.result.run_view import RunView
from spexapi.page.result.status import failed, status_line
from spexapi.page.runs.keys import key_for
from spexapi.page.runs.quota import Visitor
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.site import Site
from spexapi.views.html.verified import verified
from spexapi.views.safe import tag


def wire_result(view: RunView, key_place: list[Component]) -> None:
    """The events inside a result.

    key_place  the fields that say which address a key is typed for, and the key; none if there is no key
    """
    _reads_again(view.panel)
    _looks_inside(view, key_place)
    _asks_the_model(view, key_place)


def _reads_again(panel: Panel) -> None:
    """What needs no call: a span of the answer, the way back, another index."""

    def quick(act: Callable[[SessionResult, Asked], SessionResult]) -> Callable[..., object]:
        def run(result: SessionResult | None, event: gradio.EventData) -> Changes:
            if result is None:
                return {panel.status: gr.skip()}
            try:
                return {panel.status: "", **panel.show(act(result, Asked(event)))}
            except Exception as error:  # shown as a banner, logged if it is none of ours
                return {panel.status: failed(error)}

        return run

    shown = panel.result
    for event, act in ((shown.span, _of_span), (shown.whole, _of_all), (shown.back, _above)):
        event(quick(act), panel.session, panel.all, **QUIET)

    def read_as(result: SessionResult | None, index: str) -> Changes:
        return {panel.status: gr.skip()} if result is None else panel.show(result.in_index(index))

    panel.index.input(read_as, [panel.session, panel.index], panel.all, **QUIET)


def _looks_inside(view: RunView, key_place: list[Component]) -> None:
    async def inside(
        event: gradio.EventData,
        caller: gradio.Request,
        login: gradio.OAuthToken | None,
        result: SessionResult | None,
        *place: str,
    ) -> AsyncIterator[Changes]:
        if result is None:
            return
        try:
            request, title = result.inside(Asked(event).number("player"))
        except Exception as error:  # shown as a banner, logged if it is none of ours
            yield {view.panel.status: failed(error)}
            return
        key = key_for(result, *place, login=login)
        async for changes in view.run(request, key, caller, title, result):
            yield changes

    view.panel.result.inside(inside, [view.panel.session, *key_place], view.all, **MODEL)


def _asks_the_model(view: RunView, key_place: list[Component]) -> None:
    """Selections, optimal sets and the strongest combinations, measured on the model itself."""
    panel, site = view.panel, view.site

    def on(act: Act, calls: int) -> Callable[..., object]:
        async def run(
            event: gradio.EventData,
            caller: gradio.Request,
            login: gradio.OAuthToken | None,
            result: SessionResult | None,
            *place: str,
        ) -> AsyncIterator[Changes]:
            if result is None:
                return
            yield {panel.outcome: status_line("Asking the model…")}
            try:
                key = key_for(result, *place, login=login)
                with view.stops.quota.run(Visitor.of(caller), calls):
                    yield {panel.outcome: await act(result, Asked(event), site, key)}
            except Exception as error:  # shown as a banner, logged if it is none of ours
                yield {panel.outcome: failed(error)}

        return run

    shown = panel.result
    for event, act, calls in (
        (shown.measure, _measure, 2),
        (shown.smallest, _of_set(selections.smallest), 2),
        (shown.fewest, _of_set(selections.fewest), 2),
        (shown.verify, _verify, selections.MOST_CHECKS),
    ):
        event(on(act, calls), [panel.session, *key_place], panel.outcome, **MODEL)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page's script sends with an event."""

    event: object

    def number(self, name: str) -> int:
        return int(getattr(self.event, name))

    @property
    def kept(self) -> object:
        return getattr(self.event, "kept", ())


def _of_span(result: SessionResult, asked: Asked) -> SessionResult:
    return result.of_span(asked.number("start"), asked.number("end"))


def _of_all(result: SessionResult, asked: Asked) -> SessionResult:
    return result.of_span(0, len(result.whole.target.answer))


def _above(result: SessionResult, asked: Asked) -> SessionResult:
    return result.above or result


Act = Callable[[SessionResult, Asked, Site, str], Awaitable[str]]


async def _measure(result: SessionResult, asked: Asked, site: Site, key: str) -> str:
    chosen = selections.chosen(result.shown, asked.kept)
    return what_if.told(result, await selections.answer(result, chosen, site, key))


def _of_set(solve: Callable[[Explanation], Optimum]) -> Act:
    async def run(result: SessionResult, asked: Asked, site: Site, key: str) -> str:
        optimum = await asyncio.to_thread(solve, result.shown)
        if not result.can_ask:
            return what_if.told(result, selections.Answered(optimum))
        return what_if.told(result, await selections.answer(result, optimum, site, key))

    return run


async def _verify(result: SessionResult, asked: Asked, site: Site, key: str) -> str:
    found = await selections.verified(result, site, key)
    return tag("div", verified(found), class_="spex told", role="status")
