"""Behaviour next to likelihood: whether the model would still write the answer, and what instead."""

import asyncio

import numpy as np
import pytest
import tiny_models
import torch
from openai_server import Server
from transformers import AutoModelForCausalLM, AutoTokenizer

import spexapi
from spexapi.backends.base import AnswerScore, Message, Reply, Request
from spexapi.backends.huggingface.embedded import FOLDER
from spexapi.backends.huggingface.open import open_hf
from spexapi.backends.openai.open import open_openai
from spexapi.backends.openai.tokens import Token
from spexapi.explanation.behaviour import Behaviour, behaviour_of
from spexapi.measurements import exact_values, join
from spexapi.sampling.keys import reply_from_json, reply_to_json
from spexapi.scorers.logprobs import written

DOCUMENTS = [
    "The lamp is in the attic.",
    "The key is in the box.",
    "Mary is in the garden.",
    "The box is in the cellar.",
]
QUESTION = "Which room is the key in?"
PROMPT = "The key is in the box. The key is in the"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.llama(tmp_path_factory.mktemp("plain"), adds_bos=True)


@pytest.fixture(scope="module")
def local() -> spexapi.Explanation:
    return explained("embedded")


def explained(backend, **options) -> spexapi.Explanation:
    game = spexapi.RagGame(backend, QUESTION, DOCUMENTS, "cellar", score="logprob", **options)
    return spexapi.explain(game, engine="exact", budget=16)


def scored(backend, *requests: Request) -> list[Reply]:
    async def main():
        await backend.open()
        try:
            return await backend.score(requests)
        finally:
            await backend.close()

    return asyncio.run(main())


def test_ranks_are_the_places_among_the_logits_of_the_model_itself(folder):
    answer = " box is in the cellar"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    prompt_ids, answer_ids = (
        tokenizer(PROMPT)["input_ids"],
        tokenizer.encode(answer, add_special_tokens=False),
    )
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt_ids, *answer_ids]])).logits[0, len(prompt_ids) - 1 : -1]

    (reply,) = scored(open_hf(str(folder)), Request((Message("user", PROMPT),), (answer,)))

    order = logits.argsort(dim=-1, descending=True, stable=True)
    expected = [order[t].tolist().index(token) + 1 for t, token in enumerate(answer_ids)]
    assert list(reply.scores[0].ranks) == expected
    assert list(reply.scores[0].choices) == [tokenizer.decode([order[t][0]]) for t in range(len(answer_ids))]
    assert max(expected) > 1


def test_what_the_model_writes_itself_stays_and_nothing_is_written_instead():
    game = spexapi.RagGame("embedded", QUESTION, DOCUMENTS)
    found = spexapi.explain(game, engine="exact", budget=16)

    assert found.target.generated
    assert found.behaviour(range(4)) == Behaviour(True, len(found.target.answer))


def test_options_of_one_request_have_ranks_of_their_own(folder):
    (reply,) = scored(open_hf(str(folder)), Request((Message("user", PROMPT),), (" box", " lamp", " attic")))
    first = {score.choices[0] for score in reply.scores}

    assert len(first) == 1  # one place, one first choice
    assert len({score.ranks[0] for score in reply.scores}) == 3


def test_the_embedded_model_leaves_its_answer_without_the_documents_it_needs(local):
    everything, needed, nothing = local.behaviour(range(4)), local.behaviour((1, 3)), local.behaviour(())

    assert everything == needed == Behaviour(True, len("cellar"))
    assert nothing is not None
    assert nothing.stays is False
    assert nothing.upto == 0
    assert nothing.instead
    assert nothing.instead != "cellar"


def test_a_mask_that_was_not_measured_has_no_behaviour():
    game = spexapi.RagGame("embedded", QUESTION, DOCUMENTS, "cellar")
    found = spexapi.explain(game, engine="proxyspex", budget=6)
    asked = {tuple(np.flatnonzero(mask)) for mask in found.observations.masks}
    missing = next(s for s in [(0,), (2,), (0, 2), (1,), (3,), (0, 1), (2, 3)] if s not in asked)

    assert found.behaviour(missing) is None
    assert found.behaviour(next(iter(asked))) is not None


def test_behaviour_is_saved_and_opened_again_and_follows_the_span(local, tmp_path):
    path = tmp_path / "e.json"
    local.to_json(path)
    again = spexapi.Explanation.from_json(path)

    assert again.behaviour(()) == local.behaviour(())
    assert again.span(0, 3).behaviour((1, 3)) == local.span(0, 3).behaviour((1, 3))


def test_a_file_without_behaviour_opens_and_says_that_nothing_is_known(local, tmp_path):
    text = local.to_json()
    assert '"ranks":' in text
    path = tmp_path / "old.json"
    path.write_text(text.replace('"ranks":', '"once":').replace('"choices":', '"twice":'), encoding="utf-8")

    assert spexapi.Explanation.from_json(path).behaviour(()) is None


