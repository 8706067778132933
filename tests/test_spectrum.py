"""The spectrum: predicting, refitting, truncating, and Möbius terms, against sums written out here."""

import copy
import pickle
from itertools import combinations
from math import prod

import numpy as np
import pytest
from allocations import allocated
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import RidgeCV

from spexapi.errors import BudgetError, InputError
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import Spectrum, from_moebius, parities, refit, to_moebius, truncate

FLOATS = st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 3))


def sparse(most_players=9, most_order=9):
    """(n, {sorted tuple: value})"""
    return st.integers(1, most_players).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.dictionaries(
                st.frozensets(st.integers(0, n - 1), max_size=most_order).map(lambda s: tuple(sorted(s))),
                FLOATS,
                max_size=12,
            ),
        )
    )


def by_hand(coef, mask):
    return sum(value * prod(-1 if mask[i] else 1 for i in s) for s, value in coef.items())


@given(game=sparse(), seed=st.integers(0, 2**32), m=st.integers(0, 140))
@settings(max_examples=80, deadline=None)
def test_a_value_is_the_sum_of_signed_parities(game, seed, m):
    n, coef = game
    masks = np.random.default_rng(seed).random((m, n)) < 0.5

    found = Spectrum(n, coef).predict(masks)

    assert found.dtype == np.float64
    assert found == pytest.approx(np.array([by_hand(coef, mask) for mask in masks]), abs=1e-9)


def test_the_sign_is_minus_one_where_a_player_is_kept():
    spectrum = Spectrum(3, {(): 1.0, (2,): -0.5, (0, 1): 0.75})

    assert spectrum.predict(np.array([[False, False, False]])) == pytest.approx([1.25])
    assert spectrum.predict(np.array([[False, False, True]])) == pytest.approx([2.25])
    assert spectrum.predict(np.array([[True, False, False]])) == pytest.approx([-0.25])


def test_the_parity_of_a_thousand_players_is_right():
    n = 1_000
    masks = np.random.default_rng(0).random((100, n)) < 0.5
    spectrum = Spectrum(n, {tuple(range(n)): 1.0, tuple(range(0, n, 2)): 10.0, (999,): 100.0})

    everyone = np.where(masks.sum(axis=1) % 2, -1.0, 1.0)
    even = np.where(masks[:, ::2].sum(axis=1) % 2, -1.0, 1.0)
    last = np.where(masks[:, 999], -1.0, 1.0)
    assert spectrum.predict(masks) == pytest.approx(everyone + 10 * even + 100 * last)


def test_prediction_in_more_than_one_block_of_masks_and_interactions_is_right():
    rng = np.random.default_rng(0)
    masks = rng.random((70_000, 12)) < 0.5
    support = [s for k in range(4) for s in combinations(range(12), k)]
    coef = dict(zip(support, rng.normal(size=len(support)).tolist(), strict=True))
    rows = [0, 1, 65_535, 65_536, 69_999]

    found = Spectrum(12, coef).predict(masks)[rows]

    assert found == pytest.approx(np.array([by_hand(coef, masks[row]) for row in rows]))


def test_thousands_of_masks_and_interactions_of_a_thousand_players_are_predicted_in_blocks():
    rng = np.random.default_rng(0)
    masks = rng.random((4_000, 1_000)) < 0.5
    coef = {tuple(sorted(rng.choice(1_000, 1 + i % 5, replace=False).tolist())): 1.0 for i in range(5_000)}
    spectrum = Spectrum(1_000, coef)

    with allocated() as peak:
        found = spectrum.predict(masks)

    assert found[:3] == pytest.approx([by_hand(coef, mask) for mask in masks[:3]])
    # 4,000 x 5,000 parities would be 160 MB as floats; a block of them takes 32 MB and its bits 4 MB
    assert peak.bytes < 60e6


