"""What a backend must keep, one function a contract; `spexapi.testing` runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from spexapi.backends.base import AnswerScore, Backend, Message, Reply, Request
from spexapi.errors import BackendError, InputError, RateLimited, SpexError, Unavailable

Value = TypeVar("Value")
_TRIES = 8


class ContractBroken(AssertionError):
    """What a backend does and what it must do."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What the backend is asked: any prompts it takes.

    prompt      turns with nothing masked
    masked      the same with something left out
    answers     two answers it can score after them
    secrets     texts that may not appear in anything it says: keys
    tolerance   nats by which two replies to one request may differ; batches change the last digits
    """

    prompt: tuple[Message, ...] = (
        Message("user", "The lamp is in the cellar. The key is in the attic.\n\nWhere is the lamp?"),
    )
    masked: tuple[Message, ...] = (Message("user", "The key is in the attic.\n\nWhere is the lamp?"),)
    answers: tuple[str, str] = ("cellar", "attic")
    secrets: tuple[str, ...] = ()
    tolerance: float = 1e-3


async def _has_a_name(backend: Backend, asked: Questions) -> None:
    _must(bool(backend.name.strip()), "its name is empty")
    can = backend.capabilities
    _must(
        can.batch >= 1 and can.concurrency >= 1,
        f"batch {can.batch} and concurrency {can.concurrency} under 1",
    )
    identity, name = backend.identity, backend.name
    await _patiently(backend, [_scoring(backend, asked)])
    _must(
        (backend.identity, backend.name) == (identity, name), "its name or identity changes while it is open"
    )
    _must(
        not can.keep or bool(identity),
        "its replies are worth keeping, but it has no identity to keep them under",
    )


async def _hides_its_keys(backend: Backend, asked: Questions) -> None:
    reply = (await _patiently(backend, [_scoring(backend, asked)]))[0]
    shown = {"name": backend.name, "identity": backend.identity, "repr": repr(backend), "error": reply.error}
    for what, text in shown.items():
        _must(not any(secret in text for secret in asked.secrets), f"its {what} shows a key")


async def _opens_and_closes_again(backend: Backend, asked: Questions) -> None:
    await backend.open()
    first = await _scored(backend, asked)
    await backend.close()
    await backend.close()
    await backend.open()
    again = await _scored(backend, asked)
    if backend.capabilities.repeatable:
        _same(first, again, asked, "after closing and opening it")


async def _scores_every_token(backend: Backend, asked: Questions) -> None:
    for answer in asked.answers if backend.capabilities.score_answer else ():
        reply = (await _patiently(backend, [_request(asked, asked.prompt, (answer,))]))[0]
        _must(not reply.error, f"it cannot score {answer!r}: {reply.error}")
        _must(len(reply.scores) == 1, f"{len(reply.scores)} scores for one answer")
        _whole_answer(reply.scores[0], answer)


async def _answers_in_order(backend: Backend, asked: Questions) -> None:
    _must(await _patiently(backend, []) == [], "no request must give no reply")
    can = backend.capabilities
    requests = [_scoring(backend, asked), _scoring(backend, asked, masked=True)] * 2
    alone = [(await _patiently(backend, [request]))[0] for request in requests[:2]]
    together = await _patiently(backend, requests)
    _must(len(together) == len(requests), f"{len(together)} replies for {len(requests)} requests")
    for reply, expected in zip(together, alone * 2, strict=True):
        _must(not reply.error, f"a request that worked alone fails in a batch: {reply.error}")
        if can.repeatable:
            _same(reply, expected, asked, "in a batch")


async def _scores_several_answers(backend: Backend, asked: Questions) -> None:
    can = backend.capabilities
    if not (can.choose or can.score_answer):
        return
    both = (await _patiently(backend, [_request(asked, asked.prompt, asked.answers)]))[0]
    _must(not both.error, f"it cannot score two answers: {both.error}")
    _must(len(both.scores) == 2, f"{len(both.scores)} scores for two answers")
    swapped = (await _patiently(backend, [_request(asked, asked.prompt, asked.answers[::-1])]))[0]
    if can.repeatable:
        _same(both, Reply(swapped.scores[::-1]), asked, "with the answers the other way round")


async def _scores_the_same_tokens_behind_every_mask(backend: Backend, asked: Questions) -> None:
    can = backend.capabilities
    if not can.score_answer:
        return
    answers = asked.answers[:1]
    whole, masked = await _patiently_each(
        backend, [_request(asked, asked.prompt, answers), _request(asked, asked.masked, answers)]
    )
    _must(not masked.error, f"it cannot score a masked prompt: {masked.error}")
    a, b = whole.scores[0].offsets, masked.scores[0].offsets
    _must(a == b, f"the answer's tokens are {a} after the whole prompt and {b} after a masked one")
    known = backend.answer_offsets(asked.prompt, answers[0])
    _must(known is None or tuple(known) == a, f"answer_offsets says {known}, the reply {a}")


async def _repeats_itself(backend: Backend, asked: Questions) -> None:
    if backend.capabilities.repeatable:
        first, again = await _scored(backend, asked), await _scored(backend, asked)
        _same(first, again, asked, "when asked again, though it calls itself repeatable")


async def _writes(backend: Backend, asked: Questions) -> None:
    if not backend.capabilities.write:
        return
    written = await _again(lambda: backend.generate(asked.prompt, 8))
    _must(written.text == written.text.strip(), f"there is white space around {written.text!r}")
    _must(min(written.tokens_in, written.tokens_out) >= 0, "it counts less than no tokens")
    reply = (await _patiently(backend, [Request(asked.prompt, (), write=8)]))[0]
    _must(not reply.error, f"generate writes, but a request with write=8 fails: {reply.error}")
    _must(not reply.scores, "a request that only writes was scored")
    if backend.capabilities.repeatable and backend.capabilities.greedy:
        _must(reply.text.strip() == written.text, f"it writes {reply.text!r} here, generate {written.text!r}")


async def _refuses_one_request_alone(backend: Backend, asked: Questions) -> None:
    """Too long a prompt, or an answer without text, is that request's error and no other's."""
    good = _scoring(backend, asked)
    long = tuple(Message(m.role, f"{m.content} " * 500) for m in asked.prompt)
    wrong = Request(long, good.answers, write=good.write)
    _must(backend.check(good) == "", f"check refuses a request that works: {backend.check(good)}")
    if not backend.check(wrong):  # it cannot know, or it reads that much
        return
    replies = await _patiently_each(backend, [wrong, good])
    _must(bool(replies[0].error), "check says that a prompt does not fit, score gives a value for it")
    _must(not replies[1].error, f"a request fails because the one before did not fit: {replies[1].error}")


async def _counts_tokens_as_it_cuts(backend: Backend, asked: Questions) -> None:
    text = asked.prompt[-1].content
    spans, count = backend.token_spans(text), backend.count_tokens(text)
    _must(count is None or count >= 0, f"count_tokens gives {count}")
    if spans is None:
        return
    flat = [place for span in spans for place in span]
    inside = all(0 <= a <= b <= len(text) for a, b in spans)
    _must(
        inside and flat[::2] == sorted(flat[::2]),
        f"token_spans lie outside the text or out of order: {spans}",
    )
    _must(count is None or count == len(spans), f"count_tokens says {count}, token_spans gives {len(spans)}")


async def _can_be_cancelled(backend: Backend, asked: Questions) -> None:
    task = asyncio.ensure_future(backend.score([_scoring(backend, asked, masked=True)]))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 60)
    except TimeoutError:
        raise ContractBroken("a cancelled call of score does not end") from None
    await _scored(backend, asked)


async def _fails_by_name(backend: Backend, asked: Questions) -> None:
    """Whatever it is given, what it raises is one of spexapi's errors."""
    strange = [Request((), asked.answers[:1]), Request(asked.prompt, ()), Request(asked.prompt, ("",))]
    for request in strange:
        try:
            replies = await backend.score([request])
        except SpexError:
            continue
        except Exception as error:
            raise ContractBroken(f"{request} makes it raise {type(error).__name__}: {error}") from error
        _must(len(replies) == 1, f"{len(replies)} replies for one request")
        scores = len(replies[0].scores)
        _must(scores in (0, len(request.answers)), f"{scores} scores for {len(request.answers)} answers")


