"""A choice keeps what it was chosen from: in the target, in the JSON and in every view."""

from dataclasses import replace

import numpy as np
import pytest
import view_samples as sample
from fake_backend import FakeBackend

import spexapi
from spexapi.explanation.values import MaskValues
from spexapi.fourier.spectrum import Spectrum
from spexapi.games.base import Target
from spexapi.measurements import exact_values
from spexapi.page.api import as_data
from spexapi.views.terminal import plain

TEXT = "The plot was bad"


def bad_is_negative(prompt, answer):
    """Log-probability: "negative" as soon as the word "bad" is there."""
    seen = "bad" in prompt
    likely = {"negative": seen, "positive": not seen}.get(answer.split()[0])
    return -5.0 if likely is None else -0.1 if likely else -3.0


def chosen(*options, answer=None):
    game = spexapi.PromptGame(FakeBackend(bad_is_negative), TEXT, answer, score="choice", options=options)
    return spexapi.explain(game, budget=16, seed=0)


def told(explanation):
    return " ".join(plain(explanation).split())


def test_a_game_of_a_choice_keeps_its_options_with_the_explained_one_first():
    assert chosen("negative", "positive").target.options == ("negative", "positive")
    assert chosen("negative", "positive", answer="positive").target.options == ("positive", "negative")
    accuracy = spexapi.PromptGame(
        FakeBackend(bad_is_negative), TEXT, "a", score="accuracy", options=["a", "b"]
    )
    assert spexapi.explain(accuracy, budget=8, seed=0).target.options == ("a", "b")
    assert spexapi.explain(spexapi.PromptGame(FakeBackend(), TEXT, "a"), budget=8).target.options == ()


def test_the_options_survive_json(tmp_path):
    ex = chosen("negative", "positive")
    path = tmp_path / "choice.json"
    ex.to_json(path)

    again = spexapi.Explanation.from_json(path)
    assert again.target.options == ("negative", "positive")
    assert str(again) == str(ex)


def test_every_view_shows_what_was_chosen_from():
    ex = chosen("negative", "positive")

    assert "Chosen from: negative, positive" in plain(ex)
    assert "chosen from: negative, positive" in ex.to_html()
    assert as_data(ex)["options"] == ["negative", "positive"]
    assert "hosen from" not in plain(replace(ex, target=replace(ex.target, score="logprob", options=())))


def test_the_headline_says_rather_than_what():
    assert "chooses “negative” rather than “positive” because of “bad”" in told(
        chosen("negative", "positive")
    )
    three = told(chosen("negative", "positive", "mixed"))
    assert "“negative” rather than “positive” or “mixed” because of" in three


def test_of_many_options_the_headline_names_a_few_and_the_line_a_dozen():
    many = chosen("negative", *(f"option {i}" for i in range(20)))

    assert "rather than “option 0”, “option 1” or 18 more because of" in told(many)
    assert "option 10 and 9 more" in told(many)
    assert "option 19" not in told(many)


def test_a_long_option_is_cut():
    long = "positive " * 60

    assert len(told(chosen("negative", long))) < 3000
    assert "…” because of" in told(chosen("negative", long))


def test_what_a_model_would_choose_instead_is_said_of_two_options():
    assert "The model would not choose “positive” (5.2%) but “negative”" in told(
        chosen("positive", "negative")
    )


def test_a_choice_that_needs_no_player_is_chosen_not_said():
    sure = FakeBackend(lambda prompt, answer: -0.1 if answer == "yes" else -4.0)
    game = spexapi.PromptGame(sure, TEXT, score="choice", options=["yes", "no"])

    assert "the model chooses it with none of them" in told(spexapi.explain(game, budget=16, seed=0))


def behaviour(value, options):
    """What is known of the choice if its log-odds are `value`."""
    seen = exact_values(np.array([[True, True]]), np.array([float(value)]))
    target = Target("prompt", "choice", "nats", answer="a", options=options)
    found = MaskValues(seen, Spectrum(2, {(): 0.0}), target).at((0, 1)).behaviour
    return None if found is None else found.stays


@pytest.mark.parametrize(
    ("value", "options", "stays"),
    [
        (0.1, ("a", "b"), True),
        (-0.1, ("a", "b"), False),
        (0.0, ("a", "b"), None),
        (0.1, ("a", "b", "c"), True),
        (-0.1, ("a", "b", "c"), None),  # 48%: another one has 52% at most, or less
        (-0.8, ("a", "b", "c"), False),  # 31% of three: one of the others has more
        (-0.1, (), None),  # a file from before the options were kept
    ],
)
def test_a_choice_is_known_as_far_as_its_odds_tell(value, options, stays):
    assert behaviour(value, options) is stays


def test_less_than_half_of_three_options_may_still_be_the_likeliest():
    odds = {"negative": -1.0, "positive": -1.2, "mixed": -1.4}  # 41%, 33%, 27%

    def log_p(prompt, answer):
        return odds[answer] - 3.0 * ("bad" not in prompt and answer == "negative")

    game = spexapi.PromptGame(FakeBackend(log_p), TEXT, score="choice", options=list(odds))

    said = told(spexapi.explain(game, budget=16, seed=0))
    assert "would not choose" not in said
    assert "Of 3 options the model gives “negative” only 40%" in said


def test_the_mean_over_several_questions_is_nobodys_choice():
    ex = sample.documents(lambda kept: 2.0 + len(kept))
    several = replace(ex.target, score="choice", answer="", question="2 questions", options=())

    values = MaskValues(ex.observations, ex.spectrum, several)
    assert {found.behaviour for found in values.measured()} == {None}
