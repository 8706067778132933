"""Training data as a game: examples and groups of them, noise, failures, processes, the store."""

import asyncio
import os
import sqlite3
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spexapi
from spexapi.engines.registry import known_engines
from spexapi.errors import BackendError, InputError
from spexapi.fourier.optimize import sufficient_set
from spexapi.games.base import Game, Player

N = 6


def members(kept, seed):
    """A "model" that knows what it was trained on."""
    return frozenset(kept.tolist())


def planted(model):
    """Examples 0 and 1 are both needed, 2 and 3 stand in for each other, 4 hurts."""
    return 1.0 * ({0, 1} <= model) + 0.8 * bool({2, 3} & model) - 0.25 * (4 in model)


def game_of(train=members, measure=planted, examples=N, **rest):
    return spexapi.TrainingGame(train, measure, examples, **{"empty": 0.0, "noise": 0, **rest})


def measured(game, masks):
    async def main():
        await game.prepare()
        try:
            return await game.measure(np.array(masks, dtype=bool))
        finally:
            await game.close()

    return asyncio.run(main())


def test_examples_both_needed_and_redundant_ones_are_told_apart():
    ex = spexapi.explain(game_of(), budget=64, index="moebius")
    found = {s: round(v, 9) for s, v in ex.interactions.items() if s and abs(v) > 1e-9}
    assert found == {(0, 1): 1.0, (2,): 0.8, (3,): 0.8, (2, 3): -0.8, (4,): -0.25}
    assert isinstance(game_of(), Game)
    assert ex.target.kind == "training"
    assert [p.label for p in ex.players][:2] == ["example 1", "example 2"]


def test_a_training_set_is_what_the_mask_keeps():
    seen = []

    def train(kept, seed):
        seen.append((kept.tolist(), kept.dtype.kind, seed))
        return seed

    found = measured(game_of(train, lambda model: 1.0), [[1, 0, 1, 0, 0, 1]])
    assert seen[0][0] == list(range(N))  # before anything else: does training work at all
    assert seen[1][:2] == ([0, 2, 5], "i")
    assert 0 <= seen[1][2] < 2**31
    assert found.values.tolist() == [1.0]


@given(
    st.lists(st.sampled_from(["a", "b", "c", None]), min_size=3, max_size=12).filter(
        lambda g: len(set(g) - {None}) >= 2
    ),
    st.randoms(),
)
def test_groups_are_kept_as_a_whole_and_those_without_one_always(groups, random):
    seen = []
    game = game_of(
        lambda kept, seed: seen.append(kept.tolist()), lambda model: 1.0, len(groups), groups=groups
    )
    names = list(dict.fromkeys(g for g in groups if g is not None))
    assert [p.label.split(" (")[0] for p in game.players] == names
    mask = [random.random() < 0.5 for _ in names]
    there = {None} | {name for name, on in zip(names, mask, strict=True) if on}
    kept = [i for i, g in enumerate(groups) if g in there]
    assert measured(game, [mask]).values.tolist() == [float(len(kept) > 0)]
    assert seen == [[*range(len(groups))]] + [kept] * (0 < len(kept) < len(groups))


def test_each_set_has_a_seed_of_its_own_that_another_run_shares():
    def seeds(seed):
        found = {}
        game = game_of(lambda kept, s: found.setdefault(tuple(kept), s), lambda m: 0.0, seed=seed)
        measured(game, [[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]])
        return found

    assert len(set(seeds(0).values())) == 3
    assert seeds(0) == seeds(0)
    assert set(seeds(0).values()).isdisjoint(seeds(1).values())


def noisy(sd):
    return lambda kept, seed: (set(kept.tolist()), sd * np.random.default_rng(seed).standard_normal())


def test_the_noise_of_training_is_measured_and_widens_the_intervals():
    def run(sd, noise):
        game = game_of(noisy(sd), lambda m: planted(m[0]) + m[1], 12, noise=noise)
        return spexapi.explain(game, budget=100, seed=2)

    ex = run(0.1, 40)
    kept = ex.observations.masks.any(axis=1)
    variance = ex.observations.variance[kept]
    assert np.ptp(variance) == 0
    assert variance[0] == pytest.approx(0.01, rel=0.6)  # a chi-square of 40: 0.6 is 2.7 of its deviations
    assert ex.observations.variance[~kept].tolist() == [0.0]  # what no training is worth is no estimate
    assert ex.cost.setup_calls == 1 + 2 * 40
    assert any("another seed" in note for note in ex.notes)

    def width(e):
        return np.mean([high - low for s, (low, high) in e.intervals.items() if len(s) == 1])

    assert width(ex) > 2 * width(run(0.0, 40))
    assert run(0.1, 0).observations.variance.max() == 0.0


