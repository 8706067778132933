"""The tab that looks again at a saved explanation: no model is asked."""

from __future__ import annotations

from typing import Any, cast

import gradio

from spexapi.page.forms.fields import ModelFields
from spexapi.page.forms.uploads import explanation_from
from spexapi.page.result.alive import alive
from spexapi.page.result.held import SessionResult
from spexapi.page.result.panel import QUIET, failed, panel
from spexapi.page.runs.run_loop import StopFlags
from spexapi.page.site import Site
from spexapi.views.html.safe import tag

gr = cast("Any", gradio)  # its stubs leave most types unknown

EMPTY = tag(
    "div",
    tag("b", "Look again at an explanation you kept.")
    + "Open its JSON file: another index, a part of the answer, what if. No model is asked.",
    class_="empty",
)


def opened_tab(site: Site, stops: StopFlags) -> None:
    """One button and a result."""
    upload = gr.UploadButton("Open explanation.json", file_types=[".json"], elem_id="o-open")
    with gr.Column(elem_classes="results"):
        here = panel(EMPTY, "o-")
    unused = gr.Textbox("", visible=False)

    def opened(path: str) -> Any:
        try:
            found = explanation_from(path, site.limits)
            return {here.status: ""} | here.show(SessionResult(None, found, found))
        except Exception as error:  # shown as a banner, logged if it is none of ours
            return {here.status: failed(error)}

    upload.upload(opened, upload, here.all, **QUIET)
    fields = ModelFields(unused, unused, unused, unused, unused)
    alive(here, fields, site, stops, lambda asking: {}, [])
