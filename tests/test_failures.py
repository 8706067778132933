"""Failures that follow a player lead the story: without it, or with it, there is no value."""

import math
import re

import numpy as np
import pytest

import spexapi
from spexapi.explanation.failures import failures_of
from spexapi.measurements import exact_values
from spexapi.narrative.story import tell


def explained(function, players, budget, **options):
    return spexapi.explain(spexapi.FunctionGame(function, players), budget=budget, **options)


def needs_0(masks):
    return np.where(masks[:, 0], 1.0, -np.inf)


def needs_0_and_1(masks):
    return np.where(masks[:, 0] & masks[:, 1], 0.0, -np.inf) + masks[:, 2]


def spoilt_by_0(masks):
    return np.where(masks[:, 0], -np.inf, 1.0 + masks[:, 1])


def test_a_player_without_whom_the_value_is_minus_infinity_is_the_headline():
    ex = explained(needs_0, 6, 64)

    assert tell(ex).text == "Player 0 decides: without it the value is −inf (32 of 32 masks)."
    assert tell(ex).core == (0,)
    for shown in (str(ex), ex.to_html()):
        assert "does not depend" not in shown
        assert "nothing to explain" not in shown


def test_two_players_who_both_decide_are_both_named_and_nothing_kept_has_no_finite_value():
    ex = explained(needs_0_and_1, 12, 200)

    assert tell(ex).text.startswith("Player 0 and player 1 decide: if either is missing, the value is −inf")
    assert tell(ex).core == (0, 1)
    assert re.search("player 1 +decides", str(ex))
    assert ">decides<" in ex.to_html()
    assert "nothing kept: −inf" in str(ex)
    assert set(ex.spectrum.coef) == {(), (2,)}  # of a player that is always there no effect can be known
    assert ">−inf<" in ex.to_html()
    assert "those with player 0 and player 1 kept" in " ".join(str(ex).split())


def test_a_player_with_whom_every_value_is_minus_infinity_comes_first():
    ex = explained(spoilt_by_0, 5, 32)

    assert tell(ex).text == "With player 0 every value is −inf (16 of 16 masks)."
    assert "R² is of the 16 masks that have a value: those without player 0." in " ".join(str(ex).split())
    assert ex.audit.method != "exact"


def test_one_of_two_must_stay_as_when_a_class_of_examples_is_empty():
    ex = explained(lambda m: np.where(m[:, 2] | m[:, 5], m[:, 0] + 0.5 * m[:, 3], np.nan), 8, 120)

    said = tell(ex).text
    assert said.startswith(
        "At least one of player 2 and player 5 must stay: if both are missing, there is no value"
    )


def test_two_that_do_not_go_together():
    ex = explained(lambda m: np.where(m[:, 2] & m[:, 5], np.nan, m[:, 0] + 0.5 * m[:, 3]), 8, 120)
    assert tell(ex).text.startswith("With player 2 and player 5 together there is no value")


def test_plus_infinity_is_called_that():
    ex = explained(lambda m: np.where(m[:, 1], np.inf, 1.0 + m[:, 0]), 5, 32)
    assert tell(ex).text == "With player 1 every value is +inf (16 of 16 masks)."


@pytest.mark.parametrize("seed", range(20))
def test_failures_by_chance_follow_no_one(seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((64, 8)) < 0.5
    values = np.where(rng.random(64) < 0.3, np.nan, masks.sum(axis=1))
    found = failures_of(exact_values(masks, values))
    assert found is not None
    assert found.causes == ()


def test_a_value_given_for_nothing_kept_hides_no_cause():
    masks = (np.arange(32)[:, None] >> np.arange(5) & 1).astype(bool)
    values = np.where(masks[:, 3] | ~masks.any(axis=1), masks.sum(axis=1), np.nan)
    found = failures_of(exact_values(masks, values))
    assert [(c.players, c.kept, c.failed, c.masks) for c in found.causes] == [((3,), False, 15, 16)]


def test_failures_that_follow_no_one_leave_the_story_to_the_values():
    ex = explained(lambda m: np.where(m.sum(axis=1) == 3, np.nan, m[:, 2] + 0.5 * m[:, 3]), 7, 100)
    assert "no value" not in tell(ex).text
    assert "have a value" in " ".join(str(ex).split())


def test_when_most_masks_fail_and_the_rest_are_equal_it_cannot_tell():
    ex = explained(lambda m: np.where(np.arange(len(m)) % 3 == 0, 1.0, np.nan), 8, 100)
    assert "cannot tell" in tell(ex).text


def test_only_nothing_kept_is_minus_infinity_and_the_story_is_of_the_rest():
    def log_of_sum(masks):
        total = masks @ np.array([8.0, 1.0, 1.0, 1.0])
        return np.where(total > 0, np.log(np.maximum(total, 1.0)), -np.inf)

    ex = explained(log_of_sum, 4, 16)
    assert "nothing kept: −inf" in str(ex)
    assert "decide" not in tell(ex).text


def test_verify_says_which_derivatives_have_no_value_and_why():
    game = spexapi.FunctionGame(spoilt_by_0, 5)
    ex = spexapi.explain(game, budget=32)
    found = spexapi.verify(game, ex, k=1, backgrounds=4)

    lost = [c for c in found.checks if 0 in c.kept]
    assert lost
    assert {(c.confirmed, c.reason) for c in lost} == {(None, "with player 0 the value is −inf")}
    assert "failed: with player 0 the value is −inf" in str(found)
    assert "NOT confirmed" not in str(found)
    assert found.calls == 0  # a mask of value -inf is not asked again


def test_training_sets_without_a_class_name_the_group_that_must_stay():
    def train(kept, seed):
        if not {0, 1} & {*kept.tolist()}:
            raise ValueError("needs samples of 2 classes")
        return len(kept)

    groups = ["rare", "rare", "a", "b", "c", "d", "e", "a", "b", "c"]
    game = spexapi.TrainingGame(train, float, 10, groups=groups, empty=0.5, noise=0)
    ex = spexapi.explain(game, budget=64)

    assert tell(ex).text == "Without rare (2 examples) there is no value (31 of 32 masks)."
    assert "needs samples of 2 classes" in " ".join(str(ex).split())


def test_a_training_whose_value_is_minus_infinity_is_told_from_one_that_broke(tmp_path):
    def train(kept, seed):
        return kept.tolist()

    def measure(kept):
        return len(kept) if 2 in kept else -math.inf

    def again():
        return spexapi.TrainingGame(train, measure, 5, noise=0, name="x", store=tmp_path / "store")

    for game in (again(), again()):  # the second reads the store
        ex = spexapi.explain(game, budget=32)
        assert "decides: without it the value is −inf" not in str(ex)  # of nothing kept no value is known
        assert set(ex.observations.infinite.tolist()) == {0.0, -math.inf}
        assert "there is no value (16 of 16 masks)" in tell(ex).text
    assert ex.cost.calls == 0
