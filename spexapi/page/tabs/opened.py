"""The tab that looks again at a saved explanation: no model is asked."""

from __future__ import annotations

from spexapi.page.components import QUIET, Changes, gr
from spexapi.page.requests.uploads import explanation_from
from spexapi.page.result.interactions import wire_result
from spexapi.page.result.panel import panel
from spexapi.page.result.run_view import RunView
from spexapi.page.result.status import failed
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import Site
from spexapi.views.safe import tag

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
        shown = panel(EMPTY, "o-")

    def opened(path: str) -> Changes:
        try:
            found = explanation_from(path, site.limits)
            return {shown.status: "", **shown.show(SessionResult(None, found, found))}
        except Exception as error:  # shown as a banner, logged if it is none of ours
            return {shown.status: failed(error)}

    upload.upload(opened, upload, shown.all, **QUIET)
    wire_result(RunView(site, stops, shown), [])
