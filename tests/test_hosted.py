"""Hosted models end to end, over a real socket: the same explanation as the local model, whatever fails."""

import asyncio
from collections import Counter

import numpy as np
import pytest
from openai_server import Server
from openai_server.settings import PASSING

import spexapi
from spexapi.backends.embeddings import open_embeddings
from spexapi.backends.huggingface.embedded import FOLDER
from spexapi.backends.openai.backend import OpenAI
from spexapi.backends.openai.open import open_openai
from spexapi.scorers.base import Scorer
from spexapi.scorers.judged import embedding, judge
from spexapi.testing import Questions, check_all

DOCUMENTS = [
    "The lamp is in the attic.",
    "The key is in the box.",
    "Mary is in the garden.",
    "The box is in the cellar.",
]
QUESTION = "Which room is the key in?"
NEEDED = (1, 3)
# what the model's tokenizer would add on a server that writes the turns itself
TEMPLATE = (FOLDER / "chat_template.jinja").read_text().replace("{{ bos_token }}", "<bos>")


def hosted(server: Server, model: str = "embedded", **options) -> OpenAI:
    return open_openai(model, base_url=server.base_url, api_key="any", **options)


def explained(backend, **options) -> spexapi.Explanation:
    game = spexapi.RagGame(backend, QUESTION, DOCUMENTS, "cellar", **options)
    budget = 2 ** len(DOCUMENTS) * options.get("samples", 1)
    return spexapi.explain(game, engine="exact", budget=budget, index="moebius")


@pytest.fixture(scope="module")
def local() -> spexapi.Explanation:
    return explained("embedded", score="logprob")


@pytest.mark.parametrize(
    ("form", "way", "serves"),
    [
        ("chat", "prompt_logprobs", "vllm"),
        ("chat", "prefix", "mistral"),
        ("chat", "echo", "together"),
        ("completions", "generate", "sglang"),
        ("completions", "prompt_logprobs", "vllm"),
        ("completions", "echo", "together"),
        ("completions", "forced", "llama.cpp"),
    ],
)
def test_a_given_answer_is_scored_as_the_local_model_scores_it(
    openai_server: Server, local, form, way, serves
):
    openai_server.set(ways=serves, loaded="embedded")
    template = {"chat_template": TEMPLATE} if form == "completions" else {}
    found = explained(hosted(openai_server, form=form, way=way, **template), score="logprob")
    assert found.top(1)[0][0] == local.top(1)[0][0] == NEEDED
    assert [i for i, _ in found.top(5)] == [i for i, _ in local.top(5)]
    np.testing.assert_allclose(found.observations.values, local.observations.values, atol=1e-3)
    for interaction, value in local.interactions.items():
        assert found.interactions.get(interaction, 0.0) == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize("way", ["chosen_ids", "first_token", "systemone"])
def test_options_are_compared_and_the_same_pair_is_found(openai_server: Server, way: str):
    found = explained(hosted(openai_server, way=way), options=["cellar", "unknown"])
    assert found.target.score == "choice"
    assert found.top(1)[0][0] == NEEDED


def test_an_endpoint_without_log_probabilities_is_sampled(openai_server: Server):
    openai_server.set(ways="anthropic")
    found = explained(hosted(openai_server, seed=1), samples=6)
    assert found.target.score == "match"
    assert found.top(1)[0][0] == NEEDED
    assert (found.observations.variance > 0).all()
    assert any("no log-probability" in note for note in found.notes)


def test_fixed_text_first_is_read_from_the_cache(openai_server: Server):
    question = "In which room is the key that the old man put into a box, after he had come home that night,"
    read, cached = {}, {}
    for first in (False, True):
        openai_server.reset()
        openai_server.set(quirks=["caches"])
        backend = hosted(openai_server, "table", price_in=1.0, price_out=1.0, price_cached=0.1)
        game = spexapi.RagGame(
            backend, question, DOCUMENTS, "cellar", pinned=[0], fixed_first=first, score="logprob"
        )
        used = spexapi.explain(game, engine="exact", budget=8).cost
        assert used.price is not None
        full = (used.tokens_in + used.tokens_out) * 1.0 / 1e6
        read[first], cached[first] = used.tokens_in, (full - used.price) * 1e6 / 0.9
    assert read[True] == read[False]
    assert cached[True] > cached[False] + 7 * 16  # the beginning of all calls but the first


def helping(score: str, server: Server) -> str | Scorer:
    """The scorer; a judge and embeddings are asked of the same server's other model."""
    address = {"base_url": server.base_url, "api_key": "any"}
    if score == "embedding":
        return embedding(open_embeddings("openai:table", **address))
    if score == "judge":  # the table finds a word of its own in the question, and says yes
        server.set(table={"base": -9.0, "rules": [[["cellar"], 8.9]], "writes": "yes"})
        question = "Is it <{answer}>? Someone says: {reply}"
        return judge(open_openai("table", way="first_token", **address), question=question)
    return score


