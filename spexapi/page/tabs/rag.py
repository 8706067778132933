"""The tab for an answer from documents."""

from __future__ import annotations

from typing import Any, cast

import gradio

from spexapi.page.forms.boxes import boxes
from spexapi.page.forms.fields import HowFields, how_fields, how_of, model_fields, model_of
from spexapi.page.forms.requests import UNITS, Rag, RunRequest, documents_of
from spexapi.page.forms.uploads import KINDS, documents_from
from spexapi.page.result.panel import QUIET, Panel, failed, panel
from spexapi.page.runs.run_loop import StopFlags
from spexapi.page.runs.wiring import Buttons, forecasts, wire
from spexapi.page.site import Site
from spexapi.page.tabs.examples import EXAMPLES, Example
from spexapi.views.html.safe import safe, tag

gr = cast("Any", gradio)  # its stubs leave most types unknown

EMPTY = tag(
    "div",
    tag("b", "Ask a question of a few documents.")
    + "The model answers, then documents are taken away in many different selections to see what the answer "
    "hangs on. Press Explain to try the example: it takes seconds.",
    class_="empty",
)


def rag_tab(demo: Any, site: Site, stops: StopFlags) -> tuple[list[Any], Panel]:
    """The form on the left, the result on the right. Returns the form's fields and the panel."""
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            tries, about = _gallery()
            first = EXAMPLES[0]
            question = gr.Textbox(first.question, label="Question", lines=1, max_lines=4, elem_id="question")
            documents = boxes(first.documents, "Document", "documents")
            upload = gr.UploadButton(
                "Open a file of documents", file_types=list(KINDS), size="sm", elem_id="upload"
            )
            with gr.Row(elem_id="actions"):
                run = gr.Button("Explain", variant="primary", elem_id="run")
                stop = gr.Button("Stop", interactive=False, elem_id="stop")
            forecast = gr.HTML("", elem_id="forecast", apply_default_css=False)
            answer = gr.Textbox(
                label="Answer to explain", placeholder="empty: the model writes it", lines=1, max_lines=4
            )
            how = how_fields(site, list(zip(("Documents", "Sentences", "Words"), UNITS, strict=True)))
            model = model_fields(site)
        with gr.Column(scale=7, min_width=300, elem_classes="results"):
            here = panel(EMPTY, "")
    fields = [question, documents, answer, *how.all, *model.all]
    wire(Buttons(run, stop, "status"), fields, form_of, model, here, site, stops)
    _fills(tries, about, fields, how, here)
    for own in (question.input, upload.upload):  # what an example is about is not about these
        own(None, None, about, js="() => ''", **QUIET)
    _opens(upload, documents, here, site)
    forecasts(demo, fields, form_of, forecast, site)
    return fields, here


def form_of(question: str, documents: Any, answer: str, *rest: Any) -> tuple[RunRequest, str]:
    """The form from the values of the fields, and the key, which is no part of it."""
    *how, where, name, base_url, max_cost, key = rest
    asks = Rag(question or "", documents_of(documents), answer or "")
    return RunRequest(asks, model_of(where, name, base_url, max_cost), how_of(*how)), key or ""


def _gallery() -> tuple[list[Any], Any]:
    gr.HTML("Examples", elem_classes="try-label", apply_default_css=False, padding=False)
    with gr.Row(elem_classes="try"):
        tries = [gr.Button(example.name, size="sm", variant="secondary") for example in EXAMPLES]
    about = gr.HTML(_about(EXAMPLES[0]), elem_id="about", apply_default_css=False, padding=False)
    return tries, about


def _about(example: Example) -> str:
    return tag("p", safe(example.about), class_="about")


def _fills(tries: list[Any], about: Any, fields: list[Any], how: HowFields, here: Panel) -> None:
    for button, example in zip(tries, EXAMPLES, strict=True):

        def fill(example: Example = example) -> Any:
            return example.question, list(example.documents), "", UNITS[0], _about(example)

        button.click(fill, None, [*fields[:3], how.unit, about], queue=False, api_visibility="private")


def _opens(upload: Any, documents: Any, here: Panel, site: Site) -> None:
    def opened(path: str) -> Any:
        try:
            return documents_from(path, site.limits), ""
        except Exception as error:  # shown as a banner, logged if it is none of ours
            return gr.skip(), failed(error)

    upload.upload(opened, upload, [documents, here.status], **QUIET)
