"""Adaptive ends when its target is known to be reached, not before, and never buys more than it may."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spexapi
from spexapi.engines.adaptive import Adaptive
from spexapi.engines.base import Design, Fit
from spexapi.engines.interim import explained_gain, interim_r2, sample_sizes
from spexapi.errors import BudgetError, InputError, NothingMeasured
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import Measurements, exact_values


def documents(masks: np.ndarray) -> np.ndarray:
    """Two are needed together, either of two others will do: written in kept/removed terms."""
    return 3.0 * (masks[:, 1] & masks[:, 4]) + 2.0 * (masks[:, 0] | masks[:, 5]) - 1.0 * masks[:, 3]


def parity(masks: np.ndarray) -> np.ndarray:
    return np.where(masks, -1.0, 1.0).prod(axis=1)


class Counting:
    def __init__(self, function):
        self.function, self.asked = function, []

    def __call__(self, masks: np.ndarray) -> np.ndarray:
        self.asked.extend(row.tobytes() for row in masks)
        return self.function(masks)


def run(function, n: int, budget: int, engine: Adaptive | str = "adaptive", **more):
    value = Counting(function)
    return spexapi.explain(spexapi.FunctionGame(value, n), engine=engine, budget=budget, **more), value


def true_r2(ex, function, n: int) -> float:
    fresh = np.random.default_rng(99).random((3000, n)) < 0.5
    truth = function(fresh)
    left = truth - ex.spectrum.predict(fresh)
    return float(1 - (left**2).mean() / truth.var())


def planned(n: int, budget: int, engine: Adaptive | None = None, seed: int = 0) -> Design:
    return (engine or Adaptive()).plan(n, budget, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def easy():
    """An easy game's run: the explanation, what was asked, the steps of its progress."""
    steps: list[tuple[int, int]] = []
    return *run(documents, 8, 200, on_progress=lambda done, of: steps.append((done, of))), steps


def test_an_easy_game_ends_early_at_its_target_and_says_what_it_saved(easy):
    ex, value, _ = easy

    assert len(value.asked) == ex.cost.calls < 125
    assert ex.cost.saved_calls == 200 - ex.cost.calls - ex.cost.cached_calls
    assert not ex.stopped
    assert true_r2(ex, documents, 8) > 0.9
    assert any("enough at" in note and "for a target of 0.9" in note for note in ex.notes)
    assert ex.audit.method == "held-out"
    assert ex.audit.n_held_out == 20
    assert ex.audit.r2 > 0.9


def test_a_higher_target_takes_more_calls():
    calls = [run(documents, 7, 100, Adaptive(target_r2=t))[0].cost.calls for t in (0.5, 0.99)]

    assert calls[0] < calls[1]


def test_a_game_that_is_not_understood_takes_the_budget_and_claims_nothing():
    ex, value = run(parity, 12, 60)

    assert len(value.asked) == 60
    assert ex.cost.saved_calls == 0
    assert ex.audit.r2 < 0.3
    assert "Do not trust it" in ex.audit.verdict
    assert any("not enough" in note for note in ex.notes)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 30), extra=st.integers(0, 300), held_out=st.integers(0, 12), seed=st.integers(0, 9))
def test_the_budget_holds_and_no_mask_is_asked_twice(n: int, extra: int, held_out: int, seed: int):
    budget = min(n + 18, 2**n) + extra + held_out

    def cheap(masks: np.ndarray) -> np.ndarray:  # constant: no trees are grown
        return np.full(len(masks), 1.5)

    ex, value = run(cheap, n, budget, held_out=held_out, seed=seed)
    assert len(value.asked) <= budget
    assert len(set(value.asked)) == len(value.asked)
    assert ex.cost.calls + ex.cost.saved_calls <= budget
    assert ex.audit.r2 is None


def test_a_constant_game_ends_after_a_few_analyses():
    ex, _ = run(lambda masks: np.zeros(len(masks)), 12, 400)

    assert ex.cost.calls < 200
    assert any("are all the same" in note for note in ex.notes)
    assert "there is nothing to explain" in " ".join(ex.notes)


def test_where_every_mask_is_measured_in_the_end_the_result_is_exact():
    table = np.random.default_rng(0).normal(size=64)  # nothing to learn: no mask says anything of another
    ex, value = run(lambda masks: table[masks @ (1 << np.arange(6))], 6, 64, index="fourier")

    assert len(value.asked) == 64
    assert ex.audit.method == "exact"
    whole = np.array([bin(code).count("1") % 2 for code in range(64)])
    assert ex.spectrum.coef[(0, 1, 2, 3, 4, 5)] == pytest.approx(np.mean(table * (1 - 2 * whole)))


def test_the_parity_of_all_players_is_found_before_every_mask_is_measured():
    ex, value = run(parity, 6, 64, index="fourier")

    assert len(value.asked) < 64
    assert ex.spectrum.coef[(0, 1, 2, 3, 4, 5)] == pytest.approx(1.0, abs=0.05)


def test_ending_early_leaves_fresh_masks_for_the_audit_even_where_all_could_be_measured():
    ex, value = run(documents, 8, 256)

    assert len(set(value.asked)) == len(value.asked) < 256
    assert ex.audit.method == "held-out"
    assert ex.audit.n_held_out == 26