def test_trainings_that_fail_are_counted_with_their_reason():
    def train(kept, seed):
        if len(kept) == 1:
            raise ValueError("needs samples of 2 classes")
        return kept

    game = game_of(train, lambda m: float("nan") if len(m) == 2 else float(len(m)), 5)
    ex = spexapi.explain(game, engine="proxyspex", budget=30)
    expected = int(np.isin(ex.observations.masks.sum(axis=1), [1, 2]).sum())
    assert ex.audit.n_failed == expected > 0
    reasons = set(ex.observations.reason)
    assert reasons == {"", "train failed: ValueError: needs samples of 2 classes", "the value is nan"}


def test_what_fails_on_all_examples_is_said_before_anything_else_is_trained():
    calls = []

    def train(kept, seed):
        calls.append(kept)
        raise RuntimeError("no memory")

    with pytest.raises(InputError, match=r"all 6 examples does not work: train failed: RuntimeError: no mem"):
        spexapi.explain(game_of(train), budget=20)
    assert len(calls) == 1
    with pytest.raises(InputError, match="measure failed: KeyError"):
        spexapi.explain(game_of(measure=lambda m: {}["x"]), budget=20)


def test_an_empty_mask_is_worth_what_the_user_says_or_is_a_counted_failure():
    nothing = [[0] * N]
    assert measured(game_of(empty=0.125), nothing).values.tolist() == [0.125]
    found = measured(game_of(empty=None), nothing)
    assert np.isnan(found.values[0])
    assert "empty=" in found.reason[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"examples": 0}, "training set is empty"),
        ({"examples": []}, "training set is empty"),
        ({"examples": 1}, "at least 2 players"),
        ({"examples": "ab"}, "number or a list"),
        ({"groups": ["a"] * N}, "1 group"),
        ({"groups": ["a", "b"]}, "each of 6 examples, got 2"),
        ({"noise": -1}, "noise"),
        ({"jobs": 0}, "jobs"),
        ({"train": "fit"}, "train must be a function"),
        ({"measure": None}, "measure"),
        ({"store": "kept.sqlite"}, "name="),
    ],
)
def test_what_cannot_work_is_said_when_the_game_is_made(arguments, said):
    with pytest.raises(InputError, match=said):
        game_of(**arguments)


@pytest.mark.parametrize("engine", sorted(set(known_engines()) - {"spex"}))
def test_every_engine_finds_the_pair_or_its_players(engine):
    ex = spexapi.explain(game_of(), engine=engine, budget=64, index="fbii", max_order=2)
    pairs = {s for s, v in ex.interactions.items() if len(s) == 2 and abs(v) > 0.4}
    if engine in ("lime", "contextcite", "kernelshap", "loo"):  # of first order
        assert not pairs
        assert ex.values("sv")[(0,)] > ex.values("sv").get((5,), 0.0) + 0.1
    else:
        assert pairs == {(0, 1), (2, 3)}


def test_spex_takes_it_too():
    found = spexapi.explain(game_of(examples=20), engine="spex", budget=700, index="fourier")
    assert {s for s, v in found.interactions.items() if len(s) == 2 and abs(v) > 0.1} == {(0, 1), (2, 3)}


def test_verify_optimize_and_the_views_need_nothing_of_their_own(tmp_path):
    game = game_of(examples=12)
    ex = spexapi.explain(game, budget=150)
    assert all(check.confirmed for check in spexapi.verify(game, ex, k=3).checks)
    best = sufficient_set(ex.spectrum, 0.3)
    assert set(best.players) >= {0, 1}
    (checked,) = spexapi.check_sets(game, ex, [best])
    assert checked.measured == pytest.approx(planted(frozenset(best.players)))
    ex.to_html(tmp_path / "report.html")
    ex.to_json(tmp_path / "explanation.json")
    again = spexapi.Explanation.from_json(tmp_path / "explanation.json")
    assert again.values("sv") == pytest.approx(ex.values("sv"))
    assert "example 1" in str(ex)


