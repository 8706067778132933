"""What a game makes of replies: sampled texts with their noise, bounds, the best score there is, budgets."""

import asyncio

import numpy as np
import pytest
from fake_backend import FakeBackend

from spexapi.backends.base import AnswerScore, Capabilities, Price, Reply
from spexapi.errors import InputError
from spexapi.explain import aexplain, explain
from spexapi.games.prompt import PromptGame
from spexapi.measure import collect
from spexapi.sampling.policy import RequestPolicy
from spexapi.scorers.base import Estimate, Scorer
from spexapi.scorers.logprobs import choice

HOSTED = Capabilities(batch=1, concurrency=8, score_answer=False, choose=False, repeatable=False)


class Talker(FakeBackend):
    """Writes "yes" with a chance that falls with the words removed, drawn from prompt and sample number."""

    identity = "talker"

    def __init__(self, capabilities=HOSTED, **given):
        super().__init__(writes="yes", capabilities=capabilities, **given)

    def _reply(self, request):
        if not request.write:
            return super()._reply(request)
        prompt = self.text(request)
        seed = [request.sample, *prompt.encode()]
        says_yes = np.random.default_rng(seed).random() < (0.9 if "key" in prompt else 0.1)
        return Reply(text="yes" if says_yes else "no", tokens_in=len(prompt.split()), tokens_out=1)


def share(samples=10):
    """The share of replies that equal the answer; its variance p (1 - p) / k."""

    async def weigh(texts, answer, ask):
        p = np.mean([text == answer for text in texts])
        return Estimate(float(p), float(p * (1 - p) / len(texts)))

    return Scorer("share", "", choice, of_texts=weigh, samples=samples)


def measured(game, masks):
    async def main():
        target = await game.prepare()
        found = await collect(game, np.array(masks, dtype=bool))
        await game.close()
        return target, found

    return asyncio.run(main())


def test_sampled_replies_become_values_with_their_noise():
    backend = Talker()
    game = PromptGame(backend, "the key here", "yes", score=share(200))
    target, found = measured(game, [[1, 1, 1], [1, 0, 1]])
    assert target.score == "share"
    assert found.values == pytest.approx([0.9, 0.1], abs=0.08)
    assert found.variance == pytest.approx([0.09 / 200] * 2, rel=0.6)
    assert game.spent.calls == len(backend.asked) == 400
    assert {request.sample for request in backend.asked} == set(range(200))


def test_replies_that_failed_are_left_out_and_a_mask_without_any_is_nan():
    class Refusing(Talker):
        def _reply(self, request):
            failed = "key" not in self.text(request) or request.sample == 0
            return Reply(error="refused") if failed else super()._reply(request)

    _, found = measured(PromptGame(Refusing(), "the key here", "yes", score=share(5)), [[1, 1, 1], [0, 0, 1]])
    assert 0 < found.values[0] <= 1
    assert np.isnan(found.values[1])
    assert found.reason == ("", "refused")


def test_the_budget_counts_replies_and_the_engine_plans_in_masks():
    game = PromptGame(Talker(), "the key is in here", "yes", score=share(10))
    ex = explain(game, engine="lime", budget=205, claims=0)
    assert len(ex.observations) == ex.recipe.budget == 20
    assert ex.cost.calls + ex.cost.cached_calls == 200
    assert ex.cost.calls <= 200


def test_if_no_one_names_a_score_it_is_the_best_the_backend_can():
    able = PromptGame(FakeBackend(), "the key here", "yes")
    assert measured(able, [[1, 1, 1]])[0].score == "logprob"
    choosing = PromptGame(FakeBackend(), "the key here", options=["yes", "no"])
    assert measured(choosing, [[1, 1, 1]])[0].score == "choice"
    ex = explain(PromptGame(Talker(), "the key is in here now", "yes"), engine="lime", budget=160)
    assert ex.target.score == "match"
    assert len(ex.observations) == 160 // 8  # planned again once the backend had said what it can
    assert any("no log-probability" in note and "match" in note for note in ex.notes)


