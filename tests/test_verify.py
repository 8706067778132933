"""Interactions are measured on the game itself, at the price that was said, and lies are found out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cache
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spexapi
from spexapi.errors import BudgetError, InputError
from spexapi.fourier.optimize import best_mask, necessary_set, sufficient_set
from spexapi.games.base import Player, Spent, Target
from spexapi.measurements import exact_values

# how the planted pair and triple change when they are put together, whatever else is kept
DERIVATIVES = {(1, 4): 3.0, (0, 2, 5): -2.0, (3,): 1.0}


def pair_and_triple(masks):
    """3 AND(1, 4) - 2 AND(0, 2, 5) + player 3."""
    return 3.0 * (masks[:, 1] & masks[:, 4]) - 2.0 * (masks[:, 0] & masks[:, 2] & masks[:, 5]) + masks[:, 3]


class Counting:
    def __init__(self, function=pair_and_triple):
        self.function, self.asked = function, []

    def __call__(self, masks):
        self.asked.extend(map(tuple, masks.tolist()))
        return self.function(masks)


@cache  # of the whole file: tests count what is asked on top
def explained(n: int = 10, budget: int = 300, **more):
    value = Counting()
    game = spexapi.FunctionGame(value, players=n)
    options = {"engine": "proxyspex", "budget": budget, "index": "moebius", **more}
    return game, value, spexapi.explain(game, **options)


def test_the_planted_interactions_are_confirmed_with_the_derivatives_they_have():
    game, value, ex = explained()
    before = len(value.asked)
    found = spexapi.verify(game, ex, k=3, backgrounds=3)

    assert len(found.checks) == 12
    assert {check.players for check in found.checks} == set(DERIVATIVES)
    for check in found.checks:
        assert check.measured == pytest.approx(DERIVATIVES[check.players])
        assert check.confirmed
        assert abs(check.predicted - check.measured) <= check.tolerance < 1.0
        assert not set(check.kept) & set(check.players)
    assert found.n_confirmed == 12
    assert found.calls == len(value.asked) - before > 0


def test_all_others_kept_comes_first_and_backgrounds_differ():
    game, _, ex = explained()
    checks = spexapi.verify(game, ex, k=2, backgrounds=4).checks

    assert [c.players for c in checks] == [checks[0].players] * 5 + [checks[5].players] * 5
    assert len(checks[0].kept) == 10 - len(checks[0].players)
    assert len({c.kept for c in checks[:5]}) > 2


def test_a_lie_is_not_confirmed():
    game, _, ex = explained()
    coef = dict(ex.spectrum.coef)
    coef[(7, 8)] = 0.5  # the derivative of a parity of two is 4 times its coefficient, on every background
    lie = replace(ex, spectrum=spexapi.Spectrum(10, coef), interactions={(7, 8): 2.0})
    found = spexapi.verify(game, lie, k=1, backgrounds=2)

    assert [c.confirmed for c in found.checks] == [False, False, False]
    assert found.checks[0].measured == pytest.approx(0.0)
    assert found.checks[0].predicted == pytest.approx(2.0, abs=0.2)
    assert "NOT confirmed" in str(found)
    assert "0 of 3 confirmed" in str(found)


def test_masks_in_the_explanation_and_shared_masks_are_bought_once():
    game, value, ex = explained(n=6, budget=64, engine="exact")
    before = len(value.asked)
    found = spexapi.verify(game, ex)

    assert len(value.asked) == before
    assert found.calls == 0
    assert all(check.fresh == 0 and check.confirmed for check in found.checks)
    assert found.residual == 0.0


@settings(max_examples=25, deadline=None)
@given(
    k=st.integers(1, 6),
    backgrounds=st.integers(0, 4),
    budget=st.integers(1, 90),
    seed=st.integers(0, 20),
)
def test_the_budget_is_never_exceeded_and_what_is_left_out_is_counted(k, backgrounds, budget, seed):
    game, value, ex = explained(n=12, budget=60)
    before = len(value.asked)
    try:
        found = spexapi.verify(game, ex, k, backgrounds, budget=budget, seed=seed)
    except BudgetError as error:
        assert len(value.asked) == before
        least = int(str(error).split("cheapest takes")[1])
        assert least > budget
        assert spexapi.verify(game, ex, k, backgrounds, budget=least, seed=seed).checks
        return
    new = value.asked[before:]
    assert len(new) == len(set(new)) == found.calls <= budget
    assert not set(new) & {tuple(row) for row in ex.observations.masks.tolist()}
    assert len(found.checks) + found.skipped == min(k, len(ex.top(k))) * (1 + backgrounds)
    assert (found.skipped > 0) == any("not within the budget" in note for note in found.notes)


def test_bad_arguments_are_refused_before_any_call():
    game, value, ex = explained()
    before = len(value.asked)
    other = spexapi.FunctionGame(value, players=9)
    constant = replace(ex, interactions={(): 1.0})
    for call, message in (
        (lambda: spexapi.verify(game, ex, 0), "k=0"),
        (lambda: spexapi.verify(game, ex, backgrounds=-1), "backgrounds=-1"),
        (lambda: spexapi.verify(other, ex), "9"),
        (lambda: spexapi.verify(game, constant), "nothing to verify"),
        (lambda: spexapi.verify(game, replace(ex, interactions={tuple(range(18)): 1.0})), "2\\^18"),
        (lambda: spexapi.check_sets(game, ex, [best_mask(spexapi.Spectrum(5, {}), 2)]), "5 players"),
    ):
        with pytest.raises(InputError, match=message):
            call()
    assert len(value.asked) == before


def test_few_players_have_few_backgrounds_and_none_twice():
    game, _, ex = explained(n=6, budget=40)
    checks = spexapi.verify(game, ex, k=3, backgrounds=20).checks

    assert len({(c.players, c.kept) for c in checks}) == len(checks)
    pairs = [c for c in checks if c.players == (1, 4)]
    assert len(pairs) == 2**4
    assert pairs[0].kept == (0, 2, 3, 5)


def test_labels_that_are_the_same_are_numbered():
    game, _, ex = explained(n=6, budget=40)
    found = replace(spexapi.verify(game, ex, k=1, backgrounds=0), labels=("the", "cat", "a", "b", "cat", "d"))

    assert "cat (2) + cat (5)" in str(found)


def test_a_failed_mask_confirms_nothing():
    def fails_without_4(masks):
        return np.where(masks[:, 4], pair_and_triple(masks), np.nan)

    _, _, ex = explained()
    game = spexapi.FunctionGame(fails_without_4, players=10)
    unseen = replace(ex, observations=ex.observations.take(np.arange(2)))
    checks = spexapi.verify(game, unseen, k=3, backgrounds=0).checks

    by_players = {check.players: check for check in checks}
    assert by_players[(1, 4)].confirmed is None
    assert np.isnan(by_players[(1, 4)].measured)
    assert by_players[(3,)].confirmed
    assert "failed" in str(spexapi.verify(game, unseen, k=3, backgrounds=0))


class Noisy:
    """A game whose values carry sampling noise of known variance; the spectrum is exactly right."""

    batch, backend_name, spent = 64, "", Spent()
    players = tuple(Player(f"player {i}") for i in range(10))

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    async def prepare(self) -> Target:
        return Target(kind="function", score="value")

    async def measure(self, masks):
        there = exact_values(masks, pair_and_triple(masks) + self.rng.normal(size=len(masks)))
        return replace(there, variance=np.ones(len(masks)))

    async def close(self) -> None:
        return None


class TwoTokens(Noisy):
    """Answer "ab": the first token depends on the pair (1, 4), the second on player 3."""

    async def prepare(self) -> Target:
        return Target(score="logprob", unit="nats", answer="ab", answer_offsets=((0, 1), (1, 2)))

    async def measure(self, masks):
        tokens = np.column_stack([3.0 * (masks[:, 1] & masks[:, 4]), 1.0 * masks[:, 3]]) - 5.0
        return exact_values(masks, tokens.sum(axis=1), token_values=tokens)


@cache
def two_tokens():
    return spexapi.explain(TwoTokens(0), engine="proxyspex", budget=200, index="moebius")


def test_the_tolerance_holds_nine_times_in_ten_under_noise():
    _, _, ex = explained(n=10, budget=1024, engine="exact")
    unseen = replace(ex, observations=ex.observations.take(np.arange(0)))
    found = [spexapi.verify(Noisy(seed), unseen, k=3, backgrounds=2, seed=seed) for seed in range(80)]
    checks = [check for one in found for check in one.checks]

    assert {round(c.tolerance, 3) for c in checks} == {2.326, 3.29, 4.652}  # 1.6449 times sqrt(2), 2, sqrt(8)
    assert np.mean([check.confirmed for check in checks]) == pytest.approx(0.9, abs=0.05)


def test_the_tolerance_is_that_of_the_error_on_masks_the_fit_never_saw():
    """First order explains part of it; the error's standard deviation on fresh masks is r."""
    game, _, ex = explained(n=10, budget=400, engine="contextcite", index="fourier")
    fresh = np.random.default_rng(3).random((4000, 10)) < 0.5
    error = np.std(ex.spectrum.predict(fresh) - pair_and_triple(fresh))
    found = spexapi.verify(game, ex, k=1, backgrounds=0)

    assert found.residual == pytest.approx(error, rel=0.1)
    half = NormalDist().inv_cdf(0.95) * np.sqrt(2) * found.residual
    assert found.checks[0].tolerance == pytest.approx(half, rel=1e-6)


