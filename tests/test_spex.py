"""SPEX finds sparse terms of any order in noise, says its price first, and gives way to nothing odd."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spexapi
from spexapi.engines.base import Design, Fit
from spexapi.engines.codes.bch import bch
from spexapi.engines.codes.peeling import Hashing, peel
from spexapi.engines.spex import SPEX
from spexapi.errors import BudgetError, InputError, NothingMeasured
from spexapi.measurements import exact_values
from spexapi.trust.audit import audit

Terms = dict[tuple[int, ...], float]
QUICK = SPEX(combined=False)


def planted(n: int, count: int, order: int, seed: int) -> Terms:
    """Sets of 1 to `order` players without hierarchy."""
    rng, terms = np.random.default_rng(seed), Terms()
    while len(terms) < count:
        players = rng.choice(n, int(rng.integers(1, order + 1)), replace=False)
        terms[tuple(sorted(players.tolist()))] = float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.5))
    return terms


def value(masks: np.ndarray, terms: Terms) -> np.ndarray:
    """Written out here: the oracle shares no code with the subject."""
    sign = np.where(masks, -1.0, 1.0)
    total = np.full(len(masks), 3.0)
    for players, size in terms.items():
        total += size * sign[:, list(players)].prod(axis=1)
    return total


def noisy(masks: np.ndarray, terms: Terms, seed: int, decibel: float = 10.0) -> np.ndarray:
    power = sum(size**2 for size in terms.values()) / 10 ** (decibel / 10)
    return value(masks, terms) + np.random.default_rng([seed, 9]).normal(size=len(masks)) * np.sqrt(power)


def planned(n: int, budget: int, seed: int = 0, engine: SPEX = QUICK) -> Design:
    return engine.plan(n, budget, np.random.default_rng(seed))


def r_squared(fit: Fit, terms: Terms, n: int) -> float:
    fresh = np.random.default_rng(999).random((2000, n)) < 0.5
    truth = value(fresh, terms)
    return float(1 - np.mean((fit.spectrum.predict(fresh) - truth) ** 2) / np.var(truth))


def strong(fit: Fit) -> set[tuple[int, ...]]:
    return {s for s, size in fit.spectrum.coef.items() if s and abs(size) > 0.2}


@pytest.mark.parametrize(("n", "budget", "count"), [(20, 672, 10), (32, 672, 12), (100, 984, 10)])
@pytest.mark.parametrize("seed", [0, 1])
def test_sets_of_up_to_five_players_are_recovered_from_noisy_values(
    n: int, budget: int, count: int, seed: int
):
    terms = planted(n, count, 5, seed)
    design = planned(n, budget, seed)
    fit = QUICK.fit(design, exact_values(design.masks, noisy(design.masks, terms, seed)))

    assert strong(fit) == set(terms)
    assert r_squared(fit, terms, n) > 0.98
    assert fit.spectrum.constant == pytest.approx(3.0, abs=0.2)


def test_without_noise_the_coefficients_are_exact():
    terms = planted(40, 15, 5, 3)
    design = planned(40, 1000)
    fit = QUICK.fit(design, exact_values(design.masks, value(design.masks, terms)))

    found = {s: size for s, size in fit.spectrum.coef.items() if abs(size) > 1e-6}
    assert found == pytest.approx({(): 3.0, **terms}, abs=1e-4)


def test_hundreds_of_players_are_no_obstacle():
    terms = planted(500, 6, 5, 1)
    design = planned(500, 1224)
    fit = QUICK.fit(design, exact_values(design.masks, noisy(design.masks, terms, 1)))

    assert strong(fit) == set(terms)


@pytest.mark.parametrize(("n", "least"), [(32, 312), (1000, 504)])
def test_the_smallest_budget_is_the_published_one_and_is_said_before_any_call(n: int, least: int):
    calls = 0

    def never(masks: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return masks.sum(axis=1).astype(float)

    with pytest.raises(BudgetError, match=f"raise it to {least} or more"):
        spexapi.explain(spexapi.FunctionGame(never, players=n), engine="spex", budget=least - 1)
    assert calls == 0
    assert SPEX().smallest_budget(n) == least
    assert len(planned(n, least).masks) == least


@pytest.mark.parametrize(("n", "budget"), [(32, 672), (100, 984), (500, 1224), (1000, 1344)])
def test_sets_of_five_fit_from_the_published_budgets_on(n: int, budget: int):
    assert planned(n, budget).settings["order"] == 5
    assert planned(n, budget - 1).settings["order"] == 4
    assert "would need a larger budget" in planned(n, budget - 1).notes[0]


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 120), extra=st.integers(0, 4000), order=st.integers(1, 7), groups=st.integers(2, 5))
def test_a_plan_holds_its_budget_and_repeats_no_mask(n: int, extra: int, order: int, groups: int):
    engine = SPEX(order=order, groups=groups)
    budget = engine.smallest_budget(n) + extra
    design = planned(n, budget, engine=engine)

    assert len(design.masks) == min(budget, len(design.masks))
    assert len(np.unique(design.masks, axis=0)) == len(design.masks)
    if n > 20:
        assert len(design.masks) == budget
        hashed = Hashing(
            design.settings["matrices"], design.settings["shift"], bch(n, design.settings["order"])
        )
        apart = budget - len(np.unique(hashed.masks(), axis=0))
        smallest = np.shape(design.settings["matrices"])[:2] == (groups, 3)
        # at the published price of the smallest design a twelfth is left, of which two keep all or nothing
        assert apart >= (max(16, budget // 12) if smallest else 2 + max(16, budget / 10))


def test_more_budget_buys_bins_or_groups():
    shapes = [np.shape(planned(100, budget).settings["matrices"]) for budget in (984, 1400, 2100, 8000)]

    assert [shape[0] * 2 ** shape[1] for shape in shapes] == sorted(
        {shape[0] * 2 ** shape[1] for shape in shapes}
    )
    assert shapes[0][:2] == (3, 3)
    assert shapes[-1][1] == 5


def test_the_same_seed_gives_the_same_design_and_fit_and_another_does_not():
    terms = planted(24, 8, 4, 0)
    one, two, other = planned(24, 700, 5), planned(24, 700, 5), planned(24, 700, 6)
    fits = [QUICK.fit(d, exact_values(d.masks, noisy(d.masks, terms, 0))) for d in (one, two)]

    assert np.array_equal(one.masks, two.masks)
    assert not np.array_equal(one.masks, other.masks)
    assert dict(fits[0].spectrum.coef) == dict(fits[1].spectrum.coef)


def test_masks_are_proposed_once_each_in_order_and_never_more_than_remain():
    design = planned(20, 504)
    seen = exact_values(design.masks[:100], np.arange(100.0))

    assert (QUICK.propose(design, seen, 7) == design.masks[100:107]).all()
    assert (QUICK.propose(design, seen, 10_000) == design.masks[100:]).all()
    assert len(QUICK.propose(design, exact_values(design.masks, np.zeros(504)), 9)) == 0


@pytest.mark.parametrize("lost", [0.05, 0.2, 0.3, 0.4])
def test_failed_measurements_are_filled_in_and_the_notes_say_so(lost: float):
    terms = planted(32, 8, 4, 2)
    design = planned(32, 700)
    values = noisy(design.masks, terms, 2)
    values[np.random.default_rng(0).random(len(values)) < lost] = np.nan
    fit = QUICK.fit(design, exact_values(design.masks, values))

    assert strong(fit) == set(terms)
    assert r_squared(fit, terms, 32) > 0.97
    assert f"{int(np.isnan(values).sum())} of 700 measurements failed" in fit.notes
    assert any("have no value: each counts as what the fit predicts" in note for note in fit.notes)


def test_a_run_stopped_after_two_of_three_groups_is_decoded_from_those():
    terms = planted(32, 5, 4, 4)
    design = planned(32, 672)
    known = exact_values(design.masks, noisy(design.masks, terms, 4)).take(np.arange(480))
    fit = QUICK.fit(design, known)

    assert set(terms) <= strong(fit)
    assert any("2 of 3 groups" in note for note in fit.notes)
    assert not any("ProxySPEX" in note for note in fit.notes)


@pytest.mark.parametrize("count", [1, 5, 60])
def test_a_run_stopped_earlier_is_fitted_by_proxyspex_with_a_note(count: int):
    terms = planted(20, 4, 2, 0)
    design = planned(20, 504)
    fit = QUICK.fit(design, exact_values(design.masks[:count], value(design.masks[:count], terms)))

    assert np.isfinite(list(fit.spectrum.coef.values())).all()
    assert fit.notes
    if count > 5:
        assert "groups of masks are complete enough to decode" in fit.notes[0]


def test_where_proxyspex_steps_in_it_is_judged_on_uniform_masks_only():
    """Masks of a block resemble each other: predicting one from the others is no forecast for new ones."""
    terms = planted(32, 8, 4, 0)
    design = planned(32, 672)
    values = noisy(design.masks, terms, 0)
    values[np.random.default_rng(0).random(len(values)) < 0.7] = np.nan
    seen = exact_values(design.masks, values)
    fit = QUICK.fit(design, seen)
    found = audit(QUICK, design, seen, fit, rng=np.random.default_rng(0))

    assert "ProxySPEX" in fit.notes[0]
    assert found.n_held_out == seen.ok[2:56].sum()  # two keep all or nothing, then the uniform ones
    assert found.r2 < r_squared(fit, terms, 32) + 0.1


def test_a_constant_game_and_one_without_values_are_met_calmly():
    design = planned(20, 504)

    fit = QUICK.fit(design, exact_values(design.masks, np.full(504, -2.5)))
    assert dict(fit.spectrum.coef) == {(): -2.5}
    with pytest.raises(NothingMeasured, match="timed out"):
        QUICK.fit(design, exact_values(design.masks, np.full(504, np.nan), reason=["timed out"] * 504))
    with pytest.raises(NothingMeasured):
        QUICK.fit(design, exact_values(design.masks[:0], np.zeros(0)))


def test_noise_alone_is_not_explained():
    design = planned(50, 1200)
    fit = QUICK.fit(design, exact_values(design.masks, np.random.default_rng(1).normal(size=1200)))

    assert len(fit.spectrum) <= 2


def test_the_audit_rests_on_uniform_masks_that_no_term_was_chosen_by():
    terms = planted(32, 8, 4, 1)
    design = planned(32, 672)
    seen = exact_values(design.masks, noisy(design.masks, terms, 1))
    fit = QUICK.fit(design, seen)
    found = audit(QUICK, design, seen, fit, rng=np.random.default_rng(0))

    assert fit.out_of_fold is not None
    apart = np.isfinite(fit.out_of_fold)
    assert 672 // 12 - 2 == apart.sum() == found.n_held_out
    hashed = Hashing(design.settings["matrices"], design.settings["shift"], bch(32, 5)).masks()
    asked = {row.tobytes() for row in hashed}
    assert not any(row.tobytes() in asked for row in design.masks[apart])
    assert found.r2 == pytest.approx(10 / 11, abs=0.08)  # the noise is a tenth of the signal


@pytest.mark.slow
def test_trees_are_weighed_in_where_they_predict_better_and_only_there():
    engine = SPEX(order=2)
    design = planned(12, engine.smallest_budget(12), engine=engine)
    dense = design.masks[:, :6].sum(axis=1) * np.maximum(2.0, design.masks[:, 6:].sum(axis=1))
    mixed = engine.fit(design, exact_values(design.masks, dense))
    terms = planted(12, 4, 2, 0)
    plain = engine.fit(design, exact_values(design.masks, noisy(design.masks, terms, 0)))

    assert mixed.notes[-1].startswith("combined, which predicts better")
    assert plain.notes[-1] == "ridge on 4 terms and the constant"


def test_few_players_are_no_special_case():
    for n in (2, 3, 5):
        design = planned(n, SPEX().smallest_budget(n))
        fit = QUICK.fit(design, exact_values(design.masks, value(design.masks, {(0,): 1.0, (0, 1): -0.5})))

        assert len(design.masks) == 2**n
        assert fit.spectrum.coef[(0, 1)] == pytest.approx(-0.5, abs=0.05)


def test_an_explanation_by_spex_from_end_to_end_is_fitted_again_with_other_settings():
    terms = planted(12, 4, 3, 2)
    game = spexapi.FunctionGame(lambda masks: value(masks, terms), players=12)
    ex = spexapi.explain(game, engine=QUICK, budget=384, index="fourier", claims=0)

    assert {s for s, _ in ex.top(4)} == set(terms)
    assert ex.audit.r2 == pytest.approx(1.0, abs=1e-3)
    assert ex.cost.calls == 384
    again = ex.with_engine(SPEX(order=2, combined=False))  # asks other masks: these are fitted as they are
    assert again.top(1)[0][0] == ex.top(1)[0][0]


def test_settings_out_of_range_and_foreign_designs_are_refused():
    for engine, message in [(SPEX(order=0), "order is from 1"), (SPEX(groups=1), "groups is from 2")]:
        with pytest.raises(InputError, match=message):
            planned(20, 1000, engine=engine)
    with pytest.raises(InputError, match="at least 2 players"):
        planned(1, 1000)
    foreign = Design(20, 100, planned(20, 504).masks[:100])
    with pytest.raises(InputError, match="not made by spex"):
        QUICK.fit(foreign, exact_values(foreign.masks, np.arange(100.0)))


@settings(max_examples=15, deadline=None)
@given(
    exponent=st.integers(-9, 9), offset=st.floats(-100, 100), lost=st.floats(0, 1), seed=st.integers(0, 99)
)
def test_any_unit_and_any_share_of_failures_leave_a_finite_fit(
    exponent: int, offset: float, lost: float, seed: int
):
    terms = planted(12, 3, 3, seed)
    design = planned(12, SPEX(order=2).smallest_budget(12), seed)
    values = (noisy(design.masks, terms, seed) + offset) * 10.0**exponent
    if lost < 0.2:  # beyond, other engines answer
        values[np.random.default_rng(seed).random(len(values)) < lost] = np.nan
    fit = QUICK.fit(design, exact_values(design.masks, values))

    assert np.isfinite(list(fit.spectrum.coef.values())).all()
    assert fit.spectrum.constant == pytest.approx((3 + offset) * 10.0**exponent, abs=2 * 10.0**exponent)


def test_peeling_resolves_what_collides_in_one_group():
    """Two terms in one bin of the first group, apart in the others."""
    code = bch(10, 2)
    rng = np.random.default_rng(3)
    matrices = rng.random((3, 3, 10)) < 0.5
    matrices[0, :, 4] = matrices[0, :, 7]
    matrices[1, :, 4], matrices[1, :, 7] = [True, False, False], [False, True, False]
    hashing = Hashing(matrices, rng.random(10) < 0.5, code)
    values = value(hashing.masks(), {(4,): 1.0, (7,): -1.0}) - 3.0

    found, sizes = peel(hashing, values / values.std(), 50)
    assert dict(zip(found, sizes * values.std(), strict=True)) == pytest.approx(
        {(): 0.0, (4,): 1.0, (7,): -1.0}, abs=1e-6
    )
