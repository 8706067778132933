"""What a run changes on the page, from Explain to the result: the same for every tab that explains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from spexapi.page.components import Changes, Component, gr
from spexapi.page.requests.request import RunRequest
from spexapi.page.result.panel import Panel
from spexapi.page.result.status import failed, progress_line, status_line
from spexapi.page.runs.run_loop import Progress, results
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import Site


class Extra(Protocol):
    """What a tab draws of a result outside the panel."""

    @property
    def all(self) -> list[Component]: ...

    def show(self, result: SessionResult) -> Changes:
        """What changes when this result is shown."""
        ...

    def clear(self) -> Changes:
        """What changes when there is no result any more."""
        ...


@dataclass(frozen=True, slots=True)
class Buttons:
    """Explain and Stop, and where the run says how far it is."""

    run: Component
    stop: Component
    status: Component


@dataclass(frozen=True, slots=True)
class RunView:
    """The parts of a page that a run changes. buttons: None if nothing is run here."""

    site: Site
    stops: StopFlags
    panel: Panel
    buttons: Buttons | None = None
    extra: Extra | None = None

    @property
    def all(self) -> list[Component]:
        buttons = [self.buttons.run, self.buttons.stop, self.status] if self.buttons else []
        extra = self.extra.all if self.extra else []
        return list(dict.fromkeys([*self.panel.all, *buttons, *extra]))

    @property
    def status(self) -> Component:
        return self.buttons.status if self.buttons else self.panel.status

    async def run(
        self,
        request: RunRequest,
        key: str,
        caller: object,
        title: str = "everything",
        above: SessionResult | None = None,
    ) -> AsyncIterator[Changes]:
        """What changes from the start of a run to its end. Raises nothing: errors are shown.

        caller        Gradio's request
        title, above  of the result
        """
        yield {**self._busy(True), self.status: status_line(request.words.begins), self.panel.outcome: ""}
        try:
            async for changes in self._run(request, key, caller, title, above):
                yield changes
        except Exception as error:  # the page must stay usable whatever a model does; the log has the rest
            yield {self.status: failed(error), **({} if above else self._clear())}
        if self.buttons is not None:
            yield self._busy(False)

    async def _run(
        self, request: RunRequest, key: str, caller: object, title: str, above: SessionResult | None
    ) -> AsyncIterator[Changes]:
        request.check(self.site.limits)
        last: SessionResult | None = None
        with self.stops.run(caller, request.options.budget) as (stop, counted):
            async for update in results(request, key, self.site, stop, title=title, above=above):
                if isinstance(update, Progress):
                    yield {self.status: progress_line(update, request.words)}
                    continue
                last = update
                if not last.done:
                    yield await asyncio.to_thread(self._show, last)
            if last is not None:
                counted.calls = last.whole.cost.calls
        if last is None:
            nothing = status_line(request.words.nothing)
            yield {self.status: nothing, **({} if above else self._clear())}
        else:
            yield {self.status: "", **await asyncio.to_thread(self._show, last)}

    def _busy(self, running: bool) -> Changes:
        if self.buttons is None:
            return {}
        return {
            self.buttons.run: gr.update(interactive=not running),
            self.buttons.stop: gr.update(interactive=running),
        }

    def _show(self, result: SessionResult) -> Changes:
        return {**self.panel.show(result), **(self.extra.show(result) if self.extra else {})}

    def _clear(self) -> Changes:
        return {**self.panel.clear(), **(self.extra.clear() if self.extra else {})}
