"""The exact engine: right for every mask, and honest when it did not see them all."""

from itertools import combinations

import numpy as np
import pytest
from allocations import allocated
from hypothesis import given, settings
from hypothesis import strategies as st

from spexapi.engines.base import Engine
from spexapi.engines.exact import Exact
from spexapi.errors import BudgetError, NothingMeasured
from spexapi.fourier.walsh_hadamard import walsh_hadamard
from spexapi.measurements import Measurements, exact_values, nothing


def planted(masks):
    sign = np.where(masks, -1.0, 1.0)
    conjunction = masks[:, 0] & masks[:, 3] & masks[:, 5]
    return 1 - 0.5 * sign[:, 2] + 0.75 * sign[:, 1] * sign[:, 4] + 2.0 * conjunction


def planned(n=8, budget=None, seed=0):
    return Exact().plan(n, 2**n if budget is None else budget, np.random.default_rng(seed))


@given(n=st.integers(0, 8), seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_the_transform_is_the_product_with_the_matrix_of_signs(n, seed):
    values = np.random.default_rng(seed).normal(size=2**n)
    signs = np.array([[(-1.0) ** (x & y).bit_count() for y in range(2**n)] for x in range(2**n)])

    found = values.copy()
    walsh_hadamard(found)

    assert found == pytest.approx(signs @ values, abs=1e-9)


@pytest.mark.parametrize("n", [10, 11, 13])
def test_the_transform_of_more_values_than_one_block_is_right_too(n):
    values = np.random.default_rng(0).normal(size=2**n)
    rows = [0, 1, 5, 2**9, 2**n - 1, 2 ** (n - 1) + 3]
    expected = [sum((-1.0) ** (x & y).bit_count() * v for y, v in enumerate(values)) for x in rows]

    found = values.copy()
    walsh_hadamard(found)
    many = np.stack([values, 2 * values])
    walsh_hadamard(many)

    assert found[rows] == pytest.approx(expected)
    assert many == pytest.approx(np.stack([found, 2 * found]))


def test_the_transform_of_a_million_values_undoes_itself_in_less_than_two_copies():
    values = np.random.default_rng(0).normal(size=2**20)
    found = values.copy()

    with allocated() as peak:
        walsh_hadamard(found)
        walsh_hadamard(found)

    assert found / 2**20 == pytest.approx(values)
    assert peak.bytes < 1.6 * values.nbytes


def test_all_masks_are_planned_once_in_an_order_the_seed_decides():
    design = planned(5)

    assert design.exact
    assert {tuple(row) for row in design.masks.tolist()} == {
        tuple(i in s for i in range(5)) for k in range(6) for s in combinations(range(5), k)
    }
    assert np.array_equal(design.masks, planned(5).masks)
    assert not np.array_equal(design.masks, planned(5, seed=1).masks)
    assert isinstance(Exact(), Engine)
    assert Exact().name == "exact"


def test_a_budget_too_small_and_players_too_many_are_refused_with_the_numbers():
    with pytest.raises(BudgetError, match="all 256 masks of 8 players, the budget is 255"):
        planned(8, budget=255)
    with pytest.raises(BudgetError, match="21 players have 2\\^21 masks"):
        planned(21, budget=10**9)


def test_what_was_seen_is_not_proposed_again():
    design = planned(4)
    reason = ["", "refused"] + [""] * 3
    seen = exact_values(design.masks[:5], np.array([1.0, np.nan, 1.0, 1.0, 1.0]), reason=reason)

    assert np.array_equal(Exact().propose(design, nothing(4), 7), design.masks[:7])
    assert np.array_equal(Exact().propose(design, seen, 16), design.masks[5:])
    assert Exact().propose(design, seen, 0).shape == (0, 4)


def test_the_spectrum_of_a_planted_game_is_exact_and_sparse():
    design = planned()

    fit = Exact().fit(design, exact_values(design.masks, planted(design.masks)))

    expected = {(): 1.25, (2,): -0.5, (1, 4): 0.75}
    expected |= {s: (-1) ** k / 4 for k in (1, 2, 3) for s in combinations((0, 3, 5), k)}
    assert dict(fit.spectrum.coef) == pytest.approx(expected, abs=1e-12)
    assert not fit.intervals
    assert not fit.notes


@given(n=st.integers(1, 7), seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_any_game_is_predicted_to_rounding_error(n, seed):
    rng = np.random.default_rng(seed)
    design = planned(n, seed=seed)
    order = rng.permutation(2**n)
    values = rng.normal(size=2**n) * 10 ** rng.uniform(-3, 3)

    fit = Exact().fit(design, exact_values(design.masks[order], values))

    assert fit.spectrum.predict(design.masks[order]) == pytest.approx(values, abs=1e-9 * np.abs(values).max())


def test_a_constant_game_is_its_constant():
    design = planned(3)

    for value in (0.0, 7.5):
        fit = Exact().fit(design, exact_values(design.masks, np.full(8, value)))
        assert dict(fit.spectrum.coef) == {(): value}


def test_a_mask_measured_twice_counts_with_its_mean():
    design = planned(3)
    masks = np.concatenate([design.masks, design.masks[:1]])
    values = np.zeros(9)
    values[[0, 8]] = 2.0, 4.0

    fit = Exact().fit(design, exact_values(masks, values))

    assert fit.spectrum.predict(design.masks) == pytest.approx([3.0] + [0.0] * 7)


def test_noise_of_the_values_gives_intervals_that_hold_the_truth():
    design = planned()
    truth = planted(design.masks)
    inside = []
    exact = Exact().fit(design, exact_values(design.masks, truth)).spectrum.coef
    for seed in range(30):
        noisy = truth + 0.1 * np.random.default_rng(seed).normal(size=256)
        seen = Measurements(design.masks, noisy, np.full(256, 0.01), noisy.copy(), noisy.copy(), ("",) * 256)
        intervals = Exact().fit(design, seen).intervals
        inside += [low <= exact.get(s, 0.0) <= high for s, (low, high) in intervals.items()]

    assert np.mean(inside) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(("failed", "r2"), [(1, 0.999), (60, 0.999), (180, 0.85)])
def test_with_failed_masks_it_estimates_from_the_others_and_says_so(failed, r2):
    design = planned()
    values = planted(design.masks)
    values[:failed] = np.nan

    fit = Exact().fit(design, exact_values(design.masks, values))

    truth = planted(design.masks)
    residual = fit.spectrum.predict(design.masks) - truth
    assert 1 - residual.var() / truth.var() > r2
    assert len(fit.notes) == 1
    assert f"{256 - failed} of 256 masks" in fit.notes[0]
    assert f"{failed} measurements failed" in fit.notes[0]
    assert "not exact" in fit.notes[0]


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_run_stopped_after_a_few_masks_still_gives_a_finite_estimate(rows):
    design = planned()

    fit = Exact().fit(design, exact_values(design.masks[:rows], planted(design.masks[:rows])))

    assert np.isfinite(fit.spectrum.predict(design.masks)).all()
    assert "not exact" in fit.notes[0]


def test_without_any_value_it_says_why():
    design = planned(2)

    with pytest.raises(NothingMeasured, match=r"4 measurements.*the key is wrong"):
        Exact().fit(design, exact_values(design.masks, np.full(4, np.nan), reason=["the key is wrong"] * 4))
    with pytest.raises(NothingMeasured, match="no mask was measured"):
        Exact().fit(design, nothing(2))


def test_a_small_effect_on_a_large_constant_is_not_taken_for_rounding():
    design = planned(6)
    values = 1e12 + 0.5 * np.where(design.masks, -1.0, 1.0)[:, [0, 3]].prod(axis=1)
    fit = Exact().fit(design, exact_values(design.masks, values))

    assert {s: v for s, v in fit.spectrum.coef.items() if s} == pytest.approx({(0, 3): 0.5}, abs=1e-3)
