"""Documents as players: the exact text for every mask, and the checks before the first call."""

import asyncio

import numpy as np
import pytest
import tiny_models
from fake_backend import FakeBackend
from hypothesis import given, settings
from hypothesis import strategies as st

from spexapi.backends.base import Generated
from spexapi.backends.huggingface.open import open_hf
from spexapi.errors import InputError
from spexapi.games.rag import RagGame
from spexapi.prompts.inputs import Document

DOCUMENTS = [
    "The key is in the box.",
    {"id": "b", "title": "Boxes", "text": "The box is old. It is in the cellar."},
    "A lamp.",
]


def prompts(game, masks):
    async def main():
        await game.prepare()
        await game.measure(np.array(masks, dtype=bool))
        await game.close()

    asyncio.run(main())
    return [request.messages[-1].content for request in game.backend.asked]


def written(question, kept):
    """The prompt the embedded model is trained on, written out."""
    return (
        "Documents:\n\n" + "\n\n".join(kept) + "\n\nQuestion: " + question
        if kept
        else "Documents:\n\nQuestion: " + question
    )


@settings(max_examples=100, deadline=None)
@given(
    documents=st.lists(st.text(min_size=1, max_size=12).filter(str.strip), min_size=2, max_size=5),
    question=st.text(min_size=1, max_size=12).filter(str.strip),
    data=st.data(),
)
def test_a_mask_gives_exactly_the_join_of_the_kept_documents(documents, question, data):
    mask = data.draw(st.lists(st.booleans(), min_size=len(documents), max_size=len(documents)))
    game = RagGame(FakeBackend(), question, documents, "yes")
    kept = [d for d, keep in zip(documents, mask, strict=True) if keep]
    assert prompts(game, [mask]) == [written(question, kept)]


@pytest.mark.parametrize("unit", ["document", "sentence"])
def test_fixed_text_comes_first_where_that_is_asked_for(unit):
    game = RagGame(FakeBackend(), "Where?", DOCUMENTS, "yes", unit=unit, pinned=[2], fixed_first=True)
    n = len(game.players)
    whole, none, first = prompts(game, [[1] * n, [0] * n, [1] + [0] * (n - 1)])
    begin = "Question: Where?\n\nDocuments:\n\nA lamp."
    assert none == begin
    assert first == begin + "\n\nThe key is in the box."
    assert whole == begin + "\n\nThe key is in the box.\n\nBoxes\nThe box is old. It is in the cellar."


def test_parts_of_the_question_stay_behind_the_documents():
    game = RagGame(
        FakeBackend(), "Where now?", DOCUMENTS, "yes", question_unit="word", pinned=[1], fixed_first=True
    )
    documents = ["Boxes\nThe box is old. It is in the cellar.", "The key is in the box."]
    assert prompts(game, [[1, 0, 1, 1]]) == [written("Where now?", documents)]


def test_titles_stand_above_their_text_and_label_the_players():
    game = RagGame(FakeBackend(), "Where?", DOCUMENTS, "yes")
    assert [p.label for p in game.players] == ["The key is in the box.", "Boxes", "A lamp."]
    assert {p.kind for p in game.players} == {"document"}
    assert game.players[1].text == "Boxes\nThe box is old. It is in the cellar."
    assert prompts(game, [[0, 1, 0]]) == [written("Where?", ["Boxes\nThe box is old. It is in the cellar."])]


