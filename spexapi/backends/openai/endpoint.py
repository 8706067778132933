"""An endpoint with its dialect, and what every scoring method builds its replies with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, Protocol

from spexapi.backends.base import AnswerScore, Limits, Message, Reply, Request
from spexapi.backends.json_values import Json, to_count, to_list, to_map
from spexapi.backends.openai.client import Connection
from spexapi.backends.openai.dialect import Dialect
from spexapi.backends.openai.rate_limits import limits_of
from spexapi.backends.openai.schemas import Completion, read_completion
from spexapi.backends.openai.tokens import Token

Scored = tuple[AnswerScore, Completion]
Sent = tuple[Json, Mapping[str, str]]
Retry = Callable[[Callable[[], Awaitable[Sent]]], Awaitable[Sent]]
# What a scoring method is for: any given answer, options to compare, or replies to be read as text.
Gives = Literal["answer", "options", "text"]


class Endpoint:
    """A connection with its dialect. Counts what it sends and remembers the last limits seen."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self.connection = connection
        self.dialect = dialect
        self.limits: Limits | None = None
        # while the endpoint is probed: sends a call again if it may work later
        self.retry: Retry | None = None
        self.calls = self.tokens_in = self.tokens_out = 0
        # answers (a request, and its answer's number) whose values are believed when they come a second time
        self.doubted: set[tuple[Request, int]] = set()
        # of requests whose last try failed: answers scored by then, and tokens of an answer forced by then
        self.scored_so_far: dict[Request, list[Scored]] = {}
        self.forced_so_far: dict[tuple[Request, int], list[tuple[Token, Completion]]] = {}

    @property
    def counts(self) -> tuple[int, int, int]:
        """Calls, tokens read and tokens written since this object was made."""
        return self.calls, self.tokens_in, self.tokens_out

    async def post(self, path: str, body: Json, *, root: bool = False) -> Json:
        """The JSON of the answer; errors of Connection.post()."""
        if self.retry is not None:
            data, headers = await self.retry(lambda: self._sent(path, body, root))
        else:
            data, headers = await self._sent(path, body, root)
        self.limits = limits_of(headers) or self.limits
        usage = to_map(data.get("usage"))
        self.tokens_in += to_count(usage.get("prompt_tokens") or usage.get("input_tokens"))
        self.tokens_out += to_count(usage.get("completion_tokens") or usage.get("output_tokens"))
        return data

    async def _sent(self, path: str, body: Json, root: bool) -> Sent:
        self.calls += 1
        return await self.connection.post(path, body, root=root)

    async def ask(
        self,
        messages: Sequence[Message],
        most: int,
        *,
        temperature: float = 0.0,
        top: int | None = None,
        **fields: object,
    ) -> Completion:
        """A reply of up to `most` tokens; the other arguments as Dialect.body() takes them."""
        body = self.dialect.body(messages, most, temperature=temperature, top=top, **fields)
        return read_completion(self.dialect.format, await self.post(self.dialect.route, body))

    async def write(
        self,
        messages: Sequence[Message],
        most: int,
        *,
        temperature: float = 0.0,
        top: int | None = None,
        **fields: object,
    ) -> Completion:
        """ask() for a reply that is read as text: with room to think if the model needs it."""
        most = max(most, self.dialect.fewest)
        return await self.ask(messages, most, temperature=temperature, top=top, **fields)

    async def ids_of(self, text: str) -> list[int]:
        """Token ids of a text without special ones, by the route /tokenize (vLLM, SGLang, llama.cpp)."""
        fields: Json = {"prompt": text, "content": text, "add_special_tokens": False, "add_special": False}
        data = await self.post("/tokenize", {"model": self.dialect.model, **fields}, root=True)
        return [to_count(token) for token in to_list(data.get("tokens"))]


class ScoringMethod(Protocol):
    """One way to score a request at an endpoint."""

    @property
    def name(self) -> str:
        """As the option `way` has it."""
        ...

    @property
    def gives(self) -> Gives: ...

    @property
    def cost(self) -> str:
        """Calls and tokens of one answer, for people."""
        ...

    async def score(self, endpoint: Endpoint, request: Request) -> Reply: ...


def joined(scored: Sequence[Scored]) -> Reply:
    """One reply with all scores, and all that was used."""
    return reply_of(tuple(score for score, _ in scored), [completion for _, completion in scored])


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
    """What several completions used, without their texts."""
    return Completion(
        "",
        tokens_in=sum(one.tokens_in for one in used),
        tokens_out=sum(one.tokens_out for one in used),
        tokens_cached=sum(one.tokens_cached for one in used),
        calls=sum(one.calls for one in used),
    )
