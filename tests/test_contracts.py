"""The contract suite: our own backends keep it, and each way to break it is noticed."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import tiny_models
from fake_backend import FakeBackend

from spexapi.backends.base import AnswerScore, Capabilities, Message, Reply, Request
from spexapi.backends.huggingface.open import open_hf
from spexapi.backends.registry import open_backend
from spexapi.errors import RateLimited
from spexapi.testing import CONTRACTS, ContractBroken, Questions, check, check_all


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory):
    return open_hf(str(tiny_models.llama(tmp_path_factory.mktemp("tiny"), adds_bos=True)), device="cpu")


@pytest.fixture(scope="module")
def embedded():
    return open_backend("embedded")


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_embedded_model_keeps_the_contract(embedded, contract: str):
    check(contract, embedded)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_local_model_keeps_the_contract(tiny, contract: str):
    check(contract, tiny)


class Plain:
    """The least a backend can be, and right."""

    name = "plain"

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        return [self.reply(request) for request in requests]

    def reply(self, request: Request) -> Reply:
        if not request.messages or not any(request.answers):
            return Reply(error="nothing to score")
        return Reply(tuple(self.scored(request, answer) for answer in request.answers))

    def scored(self, request: Request, answer: str) -> AnswerScore:
        return AnswerScore(np.array([-0.1 * len(answer)]), ((0, len(answer)),))


def test_the_least_backend_keeps_the_contract():
    check_all(Plain())


class Hasty(Plain):
    """Right, but every other call is one too many."""

    def __init__(self) -> None:
        self.calls = 0

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        self.calls += 1
        if self.calls % 2:
            raise RateLimited("slow down", 0.001)
        return await super().score(requests)


def test_a_busy_backend_is_asked_again():
    check_all(Hasty())


class Shuffled(Plain):
    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        return (await super().score(requests))[::-1]

    def scored(self, request: Request, answer: str) -> AnswerScore:
        return AnswerScore(np.array([-0.01 * len(request.messages[0].content)]), ((0, len(answer)),))


class Losing(Plain):
    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        return (await super().score(requests))[:1]


class Short(Plain):
    def scored(self, request: Request, answer: str) -> AnswerScore:
        return AnswerScore(np.array([-1.0]), ((0, len(answer) - 1),))


class Likely(Plain):
    def scored(self, request: Request, answer: str) -> AnswerScore:
        return AnswerScore(np.array([0.3]), ((0, len(answer)),))


class Crooked(Plain):
    def scored(self, request: Request, answer: str) -> AnswerScore:
        return AnswerScore(np.array([-1.0, -1.0]), ((0, len(answer)),))


class Missing(Plain):
    def scored(self, request: Request, answer: str) -> AnswerScore:
        return AnswerScore(np.array([np.nan]), ((0, len(answer)),))


class Moody(Plain):
    asked = 0

    def scored(self, request: Request, answer: str) -> AnswerScore:
        self.asked += 1
        return AnswerScore(np.array([-1.0 - 0.1 * self.asked]), ((0, len(answer)),))


class FirstOnly(Plain):
    def reply(self, request: Request) -> Reply:
        return super().reply(replace(request, answers=request.answers[:1]))


class Retokenising(Plain):
    def scored(self, request: Request, answer: str) -> AnswerScore:
        cut = 1 + ("lamp is" in request.messages[0].content)
        return AnswerScore(np.array([-1.0, -1.0]), ((0, cut), (cut, len(answer))))


class Talkative(Plain):
    def __repr__(self) -> str:
        return "Talkative(key='sk-secret')"


class Crashing(Plain):
    def reply(self, request: Request) -> Reply:
        request.messages[0]
        return super().reply(request)


class Inventing(Plain):
    def reply(self, request: Request) -> Reply:
        return Reply((AnswerScore(np.array([-1.0]), ((0, 1),)),))


class Overlooking(Plain):
    def check(self, request: Request) -> str:
        return "too long" if len(request.messages[0].content) > 1_000 else ""


class Broken(Plain):
    """Its connection does not survive a second loop."""

    closed = False

    async def close(self) -> None:
        self.closed = True

    def scored(self, request: Request, answer: str) -> AnswerScore:
        return AnswerScore(np.array([-5.0 if self.closed else -1.0]), ((0, len(answer)),))


class Nameless(Plain):
    name = " "


class Keeping(Plain):
    capabilities = Capabilities(write=False, keep=True)
    identity = ""


class Miscounting(Plain):
    def count_tokens(self, text: str) -> int:
        return 3

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


class Mute(Plain):
    capabilities = Capabilities(keep=False)

    async def generate(self, messages: Sequence[Message], max_tokens: int):
        return await FakeBackend().generate(messages, max_tokens)


class Stubborn(Plain):
    """Goes wrong for good when a call is cancelled."""

    gone = False

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        if self.gone:
            return [Reply(error="the connection is gone") for _ in requests]
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.gone = True
            raise
        return await super().score(requests)


@pytest.mark.parametrize(
    ("backend", "contract", "says"),
    [
        (Nameless(), "has a name", "empty"),
        (Keeping(), "has a name", "no identity"),
        (Talkative(), "hides its keys", "repr"),
        (Broken(), "opens and closes again", "differ by 4"),
        (Short(), "scores every token", "end at"),
        (Likely(), "scores every token", "above one"),
        (Crooked(), "scores every token", "for 1 tokens"),
        (Missing(), "scores every token", "no numbers"),
        (Shuffled(), "answers in order", "in a batch"),
        (Losing(), "answers in order", "1 replies for 4"),
        (FirstOnly(), "scores several answers", "1 scores for two"),
        (Retokenising(), "scores the same tokens behind every mask", "after a masked one"),
        (Moody(), "repeats itself", "repeatable"),
        (Mute(), "writes", "write=8"),
        (Overlooking(), "refuses one request alone", "gives a value"),
        (Miscounting(), "counts tokens as it cuts", "says 3"),
        (Stubborn(), "can be cancelled", "is gone"),
        (Crashing(), "fails by name", "IndexError"),
        (Inventing(), "fails by name", "1 scores for 0"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Plain) else "",
)
def test_a_broken_backend_is_told_what_it_breaks(backend: Plain, contract: str, says: str):
    with pytest.raises(ContractBroken, match=f"{contract}: .*{says}"):
        check(contract, backend, Questions(secrets=("sk-secret",)))


def test_check_all_names_everything_that_is_broken():
    with pytest.raises(ContractBroken, match=r"(?s)has a name: .*scores every token: "):
        check_all(type("Both", (Nameless, Short), {})())
