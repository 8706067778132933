"""The tab for an answer from documents."""

from __future__ import annotations

from dataclasses import dataclass

from spexapi.page.components import QUIET, Component, Value, gr, html
from spexapi.page.forms.boxes import boxes, documents_of
from spexapi.page.forms.fields import answer_field, model_and_options, model_fields, option_fields
from spexapi.page.requests.text import UNITS, Rag, TextRequest
from spexapi.page.requests.uploads import KINDS, documents_from
from spexapi.page.result.panel import Panel, panel
from spexapi.page.result.status import failed
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import Site
from spexapi.page.tabs.examples import EXAMPLES, Example
from spexapi.page.tabs.wiring import Form, run_buttons, wire
from spexapi.views.safe import safe, tag

EMPTY = tag(
    "div",
    tag("b", "Ask a question of a few documents.")
    + "The model answers, then documents are taken away in many different selections to see what the answer "
    "depends on. Press Explain to try the example: it takes seconds.",
    class_="empty",
)


def rag_tab(demo: Component, site: Site, stops: StopFlags) -> Form[TextRequest]:
    """The form on the left, the result on the right."""
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            gallery = _gallery()
            first = EXAMPLES[0]
            question = gr.Textbox(first.question, label="Question", lines=1, max_lines=4, elem_id="question")
            documents = boxes(first.documents, "Document", "documents")
            upload = gr.UploadButton(
                "Open a file of documents", file_types=list(KINDS), size="sm", elem_id="upload"
            )
            run, stop = run_buttons("", "actions")
            forecast = html("forecast")
            answer = answer_field()
            options = option_fields(site, list(zip(("Documents", "Sentences", "Words"), UNITS, strict=True)))
            model = model_fields(site)
        with gr.Column(scale=7, min_width=300, elem_classes="results"):
            shown = panel(EMPTY, "")
    fields = [question, documents, answer, *options.all, *model.all]
    form = Form("", run, stop, forecast, fields, request_of, model)
    wire(demo, form, shown, site, stops)
    gallery.fill([question, documents, answer, options.unit])
    for own in (question.input, upload.upload):  # what is said about an example is not about these
        own(None, None, gallery.about, js="() => ''", **QUIET)
    _wire_upload(upload, documents, shown, site)
    return form


def request_of(question: str, documents: object, answer: str, *rest: Value) -> TextRequest:
    """The request from the values of the fields."""
    prompt = Rag(question or "", documents_of(documents), answer or "")
    return TextRequest(prompt, *model_and_options(rest))


@dataclass(frozen=True, slots=True)
class _Gallery:
    """A button for each example, and what to look for in the one that was chosen."""

    buttons: list[Component]
    about: Component

    def fill(self, fields: list[Component]) -> None:
        """A click fills in question, documents, answer and unit."""
        for button, example in zip(self.buttons, EXAMPLES, strict=True):

            def fill(example: Example = example) -> tuple[object, ...]:
                return example.question, list(example.documents), "", UNITS[0], _about(example)

            button.click(fill, None, [*fields, self.about], queue=False, api_visibility="private")


def _gallery() -> _Gallery:
    html(None, "Examples", elem_classes="try-label", padding=False)
    with gr.Row(elem_classes="try"):
        buttons = [gr.Button(example.name, size="sm", variant="secondary") for example in EXAMPLES]
    return _Gallery(buttons, html("about", _about(EXAMPLES[0]), padding=False))


def _about(example: Example) -> str:
    return tag("p", safe(example.about), class_="about")


def _wire_upload(upload: Component, documents: Component, shown: Panel, site: Site) -> None:
    def opened(path: str) -> tuple[object, str]:
        try:
            return documents_from(path, site.limits), ""
        except Exception as error:  # shown as a banner, logged if it is none of ours
            return gr.skip(), failed(error)

    upload.upload(opened, upload, [documents, shown.status], **QUIET)
