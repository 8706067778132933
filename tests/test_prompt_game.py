"""Parts of a prompt as players: which text the model gets for a mask, and what its replies become."""

import asyncio

import numpy as np
import pytest
import tiny_models
from fake_backend import FakeBackend

from spexapi.backends.base import Capabilities, Message, TooLong
from spexapi.backends.huggingface.open import open_hf
from spexapi.errors import BackendError, InputError
from spexapi.games.base import Game
from spexapi.games.prompt import PromptGame

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Who has the key? Tell me."},
    {"role": "assistant", "content": "Mary."},
    {"role": "tool", "content": "key: box"},
    {"role": "user", "content": "Where is it?"},
]


def prompts(game, masks):
    """What the backend was sent for each mask."""

    async def main():
        await game.prepare()
        await game.measure(np.array(masks, dtype=bool))
        await game.close()

    asyncio.run(main())
    return [[m.content for m in request.messages] for request in game.backend.asked]


def measured(game, masks):
    async def main():
        target = await game.prepare()
        found = await game.measure(np.array(masks, dtype=bool))
        await game.close()
        return target, found

    return asyncio.run(main())


def labels(game):
    return [(p.kind, p.label) for p in game.players]


def test_words_of_a_plain_prompt():
    game = PromptGame(FakeBackend(), "The cat sat", "yes")
    assert labels(game) == [("word", "The"), ("word", "cat"), ("word", "sat")]
    assert prompts(game, [[1, 1, 1], [1, 1, 0], [0, 1, 1]]) == [["The cat sat"], ["The cat"], ["cat sat"]]
    assert isinstance(game, Game)


@pytest.mark.parametrize("unit", ["sentence", "line", "paragraph", "word", "token"])
def test_every_unit_sends_the_whole_prompt_for_the_full_mask(unit):
    text = "One is here. Two\r\nis there.\n\nThree  is\tgone."
    game = PromptGame(FakeBackend(), text, "yes", unit)
    assert prompts(game, [[1] * len(game.players)]) == [[text]]


def test_a_system_turn_is_pinned_and_roles_have_their_own_units():
    game = PromptGame(FakeBackend(), TALK, "yes", {"user": "sentence", "tool": "turn"})
    assert labels(game) == [
        ("sentence", "Who has the key?"),
        ("sentence", "Tell me."),
        ("turn", "tool: key: box"),
        ("sentence", "Where is it?"),
    ]
    (sent,) = prompts(game, [[0, 1, 0, 0]])
    assert sent == ["Be brief.", "Tell me.", "Mary.", ""]


def test_turns_as_players_and_more_pinned():
    game = PromptGame(FakeBackend(), TALK, "yes", "turn", pinned=["system", -1])
    assert [p.label for p in game.players] == [
        "user: Who has the key? Tell me.",
        "assistant: Mary.",
        "tool: key: box",
    ]
    assert prompts(game, [[0, 0, 1]]) == [["Be brief.", "key: box", "Where is it?"]]


def test_the_space_behind_what_is_pinned_stays_with_it():
    game = PromptGame(FakeBackend(), "so the cat sat", "yes", pinned=[(0, 0, 2)])
    assert [p.label for p in game.players] == ["the", "cat", "sat"]
    assert prompts(game, [[1, 1, 1], [0, 1, 1], [0, 0, 1]]) == [
        ["so the cat sat"],
        ["so cat sat"],
        ["so sat"],
    ]


def test_own_spans_and_pinned_spans():
    text = "The old cat sat on the mat."
    game = PromptGame(FakeBackend(), text, "yes", spans=[(4, 8), (12, 16)])
    assert labels(game) == [("span", "old"), ("span", "sat")]
    assert prompts(game, [[0, 0]]) == [["The cat on the mat."]]
    mixed = PromptGame(FakeBackend(), text, "yes", "word", spans=[(4, 11)], pinned=[(0, 12, 19)])
    assert labels(mixed) == [("word", "The"), ("span", "old cat"), ("word", "the"), ("word", "mat.")]
    assert prompts(mixed, [[0, 0, 0, 0]])[0][0].strip() == "sat on"
    in_turn = PromptGame(FakeBackend(), TALK, "yes", spans=[(1, 0, 16), (3, 0, 4)])
    assert prompts(in_turn, [[1, 0]]) == [
        ["Be brief.", "Who has the key? Tell me.", "Mary.", " box", "Where is it?"]
    ]


def test_placeholders_and_attention():
    game = PromptGame(FakeBackend(), "The cat sat", "yes", masking="placeholder")
    assert prompts(game, [[0, 1, 0]]) == [["... cat ..."]]
    own = PromptGame(FakeBackend(), "The cat sat", "yes", masking="placeholder", placeholder="[gone]")
    assert prompts(own, [[1, 1, 0]]) == [["The cat [gone]"]]
    hidden = PromptGame(FakeBackend(), "The cat sat", "yes", masking="attention")
    assert prompts(hidden, [[1, 0, 1]]) == [["The cat sat"]]
    (request,) = hidden.backend.asked
    assert [(h.message, h.start, h.end) for h in request.hidden] == [(0, 4, 8)]
    assert request.whole == (Message("user", "The cat sat"),)


def test_values_are_the_scorers_and_token_values_are_kept():
    backend = FakeBackend(lambda prompt, answer: -float("cat" not in prompt))
    target, found = measured(PromptGame(backend, "The cat sat", "yes indeed"), [[1, 1, 1], [1, 0, 1]])
    assert found.values.tolist() == [0.0, -1.0]
    assert found.token_values.tolist() == [[0.0, 0.0], [-0.5, -0.5]]
    assert (target.score, target.unit, target.answer) == ("logprob", "nats", "yes indeed")
    assert target.answer_offsets == ((0, 3), (4, 10))
    assert "".join(piece.text for piece in target.pieces) == "The cat sat"
    assert [piece.player for piece in target.pieces] == [0, 1, 2]
    assert not target.generated


