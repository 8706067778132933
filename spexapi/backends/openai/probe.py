"""What an endpoint can really do: each way of scoring tried with a few tokens, its numbers checked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from spexapi.backends.openai.choice_methods import ChosenIds, Decision, FirstToken
from spexapi.backends.openai.endpoint import Endpoint, ScoringMethod, Sent
from spexapi.backends.openai.errors import TooShort, Unfit, Unreachable, Unsupported
from spexapi.backends.openai.probe_checks import (
    ASKED,
    check_chosen,
    check_decision,
    check_forced,
    check_given,
)
from spexapi.backends.openai.schemas import FORMS, Completion, Speech
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
_MOST_NOISE = 0.5  # nats that a log-probability may stand above 0
_LEASTS = (64, 1024)  # tokens a reasoning model is given where the few asked for are too few
WAYS = (
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
_OF_FORM = {
    "chat": ("prompt_logprobs", "prefix", "echo", "chosen_ids", "first_token", "systemone", "sample"),
    "completions": ("echo", "prompt_logprobs", "generate", "chosen_ids", "first_token", "forced", "sample"),
    "responses": ("first_token", "sample"),
}
COSTS = {
    "prompt_logprobs": "1 call an answer: prompt and answer read, 1 token written",
    "prefix": "1 call an answer: prompt and answer read, 1 token written",
    "echo": "1 call an answer: prompt and answer read, 1 token written",
    "generate": "1 call an answer: prompt and answer read, 1 token written",
    "chosen_ids": "1 call: prompt read, 1 token written",
    "first_token": "1 call: prompt read, 1 token written",
    "systemone": "1 call: prompt read, nothing written",
    "forced": "1 call a token of the answer: prompt read, 1 token written",
    "sample": "1 call a reply: prompt read, reply written",
}
GIVES = {"answer": "any given answer", "options": "options compared", "text": "sampled replies compared"}


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One way in one form.

    problem     "" where it works, else the error's name and what was seen
    notes       what is worth knowing though it works
    repeatable  the same request gave the same numbers twice
    """

    speech: Speech
    way: ScoringMethod
    problem: str = ""
    notes: tuple[str, ...] = ()
    repeatable: bool = False

    @property
    def works(self) -> bool:
        return not self.problem


@dataclass(frozen=True, slots=True)
class Probed:
    """All findings, in the order tried."""

    findings: tuple[ProbeResult, ...]

    def best(self, gives: str, form: str | None = None, way: str | None = None) -> ProbeResult | None:
        """The first that works, in the order of preference."""
        return next(
            (
                found
                for found in self.findings
                if found.works
                and found.way.gives == gives
                and form in (None, found.speech.form)
                and way in (None, found.way.name)
            ),
            None,
        )

    @property
    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """(form, way, what it gives, works or no, what it costs or what is wrong) for people."""
        return [
            (
                f.speech.form,
                f.way.name,
                GIVES[f.way.gives],
                "works" if f.works else "no",
                "; ".join((COSTS[f.way.name], *f.notes)) if f.works else f.problem,
            )
            for f in self.findings
        ]

    @property
    def problems(self) -> str:
        """Why the ways that do not work do not, in one line."""
        return "; ".join(f"{f.speech.form} {f.way.name}: {f.problem}" for f in self.findings if f.problem)


