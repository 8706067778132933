"""Indices against brute force over all masks, each from its own definition, written out here."""

from itertools import combinations
from math import comb, factorial

import numpy as np
import pytest
from allocations import allocated
from hypothesis import given, settings
from hypothesis import strategies as st

from spexapi.errors import InputError
from spexapi.fourier.indices import INDICES, check_index, default_order, to_index
from spexapi.fourier.spectrum import Spectrum


def subsets(players, most=None):
    players = tuple(players)
    return [s for k in range((len(players) if most is None else most) + 1) for s in combinations(players, k)]


def table(n, coef):
    """The value of every set of kept players, by the sum of signed parities."""
    return {
        kept: sum(c * (-1) ** len(set(kept) & set(s)) for s, c in coef.items()) for kept in subsets(range(n))
    }


def derivative(value, inside, others):
    """The discrete derivative of `inside` at `others`."""
    return sum(
        (-1) ** (len(inside) - len(part)) * value[tuple(sorted(part + others))] for part in subsets(inside)
    )


def averaged(value, n, order, weight):
    """For each set: the sum over masks T of the others of weight(|T|, |S|) * derivative."""
    return {
        s: sum(
            weight(len(t), len(s)) * derivative(value, s, t)
            for t in subsets([i for i in range(n) if i not in s])
        )
        for s in subsets(range(n), order)
    }


def shapley_interaction(value, n, order):
    return averaged(value, n, order, lambda t, s: factorial(t) * factorial(n - t - s) / factorial(n - s + 1))


def banzhaf_interaction(value, n, order):
    return averaged(value, n, order, lambda t, s: 0.5 ** (n - s))


def shapley_taylor(value, n, order):
    found = averaged(value, n, order, lambda t, s: order / n / comb(n - 1, t) if s == order else 0.0)
    return found | {s: derivative(value, s, ()) for s in subsets(range(n), order - 1)}


def best_approximation(value, n, order, weight, exact_ends):
    """Möbius terms of the weighted least squares approximation of that order; constraints by multipliers."""
    support = subsets(range(n), order)
    kept = subsets(range(n))
    inside = np.array([[set(s) <= set(t) for s in support] for t in kept], dtype=float)
    target = np.array([value[t] for t in kept])
    weights = np.array([weight(len(t)) for t in kept])
    normal = inside.T @ (weights[:, None] * inside)
    ends = inside[[0, -1]] if exact_ends else inside[:0]
    system = np.block([[normal, ends.T], [ends, np.zeros((len(ends), len(ends)))]])
    right = np.concatenate([inside.T @ (weights * target), target[[0, -1]] if exact_ends else []])
    return dict(
        zip(support, np.linalg.lstsq(system, right, rcond=None)[0][: len(support)].tolist(), strict=True)
    )


def faith_shap(value, n, order):
    # value(nobody) and value(everybody) have infinite weight: the two constraints
    return best_approximation(
        value, n, order, lambda t: (n - 1) / (comb(n, t) * t * (n - t)) if 0 < t < n else 0.0, True
    )


def faith_banzhaf(value, n, order):
    return best_approximation(value, n, order, lambda t: 0.5**n, False)


def shapley(value, n, _):
    return {(): value[()]} | {s: v for s, v in shapley_interaction(value, n, 1).items() if s}


def banzhaf(value, n, _):
    return banzhaf_interaction(value, n, 1)


def harsanyi(value, n, order):
    return {s: derivative(value, s, ()) for s in subsets(range(n), order)}


def correlation(value, n, order):
    return {
        s: sum(v * (-1) ** len(set(t) & set(s)) for t, v in value.items()) / 2**n
        for s in subsets(range(n), order)
    }


BRUTE_FORCE = {
    "fourier": correlation,
    "moebius": harsanyi,
    "sii": shapley_interaction,
    "stii": shapley_taylor,
    "fsii": faith_shap,
    "fbii": faith_banzhaf,
    "bii": banzhaf_interaction,
    "sv": shapley,
    "bv": banzhaf,
}


def filled(found, expected):
    assert set(found) <= set(expected)
    return {s: found.get(s, 0.0) for s in expected}


def game(n, seed, terms):
    rng = np.random.default_rng(seed)
    coef = {(): float(rng.normal())}
    for _ in range(terms):
        s = rng.choice(n, int(rng.integers(1, n + 1)), replace=False)
        coef[tuple(sorted(s.tolist()))] = float(rng.normal())
    return coef


def test_brute_force_covers_every_index():
    assert set(BRUTE_FORCE) == set(INDICES)


@pytest.mark.parametrize("index", BRUTE_FORCE)
@given(n=st.integers(1, 6), order=st.integers(1, 6), seed=st.integers(0, 2**32), terms=st.integers(0, 12))
@settings(max_examples=12, deadline=None)
def test_every_index_agrees_with_brute_force_over_all_masks(index, n, order, seed, terms):
    order = 1 if index in ("sv", "bv") else min(order, n)
    coef = game(n, seed, terms)

    found = to_index(Spectrum(n, coef), index, order)

    expected = BRUTE_FORCE[index](table(n, coef), n, order)
    assert filled(found, expected) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("index", BRUTE_FORCE)
