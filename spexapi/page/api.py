"""The endpoints for programs and agents: gr.api functions with plain arguments and JSON results."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Event
from typing import Any, cast

import gradio

import spexapi
from spexapi.errors import InputError, SpexError
from spexapi.explanation.reading import Reading
from spexapi.narrative.story import tell
from spexapi.narrative.wording import name, trust
from spexapi.page.forms.requests import Chat, ExplainOptions, Model, Rag, RunRequest
from spexapi.page.runs.run_loop import ask
from spexapi.page.runs.visits import Quota, Visitor
from spexapi.page.site import Site
from spexapi.views.html.live import combos

gr = cast("Any", gradio)  # its stubs leave most types unknown


def endpoints(site: Site, visits: Quota) -> None:
    """Names them inside the page's Blocks."""

    async def explain_rag(
        question: str,
        documents: list[str],
        answer: str = "",
        unit: str = "document",
        budget: int = 128,
        model: str = "embedded",
        everything: bool = False,
        request: gradio.Request | None = None,
    ) -> dict[str, Any]:
        """Find out which documents, alone or in combination, made a language model give its answer.

        The model answers the question from the documents; then documents are removed in many different
        selections and the answer is scored again. The result says in plain words which documents were needed
        together ("both needed"), which can stand in for each other ("either will do"), which argue against
        the answer, and how far this can be trusted (r2, 1 is best). Use it to check the sources of an answer,
        to find the one document behind a wrong answer, or to see which documents do not matter.

        Args:
            question: The question the documents are to answer.
            documents: The texts the model reads, at least two.
            answer: The answer to explain; leave it empty and the model writes one.
            unit: What is removed: "document", "sentence" or "word".
            budget: How many times the model may be asked; 64 to 256 is usual.
            model: "embedded" (small, everyday things only) or "hf:<model id>" where this page allows it.
            everything: Also return the whole explanation with its measurements, as explanation.json has it.

        Returns:
            story: one sentence; answer; r2; combinations and parts, strongest first, each with its meaning
            and value.
        """
        asks = Rag(question, tuple(documents), answer)
        return await _explained(
            RunRequest(asks, _model(model), ExplainOptions(unit, budget)), everything, site, visits, request
        )

    async def explain_prompt(
        prompt: str,
        answer: str = "",
        unit: str = "word",
        budget: int = 128,
        model: str = "embedded",
        everything: bool = False,
        request: gradio.Request | None = None,
    ) -> dict[str, Any]:
        """Find out which words of a prompt, alone or in combination, made a model answer as it did.

        Args:
            prompt: The prompt, one user turn.
            answer: The answer to explain; leave it empty and the model writes one.
            unit: What is removed: "word" or "sentence".
            budget: How many times the model may be asked; 64 to 256 is usual.
            model: "embedded" (small, everyday things only) or "hf:<model id>" where this page allows it.
            everything: Also return the whole explanation with its measurements, as explanation.json has it.

        Returns:
            As explain_rag.
        """
        asks = Chat((("user", prompt),), answer)
        return await _explained(
            RunRequest(asks, _model(model), ExplainOptions(unit, budget)), everything, site, visits, request
        )

    for function in (explain_rag, explain_prompt):
        _offer(function)


def _offer(function: Callable[..., Any]) -> None:
    gr.api(function, api_name=function.__name__, concurrency_limit=4, concurrency_id="model")


def _model(spec: str) -> Model:
    where, _, name = spec.partition(":")
    if where not in ("embedded", "hf"):
        raise gr.Error("model must be “embedded” or “hf:<model id>”: keys are not taken here")
    return Model(where, name)


async def _explained(
    form: RunRequest, everything: bool, site: Site, visits: Quota, request: Any
) -> dict[str, Any]:
    last: spexapi.Explanation | None = None
    try:
        site.limits.check(form.texts, form.how.budget)
        with visits.run(Visitor.of(request), form.how.budget) as bill:
            async for update in ask(lambda: form.game(site), form.how, Event(), site.limits.seconds):
                if isinstance(update, spexapi.Explanation):
                    last = update
            if last is None:
                raise InputError("the run was stopped before anything was measured")
            bill.calls = last.cost.calls
    except SpexError as error:
        raise gr.Error(str(error), print_exception=False) from error
    return as_data(last, everything=everything)


def as_data(explanation: spexapi.Explanation, *, everything: bool = False) -> dict[str, Any]:
    """The result for programs: the words, and where it is wanted everything."""
    shares = Reading.of(explanation).shares
    order = sorted(range(explanation.n_players), key=lambda i: -abs(shares[i]))
    found: dict[str, Any] = {
        "story": tell(explanation).text,
        "answer": explanation.target.answer,
        "trust": trust(explanation),
        "r2": explanation.audit.r2,
        "combinations": [
            {key: combo[key] for key in ("names", "words", "value", "players")}
            for combo in combos(explanation, 10)
        ],
        "parts": [
            {"name": name(explanation.players, i), "value": shares[i], "text": explanation.players[i].text}
            for i in order[:20]
        ],
    }
    if everything:
        found["explanation"] = json.loads(explanation.to_json())
    return found