def test_the_plan_is_counted_down_when_the_run_ends_early(easy):
    ex, _, steps = easy

    assert steps[0] == (0, 200)
    masks = ex.cost.calls + ex.cost.cached_calls  # the engine may ask what the claims asked before
    assert steps[-1] == (masks, masks)
    assert all(done <= of for done, of in steps)


def test_masks_come_in_rounds_that_continue_wherever_a_run_was_left():
    design, engine = planned(10, 200), Adaptive()
    values = parity(design.masks)
    first = engine.propose(design, exact_values(design.masks[:0], values[:0]), 200)
    rest = engine.propose(design, exact_values(design.masks[:11], values[:11]), 200)

    assert np.array_equal(first, design.masks[:30])
    assert np.array_equal(rest, design.masks[11:30])
    assert len(engine.propose(design, exact_values(design.masks[:11], values[:11]), 4)) == 4
    at_an_analysis = engine.propose(design, exact_values(design.masks[:30], values[:30]), 200)
    assert np.array_equal(at_an_analysis, design.masks[30:39])


def test_sampling_noise_lowers_what_can_be_reached():
    """Half of the variance is noise: R² of 0.9 is out of reach, nine tenths of what is left is not."""
    design, engine = planned(12, 400), Adaptive(target_r2=0.8)
    clean = documents(design.masks)
    noise = np.full(len(clean), clean.var())
    values = clean + np.random.default_rng(1).normal(size=len(clean)) * clean.std()
    known = exact_values(design.masks, values)
    noisy = Measurements(known.masks, values, noise, known.lower, known.upper, known.reason)
    found = interim_r2(noisy, clean, 0.05, np.random.default_rng(0))

    assert found is not None
    assert found.ceiling == pytest.approx(0.5, abs=0.06)
    assert found.r2 == pytest.approx(0.5, abs=0.08)
    assert found.low < found.r2
    said = engine.verdict(design, noisy, Fit(Spectrum(12, {}), out_of_fold=clean))[1]
    assert "that noise leaves" in said


@pytest.mark.parametrize("m", [30, 100])
def test_the_lower_bound_holds_as_often_as_it_says(m: int):
    """Guesses that are wrong by independent noise: R² is 0.8 by construction."""
    rng, held, rounds = np.random.default_rng(5), 0, 300
    masks = rng.random((m, 20)) < 0.5
    for _ in range(rounds):
        values = rng.normal(size=m)
        guesses = values + rng.normal(size=m) * np.sqrt(0.2)
        found = interim_r2(exact_values(masks, values), guesses, 0.05, rng)
        assert found is not None
        held += found.low <= 0.8
    assert held / rounds >= 0.90


def test_interim_analyses_grow_from_three_masks_a_player_to_all_there_are():
    assert sample_sizes(10, 100) == [30, 39, 51, 67, 88, 100]
    assert sample_sizes(4, 10) == [10]
    assert sample_sizes(100, 299) == [299]


def test_what_more_masks_explain_is_compared_on_the_same_masks():
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    seen = exact_values(rng.random((200, 12)) < 0.5, values)
    worse = np.where(np.arange(200) < 150, 0.0, np.nan)
    gain, error = explained_gain(seen, worse, values)

    assert gain == pytest.approx(1.0, abs=0.05)  # from the mean alone to all of it
    assert 0 < error < 0.2
    assert explained_gain(seen, worse, worse)[0] == 0.0


@pytest.mark.parametrize(("n", "least"), [(3, 8), (4, 16), (5, 23), (12, 30), (40, 58)])
def test_the_smallest_budget_is_said_before_any_call(n: int, least: int):
    with pytest.raises(BudgetError, match=f"raise it to {least} or more"):
        run(documents, n, least - 1)
    assert len(planned(n, least).masks) <= least


def test_settings_out_of_range_are_refused():
    for wrong in ({"target_r2": 0.0}, {"target_r2": 1.0}, {"confidence": 1.0}, {"confidence": 0.1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Adaptive(**wrong)
    with pytest.raises(InputError, match="at least 2 players"):
        planned(1, 100)


def test_a_game_that_always_fails_is_given_up_after_the_first_analysis():
    value = Counting(lambda masks: np.full(len(masks), np.nan))
    with pytest.raises(NothingMeasured):
        spexapi.explain(spexapi.FunctionGame(value, 10), engine="adaptive", budget=300)
    assert len(value.asked) == 30


def test_the_same_seed_gives_the_same_run_and_a_saved_one_opens_again(easy, tmp_path):
    one, two = easy[0], run(documents, 8, 200)[0]

    assert dict(one.interactions) == dict(two.interactions)
    one.to_json(tmp_path / "e.json")
    opened = spexapi.Explanation.from_json(tmp_path / "e.json")
    assert opened.cost.saved_calls == one.cost.saved_calls
    again = opened.with_engine(Adaptive(target_r2=0.5))
    assert again.audit.n_held_out == one.audit.n_held_out
    assert dict(again.spectrum.coef) == pytest.approx(dict(one.spectrum.coef))
