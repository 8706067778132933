"""What was used, added up from senders to games to explanations."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from fake_backend import CAPABLE, FakeBackend

import spexapi
from spexapi.backends.base import AnswerScore, Capabilities, Reply
from spexapi.sampling.usage import Usage
from spexapi.scorers.judged import judge
from spexapi.verification.budget import measured

DOCUMENTS = [
    "The key is in a box.",
    "The box is in the cellar.",
    "A dog barks.",
    "It rains.",
    "A cat sleeps.",
]


class Writer(FakeBackend):
    """Writes the answer only if both documents about the box are there; no reply is written twice."""

    def _reply(self, request):
        prompt = self.text(request)
        known = "in a box" in prompt and "in the cellar" in prompt
        said = f"{'the cellar' if known else 'no idea'}, says {len(self.asked)} in {len(prompt)}"
        return Reply(text=said, tokens_in=len(prompt.split()), tokens_out=3)


class Judge:
    """Finds a reply right if it names the cellar."""

    name = identity = "judge"
    capabilities = Capabilities(keep=False)

    def __init__(self) -> None:
        self.asked = 0

    async def score(self, requests):
        self.asked += len(requests)
        return [self._one(request) for request in requests]

    def _one(self, request):
        right = request.messages[0].content.count("the cellar") > 1
        yes, no = (-0.1, -2.4) if right else (-2.4, -0.1)
        scores = tuple(AnswerScore(np.array([p]), ((0, 2),)) for p in (yes, no))
        return Reply(scores, tokens_in=40, tokens_out=1)


def test_what_verifying_asks_of_a_judge_is_in_the_cost():
    """The explanation counts what its game counts: helper calls, retries, tokens."""
    asked = Judge()
    game = spexapi.RagGame(
        Writer(capabilities=CAPABLE),
        "Where is the key?",
        DOCUMENTS,
        "the cellar",
        score=judge(asked),
        samples=1,
    )
    ex = spexapi.explain(game, engine="contextcite", budget=16)
    before = ex.cost.helper_calls
    after, why = measured(game, ex, 2, 28)

    assert why == ""
    assert after.cost.calls > ex.cost.calls
    assert before < after.cost.helper_calls == game.spent.helper_calls == asked.asked
    assert after.cost.tokens_in == game.spent.tokens_in
    assert after.cost.tokens_out == game.spent.tokens_out
    assert after.cost.retries == game.spent.retries


def test_usage_adds_and_subtracts_field_by_field():
    one = Usage(*range(1, 9), seconds=1.5, price=0.25)
    two = Usage(*range(10, 90, 10), seconds=2.0, price=0.5)

    assert list(asdict(one + two).values()) == [11, 22, 33, 44, 55, 66, 77, 88, 3.5, 0.75]
    assert (one + two) - two == one
    assert one + Usage() == one


def test_an_unknown_price_stays_unknown():
    unknown, known = Usage(calls=2, price=None), Usage(calls=1, price=0.5)

    assert (unknown + known).price is (known + unknown).price is (known - unknown).price is None
    assert (unknown + known).calls == 3
