"""A plan: what a run will ask, checked and priced before anything is paid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, TypedDict, TypeVar, Unpack

import numpy as np

from spexapi.engines.base import Design, Engine
from spexapi.engines.registry import find_engine
from spexapi.errors import BudgetError, InputError
from spexapi.explanation.recipe import Recipe, options_of
from spexapi.fourier.indices import check_index
from spexapi.fourier.masks import uniform_masks
from spexapi.games.base import CanForecast, CanWrite, Game, traits_of
from spexapi.measurements import Bools, Measurements, nothing
from spexapi.sampling.forecast import Forecast

_MOST_CLAIMS = 12  # masks
_SHARE = 4  # of a small budget, one mask in so many
_AT_ONCE = "proxyspex and spex ask for all their masks at once"
Door = TypeVar("Door", bound=Callable[..., Any])


class PlanOptions(TypedDict, total=False):
    """The options of plan(), for functions that pass them on; their meaning stands at spexapi.explain."""

    engine: str | Engine
    budget: int
    index: str
    max_order: int | None
    seed: int
    held_out: int
    claims: int | None
    writes: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plan:
    """What a run will ask, before it asks anything. `spexapi.explain(plan)` asks just that.

    game            what will be measured
    fitted_by       the engine that proposes the masks and fits them; `engine` is its name
    budget          calls that may score masks, as the user gave it
    design          the engine's own plan
    recipe          seed, settings, and the budget in masks
    index, max_order    how the interactions will be read
    audit_masks     (a, n) bool, fresh uniform masks that the fit will not see
    claims          masks kept for asking the model what the story says of it; `wanted`: those the user named
    calls_per_mask  replies that the value of one mask takes
    writes          answers at most that the model writes itself for the story; the budget does not pay them
    changed         why the plan was made again, "" if it is the first
    forecast        tokens, time and price, with three of the prompts; None for a game without text
    """

    game: Game
    fitted_by: Engine
    budget: int
    design: Design
    recipe: Recipe
    index: str
    max_order: int | None
    audit_masks: Bools
    calls_per_mask: int
    claims: int = 0
    wanted: int | None = None
    writes: int = 0
    changed: str = ""
    forecast: Forecast | None = None

    @property
    def n_players(self) -> int:
        return len(self.game.players)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(player.label for player in self.game.players)

    @property
    def engine(self) -> str:
        return self.recipe.engine

    @property
    def fitted_masks(self) -> int:
        """Most masks that the engine may ask for, before those that the claims leave unspent."""
        return self.recipe.budget - len(self.audit_masks) - self.claims

    @property
    def masks(self) -> Bools:
        """(m, n) bool, those known before the first value: the engine's first, then the audit's."""
        return np.concatenate([self.design.masks[: self.fitted_masks], self.audit_masks])

    @property
    def calls(self) -> int:
        """Requests that would score masks, the audit and the claims included; writing comes on top."""
        return (len(self.masks) + self.claims) * self.calls_per_mask

    @property
    def tokens(self) -> int | None:
        """Estimate of what the model would read, None if the game cannot know."""
        return None if self.forecast is None else self.forecast.tokens_in

    @property
    def notes(self) -> tuple[str, ...]:
        waits = self.forecast is not None and self.forecast.batches is None
        waiting = f"{self.engine} waits for the batch of each of its rounds: {_AT_ONCE}"
        return (*self.design.notes, *[self.changed] * bool(self.changed), *[waiting] * waits)

    def __repr__(self) -> str:
        asks = f"{self.calls:,} calls" if self.forecast is None else self.forecast.line
        return f"Plan(engine {self.engine}, index {self.index}, {self.n_players:,} players, {asks})"

    def audit_at_first(self) -> Bools:
        """Those of the audit's masks to ask together with the engine's first: one batch may take a day."""
        return self.audit_masks if traits_of(self.game).batched else self.audit_masks[:0]

    def audit_after(self, seen: Measurements) -> Bools:
        """The audit's masks; for a design of all masks that ended early, some of those that are left."""
        if not (self.design.exact and self.design.reserve):
            return self.audit_masks
        count = min(self.design.reserve, self.recipe.budget - len(seen))
        return uniform_masks(self.n_players, count, _audit_rng(self.recipe.seed), exclude=seen.masks)


# The name of a plan while a plan was only shown, and made again by explain().
Preview = Plan


def plan(
    game: Game,
    *,
    engine: str | Engine = "auto",
    budget: int = 256,
    index: str = "fbii",
    max_order: int | None = None,
    seed: int = 0,
    held_out: int = 0,
    claims: int | None = None,
    writes: int = 6,
) -> Plan:
    """The plan of a run without its price. Raises InputError for all that can be refused unasked."""
    found, n = find_engine(engine), len(game.players)
    if n < 2:
        raise InputError(
            f"the game has {n} player{'s' * (n != 1)}: at least 2 are needed to speak of combinations"
        )
    index, max_order = check_index(index, max_order, n)
    each = traits_of(game).calls_per_mask
    masks = _masks_for(budget, each, held_out)
    design, kept = _affordable(found, n, masks - held_out, _claims(game, claims, masks), seed, each)
    recipe = Recipe(found.name, masks, seed, held_out, options_of(found), design.uniform)
    recipe = replace(recipe, planned=design.budget, order=design.order, claims=kept)
    audits = 0 if design.exact else held_out + design.reserve
    audit_masks = uniform_masks(n, audits, _audit_rng(seed), exclude=design.masks)
    made = Plan(game, found, int(budget), design, recipe, index, max_order, audit_masks, each, kept)
    return replace(made, wanted=claims, writes=_writes(game, writes))


