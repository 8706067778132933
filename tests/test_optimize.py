"""Optimal sets of a spectrum are what trying every mask finds, and errors say what could be had."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spexapi
from spexapi.errors import InputError
from spexapi.fourier import optimize
from spexapi.fourier.optimize import (
    Optimum,
    best_mask,
    best_masks,
    candidates,
    necessary_set,
    sufficient_set,
    worst_mask,
    worst_masks,
)
from spexapi.fourier.spectrum import Spectrum


def planted(n: int, terms: dict[tuple[int, ...], float], base: float = 0.0) -> Spectrum:
    """base + sum of weight * AND(players), as parities: AND is the product of (1 - s) / 2."""
    coef: dict[tuple[int, ...], float] = {(): base}
    for players, weight in terms.items():
        for size in range(len(players) + 1):
            for s in combinations(players, size):
                coef[s] = coef.get(s, 0.0) + weight * (-1) ** size / 2 ** len(players)
    return Spectrum(n, coef)


def drawn(n: int, seed: int) -> Spectrum:
    rng = np.random.default_rng(seed)
    coef: dict[tuple[int, ...], float] = {(): float(rng.normal())}
    for _ in range(int(rng.integers(1, 3 * n))):
        size = int(rng.integers(1, min(n, 5) + 1))
        players = tuple(sorted(rng.choice(n, size, replace=False).tolist()))
        coef[players] = float(rng.normal())
    return Spectrum(n, coef)


def every_mask(spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    """All masks and their values, from the definition."""
    n = spectrum.n_players
    masks = np.array([[bool(code >> i & 1) for i in range(n)] for code in range(2**n)])
    sign = np.where(masks, -1.0, 1.0)
    values = sum(c * np.prod(sign[:, list(s)], axis=1) for s, c in spectrum.coef.items())
    return masks, np.asarray(values)


def value_of(spectrum: Spectrum, found: Optimum) -> float:
    masks, values = every_mask(spectrum)
    return float(values[(masks == found.mask).all(axis=1)][0])


games = settings(max_examples=40, deadline=None)
some = given(n=st.integers(1, 9), seed=st.integers(0, 10_000), share=st.floats(0.01, 0.9))


@games
@some
def test_a_sufficient_set_is_as_small_as_any(n: int, seed: int, share: float):
    spectrum = drawn(n, seed)
    masks, values = every_mask(spectrum)
    tolerance = share * float(np.ptp(values))
    found = sufficient_set(spectrum, tolerance)
    serves = np.abs(values - values[-1]) <= tolerance + 1e-9

    assert found.proof == "optimal"
    assert len(found.players) == masks[serves].sum(axis=1).min()
    assert abs(value_of(spectrum, found) - values[-1]) <= tolerance + 1e-5
    assert found.predicted == pytest.approx(value_of(spectrum, found))


@games
@some
def test_a_necessary_set_is_as_small_as_any(n: int, seed: int, share: float):
    spectrum = drawn(n, seed)
    masks, values = every_mask(spectrum)
    for change in (share * float(np.ptp(values)), -share * float(np.ptp(values))):
        loss = values[-1] - values
        serves = loss >= change - 1e-9 if change > 0 else loss <= change + 1e-9
        if not serves.any():
            with pytest.raises(InputError, match="no set of players"):
                necessary_set(spectrum, change)
            continue
        found = necessary_set(spectrum, change)
        assert len(found.players) == (~masks[serves]).sum(axis=1).min()
        assert not found.mask[list(found.players)].any()
        assert (values[-1] - value_of(spectrum, found)) / change >= 1 - 1e-4


@games
@given(n=st.integers(1, 9), seed=st.integers(0, 10_000), data=st.data())
def test_the_best_and_the_worst_mask_are_those_of_all(n: int, seed: int, data: st.DataObject):
    spectrum = drawn(n, seed)
    size = data.draw(st.integers(0, n))
    masks, values = every_mask(spectrum)
    there = values[masks.sum(axis=1) == size]
    best, worst = best_mask(spectrum, size), worst_mask(spectrum, size)

    assert len(best.players) == len(worst.players) == size
    assert value_of(spectrum, best) == pytest.approx(there.max(), abs=1e-5)
    assert value_of(spectrum, worst) == pytest.approx(there.min(), abs=1e-5)


@games
@given(n=st.integers(2, 8), seed=st.integers(0, 10_000), count=st.integers(1, 4), listed=st.booleans())
def test_the_next_best_masks_come_in_order_and_none_twice(n: int, seed: int, count: int, listed: bool):
    spectrum = drawn(n, seed)
    masks, values = every_mask(spectrum)
    there = np.sort(values[masks.sum(axis=1) == n // 2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimize, "MOST_LISTED", 1 << 18 if listed else 0)  # by listing, and by programming
        best, worst = best_masks(spectrum, n // 2, count), worst_masks(spectrum, n // 2, count)

    assert [value_of(spectrum, found) for found in best] == pytest.approx(there[::-1][:count], abs=1e-5)
    assert [value_of(spectrum, found) for found in worst] == pytest.approx(there[:count], abs=1e-5)
    assert len({found.players for found in best}) == len(best) == min(count, len(there))


def test_the_best_of_a_few_measured_candidates_mends_a_spectrum_that_is_a_little_wrong():
    """Removing 2 and 5 is worst; the spectrum thinks 2 and 6. Budget and calls are those of eight masks."""

    def value(masks: np.ndarray) -> np.ndarray:
        return masks[:, 0] + 2.0 * (masks[:, 2] & masks[:, 5]) + 3.0 * (masks[:, 2] | masks[:, 5])

    game = spexapi.FunctionGame(value, 10)
    ex = spexapi.explain(game, budget=32 - candidates(32), seed=1)
    wrong = Spectrum(10, {**ex.spectrum.coef, (6,): ex.spectrum.coef.get((6,), 0.0) - 1.5})
    optima = worst_masks(wrong, 8, candidates(100))
    checks = spexapi.check_sets(game, ex, optima)

    assert optima[0].players != (0, 1, 3, 4, 6, 7, 8, 9)
    assert min(checks, key=lambda check: check.measured).optimum.players == (0, 1, 3, 4, 6, 7, 8, 9)
    assert game.spent.calls <= 32 - candidates(32) + candidates(100)


def test_candidates_are_an_eighth_of_the_budget_and_not_too_many_to_be_listed():
    assert [candidates(budget) for budget in (1, 8, 30, 64, 1000)] == [1, 1, 3, 8, 32]


def test_twelve_players_against_all_4096_masks():
    spectrum = drawn(12, 7)
    masks, values = every_mask(spectrum)
    tolerance = 0.05 * float(np.ptp(values))
    serves = np.abs(values - values[-1]) <= tolerance

    assert len(sufficient_set(spectrum, tolerance).players) == masks[serves].sum(axis=1).min()
    assert best_mask(spectrum, 5).predicted == pytest.approx(values[masks.sum(axis=1) == 5].max())


def test_two_documents_that_answer_together_are_sufficient_and_either_is_necessary():
    spectrum = planted(8, {(1, 4): 3.0, (6,): 0.1}, base=-5.0)

    assert sufficient_set(spectrum, 0.2).players == (1, 4)
    assert sufficient_set(spectrum, 0.05).players == (1, 4, 6)
    removed = necessary_set(spectrum, 2.5)
    assert removed.players in {(1,), (4,)}
    assert removed.predicted == pytest.approx(-4.9)
    assert removed.within == (-np.inf, pytest.approx(-1.9 - 2.5))


def test_two_copies_are_only_necessary_together():
    """1 or 4: each is sufficient alone, and only both removed lower the value."""
    spectrum = planted(8, {(1,): 2.0, (4,): 2.0, (1, 4): -2.0})

    assert sufficient_set(spectrum, 0.1).players in {(1,), (4,)}
    assert necessary_set(spectrum, 1.0).players == (1, 4)


def test_what_no_set_can_do_is_refused_with_the_most_that_one_can():
    spectrum = planted(6, {(0, 1): 3.0}, base=-4.0)
    with pytest.raises(InputError, match=r"lowers the value by 5 from -1; the lowest value .* is -4"):
        necessary_set(spectrum, 5.0)
    with pytest.raises(InputError, match=r"raises the value by 1 from -1; the highest value .* is -1"):
        necessary_set(spectrum, -1.0)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_unit_does_not_matter(scale: float):
    spectrum = planted(8, {(1, 4): 3.0 * scale, (6,): 0.1 * scale}, base=-5.0 * scale)

    assert sufficient_set(spectrum, 0.2 * scale).players == (1, 4)
    assert len(necessary_set(spectrum, 2.5 * scale).players) == 1
    assert best_mask(spectrum, 2).players == (1, 4)


def test_a_constant_spectrum_needs_nobody():
    assert sufficient_set(Spectrum(5, {(): 2.0}), 0.0).players == ()
    assert best_mask(Spectrum(5, {(): 2.0}), 2).predicted == 2.0


def test_bad_arguments_are_named():
    spectrum = planted(6, {(0, 1): 3.0})
    for call, message in (
        (lambda: sufficient_set(spectrum, -1.0), "tolerance"),
        (lambda: sufficient_set(spectrum, float("nan")), "tolerance"),
        (lambda: sufficient_set(spectrum, 1.0, time_limit=0.0), "time limit"),
        (lambda: necessary_set(spectrum, 0.0), "other than 0"),
        (lambda: best_mask(spectrum, 7), "0 to 6"),
        (lambda: worst_masks(spectrum, 3, 0), "at least 1"),
        (lambda: worst_mask(Spectrum(60, {tuple(range(16)): 1.0}), 30), "truncate"),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_a_short_time_limit_gives_a_set_without_proof_or_a_named_error():
    rng = np.random.default_rng(0)
    coef = {tuple(sorted(rng.choice(60, 4, replace=False).tolist())): float(rng.normal()) for _ in range(500)}
    try:
        found = best_mask(Spectrum(60, coef), 30, time_limit=0.3)
    except InputError as error:
        assert "raise time_limit" in str(error)  # noqa: PT017 - either outcome is right, by the machine's speed
    else:
        assert found.proof == "time limit"
        assert len(found.players) == 30
