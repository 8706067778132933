"""Explain, Stop and the forecast, the same on every tab that asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, cast

import gradio

from spexapi.errors import SpexError
from spexapi.page.forms.fields import ModelFields
from spexapi.page.forms.requests import RunRequest
from spexapi.page.result.alive import alive
from spexapi.page.result.panel import MODEL, QUIET, Panel, Shown, failed, plainly, running
from spexapi.page.runs.forecast import forecast_of
from spexapi.page.runs.keys import key_of
from spexapi.page.runs.run_loop import StopFlags
from spexapi.page.site import Site
from spexapi.views.html.safe import safe, tag

gr = cast("Any", gradio)  # its stubs leave most types unknown
FormOf = Callable[..., tuple[RunRequest, str]]


@dataclass(frozen=True, slots=True)
class Buttons:
    """Explain and Stop; shows: the id of what is scrolled to when a run begins, if it is out of sight."""

    run: Any
    stop: Any
    shows: str

    @property
    def all(self) -> list[Any]:
        return [self.run, self.stop]

    def busy(self, asking: bool) -> Shown:
        return {self.run: gr.update(interactive=not asking), self.stop: gr.update(interactive=asking)}


def wire(
    buttons: Buttons,
    fields: list[Any],
    form_of: FormOf,
    model: ModelFields,
    here: Panel,
    site: Site,
    stops: StopFlags,
) -> None:
    """Explain and Stop, and all that happens in the result. form_of: the fields' values -> form and key."""

    async def explain(
        request: gradio.Request, login: gradio.OAuthToken | None, *values: Any
    ) -> AsyncIterator[Shown]:
        try:
            form, typed = form_of(*values)
        except Exception as error:  # shown as a banner, logged if it is none of ours
            yield {here.status: failed(error)}
            return
        yield buttons.busy(True)
        key = key_of(form.model, typed, login)
        async for change in running(form, key, None, "everything", here, site, stops, request):
            yield change
        yield buttons.busy(False)

    def end(request: gradio.Request) -> None:
        stops.ask(str(request.session_hash))

    shown = f"(...fields) => {{ spex.show({buttons.shows!r}); return fields; }}"
    buttons.run.click(explain, fields, [*here.all, *buttons.all], js=shown, **MODEL)
    buttons.stop.click(end, None, None, concurrency_limit=None, **QUIET)
    alive(here, model, site, stops, buttons.busy, buttons.all)


def forecasts(demo: Any, fields: list[Any], form_of: FormOf, forecast: Any, site: Site) -> None:
    """Calls, tokens and money of the form as it stands, before anything is asked."""

    def tell(login: gradio.OAuthToken | None, *values: Any) -> str:
        try:
            form, typed = form_of(*values)
            said = forecast_of(form, site, key_of(form.model, typed, login))
        except SpexError as error:
            return tag("p", safe(plainly(error)), class_="about", role="status")
        except Exception:  # a forecast is a courtesy: what is wrong is said when Explain is pressed
            return ""
        return tag("p", safe(said), class_="about", role="status")

    demo.load(tell, fields, forecast, queue=False, **QUIET)
    for field in fields[:-1]:  # the last is the key: it changes nothing
        field.change(tell, fields, forecast, queue=False, trigger_mode="always_last", **QUIET)