def _claims(game: Game, wanted: int | None, masks: int) -> int:
    """Masks kept for the claims: up to 12 of 64 or more, a quarter of fewer, unless the user says.

    None if each answer may take a day: claims are asked one after the other.
    """
    if wanted is None and traits_of(game).batched:
        return 0
    if wanted is None:
        return min(_MOST_CLAIMS, masks // _SHARE)
    if isinstance(wanted, bool) or not isinstance(wanted, (int, np.integer)) or not 0 <= wanted < masks:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BudgetError(f"claims={wanted!r} of a budget of {masks} masks: give 0 to {masks - 1}, or None")
    return int(wanted)


def _writes(game: Game, wanted: int) -> int:
    """Answers to write for the story; none if the game cannot, or if an answer may take a day."""
    if wanted < 0:
        raise BudgetError(f"writes={wanted}: give how many answers the model may write, 0 for none")
    return int(wanted) if isinstance(game, CanWrite) and not traits_of(game).batched else 0


def _affordable(engine: Engine, n: int, masks: int, claims: int, seed: int, each: int) -> tuple[Design, int]:
    """_designed(), whose error also tells of the replies that a mask takes."""
    try:
        return _designed(engine, n, masks, claims, seed)
    except BudgetError as error:
        if each == 1:
            raise
        raise BudgetError(f"a mask takes {each} replies, so this pays for {masks} masks: {error}") from error


def _designed(engine: Engine, n: int, masks: int, claims: int, seed: int) -> tuple[Design, int]:
    """The engine's plan and how many masks are left for the claims: fewer if it could not do its work then.

    A design of uniform draws is made for all masks, and the claims take the place of its last ones: what they
    leave unspent goes on with it.
    """
    design = engine.plan(n, masks, np.random.default_rng(seed))
    free = masks - len(design.masks) - design.reserve
    if not claims or design.exact or free >= claims:
        return design, 0 if design.exact else claims
    for kept in (claims, claims // 2):
        try:
            smaller = engine.plan(n, masks - kept, np.random.default_rng(seed))
        except BudgetError:
            continue
        if design.uniform and not design.whole:
            return design, kept
        if len(design.masks) - len(smaller.masks) <= kept:
            return smaller, kept
    return design, free


def shows_options(door: Door) -> Door:
    """The function with the options of plan() in its signature: help() and notebooks then list them."""
    own = signature(door)
    first, *rest = (p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD)
    shared = [p for p in signature(plan).parameters.values() if p.kind is p.KEYWORD_ONLY]
    door.__signature__ = own.replace(parameters=[first, *shared, *rest])  # pyright: ignore[reportFunctionMemberAccess]
    return door


@shows_options
def preview(game: Game, **options: Unpack[PlanOptions]) -> Plan:
    """The plan of a run, with its price: what explain(plan) would ask. Nothing is asked yet.

    Options and errors are those of spexapi.explain.
    """
    return priced(plan(game, **options))


def priced(made: Plan) -> Plan:
    """The plan with the forecast of the game, if the game can make one."""
    if not isinstance(made.game, CanForecast):
        return made
    masks = np.concatenate([made.masks, _stand_ins(made)])
    writes = {"writes": made.writes} if made.writes else {}
    expected = made.game.forecast(masks, **writes)
    if expected.batches and (made.claims or _has_rounds(made)):
        expected = replace(expected, batches=None)
    return replace(made, forecast=expected)


def _stand_ins(made: Plan) -> Bools:
    """(claims, n) bool: which masks the claims will ask for is not known before; half of the players stay."""
    return uniform_masks(made.n_players, made.claims, _audit_rng(made.recipe.seed))


def ready(made: Plan) -> Plan:
    """The plan for a prepared game: made again if a mask takes more or fewer replies than was known."""
    each, recipe = traits_of(made.game).calls_per_mask, made.recipe
    if each == made.calls_per_mask:
        return made
    again = plan(
        made.game,
        engine=made.fitted_by,
        budget=made.budget,
        index=made.index,
        max_order=made.max_order,
        seed=recipe.seed,
        held_out=recipe.held_out,
        claims=made.wanted,
        writes=made.writes,
    )
    changed = (
        f"planned again: a mask takes {each} replies and not {made.calls_per_mask}, so the budget of"
        f" {made.budget} is {again.recipe.budget} masks and not {recipe.budget}"
    )
    return replace(again, changed=changed)


def _masks_for(budget: int, each: int, held_out: int) -> int:
    """How many masks the budget pays for."""
    if isinstance(budget, bool) or not isinstance(budget, (int, np.integer)) or budget < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BudgetError(f"the budget is {budget!r}: it must be a whole number of masks, at least 1")
    masks = int(budget) // each
    if not 0 <= held_out < max(1, masks):
        raise BudgetError(f"held_out={held_out} of a budget of {masks}: give a number from 0 to {masks - 1}")
    return masks


def _audit_rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 1])


def _has_rounds(made: Plan) -> bool:
    """Whether the engine looks at first values before it asks for more."""
    at_once = len(made.design.masks[: made.fitted_masks])
    first = made.fitted_by.propose(made.design, nothing(made.n_players), at_once)
    return len(first) < at_once
