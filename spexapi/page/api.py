"""The endpoints for programs and agents: gr.api functions with plain arguments and JSON results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from threading import Event
from typing import Any

import gradio

import spexapi
from spexapi.errors import InputError, SpexError
from spexapi.fourier.ranking import strongest_first
from spexapi.narrative.trust import trust
from spexapi.narrative.wording import name
from spexapi.page.components import gr
from spexapi.page.requests.model import Model
from spexapi.page.requests.request import ExplainOptions, RunRequest
from spexapi.page.requests.text import Chat, Rag, TextRequest
from spexapi.page.runs.quota import Quota, Visitor
from spexapi.page.runs.run_loop import results
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.site import Site
from spexapi.views.live import combos
from spexapi.views.presentation import Presentation


def endpoints(site: Site, quota: Quota) -> None:
    """Names them inside the page's Blocks."""
    found = Endpoints(site, quota)
    for function in (found.explain_rag, found.explain_prompt):
        gr.api(function, api_name=function.__name__, concurrency_limit=4, concurrency_id="model")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The functions; programs and agents read their docstrings."""

    site: Site
    quota: Quota

    async def explain_rag(
        self,
        question: str,
        documents: list[str],
        answer: str = "",
        unit: str = "document",
        budget: int = 128,
        model: str = "embedded",
        everything: bool = False,
        caller: gradio.Request | None = None,
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
            model: "embedded" (small, everyday things only) or "hf:<model id>" if this page allows it.
            everything: Also return the whole explanation with its measurements, as explanation.json has it.

        Returns:
            story: one sentence; answer; r2; combinations and parts, strongest first, each with its meaning
            and value.
        """
        rag = Rag(question, tuple(documents), answer)
        request = TextRequest(rag, _model(model), ExplainOptions(unit, budget))
        return as_data(await self._explained(request, caller), everything=everything)

    async def explain_prompt(
        self,
        prompt: str,
        answer: str = "",
        unit: str = "word",
        budget: int = 128,
        model: str = "embedded",
        everything: bool = False,
        caller: gradio.Request | None = None,
    ) -> dict[str, Any]:
        """Find out which words of a prompt, alone or in combination, made a model answer as it did.

        Args:
            prompt: The prompt, one user turn.
            answer: The answer to explain; leave it empty and the model writes one.
            unit: What is removed: "word" or "sentence".
            budget: How many times the model may be asked; 64 to 256 is usual.
            model: "embedded" (small, everyday things only) or "hf:<model id>" if this page allows it.
            everything: Also return the whole explanation with its measurements, as explanation.json has it.

        Returns:
            As explain_rag.
        """
        chat = Chat((("user", prompt),), answer)
        request = TextRequest(chat, _model(model), ExplainOptions(unit, budget))
        return as_data(await self._explained(request, caller), everything=everything)

    async def _explained(self, request: RunRequest, caller: object) -> spexapi.Explanation:
        """The explanation. Raises gradio.Error for any SpexError, also for one in the middle of the run."""
        last: SessionResult | None = None
        try:
            request.check(self.site.limits)
            with self.quota.run(Visitor.of(caller), request.options.budget) as counted:
                async for update in results(request, "", self.site, Event()):
                    if isinstance(update, SessionResult):
                        last = update
                if last is None:
                    raise InputError("the run was stopped before anything was measured")
                counted.calls = last.whole.cost.calls
        except SpexError as error:
            raise gr.Error(str(error), print_exception=False) from error
        if last.ended:
            raise gr.Error(last.ended, print_exception=False)
        return last.whole


def _model(spec: str) -> Model:
    where, _, name = spec.partition(":")
    if where not in ("embedded", "hf"):
        raise gr.Error("model must be “embedded” or “hf:<model id>”: keys are not taken here")
    return Model(where, name)


def as_data(explanation: spexapi.Explanation, *, everything: bool = False) -> dict[str, object]:
    """The result for programs: the words, and everything if that is wanted."""
    shown = Presentation(explanation)
    shares = shown.reading.shares
    order = strongest_first(shares)
    found: dict[str, object] = {
        "story": shown.story.text,
        "answer": explanation.target.answer,
        "options": list(explanation.target.options),
        "trust": trust(explanation),
        "r2": explanation.audit.r2,
        "combinations": [
            {key: combo[key] for key in ("names", "words", "value", "players")} for combo in combos(shown, 10)
        ],
        "parts": [
            {"name": name(explanation.players, i), "value": shares[i], "text": explanation.players[i].text}
            for i in order[:20]
        ],
    }
    if everything:
        found["explanation"] = json.loads(explanation.to_json())
    return found