def test_every_index_agrees_with_brute_force_at_ten_players(index):
    n, order = 10, 1 if index in ("sv", "bv") else 2
    coef = game(n, 5, 20)

    found = to_index(Spectrum(n, coef), index, order)

    expected = BRUTE_FORCE[index](table(n, coef), n, order)
    assert filled(found, expected) == pytest.approx(expected, abs=1e-9)


def planted():
    """2 AND(0, 3, 5) + 3 AND(1, 4) of eight players: parities of all subsets of each conjunction."""
    coef = {}
    for strength, players in ((2.0, (0, 3, 5)), (3.0, (1, 4))):
        for s in subsets(players):
            coef[s] = coef.get(s, 0.0) + strength * (-1.0) ** len(s) / 2 ** len(players)
    return Spectrum(8, coef)


@pytest.mark.parametrize(
    ("index", "order", "players", "expected"),
    [
        ("moebius", None, (0, 3, 5), 2.0),
        ("moebius", None, (1, 4), 3.0),
        ("fourier", None, (1, 4), 0.75),
        ("sii", 2, (0, 3), 1.0),
        ("stii", 2, (0, 3), 2 / 3),
        ("bii", 2, (0, 3), 1.0),
        ("fbii", 2, (0, 3), 1.0),
        ("fbii", 1, (0,), 0.5),
        ("bv", 1, (0,), 0.5),
        ("sv", 1, (0,), 2 / 3),
        ("sv", 1, (1,), 1.5),
        ("fsii", 3, (0, 3, 5), 2.0),
    ],
)
def test_a_conjunction_reads_as_its_authors_say(index, order, players, expected):
    assert to_index(planted(), index, order)[players] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("index", ["sv", "stii", "fsii"])
def test_efficient_indices_add_up_to_the_value_of_everybody(index):
    coef = game(9, 3, 15)
    order = 1 if index == "sv" else 3

    found = to_index(Spectrum(9, coef), index, order)

    assert sum(found.values()) == pytest.approx(table(9, coef)[tuple(range(9))])
    assert found[()] == pytest.approx(table(9, coef)[()])


def test_a_player_that_does_nothing_is_not_there():
    found = to_index(planted(), "sii", 3)

    assert {i for s in found for i in s} == {0, 1, 3, 4, 5}
    assert (0, 1) not in found


@pytest.mark.parametrize("index", INDICES)
def test_a_thousand_players_are_no_harder_than_ten(index):
    coef = game(10, 7, 40)
    shifted = {tuple(99 * i + 50 for i in s): value for s, value in coef.items()}
    small, large = Spectrum(10, coef), Spectrum(1_000, shifted)

    with allocated() as small_peak:
        expected = to_index(small, index)
    with allocated() as large_peak:
        found = to_index(large, index)

    assert large_peak.bytes < 2 * small_peak.bytes + 100_000
    assert found == pytest.approx({tuple(99 * i + 50 for i in s): v for s, v in expected.items()})


@pytest.mark.parametrize("index", ["sv", "bv", "bii", "fbii", "fourier"])
def test_a_parity_of_a_thousand_players_costs_no_more_than_its_players(index):
    everyone = tuple(range(999))
    found = to_index(Spectrum(1_000, {everyone: 1.0, (0, 1): 0.5}), index)

    assert all(np.isfinite(list(found.values())))
    if index == "sv":
        assert found[(0,)] == pytest.approx(-2 / 999)


def test_faith_shap_of_a_high_order_keeps_its_digits():
    # the Möbius terms of a parity of 60 players alternate up to 2^60; FSII adds up to value(everybody) still
    found = to_index(Spectrum(60, {tuple(range(60)): 1.0}), "fsii", 2)

    assert sum(found.values()) == pytest.approx(1.0, abs=1e-9)


def test_sums_that_cancel_to_rounding_error_are_left_out():
    coef = {s: 0.1 * (-1.0) ** len(s) / 8 + 0.3 / 7 * (s == (1,)) for s in subsets((0, 1, 2))}

    found = to_index(Spectrum(3, coef), "moebius")

    assert found == pytest.approx({(): 0.3 / 7, (1,): -0.6 / 7, (0, 1, 2): 0.1})
    assert set(to_index(planted(), "moebius")) == {(), (0, 3, 5), (1, 4)}


def test_too_many_subsets_are_refused_with_the_number():
    with pytest.raises(InputError, match=r"166,\d+,\d+ subsets of up to 3 players.*lower max_order"):
        to_index(Spectrum(1_000, {tuple(range(1_000)): 1.0}), "sii")


@pytest.mark.parametrize("name", ["Möbius", "MOBIUS", "moebius", " Moebius "])
def test_names_may_be_spelled_in_any_case_and_with_an_umlaut(name):
    assert to_index(planted(), name) == to_index(planted(), "moebius")


def test_an_unknown_index_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"shaply.*fourier, moebius, sii, stii, fsii, fbii, bii, sv, bv"):
        to_index(planted(), "shaply")


def test_orders_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="max_order is 0"):
        to_index(planted(), "sii", 0)
    with pytest.raises(InputError, match="single players only, not of order 2: use sii"):
        to_index(planted(), "sv", 2)


def test_default_orders():
    assert [default_order(i, 10) for i in INDICES] == [None, None, 3, 3, 3, 3, 3, 1, 1]
    assert default_order("fbii", 2) == 2
    assert check_index("FBII", None, 2) == ("fbii", 2)
    assert check_index("mobius", 4, 10) == ("moebius", 4)
