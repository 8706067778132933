"""Order and choice where values are equal but for rounding."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import view_samples as sample
from hypothesis import given
from hypothesis import strategies as st

from spexapi.explanation.reading import Meaning, Reading
from spexapi.fourier.optimize import best_mask, best_masks, necessary_set, sufficient_set, worst_mask
from spexapi.fourier.ranking import (
    exceeds,
    first_largest,
    first_least,
    largest_first,
    least_first,
    ranked,
    ranks,
    reaches,
    settled,
    step_of,
    strongest_first,
)
from spexapi.fourier.ridge import ridge
from spexapi.fourier.spectrum import Spectrum, from_moebius, parities, truncate
from spexapi.narrative.story import tell
from spexapi.narrative.wording import percent, signed
from spexapi.views.colours import tone

UP, DOWN = 1 + 1e-12, 1 - 1e-12  # what a processor may make of 1


def test_equal_values_are_ordered_by_size_then_by_players():
    values = {(3,): DOWN, (0, 1): UP, (2,): -UP, (0, 1, 2): 1.0, (4,): 1.1}

    assert ranked(values) == [(4,), (2,), (3,), (0, 1), (0, 1, 2)]


def test_values_a_billionth_apart_are_equal_and_further_ones_are_not():
    assert least_first([1 + 5e-10, 1.0, 1 + 3e-9]) == [0, 1, 2]
    assert least_first([1 + 3e-9, 1.0]) == [1, 0]


def test_small_values_keep_their_order_next_to_a_large_one():
    assert strongest_first([1e-4, 2e-4, 1e6]) == [2, 1, 0]


def test_rounding_next_to_a_large_value_is_no_order():
    assert largest_first([1e-17, 3e-17, -2e-17, 1.0]) == [3, 0, 1, 2]


def test_no_grid_line_parts_equal_values():
    on_a_line = 0.5e-9  # half a step of a grid of 1e-9 of the largest
    assert largest_first([on_a_line * DOWN, on_a_line * UP, 1.0]) == [2, 0, 1]


def test_rows_are_ranked_each_by_itself():
    assert ranks(np.array([[3.0, 1.0, UP], [2.0, 2.0 * UP, -1.0]])).tolist() == [[1, 0, 0], [1, 1, 0]]


def test_what_is_not_finite_comes_last_or_at_its_end():
    assert least_first([np.nan, 2.0, -np.inf, 1.0, np.inf]) == [2, 3, 1, 4, 0]
    assert ranks(np.zeros(0)).tolist() == []


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_noise_far_below_a_billionth_changes_no_order(values: list[int], rng):
    values = [5, *values]
    noisy = [v * (1 + 1e-13 * rng.uniform(-1, 1)) + 1e-14 * rng.uniform(-1, 1) for v in values]

    assert strongest_first(noisy) == sorted(range(len(values)), key=lambda i: (-abs(values[i]), i))


def test_the_first_of_equal_values_is_chosen():
    assert first_least([2.0, UP, DOWN]) == 1
    assert first_largest([-3.0, DOWN, UP]) == 1
    assert first_least([3e-30, 1e-30], rounding=1e-20) == 0


def test_a_bar_is_reached_by_what_equals_it():
    assert reaches(0.3 * DOWN, 0.3)
    assert not exceeds(0.3 * UP, 0.3)
    assert exceeds(0.3 + 1e-8, 0.3)
    assert not exceeds(1e-16, 0.0, scale=1.0)


def test_equal_numbers_are_shown_alike():
    assert {signed(6.125 * factor) for factor in (UP, DOWN, 1.0)} == {"+6.12"}
    assert {percent(0.125 * factor) for factor in (UP, DOWN, 1.0)} == {"12%"}
    assert settled(1 / 3) == pytest.approx(1 / 3, rel=1e-9)


def test_equal_shares_have_one_colour():
    assert {tone(0.6 * factor, 1.0) for factor in (UP, DOWN, 1.0)} == {"h4"}
    assert [step_of(share, 4) for share in (0.0, 0.25 * DOWN, 0.9, 1.0)] == [0, 1, 3, 3]


@pytest.mark.parametrize("factor", [UP, DOWN])
def test_an_explanation_lists_equal_interactions_by_players(factor: float):
    values = {(): 0.0, (2, 3): 1 / factor, (1,): 1.0, (0,): factor}
    explanation = replace(sample.documents(sample.and_of_two), interactions=values)

    assert [s for s, _ in explanation.top(3)] == [(0,), (1,), (2, 3)]


@pytest.mark.parametrize("factor", [UP, DOWN])
def test_a_part_that_is_worth_just_three_tenths_is_always_little(factor: float):
    values = {frozenset(): 0.0, frozenset({0}): 0.3 * factor, frozenset({1}): 0.0, frozenset({0, 1}): 1.0}
    explanation = sample.documents(lambda kept: values[kept & {0, 1}])

    assert Reading.of(explanation).meaning((0, 1)) is Meaning.TOGETHER


@pytest.mark.parametrize("late", [1e-13, -1e-13])
def test_of_equal_ways_the_story_takes_that_of_the_first_documents(late: float):
    def either_pair(kept: frozenset[int]) -> float:
        return -0.1 + late if {3, 4} <= kept else -0.1 if {0, 1} <= kept else -5.0

    def three_of_five(kept: frozenset[int]) -> float:
        return -0.1 + late * (4 in kept) if len(kept & {0, 1, 2, 3, 4}) >= 3 else -5.0

    assert tell(sample.documents(either_pair)).core == (0, 1)
    assert tell(sample.documents(three_of_five)).core == (0, 1, 2)


@pytest.mark.parametrize(
    ("larger", "missed"),
    [
        ((), "no small group that was tried is enough."),
        ((2,), "Of the few that were removed one at a time, c is missed most."),
        ((2, 5), "Of the few that were removed one at a time, c and f are missed most."),
    ],
)
def test_of_equal_terms_none_is_missed_most(larger: tuple[int, ...], missed: str):
    terms = {(i,): -0.1 * (1 + 1e-13 * (i % 3)) * (1.25 if i in larger else 1.0) for i in range(8)}
    told = tell(sample.function(Spectrum(8, {(): -1.0, **terms}), list("abcdefgh"))).text

    assert told.endswith(missed)


def test_shares_that_are_rounding_are_nothing():
    off = {(): 0.0, (1, 3): -1.0, (0,): 2e-17, (2,): -3e-17}  # one of two: no player has a share
    shares = Reading.of(sample.function(Spectrum(4, off), list("abcd"))).shares

    assert shares == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_of_equally_small_sets_the_first_by_players_is_found(seed: int):
    noise = np.random.default_rng(seed).uniform(-1e-13, 1e-13, 99).tolist()
    pairs = ((17, 21), (2, 30), (2, 29), (5, 6))
    either_pair = from_moebius(40, {(): 0.0} | {s: 4.0 * (1 + e) for s, e in zip(pairs, noise, strict=False)})
    equal = from_moebius(40, {(i,): 1.0 + e for i, e in enumerate(noise[:40]) if i % 2})

    assert sufficient_set(either_pair, 12.5).players == (2, 29)
    assert necessary_set(either_pair, 11.5).players == (2, 5)
    assert best_mask(equal, 12).players == tuple(range(1, 24, 2))
    assert worst_mask(equal, 12).players == tuple(range(0, 24, 2))
    assert [o.players for o in best_masks(equal, 1, 3)] == [(1,), (3,), (5,)]


def test_truncation_at_an_even_share_does_not_hang_on_rounding():
    for factor in (UP, DOWN):
        terms = {(i,): 1.0 if i % 3 else factor for i in range(20)}
        kept = truncate(Spectrum(20, terms), 0.95).coef  # 19 of 20 equal terms

        assert sorted(s for s in kept if s) == [(i,) for i in range(19)]


def test_a_flat_curve_of_errors_gives_the_smallest_penalty():
    masks = np.random.default_rng(1).random((60, 12)) < 0.5
    support = [s for size in range(5) for s in combinations(range(12), size)]
    columns = parities(masks, support, np.float64) * np.geomspace(1.0, 0.1, len(support))
    values = np.where(masks[:, :3], [3.0, 2.0, 1.0], 0.0).max(axis=1)

    # another order of the columns is another order of the sums
    orders = [np.random.default_rng(k).permutation(np.arange(1, len(support))) for k in range(8)]
    chosen = {f"{ridge(columns[:, [0, *order]], values, constant=0).penalty:.6g}" for order in orders}

    assert len(chosen) == 1