def test_without_r2_the_notes_say_where_the_tolerance_comes_from():
    game, _, ex = explained(engine="loo", claims=0)
    found = spexapi.verify(game, ex, k=2, backgrounds=4)

    assert any("no R²" in note for note in found.notes)
    assert any(check.confirmed is False for check in found.checks)


def test_a_span_is_verified_in_the_value_that_was_explained():
    found = spexapi.verify(TwoTokens(0), two_tokens().span(1, 2), k=1, backgrounds=3)

    assert {c.players for c in found.checks} == {(3,)}
    assert [c.measured for c in found.checks] == pytest.approx([1.0] * 4)
    assert sum(c.fresh for c in found.checks) > 0
    assert found.n_confirmed == 4


def test_another_answer_is_another_game():
    class Answers(Noisy):
        async def prepare(self) -> Target:
            return Target(score="value", answer="no")

    _, _, ex = explained()
    with pytest.raises(InputError, match="'no'"):
        spexapi.verify(Answers(0), ex)


def test_inside_a_running_loop_it_says_to_await():
    game, _, ex = explained()

    async def main():
        with pytest.raises(spexapi.RunningLoopError, match="averify"):
            spexapi.verify(game, ex)
        return await spexapi.averify(game, ex, k=1)

    assert asyncio.run(main()).n_confirmed == 5


