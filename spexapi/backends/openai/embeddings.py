"""A model behind `/embeddings` of an OpenAI-shaped endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from spexapi.backends.base import Capabilities, Limits, Price, Reply, Request
from spexapi.backends.cosine import cosines, text_of
from spexapi.backends.json_values import to_count, to_list, to_map
from spexapi.backends.openai.client import Connection
from spexapi.backends.openai.errors import Unfit
from spexapi.backends.openai.rate_limits import limits_of
from spexapi.errors import Unavailable
from spexapi.measurements import Floats


class HostedEmbeddings:
    """Embeds one text a call; the vector of an answer is kept."""

    def __init__(self, model: str, connection: Connection, price: Price | None, concurrency: int) -> None:
        self._model, self._connection = model, connection
        self._price, self._concurrency = price, concurrency
        self._known: dict[str, Floats] = {}
        self._limits: Limits | None = None

    def __repr__(self) -> str:
        return f"HostedEmbeddings({self._model!r}, {self._connection.address.shown!r})"

    @property
    def name(self) -> str:
        return f"openai:{self._model}"

    @property
    def identity(self) -> str:
        return f"{self.name} {self._connection.address.shown} embeddings cosine"

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
        """Reply.similarities: the cosine of the prompt and each answer."""
        return list(await asyncio.gather(*(self._one(request) for request in requests)))

    async def _one(self, request: Request) -> Reply:
        new = [text for text in request.answers if text not in self._known]
        try:
            [vector, *others], used = await self._embed([text_of(request.messages), *new])
        except Unfit as error:
            return Reply(error=str(error))
        self._known |= dict(zip(new, others, strict=True))
        return Reply(similarities=cosines(vector, request.answers, self._known), tokens_in=used)

    async def _embed(self, texts: list[str]) -> tuple[list[Floats], int]:
        data, headers = await self._connection.post("/embeddings", {"model": self._model, "input": texts})
        self._limits = limits_of(headers) or self._limits
        try:
            rows = sorted(map(to_map, to_list(data["data"])), key=lambda row: to_count(row["index"]))
            vectors = [np.array(to_list(row["embedding"]), dtype=np.float64) for row in rows]
            used = to_count(to_map(data["usage"])["prompt_tokens"])
        except (KeyError, TypeError, ValueError) as error:
            raise Unavailable(f"the embeddings cannot be read: {error!r}") from None
        if len(vectors) != len(texts) or not all(v.size and np.isfinite(v).all() for v in vectors):
            raise Unavailable(f"{len(vectors)} vectors for {len(texts)} texts, or empty ones")
        return vectors, used
