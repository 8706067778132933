"""What every backend is: a place where a model runs. It knows prompts, never masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from spexapi.measurements import Floats


@dataclass(frozen=True, slots=True)
class Message:
    """One chat turn as it is sent. role: "system", "user", "assistant" or "tool"."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Hidden:
    """Characters start:end of message number `message` that the model may not attend to."""

    message: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt and the answers to score behind it.

    messages  the prompt, already masked
    answers   one text to score, or several options (scorer `choice`)
    hidden    stretches hidden by the attention mask; only where Capabilities.attention_mask
    whole     the same prompt with nothing masked: it fixes the answer's tokens, so that every mask scores the
              same ones; empty where `messages` is that prompt. Backends that cannot choose tokens ignore it
    """

    messages: tuple[Message, ...]
    answers: tuple[str, ...]
    hidden: tuple[Hidden, ...] = ()
    whole: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class AnswerScore:
    """How likely one answer was, token by token.

    logprobs  (t,) nats, teacher-forced
    offsets   (start, end) characters of the answer, one pair a token; together they cover the answer
    """

    logprobs: Floats
    offsets: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """What came back for one request: a score for each answer, or the reason there is none.

    error      "" where it worked; then `scores` has one entry an answer
    tokens_in  tokens the model read for this request
    """

    scores: tuple[AnswerScore, ...] = ()
    error: str = ""
    tokens_in: int = 0


@dataclass(frozen=True, slots=True)
class Generated:
    """An answer the model wrote. text: without the end-of-sequence token and outer white space."""

    text: str
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this backend can do. Local backends know; hosted ones are probed, never assumed.

    score_answer    log-probability of a given answer, token by token
    attention_mask  can hide stretches of the prompt without removing them
    placeholder     what stands for a removed word where the user names nothing
    batch           how many requests one call of `score` likes to get
    """

    score_answer: bool = True
    attention_mask: bool = False
    placeholder: str = "..."
    batch: int = 32


@runtime_checkable
class Backend(Protocol):
    """A model that can be asked. RateLimited and Unavailable may be retried (by the sampler), Refused not."""

    @property
    def name(self) -> str:
        """As given to open_backend: "embedded", "hf:folder", ... Never holds a key."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def open(self) -> None:
        """Loads or connects; safe to call again. Raises BackendError or InputError with what to do."""
        ...

    async def close(self) -> None:
        """Ends clients and worker threads; the backend can be opened again."""
        ...

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        """The model's own answer, greedy."""
        ...

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply a request, in order."""
        ...

    def check(self, request: Request) -> str:
        """Empty if the request fits the model, else why not: "1,234 tokens, the model reads 512".

        An answer without tokens is such a reason too. Costs no model call; a backend that cannot know returns
        "".
        """
        ...

    def answer_offsets(self, messages: Sequence[Message], answer: str) -> tuple[tuple[int, int], ...] | None:
        """(start, end) characters of each token `score` will give for this answer behind this unmasked
        prompt, without a model call; None where only a reply tells."""
        ...

    def count_tokens(self, text: str) -> int | None:
        """Tokens of a plain text, None where the backend cannot know."""
        ...

    def token_spans(self, text: str) -> list[tuple[int, int]] | None:
        """Character spans of the model's tokens of a plain text (unit "token"), None where it cannot know."""
        ...
