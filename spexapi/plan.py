"""What a run will ask, checked and priced before anything is paid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spexapi.engines.base import Design, Engine
from spexapi.engines.registry import find_engine
from spexapi.errors import BudgetError, InputError
from spexapi.explanation.recipe import Recipe, options_of
from spexapi.fourier.indices import check_index
from spexapi.fourier.masks import uniform_masks
from spexapi.games.base import CanForecast, Game, traits_of
from spexapi.measurements import Bools, Measurements, nothing
from spexapi.sampling.forecast import Forecast


@dataclass(frozen=True, slots=True)
class Run:
    """What was asked for, checked; nothing has been paid for yet."""

    game: Game
    engine: Engine
    design: Design
    recipe: Recipe
    index: str
    max_order: int | None
    audit_masks: Bools
    calls_per_mask: int


def plan(
    game: Game, engine: str | Engine, budget: int, index: str, max_order: int | None, seed: int, held_out: int
) -> Run:
    """Everything that can be refused without asking the model."""
    found = find_engine(engine)
    n = len(game.players)
    if n < 2:
        raise InputError(
            f"the game has {n} player{'s' * (n != 1)}: at least 2 are needed to speak of combinations"
        )
    index, max_order = check_index(index, max_order, n)
    if isinstance(budget, bool) or not isinstance(budget, (int, np.integer)) or budget < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BudgetError(f"the budget is {budget!r}: it must be a whole number of masks, at least 1")
    each = traits_of(game).calls_per_mask
    masks = int(budget) // each
    if not 0 <= held_out < max(1, masks):
        raise BudgetError(f"held_out={held_out} of a budget of {masks}: give a number from 0 to {masks - 1}")
    try:
        design = found.plan(n, masks - held_out, np.random.default_rng(seed))
    except BudgetError as error:
        if each == 1:
            raise
        raise BudgetError(f"a mask takes {each} replies, so {budget} are {masks} masks: {error}") from error
    recipe = Recipe(found.name, masks, seed, held_out, options=options_of(found), uniform=design.uniform)
    audit_masks = np.zeros((0, n), dtype=np.bool_)
    if not design.exact:
        fresh = np.random.default_rng([seed, 1])
        audit_masks = uniform_masks(n, held_out + design.reserve, fresh, exclude=design.masks)
    return Run(game, found, design, recipe, index, max_order, audit_masks, each)


def ready(run: Run) -> Run:
    """The run planned again where the game, once it knows its backend, takes more replies a mask."""
    each = traits_of(run.game).calls_per_mask
    if each == run.calls_per_mask:
        return run
    budget, recipe = run.recipe.budget * run.calls_per_mask, run.recipe
    return plan(run.game, run.engine, budget, run.index, run.max_order, recipe.seed, recipe.held_out)


def audit_masks_of(run: Run, seen: Measurements) -> Bools:
    """The planned ones; for a design of all masks that ended early, its reserve from those that are left."""
    if not (run.design.exact and run.design.reserve):
        return run.audit_masks
    count = min(run.design.reserve, run.recipe.budget - len(seen))
    return uniform_masks(
        seen.n_players, count, np.random.default_rng([run.recipe.seed, 1]), exclude=seen.masks
    )


def audit_masks_beside(run: Run, seen: int) -> Bools:
    """Those that are asked together with the engine's first: a batch may take a day, and one is enough."""
    begins = seen == 0 and traits_of(run.game).batched
    return run.audit_masks if begins else run.audit_masks[:0]


_AT_ONCE = "proxyspex and spex ask for all their masks at once"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would ask, before it asks anything.

    calls     requests that would score masks, the audit's included; generating an answer comes on top
    tokens    estimate of what the model would read, None where the game cannot know
    forecast  tokens, time and price, with three of the prompts; None for a game without text
    """

    n_players: int
    labels: tuple[str, ...]
    engine: str
    calls: int
    tokens: int | None
    notes: tuple[str, ...]
    forecast: Forecast | None = None


def preview(
    game: Game,
    *,
    engine: str | Engine = "auto",
    budget: int = 256,
    index: str = "fbii",
    max_order: int | None = None,
    seed: int = 0,
    held_out: int = 0,
) -> Preview:
    """Checks a run as explain() would and says what it would cost; asks nothing. Raises InputError."""
    run = plan(game, engine, budget, index, max_order, seed, held_out)
    first = run.design.masks[: run.recipe.budget - len(run.audit_masks)]
    masks = np.concatenate([first, run.audit_masks])
    expected = game.forecast(masks) if isinstance(game, CanForecast) else None
    notes = run.design.notes
    if expected is not None and expected.batches:
        begins = run.engine.propose(run.design, nothing(len(game.players)), len(first))
        if len(begins) < len(first):
            expected = replace(expected, batches=None)
            notes = (*notes, f"{run.recipe.engine} waits for the batch of each of its rounds: {_AT_ONCE}")
    return Preview(
        n_players=len(game.players),
        labels=tuple(p.label for p in game.players),
        engine=run.recipe.engine,
        calls=len(masks) * run.calls_per_mask,
        tokens=expected.tokens_in if expected is not None else None,
        notes=notes,
        forecast=expected,
    )
