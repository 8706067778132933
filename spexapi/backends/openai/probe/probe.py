"""What an endpoint can really do: each scoring method tried with a few tokens, its numbers checked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from spexapi.backends.openai.choice_methods import ChosenIds, Decision, FirstToken
from spexapi.backends.openai.dialect import Dialect, RequestFormat
from spexapi.backends.openai.endpoint import Endpoint, ScoringMethod, Sent
from spexapi.backends.openai.errors import TooShort, Unfit, Unreachable, Unsupported
from spexapi.backends.openai.probe.checks import (
    ASKED,
    check_chosen,
    check_decision,
    check_forced,
    check_given,
)
from spexapi.backends.openai.probe.results import ProbeReport, ProbeResult
from spexapi.backends.openai.schemas import Completion
from spexapi.backends.openai.scoring_methods import Forced, GivenAnswer, Sampled
from spexapi.backends.openai.tokens import CLAMPED, Token
from spexapi.errors import (
    BackendError,
    LogprobsMisplaced,
    LogprobsMissing,
    RateLimited,
    Refused,
    Unavailable,
)

_TRIES, _FIRST_CONTACT, _LONGEST_WAIT = 6, 3, 60.0
_TOPS = (20, 5, 1)
# nats that a log-probability may stand above 0
_MOST_NOISE = 0.5
# tokens that a reasoning model is allowed if the few asked for are not enough
_FEWEST = (64, 1024)
# the best first
METHODS = (
    "prompt_logprobs",
    "prefix",
    "echo",
    "generate",
    "chosen_ids",
    "first_token",
    "systemone",
    "forced",
    "sample",
)
_OF_FORMAT = {
    RequestFormat.CHAT: (
        "prompt_logprobs",
        "prefix",
        "echo",
        "chosen_ids",
        "first_token",
        "systemone",
        "sample",
    ),
    RequestFormat.COMPLETIONS: (
        "echo",
        "prompt_logprobs",
        "generate",
        "chosen_ids",
        "first_token",
        "forced",
        "sample",
    ),
    RequestFormat.RESPONSES: ("first_token", "sample"),
}


class Probe:
    """Tries an endpoint; every call is counted by the endpoint, retries included.

    form, method  the only ones to try, None for all
    thorough      True: every format and method, else up to the first that is good enough
    """

    def __init__(
        self, endpoint: Endpoint, *, form: RequestFormat | None, method: str | None, thorough: bool
    ) -> None:
        self._endpoint = endpoint
        self._form, self._method, self._thorough = form, method, thorough
        self._results: list[ProbeResult] = []
        self._answered = False
        self._first_error: BackendError | None = None

    @property
    def _report(self) -> ProbeReport:
        return ProbeReport(tuple(self._results))

    async def run(self) -> ProbeReport:
        """Stops at the first format that scores a given answer, unless thorough.

        Raises Refused if no format writes a word, and what ends every run: a bad key, an unknown model. A
        thorough probe reports what a format or method meets once the endpoint has answered, and goes on.
        """
        self._endpoint.retry = self._with_retries
        try:
            return await self._run()
        finally:
            self._endpoint.retry = None

    async def _run(self) -> ProbeReport:
        template = self._endpoint.dialect.template
        for form in RequestFormat if self._form is None else (self._form,):
            # a chat model's completions would read the turns without its template
            skips = form is RequestFormat.RESPONSES or not (template or self._method)
            if skips and not self._thorough and self._report.working(method="sample"):
                break
            await self._try_format(form)
            if not self._thorough and self._enough():
                break
        if not self._report.working():
            if self._first_error is not None:
                raise self._first_error
            shown = self._endpoint.connection.address.shown
            raise Refused(f"{shown} answers in no form: {self._report.problems}")
        return self._report

    def _enough(self) -> bool:
        if self._method:
            return bool(self._report.working(method=self._method))
        return bool(self._report.working(gives="answer"))

    def _skips(self, name: str) -> bool:
        """True for a method that need not be tried in this format."""
        if name == "prefix" and self._report.working(method="prompt_logprobs"):
            return True  # the same field in another dialect
        if self._thorough or name == "sample":
            return False
        better = _method(name, 0).gives == "options" and self._report.working(gives="options")
        return self._method not in (None, name) or self._enough() or bool(better)

    async def _try_format(self, form: RequestFormat) -> None:
        dialect = replace(self._endpoint.dialect, format=form)
        try:
            dialect, completion, top = await self._settle_dialect(dialect)
        except BackendError as error:
            self._must_go_on(error)
            self._results.append(ProbeResult(dialect, Sampled(), _problem(error)))
            return
        self._endpoint.dialect = dialect
        listed = completion.tokens[0] if completion.tokens else Token("", None)
        for name in _OF_FORMAT[form]:
            if not self._skips(name):
                self._results.append(await self._try_method(name, dialect, listed, top))

    def _must_go_on(self, error: BackendError) -> None:
        """Raises the error unless it is of this format or method alone."""
        if isinstance(error, Unfit):
            return
        of_all = isinstance(error, (Unreachable, Refused, RateLimited)) and not self._answered
        if of_all or not self._thorough:
            raise error
        self._first_error = self._first_error or error

    async def _settle_dialect(self, dialect: Dialect) -> tuple[Dialect, Completion, int]:
        """The fields this model takes, a few words it wrote, how many top_logprobs it gives (0: none)."""
        tops, fewest = list(_TOPS), list(_FEWEST)
        while True:
            self._endpoint.dialect = dialect
            top = tops[0] if tops else None
            try:
                completion = await self._endpoint.write(ASKED, 4, temperature=1.0, top=top)
                nothing = not (completion.text or completion.tokens)
                if completion.finish == "length" and nothing and fewest:
                    dialect = replace(dialect, fewest=fewest.pop(0))
                    continue
                return dialect, completion, top or 0
            except TooShort:
                if not fewest:
                    raise
                dialect = replace(dialect, fewest=fewest.pop(0))
            except Unsupported as error:
                said = str(error).lower()
                if "max_completion_tokens" in said and dialect.length_field == "max_tokens":
                    dialect = replace(dialect, length_field="max_completion_tokens")
                elif "temperature" in said and dialect.temperature:
                    dialect = replace(dialect, temperature=False)
                elif tops and not error.no_route:
                    tops.pop(0)
                else:
                    raise

    async def _try_method(self, name: str, dialect: Dialect, listed: Token, top: int) -> ProbeResult:
        """The result of one method, tried again if what it lacks may be a fault of the moment.

        That no numbers were sent is believed the second time; numbers of other tokens and answers that cannot
        be read are believed the third time.
        """
        method, missing, wrong = _method(name, top), 0, 0
        while True:
            try:
                method, notes, same = await self._check(method, listed)
                return ProbeResult(dialect, method, "", notes, same)
            except LogprobsMissing as error:
                missing += 1
                if missing == 2 or isinstance(error, KnownMissing):
                    return ProbeResult(dialect, method, _problem(error))
            except (LogprobsMisplaced, Unavailable) as error:
                wrong += 1
                if wrong == 3:
                    return ProbeResult(dialect, method, _problem(error))
            except BackendError as error:
                self._must_go_on(error)
                return ProbeResult(dialect, method, _problem(error))

    async def _check(
        self, method: ScoringMethod, listed: Token
    ) -> tuple[ScoringMethod, tuple[str, ...], bool]:
        """The method, notes, and whether its numbers came the same twice."""
        endpoint = self._endpoint
        if isinstance(method, GivenAnswer):
            return await check_given(endpoint, method, listed)
        if isinstance(method, Forced):
            return method, await check_forced(endpoint, listed), False
        if isinstance(method, ChosenIds):
            return method, await check_chosen(endpoint, method, listed), False
        if isinstance(method, Decision):
            return method, await check_decision(endpoint, method), False
        if isinstance(method, FirstToken):
            return method, _check_first(method, listed), False
        fewest = endpoint.dialect.fewest
        return method, (f"thinks first: {fewest} tokens a reply at least",) if fewest > 1 else (), False

    async def _with_retries(self, call: Callable[[], Awaitable[Sent]]) -> Sent:
        """The call, sent again while the endpoint says it may work later."""
        for attempt in range(_TRIES):
            last = attempt == (_TRIES if self._answered else _FIRST_CONTACT) - 1
            try:
                sent = await call()
                self._answered = True
                return sent
            except RateLimited as error:
                wait = error.retry_after if error.retry_after is not None else 0.25 * 2**attempt
                if last or wait > _LONGEST_WAIT:
                    raise
            except Unavailable:
                wait = 0.05 * 2**attempt
                if last:
                    raise
            except Unsupported:
                raise
            except Unfit:  # our few words are neither too long nor offensive: a fault of the moment
                wait = 0.0
                if attempt >= 2:
                    raise
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")


class KnownMissing(LogprobsMissing):
    """Known from an earlier reply; asking again would not tell more."""


def _check_first(method: FirstToken, listed: Token) -> tuple[str, ...]:
    """Notes. The first reply was asked for the tokens already. Raises KnownMissing."""
    if method.top == 0:
        raise KnownMissing("the endpoint refuses the fields for log-probabilities")
    if not listed.top:
        raise KnownMissing(f"asked for top_logprobs={method.top}, the endpoint answered and sent none")
    clear = [value for _, value in listed.top if value > CLAMPED]
    if not clear or max(clear) > _MOST_NOISE:
        raise KnownMissing(f"the first tokens listed have log-probabilities {clear[:3]}")
    return (f"{len(listed.top)} tokens listed; others are bounded",)


def _method(name: str, top: int) -> ScoringMethod:
    made: dict[str, ScoringMethod] = {
        "chosen_ids": ChosenIds(),
        "first_token": FirstToken(top),
        "systemone": Decision(),
        "forced": Forced(),
        "sample": Sampled(),
    }
    return made.get(name) or GivenAnswer(name)


_KINDS: dict[type[BackendError], str] = {
    KnownMissing: "LogprobsMissing",
    Unsupported: "not taken",
    Unfit: "refused",
}


def _problem(error: BackendError) -> str:
    """The error for people: its kind in a word, and what was seen."""
    return f"{_KINDS.get(type(error), type(error).__name__)}: {error}"
