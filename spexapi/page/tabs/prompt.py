"""The tab for a prompt: the words of one text, or the turns of a chat."""

from __future__ import annotations

from spexapi.page.components import Component, Value, gr, html
from spexapi.page.forms.boxes import boxes, turns_of
from spexapi.page.forms.fields import answer_field, model_and_options, model_fields, option_fields
from spexapi.page.requests.text import CHAT_UNITS, Chat, TextRequest
from spexapi.page.result.panel import panel
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import Site
from spexapi.page.tabs.wiring import Form, run_buttons, wire
from spexapi.views.safe import tag

FIRST = """Documents:

The key is in the box. The box is in the cellar.

Question: Which room is the key in?"""
EMPTY = tag(
    "div",
    tag("b", "Which words of a prompt made the answer?")
    + "Write a prompt, or the turns of a chat. Words, sentences or turns are taken away; system turns stay.",
    class_="empty",
)


def prompt_tab(demo: Component, site: Site, stops: StopFlags) -> None:
    """The form on the left, the result on the right."""
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            turns = boxes([{"role": "user", "text": FIRST}], "Turn", "turns", roles=True)
            run, stop = run_buttons("p-")
            forecast = html("p-forecast")
            answer = answer_field()
            names = ("Turns", "Sentences", "Words")
            options = option_fields(site, list(zip(names, CHAT_UNITS, strict=True))[::-1])
            model = model_fields(site)
        with gr.Column(scale=7, min_width=300, elem_classes="results"):
            shown = panel(EMPTY, "p-")
    fields = [turns, answer, *options.all, *model.all]
    form = Form("p-", run, stop, forecast, fields, request_of, model)
    wire(demo, form, shown, site, stops)


def request_of(turns: object, answer: str, *rest: Value) -> TextRequest:
    """The request from the values of the fields."""
    return TextRequest(Chat(turns_of(turns), answer or ""), *model_and_options(rest))
