"""Any OpenAI-shaped endpoint, by its base URL."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spexapi.backends.base import Capabilities, Generated, Limits, Message, Price, Reply, Request
from spexapi.backends.openai.choice_methods import distinct
from spexapi.backends.openai.client import OPENAI, Connection, Place, read_key
from spexapi.backends.openai.endpoint import Endpoint, ScoringMethod
from spexapi.backends.openai.errors import Unfit
from spexapi.backends.openai.probe import WAYS, Probe, Probed, ProbeResult
from spexapi.backends.openai.schemas import FORMS, Speech
from spexapi.backends.openai.scoring_methods import Sampled, nothing_said
from spexapi.backends.prices import price_of
from spexapi.errors import (
    BackendError,
    InputError,
    LogprobsMisplaced,
    LogprobsMissing,
    Refused,
    Unavailable,
)

_BYTES_A_TOKEN = 4.0


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the user fixed: None is for the probe to find.

    temperature  of sampled replies
    seed         of sampled replies, None: none is sent
    """

    form: str | None
    way: str | None
    temperature: float
    seed: int | None
    concurrency: int
    placeholder: str
    price: Price | None


def open_openai(
    model: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    key_env: str = "OPENAI_API_KEY",
    form: str = "auto",
    way: str = "auto",
    chat_template: str | None = None,
    bos_token: str | None = None,
    joiner: str | None = None,
    temperature: float = 1.0,
    seed: int | None = None,
    timeout: float = 120.0,
    concurrency: int = 64,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
    price_in: float | None = None,
    price_out: float | None = None,
    price_cached: float | None = None,
    placeholder: str = "...",
    batch: bool = False,
    poll: float = 10.0,
    http_client: Callable[[], Any] | None = None,
) -> OpenAI:
    """A hosted model, not called yet: `open` probes what it can do with a few tokens.

    base_url       up to "/v1"; None: $OPENAI_BASE_URL, else OpenAI itself
    api_key        None: the environment variable `key_env`
    form           auto, chat, completions, responses. auto: chat, unless only completions score a given
                   answer and there is a chat_template to write their prompts
    way            auto (the best that works), prompt_logprobs, prefix, echo, generate, chosen_ids,
                   first_token, systemone, forced, sample
    chat_template  Jinja, for form completions; without one the turns follow each other on new lines
    bos_token      for the template, "" where the model has none; leave it out where the endpoint's tokenizer
                   adds it to every text
    joiner         between prompt and answer in form completions; None: what the template writes, or one space
    temperature, seed  of sampled replies
    timeout        seconds a call may take
    concurrency    calls under way at once
    headers, query, extra  sent with every call: HTTP headers, query of the address, fields of the body
    price_*        US dollars a million tokens; None: from the table of genai-prices
    batch          True: through the Batch API, at half the price, within a day; poll: seconds between the
                   first looks
    http_client    makes the client behind each connection, for a page that limits where it may connect to

    Raises InputError for a missing model or key, an unknown form or way.
    """
    if not model:
        raise InputError(
            "the openai backend needs a model: openai:gpt-4o-mini, or openai:<name> with base_url"
        )
    chosen_form = _one_of("form", form, FORMS)
    chosen_way = _one_of("way", way, WAYS)
    if timeout <= 0 or concurrency < 1:
        raise InputError(f"timeout must be above 0 and concurrency 1 or more, got {timeout}, {concurrency}")
    url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    if not url.startswith(("http://", "https://")):
        raise InputError("base_url must begin with http:// or https://, such as http://127.0.0.1:8000/v1")
    key = read_key(api_key, key_env, url, headers or {}, query or {})
    place = Place(url, headers or {}, query or {}, timeout)
    price = price_of(model, place.shown, price_in=price_in, price_out=price_out, price_cached=price_cached)
    speech = Speech(
        model, chosen_form or "chat", template=chat_template, bos=bos_token, joiner=joiner, extra=extra or {}
    )
    chosen = Chosen(chosen_form, chosen_way, temperature, seed, concurrency, placeholder, price)
    if batch:
        from spexapi.backends.openai.batch import BatchConnection, BatchedOpenAI

        return BatchedOpenAI(BatchConnection(place, key, poll, http_client), speech, chosen)
    return OpenAI(Connection(place, key, http_client), speech, chosen)


