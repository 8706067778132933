"""Models that turn texts into vectors, as backends: the score of a text and an answer is their cosine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from spexapi.backends.base import AnswerScore, Capabilities, Limits, Message, Price, Reply, Request
from spexapi.backends.openai.client import OPENAI, Connection, Place, read_key
from spexapi.backends.openai.errors import Unfit
from spexapi.backends.openai.rate_limits import limits_of
from spexapi.backends.prices import price_of
from spexapi.errors import BackendError, InputError, Unavailable
from spexapi.measurements import Floats


def open_embeddings(
    spec: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    key_env: str = "OPENAI_API_KEY",
    timeout: float = 60.0,
    concurrency: int = 16,
    headers: Mapping[str, str] | None = None,
    price_in: float | None = None,
) -> Embeddings | Any:
    """ "openai:<model>" at an OpenAI-shaped endpoint, or "hf:<id or folder>" on this machine; not opened yet.

    Raises InputError for another kind of model, or a missing key.
    """
    kind, _, model = spec.partition(":")
    if not model or kind not in ("openai", "hf"):
        raise InputError(f"unknown embeddings {spec!r}: write openai:<model> or hf:<id or folder>")
    if kind == "hf":
        from spexapi.backends.huggingface.local_embeddings import LocalEmbeddings

        return LocalEmbeddings(model)
    url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    place = Place(url, headers or {}, {}, timeout)
    price = price_of(model, place.shown, price_in=price_in, price_out=None if price_in is None else 0.0)
    return Embeddings(
        model, Connection(place, read_key(api_key, key_env, url, headers or {})), price, concurrency
    )


class Embeddings:
    """A model behind `/embeddings`. One call embeds a text; the answer's vector is kept."""

    def __init__(self, model: str, connection: Connection, price: Price | None, concurrency: int) -> None:
        self._model, self._connection = model, connection
        self._price, self._concurrency = price, concurrency
        self._known: dict[str, Floats] = {}
        self._limits: Limits | None = None

    def __repr__(self) -> str:
        return f"Embeddings({self._model!r}, {self._connection.place.shown!r})"

    @property
    def name(self) -> str:
        return f"openai:{self._model}"

    @property
    def identity(self) -> str:
        return f"{self.name} {self._connection.place.shown} embeddings cosine"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            write=False, batch=1, concurrency=self._concurrency, price=self._price, reads_whole=False
        )

    @property
    def limits(self) -> Limits | None:
        return self._limits

    async def open(self) -> None:
        self._connection.open()

    async def close(self) -> None:
        await self._connection.close()

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        """The cosine of the first message and each answer, in the place of a log-probability."""
        return list(await asyncio.gather(*(self._one(request) for request in requests)))

    async def _one(self, request: Request) -> Reply:
        new = [text for text in request.answers if text not in self._known]
        try:
            [vector, *others], used = await self._embed([text_of(request.messages), *new])
        except Unfit as error:
            return Reply(error=str(error))
        self._known |= dict(zip(new, others, strict=True))
        return Reply(cosines(vector, request.answers, self._known), tokens_in=used)

    async def _embed(self, texts: list[str]) -> tuple[list[Floats], int]:
        data, headers = await self._connection.post("/embeddings", {"model": self._model, "input": texts})
        self._limits = limits_of(headers) or self._limits
        try:
            rows = sorted(data["data"], key=lambda row: int(row["index"]))
            vectors = [np.array(row["embedding"], dtype=np.float64) for row in rows]
            used = int(data["usage"]["prompt_tokens"])
        except (KeyError, TypeError, ValueError) as error:
            raise Unavailable(f"the embeddings cannot be read: {error!r}") from None
        if len(vectors) != len(texts) or not all(v.size and np.isfinite(v).all() for v in vectors):
            raise Unavailable(f"{len(vectors)} vectors for {len(texts)} texts, or empty ones")
        return vectors, used


def text_of(messages: Sequence[Message]) -> str:
    return "\n".join(message.content for message in messages)


def cosines(vector: Floats, answers: Sequence[str], known: Mapping[str, Floats]) -> tuple[AnswerScore, ...]:
    """A score an answer: the cosine in place of a log-probability. Raises BackendError for a zero vector."""
    scores: list[AnswerScore] = []
    for answer in answers:
        other = known[answer]
        lengths = float(np.linalg.norm(vector) * np.linalg.norm(other))
        if lengths == 0.0:
            raise BackendError("an embedding is zero, it has no direction")
        scores.append(AnswerScore(np.array([cast("float", vector @ other) / lengths]), ((0, len(answer)),)))
    return tuple(scores)