Contract = Callable[[Backend, Questions], Awaitable[None]]
ALL: dict[str, Contract] = {
    function.__name__.strip("_").replace("_", " "): function
    for function in (
        _has_a_name,
        _hides_its_keys,
        _opens_and_closes_again,
        _scores_every_token,
        _answers_in_order,
        _scores_several_answers,
        _scores_the_same_tokens_behind_every_mask,
        _repeats_itself,
        _writes,
        _refuses_one_request_alone,
        _counts_tokens_as_it_cuts,
        _can_be_cancelled,
        _fails_by_name,
    )
}


# --- asking and comparing


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ContractBroken(otherwise)


def _request(asked: Questions, messages: tuple[Message, ...], answers: Sequence[str]) -> Request:
    return Request(messages, tuple(answers), whole=asked.prompt if messages != asked.prompt else ())


def _scoring(backend: Backend, asked: Questions, *, masked: bool = False) -> Request:
    """The plainest request this backend can answer: scored, chosen, or else written."""
    can, messages = backend.capabilities, asked.masked if masked else asked.prompt
    if can.score_answer or not (can.choose or can.write):
        return _request(asked, messages, asked.answers[:1])
    return _request(asked, messages, asked.answers) if can.choose else Request(messages, (), write=8)


async def _scored(backend: Backend, asked: Questions) -> Reply:
    reply = (await _patiently(backend, [_scoring(backend, asked)]))[0]
    _must(not reply.error, f"it cannot answer a plain request: {reply.error}")
    return reply


