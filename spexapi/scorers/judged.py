"""Scorers that ask another model how similar a reply and the answer are: embeddings, and a judge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spexapi.backends.adapter import complete
from spexapi.backends.base import Message, Reply, Request, Scoring
from spexapi.backends.embeddings import open_embeddings
from spexapi.backends.registry import open_backend
from spexapi.errors import BackendError, InputError
from spexapi.scorers.base import Ask, Estimate, Scorer, reads_texts
from spexapi.scorers.similarity import log_odds, mean

_QUESTION = (
    "Two answers to the same question follow.\n\nFirst answer: {answer}\n\nSecond answer: {reply}\n\n"
    "Do both answers say the same thing? Reply with one word, yes or no."
)


def embedding(model: str | Scoring, *, samples: int = 4) -> Scorer:
    """The mean similarity (cosine, at least 0) of k sampled replies and the answer.

    model  "openai:<model>", "hf:<id or folder>", or what open_embeddings returned
    """
    helper = open_embeddings(model) if isinstance(model, str) else model

    async def of_texts(texts: Sequence[str], answer: str, ask: Ask) -> Estimate:
        values: list[float] = []
        for text in texts:
            if not text.strip():
                values.append(0.0)
                continue
            reply = await ask(Request((Message("user", text),), (answer,)))
            if reply.error:
                raise BackendError(f"{helper.name} embedded no text: {reply.error}")
            values.append(max(0.0, _similarity(reply)))
        return Estimate(*mean(values))

    return Scorer(
        "embedding", "cosine", reads_texts("embedding"), of_texts=of_texts, samples=samples, helper=helper
    )


def _similarity(reply: Reply) -> float:
    """Of the reply and the answer.

    Replies that version 0.1 kept, and backends written for it, have the cosine in place of a log-probability.
    """
    return reply.similarities[0] if reply.similarities else float(reply.scores[0].logprobs[0])


def judge(model: str | Scoring, *, samples: int = 4, question: str = _QUESTION) -> Scorer:
    """Log-odds in nats that a reply says the same as the answer: another model judges k sampled replies.

    model     a backend, or what open_backend takes
    question  with {answer} and {reply}; asks for yes or no

    If the judge shows log-probabilities, its probability of "yes" counts; else the word it writes.
    """
    if "{answer}" not in question or "{reply}" not in question:
        raise InputError("the judge's question must hold {answer} and {reply}")
    helper = open_backend(model) if isinstance(model, str) else complete(model)

    async def one(text: str, answer: str, ask: Ask) -> float:
        asked = (Message("user", question.replace("{answer}", answer).replace("{reply}", text)),)
        await helper.open()
        if helper.capabilities.choose:
            reply = await ask(Request(asked, ("yes", "no")))
            if not reply.error:
                yes, no = (float(score.logprobs.sum()) for score in reply.scores)
                return float(np.exp(yes - np.logaddexp(yes, no)))
        else:
            reply = await ask(Request(asked, (), write=8))
            if not reply.error:
                return _verdict(reply.text)
        raise BackendError(f"the judge {helper.name} gave no verdict: {reply.error}")

    async def of_texts(texts: Sequence[str], answer: str, ask: Ask) -> Estimate:
        shares = [await one(text, answer, ask) for text in texts]
        return Estimate(*log_odds(sum(shares), len(shares)))

    return Scorer("judge", "nats", reads_texts("judge"), of_texts=of_texts, samples=samples, helper=helper)


def _verdict(text: str) -> float:
    """1 for yes, 0 for no, a half for anything else."""
    word = text.strip().casefold().lstrip("*\"'(")
    return 1.0 if word.startswith("yes") else 0.0 if word.startswith("no") else 0.5
