"""Explain, Stop and the forecast: the same on every tab that explains."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import gradio

from spexapi.errors import SpexError
from spexapi.page.components import MODEL, QUIET, Changes, Component, Value, gr
from spexapi.page.forms.fields import ModelFields
from spexapi.page.requests.request import RunRequest
from spexapi.page.result.interactions import wire_result
from spexapi.page.result.panel import Panel
from spexapi.page.result.run_view import Buttons, Extra, RunView
from spexapi.page.result.status import failed, note
from spexapi.page.runs.failures import plainly
from spexapi.page.runs.forecast import forecast_of
from spexapi.page.runs.keys import key_of
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import Site

R = TypeVar("R", bound=RunRequest)


@dataclass(frozen=True, slots=True)
class Form(Generic[R]):
    """A tab's form.

    name        what the ids of the tab begin with
    fields      whose values make the request; request_of: these values -> RunRequest, or InputError
    model       the fields of the model with its key; None if no language model is asked
    status      says how far the run is; None: the panel's
    """

    name: str
    run: Component
    stop: Component
    forecast: Component
    fields: list[Component]
    request_of: Callable[..., R]
    model: ModelFields | None
    status: Component | None = None

    @property
    def inputs(self) -> list[Component]:
        """The fields, and the key if there is one."""
        return [*self.fields, *([self.model.key] if self.model else [])]

    def read(self, *values: Value) -> tuple[R, str]:
        """The request and the typed key from the values of `inputs`. Raises InputError."""
        if self.model is None:
            return self.request_of(*values), ""
        *fields, typed = values
        return self.request_of(*fields), str(typed or "")


def run_buttons(name: str, elem_id: str | None = None) -> tuple[Component, Component]:
    """Explain and Stop. name: what their ids begin with."""
    with gr.Row(elem_id=elem_id):
        run = gr.Button("Explain", variant="primary", elem_id=f"{name}run")
        stop = gr.Button("Stop", interactive=False, elem_id=f"{name}stop")
    return run, stop


def wire(
    demo: Component, form: Form[R], panel: Panel, site: Site, stops: StopFlags, extra: Extra | None = None
) -> RunView:
    """Everything that happens on a tab that explains."""
    status = form.status or panel.status
    view = RunView(site, stops, panel, Buttons(form.run, form.stop, status), extra)

    async def explain(
        caller: gradio.Request, login: gradio.OAuthToken | None, *values: Value
    ) -> AsyncIterator[Changes]:
        try:
            request, typed = form.read(*values)
        except Exception as error:  # shown as a banner, logged if it is none of ours
            yield {status: failed(error)}
            return
        async for changes in view.run(request, key_of(request.model, typed, login), caller):
            yield changes

    place = "progress" if form.status else "status"
    shown = f"(...values) => {{ spex.show('{form.name}{place}', '{form.name}result'); return values; }}"
    form.run.click(explain, form.inputs, view.all, js=shown, **MODEL)
    wire_stop(form.stop, stops)
    wire_result(view, form.model.place if form.model else [])
    _wire_forecast(demo, form, site)
    return view


def wire_stop(button: Component, stops: StopFlags) -> None:
    """A button that ends the run of its visitor."""

    def stop(caller: gradio.Request) -> None:
        stops.stop(str(caller.session_hash))

    button.click(stop, None, None, concurrency_limit=None, **QUIET)


def _wire_forecast(demo: Component, form: Form[R], site: Site) -> None:
    """Calls, tokens and money of the form as it stands, before anything is asked."""

    async def tell(login: gradio.OAuthToken | None, *values: Value) -> str:
        try:
            request, typed = form.read(*values)
            return note(await forecast_of(request, site, key_of(request.model, typed, login)))
        except SpexError as error:
            return note(plainly(error))
        except Exception:  # a forecast is a courtesy: what is wrong is said when Explain is pressed
            return ""

    demo.load(tell, form.inputs, form.forecast, queue=False, **QUIET)
    for field in form.fields:  # the key changes nothing
        field.change(tell, form.inputs, form.forecast, queue=False, trigger_mode="always_last", **QUIET)
