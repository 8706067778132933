"""Parities of which no part says anything are found among all sets of few players, and none in noise."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from spexapi.engines import spex
from spexapi.engines.auto import Auto
from spexapi.engines.resampling import folds
from spexapi.engines.spex import SPEX
from spexapi.engines.stack.base_learners import BaseLearner
from spexapi.engines.stack.matching_pursuit import Halves, highest_order, pursue
from spexapi.engines.stack.stacking import stack
from spexapi.measurements import exact_values


def parity(masks: np.ndarray, players: tuple[int, ...]) -> np.ndarray:
    return np.where(masks, -1.0, 1.0)[:, list(players)].prod(axis=1)


def standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def test_all_products_of_all_sets_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    masks, residual = rng.random((40, 9)) < 0.5, rng.normal(size=40)

    sets, products = Halves.of(masks, 5).products(residual, np.zeros(6))

    expected = [s for size in range(1, 6) for s in combinations(range(9), size)]
    assert sorted(sets) == sorted(expected)
    truth = {s: residual @ parity(masks, s) for s in expected}
    assert products == pytest.approx([truth[s] for s in sets], abs=1e-4)


def test_twelve_parities_of_24_players_are_found_in_noise():
    rng = np.random.default_rng(1)
    planted = {tuple(sorted(rng.choice(24, rng.integers(1, 6), replace=False).tolist())) for _ in range(12)}
    masks = rng.random((360, 24)) < 0.5
    values = sum(float(rng.choice([-1, 1])) * parity(masks, s) for s in sorted(planted))
    values = standard(values + rng.normal(size=360) * np.sqrt(len(planted) / 10))

    halves = Halves.of(masks, 5)

    for rows in (np.arange(360), np.arange(30, 360)):  # and without the rows of a fold
        found = set(pursue(halves, rows, values[rows]))
        assert found >= {(), *planted}
        assert len(found) <= len(planted) + 2  # one in a hundred of each size is luck


def test_in_noise_alone_nothing_is_found():
    rng = np.random.default_rng(2)
    masks = rng.random((120, 20)) < 0.5
    halves = Halves.of(masks, 5)
    found = [len(pursue(halves, np.arange(120), standard(rng.normal(size=120)))) - 1 for _ in range(20)]
    assert sum(found) <= 3


def test_sets_are_as_large_as_can_be_tried():
    assert highest_order(6, 40) == 6
    assert [highest_order(n, 8 * n) for n in (20, 50, 100, 200, 900, 5000)] == [6, 5, 4, 3, 2, 1]


def test_auto_finds_what_has_no_hierarchy():
    def value(masks: np.ndarray) -> np.ndarray:
        return parity(masks, (0, 5, 9, 10)) - parity(masks, (2, 3, 11)) + parity(masks, (1, 4, 6, 7, 8))

    design = Auto().plan(12, 96, np.random.default_rng(0))
    fit = Auto().fit(design, exact_values(design.masks, value(design.masks)))
    fresh = np.random.default_rng(3).random((500, 12)) < 0.5

    assert ((fit.spectrum.predict(fresh) - value(fresh)) ** 2).mean() < 0.05 * value(fresh).var()
    assert any("matching pursuit" in note for note in fit.notes)


def shares(count: int, seed: int) -> dict[str, float]:
    """Of a member that is right, one that is a little off, and one as far off that has to earn its weight."""
    rng = np.random.default_rng(seed)
    masks, support = rng.random((count, 5)) < 0.5, [(i,) for i in range(5)]
    right = np.array([1.0, -0.5, 0.5, 0.2, 0.1])
    off = right + np.array([-0.1, 0.1, -0.1, 0.15, 0.15])
    values = np.where(masks, -1.0, 1.0) @ right + rng.normal(size=count)
    parts = [
        BaseLearner("right", support, right[:, None]),
        BaseLearner("off", support, off[:, None]),
        BaseLearner("rare", support, off[:, None], common=False),
    ]
    return dict(stack(masks, values, lambda rows: parts, folds(count, rng)).shares)


def test_few_masks_average_the_members_and_many_choose_among_them():
    few = [shares(20, seed) for seed in range(10)]
    many = shares(5000, 0)

    assert 0.3 < np.mean([found["off"] for found in few]) < 0.5
    assert np.mean([found["rare"] for found in few]) < 0.1
    assert many["right"] > 0.85


def test_spex_finds_terms_that_share_all_their_bins(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(5)
    drawn = [tuple(sorted(rng.choice(16, rng.integers(1, 4), replace=False).tolist())) for _ in range(50)]
    planted = sorted(set(drawn))
    engine = SPEX(order=3, combined=False)
    design = engine.plan(16, 408, rng)  # 8 bins a group
    values = sum(parity(design.masks, s) for s in planted) + rng.normal(size=len(design.masks))

    def found() -> int:
        coef = engine.fit(design, exact_values(design.masks, values)).spectrum.coef
        return len({s for s, size in coef.items() if s and abs(size) > 0.4} & {*planted})

    assert found() == len(planted)
    monkeypatch.setattr(spex, "highest_order", lambda n, m: 0)
    assert found() < len(planted) / 2