@pytest.mark.parametrize(
    ("can", "score", "said"),
    [
        (HOSTED, "logprob", "no log-probability of a given answer.*match"),
        (Capabilities(write=False), "match", "writes no replies.*score='logprob'"),
        (Capabilities(score_answer=False, choose=True), "logprob", "score='choice' with options"),
    ],
)
def test_a_score_beyond_the_backend_is_refused_with_what_it_can(can, score, said):
    backend = FakeBackend(capabilities=can)
    with pytest.raises(InputError, match=said):
        measured(PromptGame(backend, "the key here", "yes", score=score), [[1, 1, 1]])
    assert backend.asked == []


@pytest.mark.parametrize(
    ("score", "bounded", "sides"),
    [
        ("logprob", [(True, False)], (-np.inf, -3.0)),
        ("mean_logprob", [(False, True)], (-np.inf, -1.5)),
        ("logprob", [(False, False)], (-3.0, -3.0)),
        ("logprob", [()], (-3.0, -3.0)),
    ],
)
def test_a_token_outside_the_list_makes_a_value_that_is_a_bound(score, bounded, sides):
    class Listing(FakeBackend):
        def _reply(self, request):
            scores = [AnswerScore(np.array([-1.0, -2.0]), ((0, 3), (4, 10)), b) for b in bounded]
            return Reply(tuple(scores), tokens_in=3)

    _, found = measured(PromptGame(Listing(), "the key here", "the cellar", score=score), [[1, 1, 1]])
    assert (found.lower[0], found.upper[0]) == sides
    assert found.values[0] == sides[1]
    assert found.variance[0] == 0


def test_a_bound_of_another_option_leaves_the_value_open_above():
    class Listing(FakeBackend):
        def _reply(self, request):
            one = [AnswerScore(np.array([-1.0]), ((0, 3),), (b,)) for b in (False, True)]
            return Reply(tuple(one), tokens_in=3)

    _, found = measured(PromptGame(Listing(), "the key here", options=["yes", "no"]), [[1, 1, 1]])
    assert (found.values[0], found.lower[0], found.upper[0]) == (0.0, 0.0, np.inf)


def test_a_cap_on_money_needs_a_price_and_room_for_one_mask():
    unpriced = FakeBackend(capabilities=Capabilities(price=None))
    with pytest.raises(InputError, match="no price of fake is known"):
        measured(PromptGame(unpriced, "the key here", "yes", terms=RequestPolicy(max_cost=1)), [[1, 1, 1]])
    dear = FakeBackend(capabilities=Capabilities(price=Price(tokens_in=1e6)))
    with pytest.raises(InputError, match="not one mask can be measured"):
        measured(PromptGame(dear, "the key here", "yes", terms=RequestPolicy(max_cost=1)), [[1, 1, 1]])
    assert unpriced.asked == dear.asked == []


def test_a_run_that_reaches_a_cap_explains_what_it_paid_for():
    backend = FakeBackend(capabilities=Capabilities(batch=1, concurrency=4))
    game = PromptGame(backend, "the key is in here now", "yes", terms=RequestPolicy(max_calls=20))
    ex = asyncio.run(aexplain(game, engine="lime", budget=60))
    assert ex.stopped
    assert len(backend.asked) == ex.cost.calls == 20
    assert ex.stopped_by.startswith("the cap of 20 calls")
    assert any(note.startswith("stopped: the cap of 20 calls") for note in ex.notes)


def test_a_forecast_counts_replies_tokens_time_and_money_without_a_call():
    backend = Talker(Capabilities(batch=1, concurrency=8, price=Price(1.0, 10.0, source="made up")))
    terms = RequestPolicy(requests_per_minute=100)
    game = PromptGame(backend, "the key here", "yes", score=share(5), max_new_tokens=7, terms=terms)
    found = game.forecast(np.array([[1, 1, 1], [1, 0, 0], [0, 0, 1]], dtype=bool))
    assert (found.calls, found.tokens_in, found.tokens_out) == (15, 5 * (3 + 1 + 1), 15 * 7)
    assert found.seconds == pytest.approx(9)
    assert found.price == pytest.approx((25 * 1.0 + 105 * 10.0) / 1e6)
    assert [m[0].content for m in found.prompts] == ["the key here", "the", "here"]
    assert backend.asked == []
