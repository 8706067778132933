"""The line, from a game to an explanation: planted truths, budgets, stops, errors."""

import asyncio

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import spexapi
from spexapi.errors import Refused


def pair_and_triple(masks):
    """3 AND(1, 4) - 2 AND(0, 2, 5) + player 3, eight players; written in kept/removed terms."""
    return 3.0 * (masks[:, 1] & masks[:, 4]) - 2.0 * (masks[:, 0] & masks[:, 2] & masks[:, 5]) + masks[:, 3]


# What a run does with masks does not hang on what is fitted to them: a first-order fit takes no time.
QUICK = "lime"


class Counting:
    """A value function that remembers what it was asked."""

    def __init__(self, function=pair_and_triple):
        self.function, self.asked = function, []

    def __call__(self, masks):
        self.asked.extend(map(tuple, masks.tolist()))
        return self.function(masks)


@pytest.mark.parametrize("engine", ["exact", "proxyspex", "auto"])
def test_every_engine_finds_the_planted_pair_and_triple(engine):
    ex = spexapi.explain(
        spexapi.FunctionGame(pair_and_triple, players=8),
        engine=engine,
        budget=256 if engine == "exact" else 180,
        index="moebius",
    )
    strongest = dict(ex.top(3))
    assert set(strongest) == {(1, 4), (0, 2, 5), (3,)}
    assert strongest[(1, 4)] == pytest.approx(3.0, abs=0.1)
    assert strongest[(0, 2, 5)] == pytest.approx(-2.0, abs=0.1)


@settings(max_examples=15, deadline=None)
@given(
    engine=st.just(QUICK), budget=st.integers(20, 300), held_out=st.integers(0, 10), seed=st.integers(0, 5)
)
@example(engine="auto", budget=20, held_out=0, seed=0)
@example(engine="auto", budget=150, held_out=10, seed=1)
@example(engine="auto", budget=300, held_out=5, seed=2)
def test_the_budget_is_never_exceeded_and_no_mask_is_bought_twice(engine, budget, held_out, seed):
    value = Counting()
    game = spexapi.FunctionGame(value, players=8)
    ex = spexapi.explain(game, engine=engine, budget=budget, held_out=held_out, seed=seed)
    assert len(value.asked) <= budget
    assert len(set(value.asked)) == len(value.asked)
    assert ex.cost.calls == len(value.asked)


def test_held_out_masks_are_fresh_and_give_r2():
    value = Counting()
    game = spexapi.FunctionGame(value, players=12)
    ex = spexapi.explain(game, engine=QUICK, budget=200, held_out=40, seed=1, claims=0)
    assert ex.audit.method == "held-out"
    assert ex.audit.n_held_out == 40
    assert len(set(value.asked)) == len(value.asked) == 200


def test_too_small_a_budget_is_refused_with_the_number_that_is_enough():
    value = Counting()
    game = spexapi.FunctionGame(value, players=8)
    with pytest.raises(spexapi.BudgetError, match="256"):
        spexapi.explain(game, engine="exact", budget=100)
    with pytest.raises(spexapi.BudgetError, match=r"\d+"):
        spexapi.explain(game, engine="proxyspex", budget=2)
    assert value.asked == []


@pytest.mark.parametrize(
    "wrong", [{"held_out": -1}, {"held_out": 100}, {"budget": 1.5}, {"budget": True}, {"max_order": 0}]
)
def test_other_bad_arguments_are_refused_before_anything_is_asked(wrong):
    value = Counting()
    with pytest.raises(spexapi.InputError):
        spexapi.explain(spexapi.FunctionGame(value, players=8), **{"budget": 100, **wrong})
    assert value.asked == []


def test_a_run_stopped_early_explains_what_it_has():
    value = Counting()
    game = spexapi.FunctionGame(value, players=12, batch=16)
    ex = spexapi.explain(game, engine="proxyspex", budget=200, should_stop=lambda: len(value.asked) >= 96)
    assert ex.stopped
    assert len(ex.observations) == len(value.asked) == 96
    assert (1, 4) in dict(ex.top(5))


def test_a_refusal_on_the_way_carries_what_was_measured_by_then():
    asked = 0

    def refusing(masks):
        nonlocal asked
        asked += len(masks)
        if asked > 100:
            raise Refused("the quota is used up")
        return pair_and_triple(masks)

    with pytest.raises(Refused, match="used up") as caught:
        spexapi.explain(spexapi.FunctionGame(refusing, 10, batch=20), engine="lime", budget=300)
    partial = caught.value.partial
    assert len(partial.observations) == 100
    assert partial.stopped
    assert partial.stopped_by == "the quota is used up"
    assert "stopped: the quota is used up" in partial.notes

    asked = 1000
    with pytest.raises(Refused) as caught:
        spexapi.explain(spexapi.FunctionGame(refusing, 10), engine="lime", budget=300)
    assert caught.value.partial is None


def test_stopped_before_the_first_mask_is_a_named_error():
    game = spexapi.FunctionGame(pair_and_triple, players=8)
    with pytest.raises(spexapi.NothingMeasured):
        spexapi.explain(game, budget=100, should_stop=lambda: True)


def test_snapshots_sharpen_and_the_last_one_is_the_result():
    async def collect():
        game = spexapi.FunctionGame(pair_and_triple, players=12, batch=8)
        return [ex async for ex in spexapi.astream(game, engine=QUICK, budget=200, seed=2)]

    snapshots = asyncio.run(collect())
    assert len(snapshots) > 3
    assert all(ex.stopped and ex.audit.r2 is None for ex in snapshots[:-1])
    sizes = [len(ex.observations) for ex in snapshots]
    assert sizes == sorted(sizes)
    game = spexapi.FunctionGame(pair_and_triple, players=12)
    direct = spexapi.explain(game, engine=QUICK, budget=200, seed=2)
    assert dict(snapshots[-1].interactions) == dict(direct.interactions)
    assert snapshots[-1].audit.r2 == direct.audit.r2


def test_leaving_the_stream_ends_the_measuring():
    value = Counting()

    async def first():
        game = spexapi.FunctionGame(value, players=12, batch=8)
        async for ex in spexapi.astream(game, engine=QUICK, budget=200):
            return ex
        return None

    asyncio.run(first())
    assert len(value.asked) < 200


def test_progress_counts_up_to_the_plan():
    seen = []
    game = spexapi.FunctionGame(pair_and_triple, players=12, batch=50)
    spexapi.explain(
        game,
        engine=QUICK,
        budget=200,
        held_out=20,
        claims=0,
        on_progress=lambda done, planned: seen.append((done, planned)),
    )
    assert seen[0] == (0, 200)
    assert seen[-1] == (200, 200)


def test_failures_are_counted_and_their_reasons_kept():
    def fails(masks):
        values = pair_and_triple(masks).astype(float)
        values[masks[:, 6] & masks[:, 7]] = np.inf
        return values

    ex = spexapi.explain(spexapi.FunctionGame(fails, players=8), engine=QUICK, budget=200)
    assert ex.audit.n_failed == sum(bool(r) for r in ex.observations.reason) > 0
    assert np.isnan(ex.observations.values[np.array(ex.observations.reason) != ""]).all()


def test_inside_a_running_loop_explain_says_to_await():
    async def main():
        with pytest.raises(spexapi.RunningLoopError, match="aexplain"):
            spexapi.explain(spexapi.FunctionGame(pair_and_triple, players=8))

    asyncio.run(main())
