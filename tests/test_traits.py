"""What a game may say of itself besides players and values, and a user's own class with plain attributes."""

import numpy as np
import pytest

import spexapi
from spexapi.games.base import Game, GameTraits, Spent, Target, traits_of
from spexapi.measurements import exact_values


class Plain:
    """A user's game as it was written before there were traits: attributes where it has something to say."""

    players = tuple(spexapi.Player(f"p{i}") for i in range(6))
    batch, backend_name, spent = 4, "my model", Spent()
    concurrency, calls_per_mask, batched, notes = 3, 5, True, ("my own note",)

    async def prepare(self):
        return Target()

    async def measure(self, masks):
        return exact_values(masks, masks @ np.arange(6.0))

    async def close(self):
        return None


class Stated(Plain):
    traits = GameTraits(calls_per_mask=2, notes=("stated",))


def test_a_game_that_says_nothing_is_measured_one_call_at_a_time():
    game = spexapi.FunctionGame(lambda masks: masks.sum(axis=1), 4)
    assert traits_of(game) == GameTraits(concurrency=1, batched=False, calls_per_mask=1, notes=())


def test_plain_attributes_of_a_users_game_are_read_as_its_traits():
    assert isinstance(Plain(), Game)
    assert traits_of(Plain()) == GameTraits(3, True, 5, ("my own note",))


def test_stated_traits_count_and_plain_attributes_next_to_them_do_not():
    assert traits_of(Stated()) == GameTraits(calls_per_mask=2, notes=("stated",))


def test_a_users_game_is_explained_with_its_calls_and_its_notes():
    ex = spexapi.explain(Plain(), engine="exact", budget=5 * 64)
    assert ex.recipe.budget == 64
    assert "my own note" in ex.notes
    assert ex.value_of(kept=True) == 15.0


@pytest.mark.parametrize("name", ["concurrency", "calls_per_mask"])
def test_a_trait_below_one_is_refused(name):
    with pytest.raises(spexapi.InputError, match=f"{name} of a game must be 1 or more, got 0"):
        GameTraits(**{name: 0})