@pytest.mark.parametrize("score", ["match", "exact_match", "chrf", "rouge", "embedding", "judge"])
def test_ways_that_read_replies_find_what_the_local_model_finds(openai_server: Server, local, score):
    backend = hosted(openai_server, way="sample", seed=2)
    found = explained(backend, score=helping(score, openai_server), samples=4)
    assert found.target.score == score
    assert found.top(1)[0][0] == local.top(1)[0][0]
    assert found.audit.n_failed == 0
    assert (found.observations.variance > 0).all()


def planted(words: set[str]) -> float:
    """The table's rules, written out."""
    value = -9.0 + ("lamp" in words) + 4 * ({"key", "cellar"} <= words)
    return value + 3 * ({"rain", "river", "bridge"} <= words)


def test_one_call_in_ten_goes_wrong_and_no_value_does(openai_server: Server):
    words = ["lamp", "key", "cellar", "rain", "river", "bridge", "so", "where", "is"]
    backend = hosted(openai_server, "table")
    asyncio.run(probed(backend))
    openai_server.reset()
    kinds = [*PASSING, "-9999", "overflow", "refusal"]
    openai_server.set(faults={kind: 0.1 / len(kinds) for kind in kinds}, seed=1, slow=0.1, wait=0.02)

    game = spexapi.PromptGame(backend, " ".join(words), "the cellar")
    found = spexapi.explain(game, engine="exact", budget=2**9, index="moebius", writes=0)

    counts, seen = openai_server.counts(), found.observations
    assert set(counts["by_fault"]) == set(kinds), "too few calls to meet every kind"
    expected = [planted({w for w, kept in zip(words, mask, strict=True) if kept}) for mask in seen.masks]
    np.testing.assert_allclose(seen.values[seen.ok], np.array(expected)[seen.ok], rtol=0, atol=1e-9)
    assert (seen.upper == seen.lower)[seen.ok].all()
    for_good = counts["by_fault"]["overflow"] + counts["by_fault"]["refusal"]
    assert found.audit.n_failed == (~seen.ok).sum() == for_good
    log = openai_server.log()
    # a prompt's last call ended it; those before it were spoilt on their way. What follows a -9999 asks for
    # the likeliest token too, so it is another body
    ended = Counter(call["mark"] for call in log if call["fault"] in ("", "slow", "overflow", "refusal"))
    assert set(ended.values()) == {1}
    assert len(ended) == 2**9
    assert game.spent.calls == 2**9
    assert game.spent.retries == len(log) - 2**9


@pytest.mark.parametrize("way", ["echo", "prompt_logprobs", "generate", "forced", "prefix"])
def test_faults_spoil_no_value_of_any_way_and_nothing_is_paid_for_twice(openai_server: Server, way):
    words = ["lamp", "key", "cellar", "rain", "river", "bridge"]
    serves = {"generate": "sglang", "forced": "llama.cpp", "prefix": "mistral"}.get(way, "vllm")
    openai_server.set(ways=serves)
    backend = hosted(openai_server, "table", form="chat" if way == "prefix" else "completions", way=way)
    asyncio.run(probed(backend))
    openai_server.reset()
    passing = dict.fromkeys([*PASSING, "-9999"], 0.2 / (len(PASSING) + 1))
    openai_server.set(ways=serves, faults=passing, seed=5, slow=0.02, wait=0.02)

    game = spexapi.PromptGame(backend, f"so {' '.join(words)}", "the cellar", pinned=[(0, 0, 2)])
    found = spexapi.explain(game, engine="exact", budget=2**6, index="moebius")

    seen, log = found.observations, openai_server.log()
    assert sum(bool(call["fault"]) for call in log) >= 5
    expected = [planted({w for w, kept in zip(words, mask, strict=True) if kept}) for mask in seen.masks]
    np.testing.assert_allclose(seen.values, expected, rtol=0, atol=1e-9)
    assert (seen.upper == seen.lower).all()
    good = [call for call in log if call["fault"] in ("", "slow") and call["path"] != "/tokenize"]
    assert max(Counter(call["mark"] for call in good).values()) == 1
    assert game.spent.calls == 2**6
    assert game.spent.retries == sum(call["fault"] not in ("", "slow") for call in log)


async def probed(backend: OpenAI) -> None:
    await backend.open()
    await backend.close()


WAYS = [
    {"way": "prompt_logprobs"},
    {"way": "prompt_logprobs", "form": "completions"},
    {"way": "echo", "form": "completions"},
    {"way": "prefix"},
    {"way": "generate", "form": "completions"},
    {"way": "forced", "form": "completions"},
    {"way": "first_token", "form": "chat"},
    {"way": "first_token", "form": "responses"},
    {"way": "chosen_ids"},
    {"way": "systemone"},
    {"way": "sample"},
    {"batch": True, "poll": 0.01},
]


@pytest.mark.parametrize("options", WAYS, ids=lambda o: " ".join(map(str, o.values())))
def test_every_way_keeps_the_contract(openai_server: Server, options):
    if options.get("way") in ("prefix", "generate"):
        openai_server.set(ways="mistral" if options["way"] == "prefix" else "sglang")
    backend = open_openai("table", base_url=openai_server.base_url, api_key="sk-very-secret", **options)
    check_all(backend, Questions(answers=("the cellar", "unknown"), secrets=("sk-very-secret",)))
