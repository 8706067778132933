"""Each distinct mask is bought once, in batches, in the order asked."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spexapi.errors import InputError, Refused
from spexapi.games.function import FunctionGame
from spexapi.sampling.sampler import collect, sample

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
