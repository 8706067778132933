"""Scorers that read sampled replies: how alike two texts are, and what k of them say."""

import asyncio
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spexapi
from spexapi.backends.base import AnswerScore, Capabilities, Message, Reply, Request
from spexapi.backends.embeddings import open_embeddings
from spexapi.backends.huggingface.embedded import FOLDER
from spexapi.errors import BackendError, InputError
from spexapi.sampling.store import Store
from spexapi.scorers.base import Estimate, Scorer
from spexapi.scorers.judged import embedding, judge
from spexapi.scorers.registry import find_scorer
from spexapi.scorers.similarity import chrf, log_odds, mean, normal, rouge_l

DOCUMENTS = [
    "The lamp is in the attic.",
    "The key is in the box.",
    "Mary is in the garden.",
    "The box is in the cellar.",
]


async def nobody(request: Request) -> Reply:
    raise AssertionError("no helper is asked")


def weigh(scorer: Scorer, *texts: str, answer: str = "the cellar", ask=nobody) -> Estimate:
    assert scorer.of_texts is not None
    return asyncio.run(scorer.of_texts(texts, answer, ask))


def test_normalised_texts_agree_whatever_their_case_points_and_articles():
    assert normal(" The  Cellar! ") == normal("cellar") == "cellar"
    assert normal("a cat, the dog") == "cat dog"
    assert normal("Ａthens") == "athens"  # full width
    assert normal("theory") == "theory"


def test_chrf_is_the_mean_of_its_orders():
    # orders 1 to 4 share 3 of 4, 2 of 3, 1 of 2 and 0 of 1 n-grams, in both directions
    assert chrf("abcd", "ab ce") == pytest.approx((3 / 4 + 2 / 3 + 1 / 2 + 0) / 4)
    # recall 1/2, precision 1 for letters: F2 = 5 P R / (4 P + R)
    assert chrf("a", "ab") == pytest.approx(5 * (1 / 2) * (1 / 4) / (4 * (1 / 2) + 1 / 4))


def test_rouge_l_counts_words_in_order():
    assert rouge_l("the key lies in box", "key in the box") == pytest.approx(2 * 3 / (4 + 3))  # articles gone
    assert rouge_l("box in key", "key in box") == pytest.approx(2 * 1 / 6)


@given(st.text(max_size=30), st.text(max_size=30))
def test_similarities_stay_in_bounds_and_know_themselves(one, other):
    for alike in (chrf, rouge_l):
        assert 0.0 <= alike(one, other) <= 1.0
        assert alike(one, one) == 1.0


@pytest.mark.parametrize("p", [0.3, 0.5, 0.8])
def test_log_odds_and_their_variance_are_those_of_many_draws(p: float):
    k = 40
    draws = np.random.default_rng(0).binomial(k, p, size=40_000)
    values = np.array([log_odds(int(s), k)[0] for s in draws])
    said = np.mean([log_odds(int(s), k)[1] for s in draws])
    assert values.mean() == pytest.approx(math.log(p / (1 - p)), abs=0.02)
    assert said == pytest.approx(values.var(), rel=0.1)


def test_a_mean_of_few_is_never_free_of_noise():
    assert mean([1.0, 1.0, 1.0, 1.0])[0] == 1.0
    assert mean([1.0, 1.0, 1.0, 1.0])[1] > 0
    assert mean([0.4])[1] > mean([0.4] * 16)[1] > 0
    rows = np.random.default_rng(1).beta(2, 3, size=(20_000, 8))
    said = np.mean([mean(row.tolist())[1] for row in rows[:4000]])
    assert rows.mean(axis=1).var() < said < 2.5 * rows.mean(axis=1).var()


def test_replies_that_match_raise_the_odds():
    match = find_scorer("match")
    assert weigh(match, "Cellar.", "the cellar", "attic").value == pytest.approx(math.log(2.5 / 1.5))
    assert weigh(find_scorer("exact_match"), "Cellar.", "the cellar", "attic").value == pytest.approx(
        math.log(1.5 / 2.5)
    )
    assert (
        weigh(match, "no").value < weigh(match, "no", "the cellar").value < weigh(match, "the cellar").value
    )
    assert match.samples == 8


def test_chrf_and_rouge_score_by_name():
    assert weigh(find_scorer("chrf"), "the cellar", "the cellar").value == 1.0
    assert weigh(find_scorer("rouge"), "the cellar", "attic").value == 0.5
    with pytest.raises(InputError, match="'chrf' compares sampled replies"):
        find_scorer("chrf").of_reply(Reply())


# --- helpers


class Judge:
    """Says yes to what mentions the cellar: by its probabilities, or in words."""

    name = "judge"

    def __init__(self, choose: bool) -> None:
        self.capabilities = Capabilities(score_answer=choose, choose=choose)
        self.asked: list[Request] = []

    async def score(self, requests):
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Reply:
        self.asked.append(request)
        good = "Second answer: the cellar" in request.messages[0].content
        if request.write:
            return Reply(text="Yes." if good else "No, it does not.")
        p = 0.9 if good else 0.2
        logs = [math.log(p) - 1, math.log(1 - p) - 1]  # other words take the rest
        return Reply(tuple(AnswerScore(np.array([v]), ((0, 3),)) for v in logs))


