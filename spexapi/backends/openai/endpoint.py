"""An endpoint as it is spoken to, and what every way of scoring builds its replies with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from spexapi.backends.base import AnswerScore, Limits, Message, Reply, Request
from spexapi.backends.openai.client import Connection, Json
from spexapi.backends.openai.rate_limits import limits_of
from spexapi.backends.openai.schemas import Completion, Speech, read
from spexapi.backends.openai.tokens import Token

Scored = tuple[AnswerScore, Completion]
Sent = tuple[Json, Mapping[str, str]]
Patiently = Callable[[Callable[[], Awaitable[Sent]]], Awaitable[Sent]]


class Endpoint:
    """A connection with how it is spoken to. Counts what it sends and remembers the last limits seen."""

    def __init__(self, connection: Connection, speech: Speech) -> None:
        self.connection = connection
        self.speech = speech
        self.limits: Limits | None = None
        # while it is probed: sends a call again where it may work later
        self.patiently: Patiently | None = None
        self.calls = self.tokens_in = self.tokens_out = 0
        self.doubted: set[tuple[Request, int]] = set()
        # of requests whose last try failed: answers scored by then, and tokens of an answer forced by then
        self.part_done: dict[Request, list[Scored]] = {}
        self.part_forced: dict[tuple[Request, int], list[tuple[Token, Completion]]] = {}

    @property
    def counts(self) -> tuple[int, int, int]:
        """Calls, tokens read and tokens written since this object was made."""
        return self.calls, self.tokens_in, self.tokens_out

    async def post(self, path: str, body: Json, *, root: bool = False) -> Json:
        if self.patiently is not None:
            data, headers = await self.patiently(lambda: self._sent(path, body, root))
        else:
            data, headers = await self._sent(path, body, root)
        self.limits = limits_of(headers) or self.limits
        usage: Mapping[str, Any] = data.get("usage") or {}
        self.tokens_in += int(usage.get("prompt_tokens") or usage.get("input_tokens") or 0)
        self.tokens_out += int(usage.get("completion_tokens") or usage.get("output_tokens") or 0)
        return data

    async def _sent(self, path: str, body: Json, root: bool) -> Sent:
        self.calls += 1
        return await self.connection.post(path, body, root=root)

    async def ask(self, messages: Sequence[Message], most: int, **fields: Any) -> Completion:
        """A reply; `fields` as Speech.asking takes them."""
        body = self.speech.asking(messages, most, **fields)
        return read(self.speech.form, await self.post(self.speech.route, body))

    async def write(self, messages: Sequence[Message], most: int, **fields: Any) -> Completion:
        """The same for a reply that is read as text: with room to think where the model needs it."""
        return await self.ask(messages, max(most, self.speech.least), **fields)

    async def ids_of(self, text: str) -> list[int]:
        """Token ids of a text without special ones, by the route /tokenize (vLLM, SGLang, llama.cpp)."""
        fields = {"prompt": text, "content": text, "add_special_tokens": False, "add_special": False}
        data = await self.post("/tokenize", {"model": self.speech.model, **fields}, root=True)
        return [int(token) for token in data.get("tokens") or ()]


class ScoringMethod(Protocol):
    """One way to score. `gives`: "answer" (any given answer), "options" (compares options), "text"."""

    @property
    def name(self) -> str: ...

    @property
    def gives(self) -> str: ...

    async def score(self, endpoint: Endpoint, request: Request) -> Reply: ...


def joined(done: Sequence[Scored]) -> Reply:
    return reply_of(tuple(score for score, _ in done), [written for _, written in done])


def reply_of(scores: tuple[AnswerScore, ...], used: Sequence[Completion], text: str = "") -> Reply:
    total = added(used)
    return Reply(
        scores,
        tokens_in=total.tokens_in,
        text=text,
        tokens_out=total.tokens_out,
        tokens_cached=total.tokens_cached,
        calls=total.calls,
    )


def added(used: Sequence[Completion]) -> Completion:
    return Completion(
        "",
        tokens_in=sum(w.tokens_in for w in used),
        tokens_out=sum(w.tokens_out for w in used),
        tokens_cached=sum(w.tokens_cached for w in used),
        calls=sum(w.calls for w in used),
    )
