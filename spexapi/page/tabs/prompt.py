"""The tab for a prompt: the words of one text, or the turns of a chat."""

from __future__ import annotations

from typing import Any, cast

import gradio

from spexapi.page.forms.boxes import boxes
from spexapi.page.forms.fields import how_fields, how_of, model_fields, model_of
from spexapi.page.forms.requests import CHAT_UNITS, Chat, RunRequest, turns_of
from spexapi.page.result.panel import Panel, panel
from spexapi.page.runs.run_loop import StopFlags
from spexapi.page.runs.wiring import Buttons, forecasts, wire
from spexapi.page.site import Site
from spexapi.views.html.safe import tag

gr = cast("Any", gradio)  # its stubs leave most types unknown

FIRST = """Documents:

The key is in the box. The box is in the cellar.

Question: Which room is the key in?"""
EMPTY = tag(
    "div",
    tag("b", "Which words of a prompt made the answer?")
    + "Write a prompt, or the turns of a chat. Words, sentences or turns are taken away; system turns stay.",
    class_="empty",
)


def prompt_tab(demo: Any, site: Site, stops: StopFlags) -> Panel:
    """The form on the left, the result on the right."""
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            turns = boxes([{"role": "user", "text": FIRST}], "Turn", "turns", roles=True)
            with gr.Row():
                run = gr.Button("Explain", variant="primary", elem_id="p-run")
                stop = gr.Button("Stop", interactive=False, elem_id="p-stop")
            forecast = gr.HTML("", elem_id="p-forecast", apply_default_css=False)
            answer = gr.Textbox(
                label="Answer to explain", placeholder="empty: the model writes it", lines=1, max_lines=4
            )
            names = ("Turns", "Sentences", "Words")
            how = how_fields(site, list(zip(names, CHAT_UNITS, strict=True))[::-1])
            model = model_fields(site)
        with gr.Column(scale=7, min_width=300, elem_classes="results"):
            here = panel(EMPTY, "p-")
    fields = [turns, answer, *how.all, *model.all]
    wire(Buttons(run, stop, "p-status"), fields, form_of, model, here, site, stops)
    forecasts(demo, fields, form_of, forecast, site)
    return here


def form_of(turns: Any, answer: str, *rest: Any) -> tuple[RunRequest, str]:
    """The form from the values of the fields, and the key, which is no part of it."""
    *how, where, name, base_url, max_cost, key = rest
    asks = Chat(turns_of(turns), answer or "")
    return RunRequest(asks, model_of(where, name, base_url, max_cost), how_of(*how)), key or ""
