"""A plan is made once: it is shown with its price, and what was shown is what is run."""

import asyncio
import inspect

import numpy as np
import pytest
from fake_backend import FakeBackend

import spexapi
from spexapi.backends.base import Capabilities
from spexapi.games.base import GameTraits, Target
from spexapi.measurements import exact_values
from spexapi.sampling.usage import Usage

DOORS = (spexapi.explain, spexapi.aexplain, spexapi.astream, spexapi.preview)


def value_of(masks):
    return 3.0 * (masks[:, 1] & masks[:, 4]) - 2.0 * masks[:, 0] + masks[:, 3]


class Counting:
    """A value function that remembers which masks it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, masks):
        self.asked.extend(map(tuple, masks.tolist()))
        return value_of(masks)


@pytest.fixture
def asked():
    return Counting()


@pytest.fixture
def shown(asked):
    """The plan of a run with a design that is known in advance, an audit's masks among it."""
    return spexapi.preview(
        spexapi.FunctionGame(asked, 10), engine="lime", budget=60, held_out=10, seed=3, index="fsii", claims=0
    )


def test_a_plan_shows_what_would_be_asked_and_asks_nothing(shown, asked):
    assert (shown.engine, shown.calls, shown.n_players, shown.tokens) == ("lime", 60, 10, None)
    assert shown.labels[:2] == ("player 0", "player 1")
    assert isinstance(shown, spexapi.Preview)
    assert asked.asked == []


def test_what_was_shown_is_what_is_run(shown, asked):
    masks = set(map(tuple, shown.masks.tolist()))
    ex = spexapi.explain(shown)
    assert set(asked.asked) == masks
    assert (ex.engine, ex.seed, ex.index, ex.audit.n_held_out) == ("lime", 3, "fsii", 10)
    direct = spexapi.explain(
        spexapi.FunctionGame(value_of, 10),
        engine="lime",
        budget=60,
        held_out=10,
        seed=3,
        index="fsii",
        claims=0,
    )
    assert dict(ex.interactions) == dict(direct.interactions)
    assert ex.notes == direct.notes


def test_a_plan_is_run_by_the_other_doors_too_and_more_than_once(shown):
    async def both():
        return await spexapi.aexplain(shown), [ex async for ex in spexapi.astream(shown)][-1]

    one, other = asyncio.run(both())
    assert dict(one.interactions) == dict(other.interactions)


def test_progress_and_a_stop_work_with_a_plan(shown, asked):
    told = []
    ex = spexapi.explain(
        shown,
        on_progress=lambda done, planned: told.append((done, planned)),
        should_stop=lambda: len(asked.asked) >= 50,
    )
    assert told[0] == (0, 60)
    assert ex.stopped


@pytest.mark.parametrize("options", [{"budget": 256}, {"engine": "auto"}, {"seed": 0, "index": "sv"}])
def test_options_next_to_a_plan_are_refused_with_what_to_do(shown, asked, options):
    with pytest.raises(spexapi.InputError, match=f"{next(iter(options))}=.* given together with a plan"):
        spexapi.explain(shown, **options)
    assert asked.asked == []


def test_an_option_that_does_not_exist_is_a_type_error():
    with pytest.raises(TypeError, match="budgett"):
        spexapi.explain(spexapi.FunctionGame(value_of, 10), budgett=3)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_help_lists_the_options_and_their_defaults(door):
    parameters = inspect.signature(door).parameters
    assert next(iter(parameters)) == "game"
    found = {name: p.default for name, p in parameters.items() if p.default is not p.empty}
    wanted = {"engine": "auto", "budget": 256, "index": "fbii", "max_order": None, "seed": 0, "held_out": 0}
    assert found | wanted == found


class Learning:
    """A game that knows only after prepare() that a mask takes four replies."""

    players = tuple(spexapi.Player(f"p{i}") for i in range(8))
    batch, backend_name, spent, traits = 16, "", Usage(), GameTraits()

    async def prepare(self):
        self.traits = GameTraits(calls_per_mask=4)
        return Target()

    async def measure(self, masks):
        return exact_values(masks, masks @ np.arange(8.0))

    async def close(self):
        return None


def test_a_plan_that_no_longer_fits_the_prepared_game_is_made_again_and_says_so():
    shown = spexapi.preview(Learning(), engine="lime", budget=82, claims=0)
    assert (shown.calls_per_mask, len(shown.masks)) == (1, 82)
    ex = spexapi.explain(shown)
    assert len(ex.observations) == ex.recipe.budget == 20
    (note,) = [note for note in ex.notes if "planned again" in note]
    assert "4 replies and not 1" in note
    assert "budget of 82 is 20 masks and not 82" in note


def test_the_price_is_that_of_the_masks_that_will_be_asked():
    backend = FakeBackend(capabilities=Capabilities(batch=1, concurrency=4))
    game = spexapi.PromptGame(backend, "the key is in here now", "yes")
    shown = spexapi.preview(game, engine="lime", budget=30, claims=0, writes=0)
    assert shown.forecast == game.forecast(shown.masks)
    assert shown.tokens == shown.forecast.tokens_in
    assert backend.asked == []


def test_a_plan_prints_on_one_line(shown):
    assert "\n" not in repr(shown)
    assert len(repr(shown)) < 300
    assert "lime" in repr(shown)
    assert "60" in repr(shown)


def test_a_plan_that_is_run_is_not_made_again(shown, monkeypatch):
    def again(*_):
        pytest.fail("the engine planned a second time")

    monkeypatch.setattr(type(shown.fitted_by), "plan", again)
    assert len(spexapi.explain(shown).observations) == 60
