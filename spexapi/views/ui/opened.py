"""The tab that looks again at a saved explanation: no model is asked."""

from __future__ import annotations

from typing import Any, cast

import gradio

from spexapi.views.safe import tag
from spexapi.views.ui.alive import alive
from spexapi.views.ui.asking import Stops
from spexapi.views.ui.fields import ModelFields
from spexapi.views.ui.held import Held
from spexapi.views.ui.panel import QUIET, failed, panel
from spexapi.views.ui.site import Site
from spexapi.views.ui.uploads import explanation_from

gr = cast("Any", gradio)  # its stubs leave most types unknown

EMPTY = tag(
    "div",
    tag("b", "Look again at an explanation you kept.")
    + "Open its JSON file: another index, a part of the answer, what if. No model is asked.",
    class_="empty",
)


def opened_tab(site: Site, stops: Stops) -> None:
    """One button and a result."""
    upload = gr.UploadButton("Open explanation.json", file_types=[".json"], elem_id="o-open")
    with gr.Column(elem_classes="results"):
        here = panel(EMPTY, "o-")
    unused = gr.Textbox("", visible=False)

    def opened(path: str) -> Any:
        try:
            found = explanation_from(path, site.limits)
            return {here.status: ""} | here.show(Held(None, found, found))
        except Exception as error:  # shown as a banner, logged if it is none of ours
            return {here.status: failed(error)}

    upload.upload(opened, upload, here.all, **QUIET)
    fields = ModelFields(unused, unused, unused, unused, unused)
    alive(here, fields, site, stops, lambda asking: {}, [])
