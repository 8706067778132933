"""An answer that begins with white space after a chat template is told; nothing else changes."""

import pytest
from fake_backend import FakeBackend

import spexapi


class Chat(FakeBackend):
    reads_chat = True


def notes(backend, **given):
    ex = spexapi.explain(spexapi.PromptGame(backend, "The plot was bad", **given), budget=16, seed=0)
    return " ".join(ex.notes), ex


@pytest.mark.parametrize(
    "given", [{"answer": " negative"}, {"score": "choice", "options": ["positive", " negative"]}]
)
def test_a_leading_space_after_a_chat_template_is_told_with_what_to_write(given):
    said, _ = notes(Chat(), **given)

    assert "' negative' begins with white space" in said
    assert "chat template" in said
    assert "write 'negative'" in said


def test_several_such_options_are_one_note():
    said, ex = notes(Chat(), score="choice", options=[" yes", "\nno"])

    assert "' yes', '\\nno' begin with white space" in said
    assert "write 'yes', 'no'" in said
    assert ex.target.answer == " yes"


@pytest.mark.parametrize(
    ("backend", "answer"), [(FakeBackend(), " negative"), (Chat(), "negative"), (Chat(), None)]
)
def test_nothing_is_said_of_other_answers_nor_to_models_of_completions(backend, answer):
    assert "white space" not in notes(backend, answer=answer)[0]


def test_the_same_values_are_measured_with_and_without_the_note():
    _, chat = notes(Chat(), answer=" negative")
    _, plain = notes(FakeBackend(), answer=" negative")

    assert chat.observations.values.tolist() == plain.observations.values.tolist()