class Probe:
    """Tries an endpoint; every call is counted by the endpoint, retries included."""

    def __init__(self, endpoint: Endpoint, *, form: str | None, way: str | None, thorough: bool) -> None:
        self._endpoint = endpoint
        self._form, self._way, self._thorough = form, way, thorough
        self._findings: list[ProbeResult] = []
        self._answered = False
        self._met: BackendError | None = None

    async def run(self) -> Probed:
        """Stops at the first form that scores a given answer, unless thorough.

        Raises Refused where no form writes a word, and what ends every run: a bad key, an unknown model. A
        thorough probe reports what a form or way meets once the endpoint has answered, and goes on.
        """
        self._endpoint.patiently = self._patiently
        try:
            return await self._run()
        finally:
            self._endpoint.patiently = None

    async def _run(self) -> Probed:
        template = self._endpoint.speech.template
        for form in FORMS if self._form is None else (self._form,):
            written = any(f.works and f.way.name == "sample" for f in self._findings)
            # a chat model's completions would read the turns without its template
            if written and not self._thorough and (form == "responses" or not (template or self._way)):
                break
            await self._try_form(form)
            if not self._thorough and self._enough():
                break
        if not any(f.works for f in self._findings):
            if self._met is not None:
                raise self._met
            raise Refused(f"{self._endpoint.connection.place.shown} answers in no form: {self._problems()}")
        return Probed(tuple(self._findings))

    def _enough(self) -> bool:
        wanted = self._way
        return any(
            f.works and (f.way.name == wanted if wanted else f.way.gives == "answer") for f in self._findings
        )

    def _compares(self, name: str) -> bool:
        """True for a way to compare options where a better one works already."""
        known = any(f.works and f.way.gives == "options" for f in self._findings)
        return known and _way(name, 0).gives == "options"

    def _problems(self) -> str:
        return Probed(tuple(self._findings)).problems

    async def _try_form(self, form: str) -> None:
        speech = replace(self._endpoint.speech, form=form)
        try:
            speech, written, top = await self._speak(speech)
        except BackendError as error:
            self._must_go_on(error)
            self._findings.append(ProbeResult(speech, Sampled(), _problem(error)))
            return
        self._endpoint.speech = speech
        listed = written.tokens[0] if written.tokens else Token("", None)
        for name in _OF_FORM[form]:
            if self._way not in (None, name) and not self._thorough and name != "sample":
                continue
            if not self._thorough and name != "sample" and (self._enough() or self._compares(name)):
                continue
            if name == "prefix" and any(f.works and f.way.name == "prompt_logprobs" for f in self._findings):
                continue  # the same field in another dialect
            self._findings.append(await self._try_way(name, speech, listed, top))

    def _must_go_on(self, error: BackendError) -> None:
        """Raises the error where it is not of this form or way alone."""
        if isinstance(error, Unfit):
            return
        of_all = isinstance(error, (Unreachable, Refused, RateLimited)) and not self._answered
        if of_all or not self._thorough:
            raise error
        self._met = self._met or error

    async def _speak(self, speech: Speech) -> tuple[Speech, Completion, int]:
        """A few words written, with the fields this model takes; how many top_logprobs it gives, 0: none."""
        tops, leasts = list(_TOPS), list(_LEASTS)
        while True:
            self._endpoint.speech = speech
            top = tops[0] if tops else None
            try:
                written = await self._endpoint.write(ASKED, 4, temperature=1.0, top=top)
                if written.finish == "length" and not (written.text or written.tokens) and leasts:
                    speech = replace(speech, least=leasts.pop(0))
                    continue
                return speech, written, top or 0
            except TooShort:
                if not leasts:
                    raise
                speech = replace(speech, least=leasts.pop(0))
            except Unsupported as error:
                said = str(error).lower()
                if "max_completion_tokens" in said and speech.length == "max_tokens":
                    speech = replace(speech, length="max_completion_tokens")
                elif "temperature" in said and speech.temperature:
                    speech = replace(speech, temperature=False)
                elif tops and "http 404" not in said and "http 405" not in said:
                    tops.pop(0)
                else:
                    raise

    async def _try_way(self, name: str, speech: Speech, listed: Token, top: int) -> ProbeResult:
        """What a way lacks may be a fault of the moment: nothing sent is believed the second time, numbers of
        other tokens and answers that cannot be read the third."""
        way, missing, wrong = _way(name, top), 0, 0
        while True:
            try:
                way, notes, same = await self._check(way, listed)
                return ProbeResult(speech, way, "", notes, same)
            except LogprobsMissing as error:
                missing += 1
                if missing == 2 or isinstance(error, NotAsked):
                    return ProbeResult(speech, way, _problem(error))
            except (LogprobsMisplaced, Unavailable) as error:
                wrong += 1
                if wrong == 3:
                    return ProbeResult(speech, way, _problem(error))
            except BackendError as error:
                self._must_go_on(error)
                return ProbeResult(speech, way, _problem(error))

    async def _check(self, way: ScoringMethod, listed: Token) -> tuple[ScoringMethod, tuple[str, ...], bool]:
        """The way, notes, and whether its numbers came the same twice."""
        endpoint = self._endpoint
        if isinstance(way, GivenAnswer):
            return await check_given(endpoint, way, listed)
        if isinstance(way, Forced):
            return way, await check_forced(endpoint, way, listed), False
        if isinstance(way, ChosenIds):
            return way, await check_chosen(endpoint, way, listed), False
        if isinstance(way, Decision):
            return way, await check_decision(endpoint, way), False
        if isinstance(way, FirstToken):
            return way, self._seen(way, listed), False
        least = endpoint.speech.least
        return way, (f"thinks first: {least} tokens a reply at least",) if least > 1 else (), False

    def _seen(self, way: FirstToken, listed: Token) -> tuple[str, ...]:
        """The first reply was asked for them already."""
        if way.top == 0:
            raise NotAsked("the endpoint refuses the fields for log-probabilities")
        if not listed.top:
            raise NotAsked(f"asked for top_logprobs={way.top}, the endpoint answered and sent none")
        clear = [value for _, value in listed.top if value > CLAMPED]
        if not clear or max(clear) > _MOST_NOISE:
            raise NotAsked(f"the first tokens listed have log-probabilities {clear[:3]}")
        return (f"{len(listed.top)} tokens listed; others are bounded",)

    async def _patiently(self, call: Callable[[], Awaitable[Sent]]) -> Sent:
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


class NotAsked(LogprobsMissing):
    """Known from an earlier reply; asking again would not tell more."""


def _way(name: str, top: int) -> ScoringMethod:
    made: dict[str, ScoringMethod] = {
        "chosen_ids": ChosenIds(),
        "first_token": FirstToken(top),
        "systemone": Decision(),
        "forced": Forced(),
        "sample": Sampled(),
    }
    return made.get(name) or GivenAnswer(name)


def _problem(error: BackendError) -> str:
    name = (
        "LogprobsMissing"
        if isinstance(error, NotAsked)
        else type(error).__name__.replace("Unsupported", "not taken")
    )
    return f"{name.replace('Unfit', 'refused')}: {error}"
