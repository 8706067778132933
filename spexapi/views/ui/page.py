"""The page's components and events."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import gradio

import spexapi
from spexapi.engines.registry import known_engines
from spexapi.errors import SpexError
from spexapi.views.fragment import fragment, styles
from spexapi.views.safe import safe, tag
from spexapi.views.ui.asking import UNITS, Form, Progress, Stops, allowed_here, as_text, ask
from spexapi.views.ui.examples import EXAMPLES, Example

gr = cast("Any", gradio)  # its stubs leave most types unknown

INDICES = [
    ("FBII: faithful Banzhaf (default)", "fbii"),
    ("FSII: faithful Shapley", "fsii"),
    ("STII: Shapley-Taylor", "stii"),
    ("SII: Shapley interaction", "sii"),
    ("Möbius", "moebius"),
    ("Fourier", "fourier"),
]
FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Arial", "sans-serif"]
HEAD = tag(
    "header",
    tag("h1", "spexapi")
    + tag("p", "Which documents made the model say that? Not only which ones: which ones <em>together</em>."),
    class_="page-head",
)
EMPTY = tag(
    "div",
    tag("b", "Ask a question of a few documents.")
    + "The model answers, then documents are taken away in many different selections to see what the answer "
    "hangs on. Try an example: it takes seconds.",
    class_="empty",
)

# on a phone the result lies below the form
SHOW_RESULT = "() => { if (innerWidth < 700) document.getElementById('result').scrollIntoView(); }"
BROKEN = "Something failed that should not have; the log of the page says what. Try again."


def launch(port: int = 7860, *, demo: Any = None, block: bool = True) -> None:
    """Serves the page until it is interrupted: on this computer only, on a Space for everyone.

    block  False comes back at once; then demo.close() ends it
    """
    on_space = "SPACE_ID" in os.environ
    page_css = files("spexapi.views.ui").joinpath("page.css").read_text(encoding="utf-8")
    (demo or build()).launch(
        server_name="0.0.0.0" if on_space else "127.0.0.1",
        server_port=port,
        theme=gr.themes.Default(
            primary_hue="blue",
            neutral_hue="slate",
            font=FONT,
            font_mono=["ui-monospace", "Consolas", "monospace"],
        ),
        # not css=: Gradio rewrites that and loses @container and :has()
        head=f"<style>\n{styles()}\n{page_css}\n</style>",
        ssr_mode=False,
        prevent_thread_lock=not block,
        footer_links=["api", "settings"],
    )


def build(backends: Sequence[str] | None = None) -> Any:
    """The page as gr.Blocks.

    backends  what a visitor may choose; None: anything at home, on a Space what SPEXAPI_BACKENDS names
    """
    allowed = tuple(backends) if backends is not None else allowed_here(os.environ)
    with gr.Blocks(
        title="spexapi", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)
    ) as demo:
        gr.HTML(HEAD, apply_default_css=False)
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                form, upload, run, stop, status, tries = _inputs(allowed)
            with gr.Column(scale=7, min_width=320):
                shown = (status, *_outputs())
        _wire(demo, form, upload, run, stop, tries, shown, allowed)
    return demo


def _inputs(allowed: Sequence[str] | None) -> tuple[list[Any], Any, Any, Any, Any, list[Any]]:
    """The form in the order of Form's fields, the upload, the two buttons, the status line, the examples."""
    first = EXAMPLES[0]
    gr.HTML("Examples", elem_classes="try-label", apply_default_css=False)
    with gr.Row(elem_classes="try"):
        tries = [gr.Button(example.name, size="sm", variant="secondary") for example in EXAMPLES]
    question = gr.Textbox(first.question, label="Question", lines=1, max_lines=4)
    documents = gr.Textbox(
        first.documents, label="Documents", info="An empty line between two.", lines=9, max_lines=24
    )
    upload = gr.UploadButton(
        "Open a file of documents", file_types=[".jsonl", ".json", ".txt", ".md"], size="sm"
    )
    with gr.Row(elem_id="actions"):
        run = gr.Button("Explain", variant="primary", elem_id="run")
        stop = gr.Button("Stop", interactive=False, elem_id="stop")
    status = gr.HTML("", elem_id="status", apply_default_css=False)
    answer = gr.Textbox(
        label="Answer to explain", placeholder="empty: the model writes it", lines=1, max_lines=4
    )
    names = ("Documents", "Sentences", "Words")
    unit = gr.Radio(list(zip(names, UNITS, strict=True)), value=UNITS[0], label="Take away")
    budget = gr.Slider(
        16,
        1024,
        value=128,
        step=16,
        label="Budget",
        info="How many times the model may be asked; more is surer.",
    )
    return [question, documents, answer, unit, budget, *_advanced(allowed)], upload, run, stop, status, tries


def _advanced(allowed: Sequence[str] | None) -> list[Any]:
    """Model, engine, index, seed."""
    with gr.Accordion("Advanced", open=False):
        if allowed is None:
            backend = gr.Textbox("embedded", label="Model", info="embedded, or hf:<model id or folder>")
        else:
            backend = gr.Dropdown(list(allowed), value=allowed[0], label="Model")
        engine = gr.Dropdown(list(known_engines()), value="auto", label="Engine")
        index = gr.Dropdown(INDICES, value="fbii", label="How combinations are counted")
        seed = gr.Number(0, label="Seed", precision=0)
    return [backend, engine, index, seed]