def test_the_design_matrix_holds_the_parities():
    masks = np.array([[True, False, True], [False, True, True]])

    found = parities(masks, [(), (0,), (0, 2), (0, 1, 2)])

    assert found.tolist() == [[1, -1, 1, 1], [1, 1, -1, 1]]
    assert found.dtype == np.int8
    assert parities(masks, [(1,)], np.float32).dtype == np.float32


def test_variance_and_constant_are_those_of_all_masks():
    coef = {(): 2.0, (0,): 1.0, (1, 2): -3.0}
    masks = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], dtype=bool)
    values = [by_hand(coef, mask) for mask in masks]

    spectrum = Spectrum(3, coef)

    assert spectrum.constant == pytest.approx(np.mean(values))
    assert spectrum.variance == pytest.approx(np.var(values))
    assert spectrum.order == 2


@pytest.mark.parametrize(
    ("coef", "seen"),
    [
        ({(1, 0): 1.0}, r"\(1, 0\)"),
        ({(1, 1): 1.0}, r"\(1, 1\)"),
        ({(0,): 1.0, (0, 3): 1.0}, r"\(0, 3\)"),
        ({(-1,): 1.0}, r"\(-1,\)"),
        ({(0,): float("nan")}, "nan"),
        ({(0,): float("inf")}, "inf"),
        ({("a",): 1.0}, "'a'"),
        ({(True,): 1.0}, "True"),
        ({1: 1.0}, "got 1"),
    ],
)
def test_what_is_not_a_spectrum_is_refused_with_what_was_seen(coef, seen):
    with pytest.raises(InputError, match=seen):
        Spectrum(3, coef)


def test_a_spectrum_is_a_value():
    one = Spectrum(3, {(0,): 1.0, (1, 2): 2.0})
    two = Spectrum(3, {(np.int64(1), np.int64(2)): np.float64(2), (0,): 1})

    assert one == two
    assert one != Spectrum(4, one.coef)
    assert {type(i) for s in two.coef for i in s} == {int}
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
    with pytest.raises(TypeError):
        one.coef[()] = 1.0


@pytest.mark.parametrize("masks", [np.zeros((2, 3)), np.zeros((2, 4), dtype=bool), np.zeros(3, dtype=bool)])
def test_masks_of_another_shape_or_type_are_refused(masks):
    with pytest.raises(InputError, match=r"\(m, 3\) bool"):
        Spectrum(3, {}).predict(masks)


def planted(m, n=6, seed=0):
    masks = np.random.default_rng(seed).random((m, n)) < 0.5
    sign = np.where(masks, -1.0, 1.0)
    return masks, 1.0 - 0.5 * sign[:, 2] + 0.75 * sign[:, 1] * sign[:, 4]


TERMS = [(), (2,), (1, 4), (0, 3)]


@pytest.mark.parametrize("penalty", [0, None])
def test_refit_recovers_a_planted_pair(penalty):
    masks, values = planted(64)

    found = refit(masks, values, TERMS, penalty=penalty)

    assert dict(found.coef) == pytest.approx({(): 1.0, (2,): -0.5, (1, 4): 0.75, (0, 3): 0.0}, abs=1e-12)


def ridge_by_hand(masks, values, support, penalty, weights):
    sign = np.where(masks, -1.0, 1.0)
    columns = np.column_stack([sign[:, list(s)].prod(axis=1) for s in support])
    fine = np.diag([0.0 if s == () else penalty for s in support])
    return np.linalg.solve(columns.T @ (columns * weights[:, None]) + fine, columns.T @ (weights * values))


