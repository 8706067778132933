"""Each distinct mask is bought once, in batches, in the order asked."""

import asyncio
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import in_virtual_time

from spexapi.errors import CapReached, InputError, Refused
from spexapi.games.base import Player
from spexapi.games.function import FunctionGame
from spexapi.measure import collect, sample
from spexapi.measurements import exact_values

WEIGHTS = np.array([1.0, 10.0, 100.0])


class Recorded:
    """A function that remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, masks):
        self.asked.append(masks.copy())
        return masks @ WEIGHTS

    @property
    def rows(self):
        return [tuple(row) for batch in self.asked for row in batch.tolist()]


def masks_of(*numbers):
    return np.array([[bool(k & 1), bool(k & 2), bool(k & 4)] for k in numbers], dtype=bool).reshape(-1, 3)


@settings(max_examples=60, deadline=None)
@given(numbers=st.lists(st.integers(0, 7), max_size=20), batch=st.integers(1, 6))
def test_every_row_gets_its_value_and_no_mask_is_asked_twice(numbers, batch):
    function = Recorded()
    masks = masks_of(*numbers)
    found = asyncio.run(collect(FunctionGame(function, 3, batch=batch), masks))
    assert (found.masks == masks).all()
    assert found.values.tolist() == [masks_of(k)[0] @ WEIGHTS for k in numbers]
    assert len(function.rows) == len(set(function.rows)) == len(set(numbers))
    assert all(len(asked) <= batch for asked in function.asked)


def test_parts_come_as_soon_as_they_are_complete():
    async def main():
        game = FunctionGame(Recorded(), 3, batch=2)
        return [len(part) async for part in sample(game, masks_of(1, 1, 2, 3, 1, 4))]

    assert asyncio.run(main()) == [3, 3]


def test_a_stop_is_obeyed_between_batches_and_what_is_complete_is_returned():
    function = Recorded()
    found = asyncio.run(
        collect(
            FunctionGame(function, 3, batch=2),
            masks_of(1, 2, 3, 4, 1),
            should_stop=lambda: len(function.asked) >= 1,
        )
    )
    assert found.values.tolist() == [1.0, 10.0]
    assert len(function.asked) == 1
    nothing = asyncio.run(collect(FunctionGame(function, 3), masks_of(1), should_stop=lambda: True))
    assert nothing.masks.shape == (0, 3)


def test_progress_counts_distinct_masks():
    seen = []
    game = FunctionGame(Recorded(), 3, batch=2)
    asyncio.run(collect(game, masks_of(1, 1, 2, 3), on_progress=lambda *step: seen.append(step)))
    assert seen == [(0, 3), (2, 3), (3, 3)]


def test_what_is_known_is_not_bought_again_unless_it_failed():
    known = asyncio.run(collect(FunctionGame(lambda m: np.where(m[:, 0], 5.0, np.nan), 3), masks_of(1, 2)))
    function = Recorded()
    found = asyncio.run(collect(FunctionGame(function, 3), masks_of(2, 1, 3), known=known))
    assert found.values.tolist() == [10.0, 5.0, 11.0]
    assert function.rows == [(False, True, False), (True, True, False)]


def test_parts_before_a_refusal_stay_with_the_caller():
    def refuses(masks):
        if masks[0, 2]:
            raise Refused("no more")
        return masks @ WEIGHTS

    parts = []

    async def main():
        async for part in sample(FunctionGame(refuses, 3, batch=1), masks_of(1, 2, 4)):
            parts.append(part.values[0])

    with pytest.raises(Refused):
        asyncio.run(main())
    assert parts == [1.0, 10.0]


def test_masks_must_be_a_bool_matrix():
    with pytest.raises(InputError, match="bool"):
        asyncio.run(collect(FunctionGame(Recorded(), 3), np.zeros((2, 3))))


class Slow:
    """A hosted game: `concurrency` calls at once, each `seconds` long; remembers when what was asked."""

    batch = 1

    def __init__(self, n=6, concurrency=4, *, fails=lambda row: None):
        self.players = tuple(Player(f"p{i}") for i in range(n))
        self.concurrency, self._fails = concurrency, fails
        self.asked, self.under_way, self.most, self.halted = [], 0, 0, 0

    async def measure(self, masks):
        if self.halted:
            raise CapReached("halted")
        self.asked.append(tuple(masks[0].tolist()))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(1 + len(self.asked) % 3)
        self.under_way -= 1
        if error := self._fails(len(self.asked)):
            raise error
        return exact_values(masks, value_of(masks))

    def halt(self):
        self.halted += 1


def value_of(masks):
    return masks @ 2.0 ** np.arange(masks.shape[1])


def draws(m, n=6, seed=3):
    return np.random.default_rng(seed).random((m, n)) < 0.5


def test_several_calls_run_at_once_and_every_row_gets_its_own_value():
    game, masks = Slow(n=9), draws(200, n=9)
    found, seconds = in_virtual_time(collect(game, masks))
    assert (found.masks == masks).all()
    assert (found.values == value_of(masks)).all()
    assert len(game.asked) == len(set(game.asked)) == len(np.unique(masks, axis=0))
    assert game.most == 4
    assert seconds < 2.1 * len(game.asked) / 4 + 3


def test_prompts_with_a_common_beginning_go_together_stretch_by_stretch():
    game, masks = Slow(n=12, concurrency=16), np.unique(draws(2000, n=12), axis=0)
    np.random.default_rng(0).shuffle(masks)
    in_virtual_time(collect(game, masks))

    def shared(rows):
        return np.mean(
            [
                np.argmin([*(a == b for a, b in zip(r, s, strict=True)), False])
                for r, s in itertools.pairwise(rows)
            ]
        )

    assert shared(game.asked) > shared(masks.tolist()) + 4
    # a stop at half has seen whole stretches, an eighth of all masks each
    stretch = len(masks) // 8
    for start in range(0, len(masks) - stretch, stretch):
        assert set(game.asked[start : start + stretch]) == set(
            map(tuple, masks[start : start + stretch].tolist())
        )


def test_a_stop_waits_for_calls_under_way_and_returns_them():
    game, masks = Slow(), draws(60)
    found, _ = in_virtual_time(collect(game, masks, should_stop=lambda: len(game.asked) >= 20))
    assert game.halted
    assert game.under_way == 0
    assert {tuple(row) for row in found.masks.tolist()} == set(game.asked)
    assert (found.values == value_of(found.masks)).all()


def test_a_stop_is_seen_while_a_call_takes_long():
    game = Slow(concurrency=2)
    clock = []

    async def main():
        loop = asyncio.get_running_loop()
        clock.append(loop.time)
        return await collect(game, draws(60), should_stop=lambda: loop.time() > 0.3)

    found, seconds = in_virtual_time(main())
    assert len(found) == len(set(game.asked)) == 2
    assert seconds <= 3


@pytest.mark.parametrize("error", [Refused("no more"), CapReached("the cap")])
def test_an_error_ends_the_run_after_the_calls_under_way_and_keeps_what_was_measured(error):
    game, parts = Slow(fails=lambda asked: error if asked == 12 else None), []

    async def main():
        async for part in sample(game, draws(60)):
            parts.append(part)

    with pytest.raises(type(error), match=str(error)):
        in_virtual_time(main())
    assert game.under_way == 0
    assert sum(len(np.unique(part.masks, axis=0)) for part in parts) >= 8


def test_leaving_early_waits_for_the_calls_under_way():
    game = Slow()

    async def main():
        parts = sample(game, draws(60))
        async for _ in parts:
            break
        await parts.aclose()
        return game.under_way

    assert in_virtual_time(main())[0] == 0
    assert len(game.asked) < 20


def test_cancelling_waits_for_the_calls_under_way():
    game = Slow()

    async def main():
        task = asyncio.ensure_future(collect(game, draws(60)))
        await asyncio.sleep(2.5)
        under_way = game.under_way
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return under_way, game.under_way

    assert in_virtual_time(main())[0] == (4, 0)
