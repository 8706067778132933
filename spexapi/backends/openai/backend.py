"""An OpenAI-shaped endpoint as a backend."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from spexapi.backends.base import Capabilities, Generated, Limits, Message, Price, Reply, Request
from spexapi.backends.openai.choice_methods import distinct
from spexapi.backends.openai.client import Connection
from spexapi.backends.openai.dialect import Dialect, RequestFormat
from spexapi.backends.openai.endpoint import Endpoint, ScoringMethod
from spexapi.backends.openai.errors import Unfit
from spexapi.backends.openai.probe.probe import Probe
from spexapi.backends.openai.probe.results import ProbeReport, ProbeResult
from spexapi.backends.openai.scoring_methods import Sampled, why_empty
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
class Options:
    """What the user fixed; None is for the probe to find.

    temperature  of sampled replies
    seed         of sampled replies, None: none is sent
    """

    form: RequestFormat | None
    method: str | None
    temperature: float
    seed: int | None
    concurrency: int
    placeholder: str
    price: Price | None


class OpenAI:
    """An OpenAI-shaped endpoint as a Backend. `score` tries once: the caller retries."""

    def __init__(self, connection: Connection, dialect: Dialect, options: Options) -> None:
        self._endpoint = Endpoint(connection, dialect)
        self._options = options
        self._report: ProbeReport | None = None
        # how a given answer is scored, and how options are compared
        self._scores_answers: ProbeResult | None = None
        self._compares: ProbeResult | None = None
        self._sampled = Sampled(options.temperature)
        # of the loop that runs: opened by many at once, it is probed once
        self._lock: tuple[object, asyncio.Lock] = (None, asyncio.Lock())
        self._setup = Reply(calls=0)

    def __repr__(self) -> str:
        return f"OpenAI({self._endpoint.dialect.model!r}, {self._endpoint.connection.address.shown!r})"

    @property
    def name(self) -> str:
        return f"openai:{self._endpoint.dialect.model}"

    @property
    def identity(self) -> str:
        """Empty until the probe has found how this endpoint is spoken to."""
        if self._report is None:
            return ""
        dialect, address = self._endpoint.dialect, self._endpoint.connection.address
        rest = {
            "template": (dialect.template, dialect.bos or ""),
            "joiner": dialect.joiner,
            "extra": dict(dialect.extra),
            "version": address.query.get("api-version"),
            "temperature": self._options.temperature if dialect.temperature else None,
            "seed": self._options.seed,
        }
        digest = hashlib.sha256(json.dumps(rest, sort_keys=True, default=str).encode()).hexdigest()[:16]
        return f"{self.name} {address.shown} {self.in_use} {digest}"

    @property
    def reads_chat(self) -> bool:
        """Whether answers start right after a chat template; not known before `open`."""
        return self._report is not None and self._endpoint.dialect.format is RequestFormat.CHAT

    @property
    def in_use(self) -> str:
        """Format and scoring method found by the probe: "chat prompt_logprobs"; "" before it."""
        if self._report is None:
            return ""
        best = self._scores_answers or self._compares
        return f"{self._endpoint.dialect.format} {'sample' if best is None else best.method.name}"

    @property
    def capabilities(self) -> Capabilities:
        """Before `open` everything is promised: only the probe knows."""
        known, best = self._report is not None, self._scores_answers or self._compares
        return Capabilities(
            score_answer=not known or self._scores_answers is not None,
            choose=not known or best is not None,
            write=True,
            repeatable=best is not None and best.repeatable,
            greedy=self._options.temperature == 0,
            placeholder=self._options.placeholder,
            batch=1,
            concurrency=self._options.concurrency,
            price=self._options.price,
            keep=True,
            reads_whole=False,
        )

    @property
    def limits(self) -> Limits | None:
        """The last figures of `x-ratelimit-*` headers."""
        return self._endpoint.limits

    @property
    def setup(self) -> Reply:
        """What probing has used so far, as one reply of several calls."""
        return self._setup

    @property
    def cannot(self) -> str:
        """Why no given answer can be scored; "" if it can, and before the probe."""
        return "" if self._report is None or self._scores_answers is not None else self._report.problems

    async def open(self) -> None:
        """Connects; the first time it probes the scoring methods, some calls of a few tokens each.

        Raises InputError if the method that was asked for does not work, Refused for a bad key or an unknown
        model, Unavailable if no one answers.
        """
        self._endpoint.connection.open()
        loop = asyncio.get_running_loop()
        if self._lock[0] is not loop:
            self._lock = (loop, asyncio.Lock())
        async with self._lock[1]:
            if self._report is None:
                try:
                    await self.probe(thorough=False)
                except BaseException:  # a caller whose open() failed will not close()
                    await self.close()
                    raise

    async def close(self) -> None:
        await self._endpoint.connection.close()

    async def probe(self, *, thorough: bool = True) -> ProbeReport:
        """What the endpoint can do; thorough: every format and method, else up to the first good enough."""
        self._endpoint.connection.open()
        form, method = self._options.form, self._options.method
        before = self._endpoint.counts
        try:
            report = await Probe(self._endpoint, form=form, method=method, thorough=thorough).run()
        finally:
            calls, tokens_in, tokens_out = (b - a for a, b in zip(before, self._endpoint.counts, strict=True))
            self._setup = Reply(calls=calls, tokens_in=tokens_in, tokens_out=tokens_out)
        self._use(report)
        return report

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        try:
            completion = await self._endpoint.write(messages, max_tokens, temperature=0.0)
        except Unfit as error:
            raise Refused(str(error)) from None
        if why := why_empty(completion, max_tokens):
            raise Refused(f"{self.name}: {why}")
        return Generated(completion.text.strip(), completion.tokens_in, completion.tokens_out)

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        if self._report is None:
            raise BackendError(f"{self.name} is not open: await backend.open() first")
        if len(requests) == 1:  # the usual case: no task of its own
            return [await self._one(requests[0])]
        return list(await asyncio.gather(*(self._one(request) for request in requests)))

    def check(self, request: Request) -> str:
        """What shows without a call: an endpoint alone knows its tokens."""
        if any(not answer.strip() for answer in request.answers):
            return "an answer is empty: give text the model can write"
        if self._scores_answers is None and self._compares is not None and len(request.answers) > 1:
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
        try:
            return await self._method_for(request).score(self._endpoint, request)
        except Unfit as error:
            return Reply(error=str(error))
        except (LogprobsMissing, LogprobsMisplaced) as error:  # the probe saw them: a fault of the moment
            raise Unavailable(str(error)) from None

    def _method_for(self, request: Request) -> ScoringMethod:
        if request.write:
            return self._sampled
        if self._scores_answers is not None:
            return self._scores_answers.method
        if self._compares is not None and len(request.answers) > 1:
            return self._compares.method
        raise Refused(f"{self.name} gives no log-probability of a given answer ({self.cannot})")

    def _use(self, report: ProbeReport) -> None:
        """The format and the methods that are used from now on."""
        form, method = self._options.form, self._options.method
        answers = report.best("answer", form, method)
        options = report.best("options", form, method)
        sampled = report.best("text", form)
        if answers is not None and form is None and method is None and _reads_raw_turns(answers, sampled):
            answers = None
        best = answers or options or sampled
        if best is None or method not in (None, best.method.name):
            raise InputError(
                f"way {method!r} does not work at {self.name}: {report.problems or 'it was not found'}"
            )
        self._report, self._scores_answers = report, answers
        self._compares = report.best("options", best.dialect.format, method)
        self._endpoint.dialect = best.dialect
        self._sampled = Sampled(self._options.temperature, self._options.seed)


def _reads_raw_turns(answers: ProbeResult, sampled: ProbeResult | None) -> bool:
    """True if a chat model would score answers by completions, which read the turns without its template."""
    chats = sampled is not None and sampled.dialect.format is RequestFormat.CHAT
    by_completions = answers.dialect.format is RequestFormat.COMPLETIONS
    return by_completions and chats and answers.dialect.template is None