def test_nothing_is_trained_twice_in_one_game_or_with_one_store(tmp_path):
    calls = []

    def train(kept, seed):
        calls.append(tuple(kept))
        if len(kept) == 1:
            raise ValueError("alone")
        return members(kept, seed)

    def game():
        return game_of(train, noise=3, store=tmp_path / "kept.sqlite", name="planted 1")

    first = game()
    a = spexapi.explain(first, budget=64)
    trained = len(calls)
    assert trained == 63 + 3  # each set but the empty one, and three with a second seed
    assert a.cost.calls + a.cost.setup_calls == trained
    spexapi.explain(first, budget=64)
    b = spexapi.explain(game(), budget=64)
    assert len(calls) == trained
    assert b.cost.calls == b.cost.setup_calls == 0
    assert b.observations.values.tolist() == pytest.approx(a.observations.values.tolist(), nan_ok=True, abs=0)
    assert b.audit.n_failed == a.audit.n_failed == 6
    other = spexapi.TrainingGame(train, planted, N, noise=0, store=tmp_path / "kept.sqlite", name="planted 2")
    spexapi.explain(other, budget=64)
    assert len(calls) == trained + 63


def test_a_store_that_cannot_be_written_any_more_is_said_and_the_run_goes_on(tmp_path):
    path = tmp_path / "kept.sqlite"
    spoiled = []

    def train(kept, seed):
        if len(kept) < N and not spoiled:
            other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            other.execute("BEGIN EXCLUSIVE")
            spoiled.append(other)
        return members(kept, seed)

    store = spexapi.Store(path, lock_seconds=0.05)
    ex = spexapi.explain(game_of(train, store=store, name="locked"), budget=16, engine="proxyspex")
    assert ex.audit.n_failed == 0
    assert any("not yet in the store" in note for note in ex.notes)
    spoiled[0].close()
    store.close()


def test_a_cancelled_run_ends_after_the_training_under_way():
    begun, go = threading.Event(), threading.Event()
    calls = []

    def train(kept, seed):
        calls.append(kept)
        if len(calls) == 4:
            begun.set()
            assert go.wait(10)
        return members(kept, seed)

    async def main():
        game = game_of(train, batch=30)
        task = asyncio.create_task(spexapi.aexplain(game, budget=40))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        for _ in range(10):  # turns of the loop until the cancelling has reached the game
            await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await game.close()

    asyncio.run(main())
    assert len(calls) <= 5


def test_stopping_keeps_what_was_trained():
    calls = []
    game = game_of(lambda kept, seed: calls.append(kept) or members(kept, seed), batch=4, examples=12)
    ex = spexapi.explain(game, budget=100, should_stop=lambda: len(calls) > 12)
    assert ex.stopped
    assert 12 <= len(ex.observations) <= 20


def fails_apart(model):
    """A measure that shows in which process it runs."""
    return planted(model) + 10.0 * (os.environ.get("SPEXAPI_TEST_MAIN") == str(os.getpid()))


def test_processes_give_the_same_values(monkeypatch):
    masks = np.random.default_rng(0).random((20, N)) < 0.5
    monkeypatch.setenv("SPEXAPI_TEST_MAIN", str(os.getpid()))
    here, there = (measured(game_of(measure=fails_apart, jobs=jobs), masks) for jobs in (1, 2))
    some = masks.any(axis=1)
    told = [planted(frozenset(np.flatnonzero(mask).tolist())) for mask in masks[some]]
    assert there.values[some].tolist() == pytest.approx(told)
    assert here.values[some].tolist() == pytest.approx([value + 10.0 for value in told])
    assert here.values[~some].tolist() == there.values[~some].tolist()


def test_what_cannot_be_sent_to_a_process_is_an_error_that_says_so():
    lock = threading.Lock()
    with pytest.raises(InputError, match="jobs=1"):
        spexapi.explain(game_of(lambda kept, seed: lock, jobs=2), budget=20)


def dies(kept, seed):
    os._exit(3)


def test_a_process_that_dies_is_an_error_that_says_so():
    with pytest.raises(BackendError, match="fewer jobs"):
        spexapi.explain(game_of(dies, jobs=2), budget=20)


def test_players_may_be_given():
    game = game_of(examples=[Player("a cat", "image"), "a dog", "a cow"])
    assert [p.label for p in game.players] == ["a cat", "a dog", "a cow"]
    assert game.players[1].kind == "example"
