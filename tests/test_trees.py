"""The Fourier transform of a boosted ensemble is the ensemble itself."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
import xgboost

from spexapi.engines.stack.trees import BoostingParams, Terms, boost, fourier


def value_of(terms: Terms, masks: np.ndarray) -> np.ndarray:
    """The expansion term by term, written out here: the oracle shares no code with the subject."""
    signs = np.where(masks, -1.0, 1.0)
    total = np.zeros(len(masks))
    for players, coefficient in zip(terms.support(), terms.coef, strict=True):
        term = np.full(len(masks), coefficient)
        for player in players:
            term = term * signs[:, player]
        total += term
    return total


def ensemble_says(booster: xgboost.Booster, masks: np.ndarray) -> np.ndarray:
    return booster.predict(xgboost.DMatrix(masks.astype(np.float32)))


@pytest.mark.parametrize(("n", "m", "depth"), [(2, 4, 1), (6, 40, 3), (30, 200, 5), (300, 400, 6)])
def test_the_spectrum_of_an_ensemble_predicts_what_the_ensemble_predicts(n: int, m: int, depth: int):
    rng = np.random.default_rng(n)
    masks = rng.random((m, n)) < 0.5
    booster = boost(masks, rng.normal(size=m), BoostingParams(depth=depth, trees=30, rate=0.3), seed=1)
    fresh = rng.random((300, n)) < 0.5

    assert value_of(fourier(booster), fresh) == pytest.approx(ensemble_says(booster, fresh), abs=2e-5)


def test_a_base_score_and_random_parts_are_in_the_spectrum_too():
    rng = np.random.default_rng(3)
    masks = rng.random((100, 8)) < 0.5
    data = xgboost.DMatrix(masks.astype(np.float32), label=rng.normal(size=100) + 5.0)
    settings = {"base_score": 4.5, "max_depth": 4, "subsample": 0.5, "colsample_bynode": 0.5, "eta": 0.2}
    booster = xgboost.train(settings, data, 25)
    fresh = rng.random((100, 8)) < 0.5

    assert value_of(fourier(booster), fresh) == pytest.approx(ensemble_says(booster, fresh), abs=2e-5)


def test_one_planted_pair_comes_out_with_its_sign():
    masks = np.array(list(product([False, True], repeat=4)))
    values = np.where(masks[:, 1], -1.0, 1.0) * np.where(masks[:, 3], -1.0, 1.0) * 0.5
    # the first split of a pure pair gains nothing, so the trees are told to split on a little of its players
    values = values + 0.01 * masks[:, 1]
    growth = BoostingParams(depth=3, trees=300, rate=0.3)
    terms = fourier(boost(np.repeat(masks, 8, axis=0), np.repeat(values, 8), growth))

    assert terms.support(1) == [(1, 3)]
    assert terms.coef[0] == pytest.approx(0.5, abs=0.02)


def test_terms_come_once_each_strongest_first_with_rising_players():
    rng = np.random.default_rng(4)
    masks = rng.random((200, 12)) < 0.5
    terms = fourier(boost(masks, rng.normal(size=200), BoostingParams(depth=5, trees=50)))
    support = terms.support()

    assert len(set(support)) == len(support)
    assert all(list(s) == sorted(set(s)) for s in support)
    assert (np.diff(np.abs(terms.coef)) <= 0).all()
    assert terms.support(3) == support[:3]


def test_the_same_seed_gives_the_same_bits():
    rng = np.random.default_rng(5)
    masks, values = rng.random((300, 40)) < 0.5, rng.normal(size=300)
    params = BoostingParams(rows=0.7, columns=0.7)
    one, two = (fourier(boost(masks, values, params, seed=9)) for _ in range(2))

    assert one.support() == two.support()
    assert (one.coef == two.coef).all()


class HandMade:
    """A booster as xgboost writes it; its tree asks for player 0 twice and cuts player 1 outside (0, 1]."""

    def save_raw(self, _: str) -> bytes:
        tree = {
            "left_children": [1, 3, 5, -1, -1, -1, 7, -1, -1],
            "right_children": [2, 4, 6, -1, -1, -1, 8, -1, -1],
            "split_indices": [0, 0, 1, 0, 0, 0, 2, 0, 0],
            #  node 1 asks player 0 again; node 2 sends both values of player 1 to the right (node 6)
            "split_conditions": [1.0, 0.5, -3.0, 10.0, 99.0, 98.0, 0.5, 20.0, 40.0],
        }
        trees, param = {"model": {"trees": [tree]}}, {"base_score": "[1E0]"}
        return json.dumps({"learner": {"gradient_booster": trees, "learner_model_param": param}}).encode()


def test_a_repeated_player_and_a_cut_that_divides_nothing_are_read_rightly():
    # by hand: player 0 removed -> 10; kept: player 2 removed -> 20, kept -> 40; and 1 for all
    masks = np.array(list(product([False, True], repeat=3)))
    expected = [11 if not a else (41 if c else 21) for a, _, c in masks]

    assert value_of(fourier(HandMade()), masks) == pytest.approx(np.array(expected))


def test_trees_that_never_split_are_a_constant():
    masks = np.zeros((10, 3), dtype=bool)
    terms = fourier(boost(masks, np.full(10, 0.25), BoostingParams(trees=5)))

    assert set(terms.support()) <= {()}
