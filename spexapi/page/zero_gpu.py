"""Local models on a GPU that is lent for seconds at a time: Hugging Face ZeroGPU.

Whatever runs under spaces.GPU runs in a process of its own, which has the GPU and is forked from this one.
The weights are loaded only there; here the tokenizer says what fits and where the tokens are. A call asks
for few seconds: the time it asks for, not the time it uses, must fit what is left of the visitor's quota.
"""

from __future__ import annotations

import asyncio
import html
import importlib
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import spexapi
from spexapi.backends.base import Backend, Generated, Message, Reply, Request
from spexapi.errors import CapReached, Refused
from spexapi.prompts.segments import shorten

CHUNK = 32  # requests a call
LOADING = 30.0  # seconds; a process that had the model before needs none
_A_REQUEST = 0.25  # seconds

Result = TypeVar("Result")


def on_lent_gpu(spec: str) -> Backend:
    """The model `spec` ("hf:..."), asked on the lent GPU."""
    return LentGpu(spexapi.open_backend(spec), spec)  # pyright: ignore[reportReturnType] - delegates


class LentGpu:
    """A backend whose scoring and writing happen on the lent GPU, in calls of up to CHUNK requests."""

    def __init__(self, here: Backend, spec: str) -> None:
        self._here, self._spec = here, spec

    def __getattr__(self, name: str) -> Any:
        return getattr(self._here, name)

    async def open(self) -> None:
        """Nothing to load here."""

    async def close(self) -> None:
        await self._here.close()

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        """Raises CapReached if the visitor's GPU time is used up, Refused for other failures there."""
        replies: list[Reply] = []
        for at in range(0, len(requests), CHUNK):
            replies += await _called(lent()[0], self._spec, tuple(requests[at : at + CHUNK]))
        return replies

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        """Errors of score()."""
        return await _called(lent()[1], self._spec, tuple(messages), max_tokens)


@cache
def lent() -> tuple[Callable[..., list[Reply]], Callable[..., Generated]]:
    """Scoring and writing as spaces.GPU wraps them: before the page starts, when ZeroGPU looks for them."""
    gpu = importlib.import_module("spaces").GPU
    return gpu(duration=_seconds)(_score), gpu(duration=_seconds)(_write)


def _seconds(spec: str, asked: Sequence[object], max_tokens: int = 0) -> float:
    """What a call asks for."""
    return LOADING + _A_REQUEST * len(asked) + 0.1 * max_tokens


def _score(spec: str, requests: tuple[Request, ...]) -> list[Reply]:
    """In the process that has the GPU."""
    return asyncio.run(_asked(spec, lambda backend: backend.score(requests)))


def _write(spec: str, messages: tuple[Message, ...], max_tokens: int) -> Generated:
    """In the process that has the GPU."""
    return asyncio.run(_asked(spec, lambda backend: backend.generate(messages, max_tokens)))


@cache
def there(spec: str) -> Backend:
    """The backend of the process that has the GPU: it keeps the weights from call to call."""
    return spexapi.open_backend(spec)


async def _asked(spec: str, ask: Callable[[Backend], Awaitable[Result]]) -> Result:
    backend = there(spec)
    await backend.open()
    try:
        return await ask(backend)
    finally:
        await backend.close()


async def _called(function: Callable[..., Result], *given: object) -> Result:
    """In a thread with this request's context, by which ZeroGPU knows whose quota it is."""
    try:
        return await asyncio.to_thread(function, *given)
    except Exception as error:
        # what `spaces` raises is Gradio's Error, written for people, with markup
        said = shorten(html.unescape(re.sub(r"<[^>]+>", " ", str(error))).strip("'\""), 300)
        if "quota" in said.lower():
            raise CapReached(f"the GPU time of this visitor is used up: {said}") from error
        raise Refused(f"the lent GPU failed: {said or type(error).__name__}") from error