def test_the_table_is_plain_and_aligned():
    game, _, ex = explained()
    lines = str(spexapi.verify(game, ex, k=2, backgrounds=1)).splitlines()

    assert lines[0].split()[:3] == ["Interaction", "Others", "kept"]
    assert len(lines) == 6
    assert "player 1 + player 4" in lines[1]
    assert lines[1].endswith("confirmed")
    assert lines[-1].startswith("4 of 4 confirmed")


def test_optimal_sets_are_measured_on_the_game():
    game, value, ex = explained()
    before = len(value.asked)
    sets = [sufficient_set(ex.spectrum, 0.3), necessary_set(ex.spectrum, -1.5), best_mask(ex.spectrum, 3)]
    few, without, best = spexapi.check_sets(game, ex, sets)

    assert len(value.asked) - before <= 3
    assert few.measured == pytest.approx(pair_and_triple(few.optimum.mask[None])[0])
    assert (few.confirmed, few.holds) == (True, True)
    assert without.optimum.players in {(0,), (2,), (5,)}
    assert (without.measured, without.holds) == (4.0, True)
    assert best.optimum.players == (1, 3, 4)
    assert best.measured == pytest.approx(4.0)


def test_a_set_that_only_the_spectrum_believes_in_does_not_hold():
    game, _, ex = explained()
    wrong = spexapi.Spectrum(10, {(): 2.0, (9,): -1.0})  # 3 with player 9, whoever else is there
    (found,) = spexapi.check_sets(game, ex, [sufficient_set(wrong, 0.5)])

    assert found.optimum.players == (9,)
    assert (found.measured, found.holds, found.confirmed) == (0.0, False, False)
    assert spexapi.check_sets(game, ex, []) == ()


def test_pruning_a_span_measures_the_span():
    (kept,) = spexapi.prune(TwoTokens(0), two_tokens().span(1, 2), 1)

    assert kept.optimum.players == (3,)
    assert kept.measured == pytest.approx(-4.0)


def test_pruning_refuses_a_game_with_another_answer():
    class Answers(TwoTokens):
        async def prepare(self) -> Target:
            return Target(score="logprob", answer="no")

    with pytest.raises(InputError, match="'no'"):
        spexapi.prune(Answers(0), two_tokens(), 1)