def test_a_judge_counts_by_its_probability_of_yes():
    asked = Judge(choose=True)
    found = weigh(judge(asked), "the cellar", "attic", ask=lambda r: first(asked.score([r])))
    assert found.value == pytest.approx(math.log((1.1 + 0.5) / (0.9 + 0.5)))
    assert asked.asked[0].answers == ("yes", "no")


def test_a_judge_without_probabilities_counts_by_its_word():
    asked = Judge(choose=False)
    found = weigh(judge(asked), "the cellar", "the cellar", "attic", ask=lambda r: first(asked.score([r])))
    assert found.value == pytest.approx(math.log(2.5 / 1.5))


async def first(coming):
    return (await coming)[0]


def test_a_judge_that_fails_is_an_error_not_a_verdict():
    async def broken(request: Request) -> Reply:
        return Reply(error="content filter")

    with pytest.raises(BackendError, match="no verdict: content filter"):
        weigh(judge(Judge(choose=True)), "x", ask=broken)


def test_scorers_with_a_helper_want_its_name():
    with pytest.raises(InputError, match="judge:openai"):
        find_scorer("judge")
    with pytest.raises(InputError, match="must hold"):
        judge(Judge(choose=True), question="Same?")
    with pytest.raises(InputError, match="unknown embeddings 'gpt'"):
        find_scorer("embedding:gpt")


def test_embeddings_of_the_api_are_compared(openai_server):
    helper = open_embeddings("openai:table", base_url=openai_server.base_url, api_key="sk-secret-1")

    async def run() -> list[Reply]:
        await helper.open()
        try:
            asked = [
                Request((Message("user", t),), ("the cellar",)) for t in ("the cellar", "the attic", "box")
            ]
            return await helper.score(asked)
        finally:
            await helper.close()

    # the server counts words: one of two shared is a cosine of 1/2
    cosines = [reply.similarities[0] for reply in asyncio.run(run())]
    assert cosines == pytest.approx([1.0, 0.5, 0.0], abs=1e-9)
    assert "sk-secret" not in f"{helper!r} {vars(helper)}"


def test_embeddings_of_a_model_on_this_machine_are_compared():
    helper = open_embeddings(f"hf:{FOLDER}")

    async def run() -> list[Reply]:
        await helper.open()
        texts = ("the key is in the cellar", "the key is in the attic", "lamp")
        return await helper.score([Request((Message("user", t),), (texts[0],)) for t in texts])

    same, near, far = [reply.similarities[0] for reply in asyncio.run(run())]
    assert same == pytest.approx(1.0, abs=1e-6)
    assert same > near > far


def test_a_cosine_in_place_of_a_log_probability_is_still_read():
    """As version 0.1 kept it in stores, and as backends written for it give it."""

    async def ask(request: Request) -> Reply:
        return Reply((AnswerScore(np.array([0.25]), ((0, 3),)),))

    found = asyncio.run(embedding("hf:any").of_texts(["attic"], "box", ask))
    assert found.value == 0.25


def test_similarities_are_kept_with_a_reply(tmp_path):
    with Store(tmp_path / "store") as store:
        store.put(b"key", "embeddings", "{}", Reply(similarities=(0.1, -0.3), tokens_in=4))
        assert store.get(b"key").similarities == (0.1, -0.3)


def explained(openai_server, score, **options):
    backend = spexapi.open_backend(
        "openai:embedded", base_url=openai_server.base_url, api_key="any", way="sample", seed=3
    )
    game = spexapi.RagGame(backend, "Which room is the key in?", DOCUMENTS, "cellar", score=score, **options)
    return spexapi.explain(game, engine="exact", budget=1000, index="moebius")


@pytest.mark.parametrize("score", ["match", "chrf", "rouge"])
def test_sampled_replies_find_the_pair_that_answers(openai_server, score):
    found = explained(openai_server, score)
    assert found.top(1)[0][0] == (1, 3)
    assert (found.observations.variance > 0).all()


def test_embedded_replies_find_the_pair_too(openai_server):
    helper = open_embeddings("openai:table", base_url=openai_server.base_url, api_key="any", price_in=0.02)
    found = explained(openai_server, embedding(helper))
    assert found.target.score == "embedding"
    assert found.top(1)[0][0] == (1, 3)


def test_a_judge_finds_the_pair_too(openai_server):
    class Strict(Judge):
        def _one(self, request: Request) -> Reply:
            self.asked.append(request)
            return Reply(text="yes" if "Second answer: cellar" in request.messages[0].content else "no")

    found = explained(openai_server, judge(Strict(choose=False)))
    assert found.top(1)[0][0] == (1, 3)
