"""The user's own function as a game."""

import asyncio
import threading
import time

import numpy as np
import pytest

from spexapi.errors import InputError
from spexapi.games.base import Game, Player
from spexapi.games.function import FunctionGame

MASKS = np.array([[True, False, True], [False, False, True]])


def measured(function, masks=MASKS, players=3):
    async def main():
        game = FunctionGame(function, players)
        await game.prepare()
        try:
            return await game.measure(masks), game
        finally:
            await game.close()

    return asyncio.run(main())


def test_values_come_back_in_order_and_are_counted():
    found, game = measured(lambda m: m @ np.array([1.0, 10.0, 100.0]))
    assert found.values.tolist() == [101.0, 100.0]
    assert (game.spent.calls, game.spent.setup_calls) == (2, 0)
    assert isinstance(game, Game)


def test_players_are_numbered_or_named():
    assert [p.label for p in FunctionGame(np.sum, 2).players] == ["player 0", "player 1"]
    assert FunctionGame(np.sum, ["a", Player("b", "head")]).players[1].kind == "head"


@pytest.mark.parametrize("players", [0, 1, ["alone"], [], True, "ab", -3])
def test_fewer_than_two_players_are_refused(players):
    with pytest.raises(InputError, match="players"):
        FunctionGame(np.sum, players)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (np.zeros(3), r"shape \(2,\).*returned shape \(3,\)"),
        (np.zeros((2, 1)), r"returned shape \(2, 1\)"),
        (1.0, r"shape \(\)"),
        (None, "returned None"),
        (["a", "b"], "dtype"),
        (np.zeros(2, complex), "complex"),
        ([[1], [2, 3]], "different lengths"),
    ],
)
def test_a_wrong_result_says_what_came_and_what_is_needed(returned, said):
    with pytest.raises(InputError, match=said):
        measured(lambda m: returned)


def test_lists_bools_and_integers_are_numbers():
    assert measured(lambda m: [True, 3])[0].values.tolist() == [1.0, 3.0]


def test_what_is_not_finite_is_nan_with_a_reason():
    found, _ = measured(lambda m: np.array([np.inf, np.nan]))
    assert np.isnan(found.values).all()
    assert found.reason == ("the value is inf", "the value is nan")


def test_the_function_cannot_change_what_was_asked():
    def rude(masks):
        masks[:] = False
        return np.zeros(len(masks))

    frozen = MASKS.copy()
    frozen.setflags(write=False)
    assert (measured(rude, frozen)[0].masks == MASKS).all()


def test_it_runs_beside_the_event_loop_and_its_thread_ends():
    turned = threading.Event()

    async def main():
        game = FunctionGame(lambda m: np.full(len(m), float(turned.wait(20))), 3)
        work = asyncio.create_task(game.measure(MASKS))
        await asyncio.sleep(0)  # it has begun
        turned.set()  # which a loop that waits for the function does not reach
        found = await work
        await game.close()
        return found.values

    assert (asyncio.run(main()) == 1.0).all()
    deadline = time.monotonic() + 20
    while any(t.name.startswith("spexapi-values") for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_async_functions_are_awaited():
    async def values(masks):
        await asyncio.sleep(0)
        return masks.sum(axis=1)

    class Callable:
        async def __call__(self, masks):
            return masks.sum(axis=1)

    assert measured(values)[0].values.tolist() == [2.0, 1.0]
    assert measured(Callable())[0].values.tolist() == [2.0, 1.0]
    assert measured(lambda m: values(m))[0].values.tolist() == [2.0, 1.0]


def test_what_the_function_raises_ends_the_run_as_it_is():
    def broken(masks):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        measured(broken)


def test_other_masks_than_the_players_are_refused():
    with pytest.raises(InputError, match="3 columns"):
        measured(lambda m: np.zeros(len(m)), players=4)
