"""The openai backend through the Batch API: half the price, an answer within a day."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from spexapi.backends.base import Capabilities, Price, Reply, Request
from spexapi.backends.openai.backend import OpenAI, Options
from spexapi.backends.openai.batch_api import MOST_LINES, BatchConnection
from spexapi.backends.openai.dialect import Dialect
from spexapi.errors import RateLimited, Unavailable

_ATTEMPTS = 3


class BatchedOpenAI(OpenAI):
    """All requests of a call of `score` are one batch; the probe and the written answer are asked directly.

    For engines whose masks are known beforehand: each step of an engine is a batch, and a batch may take a
    day. A run that was ended finds its batch again (by a mark in the batch's metadata) and waits for it.
    """

    def __init__(self, connection: BatchConnection, dialect: Dialect, options: Options) -> None:
        super().__init__(connection, dialect, options)
        self._batch_connection = connection

    @property
    def capabilities(self) -> Capabilities:
        known = super().capabilities
        return replace(known, batch=MOST_LINES, concurrency=1, batched=True, price=_half(known.price))

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        """Requests that fail for a passing reason go into another batch, three in all."""
        replies: dict[int, Reply] = {}
        left = list(range(len(requests)))
        for attempt in range(_ATTEMPTS):
            found = await self._batch([requests[i] for i in left], attempt)
            for i, one in zip(left, found, strict=True):
                passing = isinstance(one, Unavailable | RateLimited)
                if isinstance(one, BaseException) and not passing:
                    raise one
                replies[i] = Reply(error=f"given up: {one}") if isinstance(one, BaseException) else one
            left = [i for i, one in zip(left, found, strict=True) if isinstance(one, BaseException)]
            if not left:
                break
        return [replies[i] for i in range(len(requests))]

    async def _batch(self, requests: Sequence[Request], attempt: int) -> list[Reply | BaseException]:
        """Scores all of them at once; whenever all of them wait for the endpoint, what they ask is sent."""
        connection = self._batch_connection
        connection.gathering, connection.changed = True, asyncio.Event()  # of the loop that runs now
        jobs = [asyncio.ensure_future(super(BatchedOpenAI, self).score([request])) for request in requests]
        for job in jobs:
            job.add_done_callback(lambda _: connection.changed.set())
        try:
            while left := sum(not job.done() for job in jobs):
                if len(connection.waiting) == left:
                    await connection.send_waiting(attempt)
                connection.changed.clear()
                if sum(not job.done() for job in jobs) > len(connection.waiting):
                    await connection.changed.wait()
        finally:
            connection.gathering = False
            connection.waiting.clear()
            for job in jobs:
                job.cancel()
        found = await asyncio.gather(*jobs, return_exceptions=True)
        return [one if isinstance(one, BaseException) else one[0] for one in found]


def _half(price: Price | None) -> Price | None:
    if price is None:
        return None
    cached = price.tokens_cached
    return Price(
        price.tokens_in / 2,
        price.tokens_out / 2,
        None if cached is None else cached / 2,
        f"{price.source}, half of it for a batch",
    )