def test_sentences_take_the_title_with_the_last_of_them():
    game = RagGame(FakeBackend(), "Where?", DOCUMENTS, "yes", "sentence")
    assert [p.label for p in game.players] == [
        "The key is in the box.", "The box is old.", "It is in the cellar.", "A lamp.",
    ]  # fmt: skip
    assert prompts(game, [[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]) == [
        written(
            "Where?", ["The key is in the box.", "Boxes\nThe box is old. It is in the cellar.", "A lamp."]
        ),
        written("Where?", ["Boxes\nThe box is old.", "A lamp."]),
        written("Where?", ["Boxes\nIt is in the cellar."]),
        written("Where?", ["The key is in the box."]),
        written("Where?", []),
    ]


def test_documents_and_the_words_of_the_question_play_one_game():
    game = RagGame(FakeBackend(), "Where is it?", DOCUMENTS, "yes", question_unit="word", system="Be brief.")
    assert [p.kind for p in game.players] == ["document"] * 3 + ["word"] * 3
    assert prompts(game, [[0, 0, 1, 1, 0, 0], [1, 0, 0, 0, 0, 1]]) == [
        written("Where", ["A lamp."]),
        written("it?", ["The key is in the box."]),
    ]
    (first, *_) = game.backend.asked
    assert first.messages[0].content == "Be brief."


def test_placeholders_stand_where_documents_stood():
    game = RagGame(FakeBackend(), "Where?", ["a b", "c"], "yes", masking="placeholder")
    assert prompts(game, [[0, 1]]) == [written("Where?", ["...", "c"])]


def test_own_spans_and_pinned_documents():
    game = RagGame(FakeBackend(), "Where?", DOCUMENTS, "yes", spans=[(1, 0, 16), (0, 4, 8)], pinned=[2])
    assert [(p.kind, p.label) for p in game.players] == [("span", "key"), ("span", "The box is old.")]
    assert prompts(game, [[0, 0]]) == [
        written("Where?", ["The is in the box.", "Boxes\nIt is in the cellar.", "A lamp."])
    ]
    mixed = RagGame(FakeBackend(), "Where?", DOCUMENTS, "yes", "document", spans=[(1, 0, 16)])
    assert [p.kind for p in mixed.players] == ["document", "span", "document"]


def test_the_target_tells_the_views_what_was_asked():
    target = asyncio.run(RagGame(FakeBackend(), "Where?", DOCUMENTS).prepare())
    assert (target.kind, target.question, target.answer, target.generated) == (
        "rag",
        "Where?",
        "the cellar",
        True,
    )
    whole = [d if isinstance(d, str) else d["title"] + "\n" + d["text"] for d in DOCUMENTS]
    assert "".join(piece.text for piece in target.pieces) == written("Where?", whole)
    assert [piece.player for piece in target.pieces] == [None, 0, 1, 2, None, None]


def test_what_cannot_work_is_refused_before_a_call():
    backend = FakeBackend()
    for changed, said in (
        ({"documents": []}, "no documents"),
        ({"documents": ["only one"]}, "at least 2 players.*only one.*more documents"),
        ({"documents": ["a", " "]}, "document 2 is empty"),
        ({"documents": "one text"}, "must be a list"),
        ({"question": " "}, "question is empty"),
        ({"unit": "turn"}, "unknown unit 'turn'"),
        ({"question_unit": "words"}, "unknown unit 'words'"),
        ({"pinned": [5]}, "no document 5"),
        ({"pinned": [0, 1]}, "at least 2"),
        ({"spans": [(0, 0, 99)]}, "0:99"),
        ({"answer": ""}, "answer is empty"),
    ):
        with pytest.raises(InputError, match=said):
            RagGame(backend, **{"question": "Where?", "documents": ["a", "b"], "answer": "yes", **changed})
    assert backend.log == []


def test_a_prompt_too_long_names_the_longest_document_before_the_model_is_asked(tmp_path, monkeypatch):
    backend = open_hf(str(tiny_models.llama(tmp_path, adds_bos=True)))
    for asks in ("score", "generate"):
        monkeypatch.setattr(backend, asks, lambda *_: pytest.fail("the model is asked"))
    documents = ["the key", Document("the box is in the cellar " * 40, "Long one"), "the lamp"]
    for answer in (None, "yes"):
        with pytest.raises(
            InputError, match=r"\d+ tokens.*model reads 128.*Document 2 of 3 \(Long one\).*24\d tokens"
        ):
            asyncio.run(RagGame(backend, "Where?", documents, answer).prepare())


def test_a_local_model_answers_and_scores(tmp_path):
    game = RagGame(
        open_hf(str(tiny_models.llama(tmp_path, adds_bos=True))), "Where?", ["the key", "the box"], "cellar"
    )

    async def main():
        await game.prepare()
        found = await game.measure(np.array([[1, 1], [0, 0], [1, 0]], dtype=bool))
        await game.close()
        return found

    found = asyncio.run(main())
    assert found.reason == ("", "", "")
    assert len(set(found.values.tolist())) == 3
    assert game.spent.calls == 3
    assert game.spent.tokens_in > 30


def test_the_model_writes_its_own_answer_to_what_a_mask_keeps():
    backend = FakeBackend()
    seen: list[str] = []

    async def generate(messages, max_tokens):
        seen.append(messages[-1].content)
        return Generated("the attic", 5, 2)

    backend.generate = generate
    game = RagGame(backend, "Where?", ["one", "two"], answer="the cellar")

    async def run():
        await game.prepare()
        return await game.write(np.array([False, True]))

    assert asyncio.run(run()) == "the attic"
    assert "two" in seen[0]
    assert "one" not in seen[0]
    assert game.spent.setup_calls == 1