def test_a_failed_reply_is_nan_with_its_reason():
    _, found = measured(PromptGame(FakeBackend(fails="cat"), "The cat sat", "yes"), [[1, 1, 1], [1, 0, 1]])
    assert np.isnan(found.values).tolist() == [True, False]
    assert found.reason == ("it failed", "")
    assert np.isnan(found.token_values[0]).all()


def test_an_infinite_score_is_a_reason_too():
    backend = FakeBackend(lambda prompt, answer: -np.inf)
    _, found = measured(PromptGame(backend, "a b", "yes"), [[1, 1]])
    assert found.reason == ("score logprob is -inf",)


def test_the_model_writes_the_answer_once_a_game_and_it_is_counted_apart():
    backend = FakeBackend()
    game = PromptGame(backend, "The cat sat", max_new_tokens=9)
    target, _ = measured(game, [[1, 1, 1], [0, 0, 0]])
    assert (target.answer, target.generated) == ("the cellar", True)
    again, _ = measured(game, [[1, 1, 1]])
    assert again == target
    assert backend.log.count("generate 9") == 1
    # the third mask's prompt is the first one's: known, not asked again
    assert (game.spent.setup_calls, game.spent.calls, game.spent.tokens_out) == (1, 2, 2)
    assert game.spent.tokens_in == 7 + 4 + 1


def test_choice_asks_for_every_option_and_explains_the_first():
    backend = FakeBackend(lambda prompt, answer: {"yes": -1.0, "no": -3.0}[answer])
    target, found = measured(PromptGame(backend, "a b", score="choice", options=["yes", "no"]), [[1, 1]])
    assert found.values.tolist() == [2.0]
    assert target.answer == "yes"
    _, turned = measured(PromptGame(backend, "a b", "no", score="choice", options=["yes", "no"]), [[1, 1]])
    assert turned.values.tolist() == [-2.0]


def test_everything_that_can_be_refused_is_refused_before_a_call():
    backend = FakeBackend()
    for given, said in (
        ({"prompt": ""}, "empty"),
        ({"prompt": "one"}, "at least 2 players.*word 'one'.*smaller unit"),
        ({"unit": "words"}, "unknown unit 'words'"),
        ({"unit": {"bot": "word"}}, "role 'bot'"),
        ({"unit": "document"}, "at least 2"),
        ({"score": "nosuch"}, "unknown score 'nosuch'"),
        ({"score": "choice"}, "two different options"),
        ({"score": "logit", "options": ["a", "b"]}, "use score='choice'"),
        ({"masking": "erase"}, "drop, placeholder, attention"),
        ({"placeholder": "x"}, "masking='placeholder'"),
        ({"answer": "  "}, "answer is empty"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"pinned": [3]}, "no turn 3"),
        ({"pinned": ["bot"]}, "role 'bot'"),
        ({"spans": [(0, 99)]}, "0:99"),
        ({"spans": [(0, 1, 2, 3)]}, "turn, start, end"),
        ({"spans": [(0, 4)], "pinned": [(0, 2, 6)]}, "overlap"),
    ):
        with pytest.raises(InputError, match=said):
            PromptGame(backend, **{"prompt": "The cat sat", "answer": "yes", **given})
    assert backend.log == []


@pytest.mark.parametrize(
    ("backend", "given", "said"),
    [
        (FakeBackend(refuses=TooLong(9, 5)), {}, "^the prompt does not fit: 9 tokens.*reads 5; shorten it$"),
        (FakeBackend(refuses="9 tokens are odd"), {}, "^9 tokens are odd$"),
        (
            FakeBackend(capabilities=Capabilities(attention_mask=False)),
            {"masking": "attention"},
            "cannot hide",
        ),
        (
            FakeBackend(capabilities=Capabilities(score_answer=False)),
            {"score": "logprob"},
            "no log-probability",
        ),
    ],
)
def test_what_the_backend_cannot_do_is_refused_before_a_call(backend, given, said):
    with pytest.raises(InputError, match=said):
        asyncio.run(PromptGame(backend, "a b", **given).prepare())
    assert not [line for line in backend.log if line.startswith(("score", "generate"))]


def test_an_empty_written_answer_is_an_error():
    with pytest.raises(BackendError, match="empty answer"):
        asyncio.run(PromptGame(FakeBackend(writes=" "), "a b").prepare())


def test_tokens_of_a_local_model_are_players_and_the_numbers_are_the_models(tmp_path):
    backend = open_hf(str(tiny_models.llama(tmp_path, adds_bos=True)))
    game = PromptGame(backend, "The key is in the attic", "cellar", "token")
    assert "".join(p.text for p in game.players) == "Thekeyisintheattic"
    target, found = measured(game, [[1] * len(game.players), [0] * len(game.players)])
    assert found.token_values.shape == (2, len(target.answer_offsets))
    assert found.values == pytest.approx(found.token_values.sum(axis=1))
    assert found.reason == ("", "")
    assert game.estimate_tokens(np.ones((3, len(game.players)), dtype=bool)) > 0


@pytest.mark.shared
def test_a_trained_model_continues_the_users_text(shared):
    game = PromptGame(
        f"hf:{shared / 'models' / 'stories260K'}",
        "Once upon a time, there was a little girl named Lily. She loved to",
        max_new_tokens=5,
    )
    target, found = measured(game, [[1] * 14, [0] * 14])
    assert target.answer.startswith("play")
    assert found.values[0] > found.values[1] + 1
