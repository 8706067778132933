"""`--verify` within the budget: what is set aside, what is marked, what an error leaves."""

from __future__ import annotations

import numpy as np
import pytest

import spexapi
from spexapi.errors import Unavailable
from spexapi.verification.budget import measured, set_aside


def pair(masks: np.ndarray) -> np.ndarray:
    """Two players together and a third alone, written in kept/removed terms."""
    return 3.0 * (masks[:, 1] & masks[:, 4]) + 1.0 * masks[:, 3]


class Counting:
    def __init__(self, function=pair):
        self.function, self.asked = function, []

    def __call__(self, masks: np.ndarray) -> np.ndarray:
        self.asked.extend(row.tobytes() for row in masks)
        return self.function(masks)


def explained(n: int, budget: int, **more):
    value = Counting()
    game = spexapi.FunctionGame(value, n)
    return game, value, spexapi.explain(game, engine="contextcite", budget=budget, index="moebius", **more)


@pytest.mark.parametrize(
    ("n", "k", "allowed", "index", "order", "kept"),
    [
        (10, 2, 256, "fbii", None, 32),  # twice 2 interactions of up to 3 players
        (10, 5, 256, "fbii", None, 64),  # a quarter at most
        (10, 5, 256, "sv", None, 20),  # single players
        (10, 5, 400, "fbii", 2, 40),
        (8, 5, 256, "fbii", None, 0),  # every mask is paid for
        (2, 1, 3, "fbii", None, 0),
    ],
)
def test_masks_are_set_aside_by_the_size_of_what_may_be_found(n, k, allowed, index, order, kept):
    assert set_aside(spexapi.FunctionGame(pair, n), k, allowed, index, order) == kept


def test_what_is_left_of_the_budget_verifies_the_strongest_and_is_counted():
    game, value, ex = explained(10, 100)
    after, why = measured(game, ex, 3, 130)

    assert why == ""
    assert len(set(value.asked)) == len(value.asked) == after.cost.calls <= 130
    assert after.verification is not None
    assert len(after.verification.interactions) == 3
    assert after.cost.calls == ex.cost.calls + after.verification.calls


def test_a_wrong_interaction_is_marked_and_a_right_one_confirmed(tmp_path):
    """The spectrum is told a pair that is not there: written by hand, not fitted."""
    game, _, ex = explained(10, 100)
    exact = {(): 1.25, (1,): -0.75, (4,): -0.75, (1, 4): 0.75, (3,): -0.5, (6, 7): 0.6}
    from dataclasses import replace

    spectrum = spexapi.Spectrum(10, exact)
    audit = replace(ex.audit, r2=0.999)
    wrong = replace(ex, spectrum=spectrum, audit=audit)
    wrong = replace(wrong, interactions=wrong.values("fourier"), index="fourier")
    after, _ = measured(game, wrong, 6, 200)
    found = after.verification

    assert found is not None
    assert found.verdict((1, 4)) is True
    assert found.verdict((6, 7)) is False
    assert found.verdict((0, 9)) is None
    assert "NOT confirmed" in found.said((6, 7))
    assert found.said((0, 9)) == ""
    opened = spexapi.Explanation.from_json(_saved(after, tmp_path))
    assert opened.verification == found
    assert "NOT confirmed" in str(after)
    assert "NOT confirmed" in after.to_html()


def _saved(ex, folder):
    ex.to_json(folder / "e.json")
    return folder / "e.json"


def test_nothing_left_or_an_error_on_the_way_leaves_the_explanation_and_says_why():
    game, value, ex = explained(10, 100, claims=0)
    none, why = measured(game, ex, 3, 100)

    assert none.verification is None
    assert why.startswith("not verified: a budget of 0 masks")
    assert why in none.notes

    def down(masks: np.ndarray) -> np.ndarray:
        raise Unavailable("the server went away")

    value.function = down
    failed, why = measured(game, ex, 3, 130)
    assert why == "not verified: the server went away"
    assert dict(failed.interactions) == dict(ex.interactions)


def test_a_game_without_interactions_is_not_an_error():
    game = spexapi.FunctionGame(lambda masks: np.full(len(masks), 2.0), 8)
    ex = spexapi.explain(game, engine="contextcite", budget=40)
    after, why = measured(game, ex, 3, 80)

    assert after.verification is None
    assert "nothing to verify" in why