@pytest.mark.parametrize(
    ("ranks", "span", "expected"),
    [
        ((1, 1, 1), None, Behaviour(True, 11)),
        ((1, 3, 1), None, Behaviour(False, 4, "b")),
        ((1, 0, 1), None, Behaviour(None, 4)),
        ((0, 2, 1), None, Behaviour(False, 0)),  # it leaves; where it leaves first is not known
        ((1, 0, 2), None, Behaviour(False, 4)),
        ((9, 1, 1), (4, 11), Behaviour(True, 7)),  # what stands before the span does not count
        ((9, 1, 5), (4, 11), Behaviour(False, 4, "c")),
        ((9, 1, 5), (5, 8), Behaviour(True, 3)),
    ],
)
def test_behaviour_of_three_tokens(ranks, span, expected):
    assert behaviour_of(ranks, ("a", "b", "c"), ((0, 4), (4, 8), (8, 11)), span) == expected


def test_without_places_of_tokens_only_the_whole_answer_is_known():
    assert behaviour_of((1, 1), ("a", "b"), ()) == Behaviour(True, None)
    assert behaviour_of((1, 2), ("a", "b"), ()) == Behaviour(False, None, "b")


def test_a_reply_keeps_its_ranks_in_the_store_and_old_replies_open():
    score = AnswerScore(np.array([-0.5, -2.0]), ((0, 2), (2, 5)), ranks=(1, 4), choices=("ce", "x"))
    again = reply_from_json(reply_to_json(Reply((score,)))).scores[0]

    assert (again.ranks, again.choices) == ((1, 4), ("ce", "x"))
    old = reply_from_json('{"scores":[[[-0.5],[[0,2]],[]]]}').scores[0]
    assert (old.ranks, old.choices, old.bounded) == ((), (), ())


def test_ranks_of_joined_measurements_stay_with_their_masks():
    masks = np.array([[True, False], [False, True]])
    plain = exact_values(masks, np.zeros(2))
    known = exact_values(masks, np.ones(2)).with_behaviour(np.array([[1], [7]]), (("a",), ("b",)))

    both = join([plain, known])
    assert both.ranks is not None
    assert both.ranks.tolist() == [[0], [0], [1], [7]]
    assert both.choices == ((), (), ("a",), ("b",))
    assert both.take(np.array([3])).choices == (("b",),)


@pytest.mark.parametrize(
    ("token", "rank", "choice"),
    [
        (Token("cellar", -0.1, (("cellar", -0.1), ("attic", -3.0))), 1, "cellar"),
        (Token("attic", -3.0, (("cellar", -0.1), ("attic", -3.0))), 2, "cellar"),
        (Token("box", -9.0, (("cellar", -0.1), ("attic", -3.0))), 3, "cellar"),
        (Token("box", -9.0), 0, ""),
        (Token("box", -9.0, rank=17), 17, ""),
        (Token("box", -0.2, rank=1), 1, "box"),
        (Token("box", None, (("cellar", -0.1),)), 0, "cellar"),
        (Token("box", -9999.0, (("cellar", -0.1),)), 0, "cellar"),
    ],
)
def test_a_listed_token_shows_its_rank_as_far_as_it_is_known(token, rank, choice):
    assert (token.known_rank, token.first_choice) == (rank, choice)


@pytest.mark.parametrize("way", ["prompt_logprobs", "echo"])
def test_a_server_shows_the_same_behaviour_as_the_model_at_home(openai_server: Server, local, way):
    openai_server.set(ways="vllm" if way == "prompt_logprobs" else "together", loaded="embedded")
    backend = open_openai(
        "embedded",
        base_url=openai_server.base_url,
        api_key="any",
        way=way,
        form="completions",
        chat_template=(FOLDER / "chat_template.jinja").read_text().replace("{{ bos_token }}", "<bos>"),
    )
    hosted = explained(backend)

    for kept in [(0, 1, 2, 3), (1, 3), (1,), (3,), (0, 2), ()]:
        here, there = local.behaviour(kept), hosted.behaviour(kept)
        assert here is not None
        assert there is not None
        assert there.stays == here.stays
        assert there.upto in (here.upto, None)  # not every endpoint says where its tokens stand


def test_the_score_written_is_the_share_of_the_answer_that_is_still_written():
    def reply(*ranks: int) -> Reply:
        return Reply((AnswerScore(np.zeros(3), ((0, 4), (4, 8), (8, 10)), ranks=ranks),))

    assert [written(reply(*ranks)) for ranks in [(1, 1, 1), (1, 2, 1), (3, 1, 1), (1, 1, 9)]] == [
        1,
        0.4,
        0,
        0.8,
    ]
    assert np.isnan(written(reply()))
    assert np.isnan(written(reply(1, 0, 1)))


def test_a_game_scored_by_behaviour_names_the_pair_that_is_needed():
    game = spexapi.RagGame("embedded", QUESTION, DOCUMENTS, "cellar", score="written")
    found = spexapi.explain(game, engine="exact", budget=16, index="moebius")

    assert found.top(1) == [((1, 3), pytest.approx(1.0))]
    assert found.target.unit == "of the answer"
