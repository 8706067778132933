"""What the page says about a run before it: calls, tokens, time, and what is set aside for the checks."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from page_samples import HOME, PAIR

import spexapi
from spexapi.sampling.usage import Usage

pytest.importorskip("gradio")

from spexapi.page.requests.heads import HeadsRequest
from spexapi.page.requests.model import Model
from spexapi.page.requests.request import ExplainOptions
from spexapi.page.requests.text import Rag, TextRequest
from spexapi.page.runs.forecast import forecast_of, learn

MANY = tuple(f"The thing {i} is in the box." for i in range(12))


def said(request) -> str:
    return asyncio.run(forecast_of(request, HOME, ""))


def test_documents_are_forecast_in_calls_and_tokens():
    few, many = (TextRequest(Rag("Where?", texts)) for texts in (PAIR, MANY))

    assert said(few).startswith("4 documents · 16 calls, up to 6 answers written for the story, about ")
    assert " tokens read and " in said(few)
    assert said(many).startswith("12 documents · 128 calls, up to 6 answers written for the story, about ")
    assert said(many).endswith(". 32 of the calls check the strongest combinations on the model itself.")


def test_heads_are_forecast_in_the_same_words():
    found = said(HeadsRequest("Where is the key?", options=ExplainOptions("head", 64)))
    assert found.startswith("32 heads · 64 calls")


def test_the_pace_of_a_run_is_known_to_the_next_forecast_for_the_same_model():
    mine = TextRequest(Rag("Where?", PAIR, "the cellar"), Model("openai", "mine", "http://127.0.0.1:9/v1"))
    other = replace(mine, model=replace(mine.model, name="other"))
    learn(mine, Usage(calls=10, seconds=20.0))

    assert "about 32 s at the pace of the last run" in asyncio.run(forecast_of(mine, HOME, "key"))
    assert "pace" not in asyncio.run(forecast_of(other, HOME, "key"))


def test_what_cannot_be_asked_has_no_forecast():
    with pytest.raises(spexapi.InputError, match="no documents yet"):
        said(TextRequest(Rag("Where?", ())))


def test_words_that_the_built_in_model_does_not_know_are_named_before_the_run():
    rivers = ("The Danube flows through Vienna.", "The Rhine flows through Cologne.")

    assert "it does not know “" in said(TextRequest(Rag("Which river does Vienna lie on?", rivers)))
    assert "does not know" not in said(TextRequest(Rag("Where?", PAIR)))