async def _again(ask: Callable[[], Awaitable[Value]]) -> Value:
    """As the sampler would: what may be tried again is tried again."""
    for _ in range(_TRIES):
        try:
            return await ask()
        except RateLimited as error:
            await asyncio.sleep(error.retry_after or 0.1)
        except Unavailable:
            await asyncio.sleep(0.01)
        except (BackendError, InputError) as error:
            raise ContractBroken(f"it refuses a plain request: {error}") from error
    raise ContractBroken(f"it did not answer in {_TRIES} tries")


async def _patiently(backend: Backend, requests: Sequence[Request]) -> list[Reply]:
    return await _again(lambda: backend.score(requests))


async def _patiently_each(backend: Backend, requests: Sequence[Request]) -> list[Reply]:
    """In one call if the backend takes several requests."""
    if backend.capabilities.batch > 1:
        return await _patiently(backend, requests)
    return [(await _patiently(backend, [request]))[0] for request in requests]


def _whole_answer(score: AnswerScore, answer: str) -> None:
    """A log-probability for each token, and tokens that cover the answer."""
    tokens = len(score.offsets)
    _must(score.logprobs.shape == (tokens,), f"{score.logprobs.shape} log-probabilities for {tokens} tokens")
    _must(tokens > 0, f"no token for the answer {answer!r}")
    _must(bool(np.isfinite(score.logprobs).all()), f"log-probabilities that are no numbers: {score.logprobs}")
    _must(bool((score.logprobs <= 1e-6).all()), f"probabilities above one: {score.logprobs}")
    _must(len(score.bounded) in (0, tokens), f"{len(score.bounded)} marks of bounds for {tokens} tokens")
    reached = 0
    for start, end in score.offsets:
        _must(
            start <= reached and end >= start, f"characters {reached}:{start} of {answer!r} are in no token"
        )
        reached = max(reached, end)
    _must(reached == len(answer), f"the tokens end at {reached}, the answer {answer!r} has {len(answer)}")


def _same(reply: Reply, other: Reply, asked: Questions, when: str) -> None:
    _must(reply.text == other.text, f"it writes {reply.text!r} and {other.text!r} {when}")
    for a, b in zip(reply.scores, other.scores, strict=True):
        off = float(np.abs(a.logprobs - b.logprobs).max()) if a.logprobs.shape == b.logprobs.shape else np.inf
        _must(off <= asked.tolerance, f"its log-probabilities differ by {off:.2g} nats {when}")
