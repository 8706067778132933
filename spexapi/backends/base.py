"""What every backend is: a place where a model runs. It knows prompts, never masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from spexapi.measurements import Floats
from spexapi.prompts.messages import Hidden as Hidden
from spexapi.prompts.messages import Message as Message


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt and the answers to score after it.

    messages  the prompt, already masked
    answers   one text to score, or several options (scorer `choice`)
    hidden    stretches hidden by the attention mask; only for backends with Capabilities.attention_mask
    whole     the same prompt with nothing masked: it fixes the answer's tokens, so that every mask scores the
              same ones; empty if `messages` is that prompt. Backends that cannot choose tokens ignore it
    write     more than 0: nothing is scored, the model writes a reply of up to that many tokens (Reply.text)
    sample    number of the draw if one prompt is asked several times: 0, 1, 2, ...
    removed   numbers of the model's components that are removed; only for backends made for it (Ablated)
    """

    messages: tuple[Message, ...]
    answers: tuple[str, ...]
    hidden: tuple[Hidden, ...] = ()
    whole: tuple[Message, ...] = ()
    write: int = 0
    sample: int = 0
    removed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class AnswerScore:
    """How likely one answer was, token by token.

    logprobs  (t,) nats, teacher-forced
    offsets   (start, end) characters of the answer, one pair a token; together they cover the answer
    bounded   True for a token that the endpoint does not list: its log-probability is an upper bound; empty
              if all are listed
    ranks     the place of each token among those the model could write there, 1 = its first choice (greedy),
              0 = unknown; empty if none is known
    choices   the text of the model's first choice in each place, "" if unknown; empty if none is known
    """

    logprobs: Floats
    offsets: tuple[tuple[int, int], ...]
    bounded: tuple[bool, ...] = ()
    ranks: tuple[int, ...] = ()
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """What came back for one request: a score for each answer, or a text, or the reason there is neither.

    error       "" if it worked; then `scores` has one entry an answer, or `text` holds what was written
    tokens_in   tokens the model read for this request, tokens_out those it wrote (reasoning included)
    tokens_cached   of tokens_in, those the provider had in its cache
    calls       requests over the network it took: several if tokens are scored one at a time
    similarities    of the prompt and each answer, in place of `scores`, from a backend that embeds texts
    """

    scores: tuple[AnswerScore, ...] = ()
    error: str = ""
    tokens_in: int = 0
    text: str = ""
    tokens_out: int = 0
    tokens_cached: int = 0
    calls: int = 1
    similarities: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Generated:
    """An answer the model wrote. text: without the end-of-sequence token and outer white space."""

    text: str
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens; `source`: who says so, shown with every estimate."""

    tokens_in: float = 0.0
    tokens_out: float = 0.0
    tokens_cached: float | None = None
    source: str = ""


FREE = Price(source="runs locally")


class TooLong(str):
    """A reason of Backend.check: the request has more tokens than the model reads. As a text it says both.

    tokens  of the whole request; answer: of them the answer's, 0 if the model writes it
    limit   tokens the model reads
    """

    tokens: int
    limit: int
    answer: int

    def __new__(cls, tokens: int, limit: int, answer: int = 0) -> Self:
        of_answer = f" with the {answer:,} of the answer" if answer else " before the answer's first"
        made = super().__new__(cls, f"{tokens:,} tokens{of_answer}, the model reads {limit:,}")
        made.tokens, made.limit, made.answer = tokens, limit, answer
        return made

    def __getnewargs__(self) -> tuple[int, int, int]:  # type: ignore[override]
        return self.tokens, self.limit, self.answer


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this backend can do. Local backends know; hosted ones are probed, never assumed.

    score_answer    log-probability of a given answer, token by token
    choose          log-probability of an answer's first token, or of each of several options
    write           can write a reply (Request.write)
    repeatable      the same request gives the same scores, and the same text if it is greedy
    greedy          a reply (Request.write) is the likeliest one; False: replies are drawn
    attention_mask  can hide stretches of the prompt without removing them
    placeholder     what stands for a removed word unless the user names something
    batch           how many requests one call of `score` likes to get
    concurrency     how many calls of `score` may run at once; 1 for a model in this process
    batched         one call of `score` is a batch of the provider's, which may take a day
    price           None if no price is known
    keep            replies are worth keeping in the store
    reads_whole     Request.whole changes a reply (the answer's tokens are chosen by it)
    """

    score_answer: bool = True
    choose: bool = True
    write: bool = True
    repeatable: bool = True
    greedy: bool = True
    attention_mask: bool = False
    placeholder: str = "..."
    batch: int = 32
    concurrency: int = 1
    batched: bool = False
    price: Price | None = FREE
    keep: bool = True
    reads_whole: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an endpoint allows, as the user or its last reply's `x-ratelimit-*` headers say.

    Figures are for a minute, None if not known. remaining_*: what is left right now; reset_*: seconds until
    all of it is there again. A hosted backend may show the last ones seen as its property `limits`.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    remaining_requests: float | None = None
    remaining_tokens: float | None = None
    reset_requests: float | None = None
    reset_tokens: float | None = None


@runtime_checkable
class Scoring(Protocol):
    """What a backend must be: a name, and a reply for each request. `complete` adds the rest of Backend."""

    @property
    def name(self) -> str: ...

    async def score(self, requests: Sequence[Request]) -> list[Reply]: ...


@runtime_checkable
class Backend(Protocol):
    """A model that can be asked, with everything a backend may have; all but `name` and `score` is optional.

    What a backend lacks is completed by spexapi, which promises nothing for it.
    RateLimited and Unavailable may be tried again (by the sampler), Refused not.
    """

    @property
    def name(self) -> str:
        """As given to open_backend: "embedded", "hf:folder", ... Never holds a key."""
        ...

    @property
    def identity(self) -> str:
        """What changes a reply, apart from the request, for the store's key; known once open, holds no key.

        Endpoint, model, parameters, way of scoring; for a local model a fingerprint of its weights and dtype.
        """
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
        """Empty if the request fits the model, else why not: TooLong, or another reason as a plain text.

        An answer without tokens is such a reason. Costs no model call; a backend that cannot know returns "".
        """
        ...

    def answer_offsets(self, messages: Sequence[Message], answer: str) -> tuple[tuple[int, int], ...] | None:
        """(start, end) characters of each token that `score` will give for this answer after this unmasked
        prompt, without a model call; None if only a reply tells."""
        ...

    def count_tokens(self, text: str) -> int | None:
        """Tokens of a plain text, None if the backend cannot know."""
        ...

    def token_spans(self, text: str) -> list[tuple[int, int]] | None:
        """Character spans of the model's tokens of a plain text (unit "token"), None if it cannot know."""
        ...