def _outputs() -> tuple[Any, Any, Any]:
    """Result, and the two downloads."""
    result = gr.HTML(EMPTY, elem_id="result", apply_default_css=False)
    with gr.Row():
        html = gr.DownloadButton("Download the report", visible=False, size="sm", elem_id="report")
        json = gr.DownloadButton("Download the data (JSON)", visible=False, size="sm", elem_id="data")
    return result, html, json


def _wire(
    demo: Any,
    form: list[Any],
    upload: Any,
    run: Any,
    stop: Any,
    tries: list[Any],
    shown: tuple[Any, Any, Any, Any],
    allowed: Sequence[str] | None,
) -> None:
    """Every event of the page. One run a visitor at a time; four on the whole machine."""
    stops = Stops()
    status = shown[0]

    async def explain(
        question: str,
        documents: str,
        answer: str,
        unit: str,
        budget: float,
        backend: str,
        engine: str,
        index: str,
        seed: float,
        request: gradio.Request,
    ) -> AsyncIterator[tuple[Any, ...]]:
        """Explains the answer to a question by the combinations of documents it hangs on."""
        given = Form(question, documents, answer, unit, int(budget), backend, engine, index, int(seed))
        async for update in _answers(given, stops, str(request.session_hash), allowed):
            yield update

    def end(request: gradio.Request) -> None:
        """Stops the run of this visitor; what was measured by then is explained."""
        stops.ask(str(request.session_hash))

    outputs = [*shown, run, stop]
    model: dict[str, Any] = {
        "outputs": outputs,
        "concurrency_limit": 4,
        "concurrency_id": "model",
        "show_progress": "hidden",
    }
    asked = run.click(explain, form, api_name="explain", **model)
    asked.then(None, None, None, js=SHOW_RESULT)
    stop.click(end, None, None, api_name="stop", concurrency_limit=None, show_progress="hidden")
    for button, example in zip(tries, EXAMPLES, strict=True):
        filled = button.click(_filler(example), None, form[:4], queue=False, api_visibility="private")
        asked = filled.then(explain, form, api_visibility="private", **model)
        asked.then(None, None, None, js=SHOW_RESULT)
    upload.upload(_opened, upload, [form[1], status], api_visibility="private", show_progress="hidden")
    demo.unload(end)


def _filler(example: Example) -> Any:
    def fill() -> tuple[str, str, str, str]:
        return example.question, example.documents, "", UNITS[0]

    return fill


def _opened(path: str) -> tuple[Any, str]:
    try:
        return as_text(path), ""
    except SpexError as error:
        return gr.skip(), banner(str(error))


async def _answers(
    form: Form, stops: Stops, visitor: str, allowed: Sequence[str] | None
) -> AsyncIterator[tuple[Any, ...]]:
    """Status, result, report, data, Explain, Stop: after each step of the run."""
    hidden = gr.update(visible=False)
    busy, free = gr.update(interactive=False), gr.update(interactive=True)
    yield working("Loading the model…"), gr.skip(), hidden, hidden, busy, free
    last: spexapi.Explanation | None = None
    try:
        async for update in ask(form, stops, visitor, allowed):
            if isinstance(update, Progress):
                yield working(None, update), gr.skip(), gr.skip(), gr.skip(), gr.skip(), gr.skip()
            else:
                last = update
                yield gr.skip(), fragment(update), gr.skip(), gr.skip(), gr.skip(), gr.skip()
    except SpexError as error:
        yield banner(str(error)), EMPTY if last is None else gr.skip(), hidden, hidden, free, busy
        return
    except Exception:  # the page must stay usable whatever a model does; the log has the rest
        logging.getLogger("spexapi").exception("the run on the page failed")
        yield banner(BROKEN), EMPTY if last is None else gr.skip(), hidden, hidden, free, busy
        return
    if last is None:
        yield "", EMPTY, hidden, hidden, free, busy
        return
    with tempfile.TemporaryDirectory() as folder:  # Gradio has copied the files when the generator goes on
        html, json = Path(folder, "report.html"), Path(folder, "explanation.json")
        last.to_html(html)
        last.to_json(json)
        ready = [gr.update(value=str(path), visible=True) for path in (html, json)]
        yield "", gr.skip(), *ready, free, busy


def working(text: str | None, progress: Progress | None = None) -> str:
    """The status line of a run."""
    if progress is None:
        return tag("div", safe(text or ""), class_="status", role="status")
    bar = tag("progress", "", value=progress.done, max=max(progress.planned, 1))
    return tag(
        "div", f"{bar} asked {progress.done:,} of {progress.planned:,} times", class_="status", role="status"
    )


def banner(reason: str) -> str:
    """What went wrong, in plain words."""
    return tag("div", tag("b", "This could not be explained.") + safe(reason), class_="banner", role="alert")
