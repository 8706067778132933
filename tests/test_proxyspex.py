"""ProxySPEX finds what was planted, says what it could not use, and never gives way to odd values."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spexapi.engines.base import Design, Fit
from spexapi.engines.proxyspex import ProxySPEX
from spexapi.engines.stack import stacking
from spexapi.errors import BudgetError, InputError, NothingMeasured
from spexapi.measurements import Measurements, exact_values

Value = Callable[[np.ndarray], np.ndarray]


def sign(masks: np.ndarray) -> np.ndarray:
    """Written out here: the oracle shares no code with the subject."""
    return np.where(masks, -1.0, 1.0)


def small(masks: np.ndarray) -> np.ndarray:
    s = sign(masks)
    return 1 - 0.5 * s[:, 2] + 0.75 * s[:, 1] * s[:, 4] + 2.0 * (masks[:, 0] & masks[:, 3] & masks[:, 5])


def wide(masks: np.ndarray) -> np.ndarray:
    s = sign(masks)
    both = s[:, 10] + 0.8 * s[:, 20] + s[:, 10] * s[:, 20]
    return both + 3.0 * (masks[:, 70] & masks[:, 80] & masks[:, 90])


def planned(n: int, budget: int, seed: int = 0) -> Design:
    return ProxySPEX().plan(n, budget, np.random.default_rng(seed))


def explained(value: Value, n: int, budget: int, seed: int = 0) -> tuple[Fit, float]:
    """The fit, and its R² on 2,000 fresh masks."""
    design = planned(n, budget, seed)
    fit = ProxySPEX().fit(design, exact_values(design.masks, value(design.masks)))
    return fit, r_squared(fit, value, n)


@pytest.fixture(scope="module")
def plain() -> tuple[Design, Fit]:
    """The small game from 60 exact values."""
    design = planned(8, 60)
    return design, ProxySPEX().fit(design, exact_values(design.masks, small(design.masks)))


def r_squared(fit: Fit, value: Value, n: int) -> float:
    fresh = np.random.default_rng(999).random((2000, n)) < 0.5
    truth = value(fresh)
    return 1 - np.mean((fit.spectrum.predict(fresh) - truth) ** 2) / np.var(truth)


def test_a_small_planted_game_is_recovered():
    fit, r2 = explained(small, 8, 200)

    assert r2 > 0.998
    assert fit.spectrum.coef[(1, 4)] == pytest.approx(0.75, abs=0.02)
    assert fit.spectrum.coef[(2,)] == pytest.approx(-0.5, abs=0.02)
    # AND of three kept players, times 2: its highest coefficient is 2 * (-1/2)^3
    assert fit.spectrum.coef[(0, 3, 5)] == pytest.approx(-0.25, abs=0.02)


def test_few_strong_terms_are_found_among_a_hundred_players():
    fit, r2 = explained(wide, 100, 250)
    strong = {s for s, value in fit.spectrum.coef.items() if abs(value) > 0.2}

    assert r2 > 0.99
    assert {(10,), (20,), (10, 20), (70, 80, 90)} <= strong
    assert len(strong) <= 20


def test_twice_as_many_masks_as_players_already_give_first_effects():
    weights = np.random.default_rng(1).normal(size=30)

    _, r2 = explained(lambda masks: masks @ weights, 30, 60)

    assert r2 > 0.95


def test_a_fifth_of_failed_measurements_costs_little_and_is_counted():
    design = planned(8, 200)
    values = small(design.masks)
    values[np.random.default_rng(2).random(200) < 0.2] = np.nan
    fit = ProxySPEX().fit(design, exact_values(design.masks, values))

    assert r_squared(fit, small, 8) > 0.99
    failed = int(np.isnan(values).sum())
    assert f"{failed} of 200 measurements failed and were left out" in fit.notes
    assert fit.out_of_fold is not None
    assert (np.isnan(fit.out_of_fold) == np.isnan(values)).all()


def test_noise_alone_is_not_explained():
    design = planned(12, 150)
    noise = np.random.default_rng(3).normal(size=150)
    fit = ProxySPEX().fit(design, exact_values(design.masks, noise))

    assert fit.spectrum.variance < 0.35
    assert fit.out_of_fold is not None
    assert 1 - np.mean((fit.out_of_fold - noise) ** 2) / np.var(noise) < 0.1


def test_the_out_of_fold_predictions_forecast_fresh_masks():
    """Over several noisy games the out-of-fold R² is, on average, the R² on fresh masks of the same noise."""
    gaps = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        design = planned(10, 120, seed)
        values = small(design.masks) + rng.normal(size=120)
        fit = ProxySPEX().fit(design, exact_values(design.masks, values))
        fresh = rng.random((3000, 10)) < 0.5
        truth = small(fresh) + rng.normal(size=3000)
        on_fresh = 1 - np.mean((fit.spectrum.predict(fresh) - truth) ** 2) / np.var(truth)
        assert fit.out_of_fold is not None
        gaps.append(1 - np.mean((fit.out_of_fold - values) ** 2) / np.var(values) - on_fresh)

    assert abs(np.mean(gaps)) < 0.08


def test_two_runs_are_equal_to_the_last_bit():
    one, two = (explained(small, 9, 80, seed=4)[0] for _ in range(2))

    assert dict(one.spectrum.coef) == dict(two.spectrum.coef)
    assert np.array_equal(one.out_of_fold, two.out_of_fold, equal_nan=True)


def test_fits_side_by_side_are_equal_to_fits_in_turn(plain, monkeypatch: pytest.MonkeyPatch):
    in_turn = plain[1]
    monkeypatch.setattr(stacking, "PARALLEL_FROM", 0)
    monkeypatch.setattr(stacking, "WORKERS", 2)
    side_by_side = explained(small, 8, 60)[0]

    assert dict(side_by_side.spectrum.coef) == dict(in_turn.spectrum.coef)
    assert np.array_equal(side_by_side.out_of_fold, in_turn.out_of_fold, equal_nan=True)


def test_the_plan_begins_with_all_and_none_and_repeats_no_mask():
    design = planned(7, 100)

    assert design.masks.shape == (100, 7)
    assert design.masks[0].all()
    assert not design.masks[1].any()
    assert len(np.unique(design.masks, axis=0)) == 100
    assert len(planned(5, 500).masks) == 32


def test_masks_are_proposed_once_each_in_order_and_never_more_than_remain():
    design, engine = planned(6, 20), ProxySPEX()
    seen = exact_values(design.masks[:12], small_sum(design.masks[:12]))

    assert (engine.propose(design, seen, 5) == design.masks[12:17]).all()
    assert (engine.propose(design, seen, 100) == design.masks[12:]).all()
    assert len(engine.propose(design, exact_values(design.masks, small_sum(design.masks)), 9)) == 0


def small_sum(masks: np.ndarray) -> np.ndarray:
    return masks.sum(axis=1).astype(float)


def test_too_small_a_budget_names_the_smallest_that_is_enough():
    with pytest.raises(BudgetError, match="raise it to 32 or more"):
        planned(30, 31)
    assert len(planned(30, 32).masks) == 32
    assert len(planned(2, 4).masks) == 4
    with pytest.raises(InputError, match="at least 2 players"):
        planned(1, 10)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 12])
def test_a_run_stopped_early_gives_what_it_can_with_a_note(count: int):
    design = planned(6, 40)
    seen = exact_values(design.masks[:count], small_sum(design.masks[:count]))
    fit = ProxySPEX().fit(design, seen)

    assert fit.notes
    assert np.isfinite(list(fit.spectrum.coef.values())).all()
    if count == 1:
        assert dict(fit.spectrum.coef) == {(): 6.0}
    elif count < 8:
        assert fit.spectrum.order <= 1
        assert "single players only" in " ".join(fit.notes)


def test_a_constant_game_is_a_constant_with_a_note():
    design = planned(6, 40)
    fit = ProxySPEX().fit(design, exact_values(design.masks, np.full(40, -3.5)))

    assert dict(fit.spectrum.coef) == {(): -3.5}
    assert "nothing to explain" in fit.notes[-1]


def test_nothing_measured_says_the_most_frequent_reason():
    design = planned(6, 12)
    reasons = ["timed out"] * 3 + ["refused: too long"] * 9
    seen = exact_values(design.masks, np.full(12, np.nan), reason=reasons)

    with pytest.raises(NothingMeasured, match="refused: too long"):
        ProxySPEX().fit(design, seen)


@settings(max_examples=6, deadline=None)
@given(
    exponent=st.integers(-12, 12),
    offset=st.floats(-10, 10),
    lost=st.floats(0, 0.5),
    seed=st.integers(0, 1000),
)
def test_any_unit_and_any_share_of_failures_give_the_same_explanation(
    exponent: int, offset: float, lost: float, seed: int
):
    """Values in other units give the spectrum in these units; failures leave a finite one."""
    design = planned(6, 40, seed)
    values = small(design.masks)
    values[np.random.default_rng(seed).random(len(values)) < lost] = np.nan
    values[0] = small(design.masks[:1])[0]
    plain = ProxySPEX().fit(design, exact_values(design.masks, values)).spectrum
    moved = ProxySPEX().fit(design, exact_values(design.masks, (values + offset) * 10.0**exponent)).spectrum
    fresh = np.random.default_rng(7).random((64, 6)) < 0.5

    expected = (plain.predict(fresh) + offset) * 10.0**exponent
    assert moved.predict(fresh) == pytest.approx(expected, rel=1e-3, abs=0.02 * 10.0**exponent)


@settings(max_examples=4, deadline=None)
@given(repeats=st.lists(st.integers(0, 59), min_size=1, max_size=30))
def test_masks_measured_again_with_the_same_value_change_nothing(plain, repeats: list[int]):
    design, once = plain
    rows = np.concatenate([np.arange(60), np.array(repeats)])
    again = ProxySPEX().fit(design, exact_values(design.masks[rows], small(design.masks[rows])))

    assert dict(again.spectrum.coef) == pytest.approx(dict(once.spectrum.coef))


def test_the_published_recipe_finds_the_strong_terms_too():
    design = planned(8, 128)
    fit = ProxySPEX(published=True).fit(design, exact_values(design.masks, small(design.masks)))

    assert r_squared(fit, small, 8) > 0.9
    assert fit.out_of_fold is None
    assert "published" in fit.notes[-1]


def test_each_row_is_predicted_by_the_spectrum_of_its_fold():
    design = planned(8, 60)
    values = small(design.masks)
    values[[3, 17]] = np.nan
    fit = ProxySPEX().fit(design, exact_values(design.masks, values))

    assert fit.fold is not None
    assert fit.out_of_fold is not None
    assert fit.fold[[3, 17]].tolist() == [-1, -1]
    assert sorted(set(fit.fold.tolist())) == [-1, 0, 1, 2, 3, 4]
    for k, spectrum in enumerate(fit.fold_spectra):
        rows = fit.fold == k
        assert 11 <= rows.sum() <= 12
        assert spectrum.predict(design.masks[rows]) == pytest.approx(fit.out_of_fold[rows])


def measured(design: Design, values: np.ndarray, variance: np.ndarray) -> Measurements:
    reason = ("",) * len(values)
    return Measurements(design.masks, values, variance, values.copy(), values.copy(), reason)


def test_a_value_known_to_be_noisy_counts_less():
    design = planned(8, 100)
    loud = np.arange(100) % 2 == 0
    values = small(design.masks) + np.where(loud, 4.0, 0.0) * np.random.default_rng(1).normal(size=100)
    ignored = ProxySPEX().fit(design, exact_values(design.masks, values))
    used = ProxySPEX().fit(design, measured(design, values, np.where(loud, 16.0, 0.0)))

    assert r_squared(used, small, 8) > r_squared(ignored, small, 8) + 0.1


def test_equal_masks_are_averaged_by_their_precision(plain):
    design, once = plain
    truth = small(design.masks)
    twice = replace(design, masks=np.concatenate([design.masks, design.masks]))
    # the second measurement of each mask is nonsense, and says so
    values = np.concatenate([truth, truth + np.random.default_rng(2).normal(size=60) * 50])
    noise = np.concatenate([np.zeros(60), np.full(60, 2500.0)])

    both = ProxySPEX().fit(twice, measured(twice, values, noise))

    assert dict(both.spectrum.coef) == pytest.approx(dict(once.spectrum.coef), abs=1e-4)


def test_a_censored_value_is_read_as_its_bounds():
    """Values below a floor are known as "at most the floor" only, which is more than the floor as a value."""
    design = planned(8, 100)
    values = small(design.masks)
    floor = np.quantile(values, 0.25)
    low = values < floor
    shown = np.where(low, floor, values)
    reason = ("",) * 100
    bounds = np.where(low, -np.inf, shown)
    seen = Measurements(design.masks, shown, np.zeros(100), bounds, shown.copy(), reason)
    fit = ProxySPEX().fit(design, seen)
    as_shown = ProxySPEX().fit(design, exact_values(design.masks, shown))

    assert f"{low.sum()} values are known within bounds only: they were taken as what" in " ".join(fit.notes)
    assert r_squared(fit, small, 8) > r_squared(as_shown, small, 8) + 0.01


def test_a_censored_value_of_a_mask_measured_without_bounds_is_dropped(plain):
    design, once = plain
    values = small(design.masks)
    again = replace(design, masks=np.concatenate([design.masks, design.masks[:5]]))
    shown = np.concatenate([values, np.full(5, 100.0)])
    lower = np.concatenate([values, np.full(5, -100.0)])
    reason = ("",) * 65
    seen = Measurements(again.masks, shown, np.zeros(65), lower, shown.copy(), reason)

    both = ProxySPEX().fit(again, seen)

    assert dict(both.spectrum.coef) == pytest.approx(dict(once.spectrum.coef))


def test_the_notes_say_what_carried_the_weight_in_falling_order():
    fit, _ = explained(small, 8, 100)
    shares = [int(number) for number in re.findall(r"(\d+)% [a-zG]", fit.notes[-1])]

    assert fit.notes[-1].startswith("combined from 100 masks, weighed by what each predicts")
    assert "Gaussian process" in fit.notes[-1]
    assert shares == sorted(shares, reverse=True)
    assert 95 <= sum(shares) <= 101


def test_the_first_fit_of_a_process_is_the_one_it_makes_later():
    """Limits on BLAS reach only the libraries loaded by then: scipy brings its own with its first use."""
    code = (
        "import numpy as np, spexapi\n"
        "game = spexapi.FunctionGame(lambda x: 2.0 * x[:, 0] * x[:, 3] * x[:, 5] + x[:, 1] * x[:, 4], 8)\n"
        "first, later = (dict(spexapi.explain(game, engine='proxyspex', budget=200, seed=3).interactions)"
        " for _ in range(2))\n"
        "print(later == first)"
    )
    threads = {name: "2" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **threads},
    )
    assert done.stdout.strip() == "True"