class OpenAI:
    """An OpenAI-shaped endpoint as a Backend. `score` tries once: retries are for who calls it."""

    def __init__(self, connection: Connection, speech: Speech, chosen: Chosen) -> None:
        self._endpoint = Endpoint(connection, speech)
        self._chosen = chosen
        self._probed: Probed | None = None
        self._answers: ProbeResult | None = None
        self._options: ProbeResult | None = None
        self._sampled = Sampled(chosen.temperature)
        self._one_at_a_time: tuple[object, asyncio.Lock] = (None, asyncio.Lock())

    def __repr__(self) -> str:
        return f"OpenAI({self._endpoint.speech.model!r}, {self._endpoint.connection.place.shown!r})"

    @property
    def name(self) -> str:
        return f"openai:{self._endpoint.speech.model}"

    @property
    def identity(self) -> str:
        """Empty until the probe has found how this endpoint is spoken to."""
        if self._probed is None:
            return ""
        speech, used = self._endpoint.speech, self._answers or self._options
        rest = {
            "template": (speech.template, speech.bos or ""),
            "joiner": speech.joiner,
            "extra": dict(speech.extra),
            "version": self._endpoint.connection.place.query.get("api-version"),
            "temperature": self._chosen.temperature if speech.temperature else None,
            "seed": self._chosen.seed,
        }
        digest = hashlib.sha256(json.dumps(rest, sort_keys=True, default=str).encode()).hexdigest()[:16]
        by = "sample" if used is None else used.way.name
        return f"{self.name} {self._endpoint.connection.place.shown} {speech.form} {by} {digest}"

    @property
    def capabilities(self) -> Capabilities:
        """Before `open` everything is promised: only the probe knows."""
        known, best = self._probed is not None, self._answers or self._options
        return Capabilities(
            score_answer=not known or self._answers is not None,
            choose=not known or self._answers is not None or self._options is not None,
            write=True,
            repeatable=best is not None and best.repeatable,
            greedy=self._chosen.temperature == 0,
            placeholder=self._chosen.placeholder,
            batch=1,
            concurrency=self._chosen.concurrency,
            price=self._chosen.price,
            keep=True,
            reads_whole=False,
        )

    @property
    def limits(self) -> Limits | None:
        """The last figures of `x-ratelimit-*` headers."""
        return self._endpoint.limits

    @property
    def setup(self) -> Reply:
        """What probing has used so far, as one reply of so many calls."""
        return self._setup

    _setup = Reply(calls=0)

    @property
    def cannot(self) -> str:
        """Why no given answer can be scored, "" where it can or nobody knows yet."""
        return "" if self._probed is None or self._answers is not None else self._probed.problems

    async def open(self) -> None:
        """Connects; the first time it probes the ways to score, some calls of a few tokens each.

        Raises InputError where the way that was asked for does not work, Refused for a bad key or an unknown
        model, Unavailable where nobody answers.
        """
        self._endpoint.connection.open()
        loop = asyncio.get_running_loop()
        if self._one_at_a_time[0] is not loop:
            self._one_at_a_time = (loop, asyncio.Lock())
        async with self._one_at_a_time[1]:
            if self._probed is None:
                try:
                    await self.probe(thorough=False)
                except BaseException:  # who could not open does not close
                    await self.close()
                    raise

    async def close(self) -> None:
        await self._endpoint.connection.close()

    async def probe(self, *, thorough: bool = True) -> Probed:
        """What the endpoint can do; thorough: every form and way, else up to the first good enough."""
        self._endpoint.connection.open()
        chosen = self._chosen
        before = self._endpoint.counts
        try:
            probed = await Probe(self._endpoint, form=chosen.form, way=chosen.way, thorough=thorough).run()
        finally:
            calls, tokens_in, tokens_out = (b - a for a, b in zip(before, self._endpoint.counts, strict=True))
            self._setup = Reply(calls=calls, tokens_in=tokens_in, tokens_out=tokens_out)
        self._take(probed)
        return probed

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        try:
            written = await self._endpoint.write(messages, max_tokens, temperature=0.0)
        except Unfit as error:
            raise Refused(str(error)) from None
        if why := nothing_said(written, max_tokens):
            raise Refused(f"{self.name}: {why}")
        return Generated(written.text.strip(), written.tokens_in, written.tokens_out)

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        if self._probed is None:
            raise BackendError(f"{self.name} is not open: await backend.open() first")
        if len(requests) == 1:  # the usual case: no task of its own
            return [await self._one(requests[0])]
        return list(await asyncio.gather(*(self._one(request) for request in requests)))

    def check(self, request: Request) -> str:
        """Only what shows without a call: an endpoint alone knows its tokens."""
        if any(not answer.strip() for answer in request.answers):
            return "an answer is empty: give text the model can write"
        if self._answers is None and self._options is not None and len(request.answers) > 1:
            try:
                distinct(request.answers)
            except InputError as error:
                return str(error)
        return ""

    def answer_offsets(self, messages: Sequence[Message], answer: str) -> tuple[tuple[int, int], ...] | None:
        return None

    def count_tokens(self, text: str) -> int | None:
        """An estimate for forecasts: a token for four bytes."""
        return round(len(text.encode()) / _BYTES_A_TOKEN)

    def token_spans(self, text: str) -> list[tuple[int, int]] | None:
        return None

    async def _one(self, request: Request) -> Reply:
        way = self._way_for(request)
        try:
            return await way.score(self._endpoint, request)
        except Unfit as error:
            return Reply(error=str(error))
        except (LogprobsMissing, LogprobsMisplaced) as error:  # the probe saw them: a fault of the moment
            raise Unavailable(str(error)) from None

    def _way_for(self, request: Request) -> ScoringMethod:
        if request.write:
            return self._sampled
        if self._answers is not None:
            return self._answers.way
        if self._options is not None and len(request.answers) > 1:
            return self._options.way
        raise Refused(f"{self.name} gives no log-probability of a given answer ({self.cannot})")

    def _take(self, probed: Probed) -> None:
        """The form and ways that are used from now on."""
        form, way = self._chosen.form, self._chosen.way
        answers = probed.best("answer", form, way)
        options = probed.best("options", form, way)
        sampled = probed.best("text", form)
        if answers is not None and form is None and way is None and answers.speech.form == "completions":
            # a chat model's completions would read the turns without its template
            by_chat = sampled is not None and sampled.speech.form == "chat"
            answers = None if by_chat and answers.speech.template is None else answers
        best = answers or options or sampled
        if best is None or (way not in (None, best.way.name)):
            raise InputError(
                f"way {way!r} does not work at {self.name}: {probed.problems or 'it was not found'}"
            )
        self._probed, self._answers = probed, answers
        self._options = probed.best("options", best.speech.form, way)
        self._endpoint.speech = best.speech
        self._sampled = Sampled(self._chosen.temperature, self._chosen.seed)


def _one_of(what: str, given: str, known: Sequence[str]) -> str | None:
    if given == "auto":
        return None
    if given not in known:
        raise InputError(f"unknown {what} {given!r}: use auto, {', '.join(known)}")
    return given