@given(
    seed=st.integers(0, 2**32),
    m=st.integers(3, 60),
    penalty=st.floats(0.01, 100),
    constant=st.booleans(),
    weighted=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_refit_solves_the_normal_equations_with_more_or_fewer_masks_than_terms(
    seed, m, penalty, constant, weighted
):
    rng = np.random.default_rng(seed)
    masks = rng.random((m, 6)) < 0.5
    values = rng.normal(size=m)
    weights = rng.uniform(0.2, 3, size=m) if weighted else None
    support = [s for k in range(0 if constant else 1, 3) for s in combinations(range(6), k)]

    found = refit(masks, values, support, penalty=penalty, weights=weights)

    by_equations = ridge_by_hand(masks, values, support, penalty, np.ones(m) if weights is None else weights)
    assert [found.coef[s] for s in support] == pytest.approx(by_equations, abs=1e-8)


@pytest.mark.parametrize("m", [12, 40, 90])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("constant", [0, None])
def test_the_penalty_taken_has_the_smallest_leave_one_out_error(m, weighted, constant):
    rng = np.random.default_rng(m)
    masks = rng.random((m, 6)) < 0.5
    values = planted(m, seed=m)[1] + rng.normal(size=m)
    weights = rng.uniform(0.5, 2, size=m) if weighted else np.ones(m)
    support = [s for k in range(constant is None, 3) for s in combinations(range(6), k)]

    def left_out(penalty):
        """Each row predicted by a fit to the others."""
        found = np.empty(m)
        for i in range(m):
            rest = np.arange(m) != i
            coef = ridge_by_hand(masks[rest], values[rest], support, penalty, weights[rest])
            found[i] = by_hand(dict(zip(support, coef.tolist(), strict=True)), masks[i])
        return found

    def error(predicted):
        return float((weights * (values - predicted) ** 2).sum())

    columns = parities(masks, support)
    found = ridge(columns, values, constant=constant, weights=weights if weighted else None)

    assert found.left_out == pytest.approx(left_out(found.penalty), abs=1e-7)
    assert error(found.left_out) <= 1.01 * min(error(left_out(a)) for a in np.geomspace(0.05, 2_000, 25))


def test_refit_agrees_with_scikit_learn():
    rng = np.random.default_rng(3)
    masks, values = planted(200, seed=3)
    values = values + rng.normal(size=200)
    support = [s for k in range(1, 3) for s in combinations(range(6), k)]
    sign = np.where(masks, -1.0, 1.0)
    columns = np.column_stack([sign[:, list(s)].prod(axis=1) for s in support])
    reference = RidgeCV(alphas=200 * np.geomspace(1e-6, 1e3, 400)).fit(columns, values)

    found = refit(masks, values, [(), *support])

    assert found.coef[()] == pytest.approx(reference.intercept_, abs=0.01)
    assert [found.coef[s] for s in support] == pytest.approx(reference.coef_, abs=0.02)


def test_the_constant_is_never_penalised():
    masks, values = planted(64)

    found = refit(masks, values + 1_000.0, [(), (0,)], penalty=1e9)

    assert found.coef[()] == pytest.approx(values.mean() + 1_000.0)
    assert found.coef[(0,)] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("penalty", [None, 0, 1.0])
@pytest.mark.parametrize("support", [[()], []])
def test_refit_of_the_constant_alone_or_of_nothing(penalty, support):
    masks, values = planted(5)

    assert dict(refit(masks, values, support, penalty=penalty).coef) == pytest.approx(
        {(): values.mean()} if support else {}
    )


def test_copies_of_a_column_share_their_coefficient_under_least_squares():
    masks, values = planted(64)
    masks[:, 5] = masks[:, 2]

    found = refit(masks, values, [*TERMS, (5,)], penalty=0)

    assert found.coef[(2,)] == pytest.approx(-0.25)
    assert found.coef[(5,)] == pytest.approx(-0.25)


def test_no_penalty_is_chosen_among_independent_columns_only():
    masks, values = planted(64)
    assert ridge(parities(masks, TERMS), values, constant=0).penalty < 1e-3

    masks[:, 5] = masks[:, 2]
    assert ridge(parities(masks, [*TERMS, (5,)]), values, constant=0).penalty > 0


def test_refit_says_how_many_masks_least_squares_needs():
    masks, values = planted(3)

    with pytest.raises(BudgetError, match=r"3 masks cannot fix 4 coefficients: measure 4"):
        refit(masks, values, TERMS, penalty=0)
    with pytest.raises(BudgetError, match="0 masks"):
        refit(masks[:0], values[:0], TERMS)


def test_refit_refuses_what_does_not_fit_together():
    masks, values = planted(8)

    with pytest.raises(InputError, match="1 that are not finite"):
        refit(masks, np.where(np.arange(8) == 3, np.nan, values), TERMS)
    with pytest.raises(InputError, match="8 finite floats"):
        refit(masks, values[:5], TERMS)
    with pytest.raises(InputError, match="twice"):
        refit(masks, values, [(0,), (0,)])
    with pytest.raises(InputError, match=r"\(0, 9\)"):
        refit(masks, values, [(0, 9)])
    with pytest.raises(InputError, match="weights"):
        refit(masks, values, TERMS, weights=np.zeros(8))
    with pytest.raises(InputError, match="penalty"):
        refit(masks, values, TERMS, penalty=-1.0)


@given(game=sparse(), energy=st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_truncation_keeps_the_fewest_terms_that_hold_the_energy(game, energy):
    n, coef = game
    squares = sorted((value**2 for s, value in coef.items() if s and value), reverse=True)
    total = sum(squares)

    kept = truncate(Spectrum(n, coef), energy).coef

    count = sum(1 for s in kept if s)
    assert (() in kept) == (() in coef)
    assert sum(squares[:count]) >= energy * total * (1 - 1e-12)
    assert count == 0 or sum(squares[: count - 1]) < energy * total * (1 + 1e-12)
    assert sorted((kept[s] ** 2 for s in kept if s), reverse=True) == squares[:count]


def test_truncation_refuses_a_share_above_one():
    with pytest.raises(InputError, match="95"):
        truncate(Spectrum(2, {}), 95)


def moebius_by_hand(n, coef):
    """From the definition: m_T = sum over subsets of T of (-1)^(|T| - |S|) value(S)."""
    value = {}
    for k in range(n + 1):
        for s in combinations(range(n), k):
            value[s] = by_hand(coef, [i in s for i in range(n)])
    return {
        t: sum((-1) ** (len(t) - k) * value[s] for k in range(len(t) + 1) for s in combinations(t, k))
        for t in value
    }


@given(game=sparse(most_players=7))
@settings(max_examples=60, deadline=None)
def test_moebius_terms_are_those_of_the_definition(game):
    n, coef = game

    found = to_moebius(Spectrum(n, coef))

    expected = moebius_by_hand(n, coef)
    assert set(found) <= set(expected)
    assert {t: found.get(t, 0.0) for t in expected} == pytest.approx(expected, abs=1e-9)


@given(game=sparse(most_players=9, most_order=6))
@settings(max_examples=60, deadline=None)
def test_a_sum_of_moebius_terms_becomes_the_spectrum_with_the_same_values(game):
    n, terms = game
    masks = np.random.default_rng(0).random((30, n)) < 0.5

    found = from_moebius(n, terms)

    by_terms = [sum(v for t, v in terms.items() if all(mask[i] for i in t)) for mask in masks]
    assert found.predict(masks) == pytest.approx(np.array(by_terms), abs=1e-9)


def test_moebius_and_fourier_are_each_others_inverse_when_dense_and_when_sparse():
    rng = np.random.default_rng(0)
    dense = {s: float(rng.normal()) for k in range(9) for s in combinations(range(20, 28), k)}
    high = {tuple(range(17)): 1.0, (3, 900): 2.0}

    for coef in (dense, high):
        back = from_moebius(1_000, to_moebius(Spectrum(1_000, coef))).coef
        assert {s: value for s, value in back.items() if abs(value) > 1e-9} == pytest.approx(coef)


def test_an_interaction_too_high_for_moebius_terms_is_refused_with_its_order():
    high = Spectrum(1_000, {tuple(range(21)): 1.0})

    with pytest.raises(InputError, match="order 21"):
        to_moebius(high)
    with pytest.raises(InputError, match="order 21"):
        from_moebius(1_000, high.coef)
