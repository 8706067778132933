"""The embedded model knows which words it was trained on, and says so before and after a run."""

import json
import re
from pathlib import Path

import command_line
import pytest

import spexapi
from spexapi.backends.huggingface.embedded_words import unknown_words
from spexapi.games.rag import RagGame
from training.tokenizer import known_words
from training.worlds import KINDS, questions

README = Path(__file__).parents[1] / "README.md"
RIVERS = [
    "The Danube flows through Vienna.",
    "Vienna is a city in Austria.",
    "The Rhine flows through Cologne.",
]
ASKED = "Which river does Vienna lie on?"


@pytest.mark.parametrize("made_up", [False, True])
def test_no_question_of_its_own_worlds_gives_a_false_alarm(made_up):
    for kind in KINDS:
        for asked in questions(kind, 977, 30, made_up=made_up):
            assert unknown_words("\n".join([*asked.documents, asked.question])) == []


def test_its_word_list_is_that_of_the_training():
    assert unknown_words(" and ".join(known_words())) == []


def test_a_made_up_name_may_stand_where_its_sentences_have_a_name_but_not_elsewhere():
    assert unknown_words("The zorbit is in the Attic! Where is the zorbit?") == []
    assert unknown_words("The zorbit flows through 2 attics.") == ["zorbit", "flows", "through", "attics"]


def test_a_question_about_rivers_is_outside_its_world():
    game = RagGame("embedded", ASKED, RIVERS)

    assert {"Danube", "Rhine", "flows", "lie"} <= set(game.unknown_words)


def test_a_given_answer_that_it_does_not_know_is_outside_too():
    documents = ["the key is in the box .", "the box is in the cellar ."]

    assert RagGame("embedded", "where is the key ?", documents, answer="Danube").unknown_words == ("Danube",)
    assert RagGame("embedded", "where is the key ?", documents, answer="the cellar").unknown_words == ()


def test_a10_the_headline_says_first_that_the_model_does_not_know_these_words():
    explanation = spexapi.explain(RagGame("embedded", ASKED, RIVERS), budget=8, seed=0)

    assert "Danube" in explanation.target.unknown
    headline = str(explanation)
    assert "The model does not know “" in headline
    assert "The model said" not in headline


def test_the_command_line_warns_before_a_run_and_in_a_forecast(tmp_path):
    path = tmp_path / "rivers.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in RIVERS))

    done = command_line.spexapi(
        "rag",
        "--backend",
        "embedded",
        "--question",
        ASKED,
        "--documents",
        str(path),
        "--dry-run",
        cwd=tmp_path,
    )

    assert "it does not know “" in done.stderr
    assert "more: choose a real model" in done.stderr


def test_the_readme_example_and_the_examples_of_the_page_give_no_warning():
    texts = re.findall(r"^document \d+ +(.+?\.)  ", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(texts) == 4

    assert unknown_words("\n".join(["Which room is the key in?", *texts])) == []
    pytest.importorskip("gradio")
    from spexapi.page.tabs.examples import EXAMPLES

    for example in EXAMPLES:
        assert unknown_words("\n".join([example.question, *example.documents])) == [], example.name
