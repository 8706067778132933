"""How a run was asked for, so that its observations can be fitted again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import cast

from spexapi.engines.base import Engine
from spexapi.engines.registry import find_engine


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a run was asked for: enough to fit the same observations again, the same way.

    budget    in masks: if a mask takes several replies, what the user gave divided by them
    held_out  fresh uniform masks the audit asked for, part of the budget
    fitted    rows of the observations that the engine asked for; the audit's own rows follow them
    planned   masks that the engine's design was made for; 0: all but those held out
    order     players of the largest set that the engine can know; 0: of any
    claims    masks of the budget that were kept for asking the model what the story says
    asked     rows of the observations that were measured for that, the last ones
    options   settings of the engine, as its dataclass has them
    uniform   the fitted masks are uniform draws, whichever engine fits them
    """

    engine: str
    budget: int
    seed: int = 0
    held_out: int = 0
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    uniform: bool = True
    fitted: int = 0
    planned: int = 0
    order: int = 0
    claims: int = 0
    asked: int = 0


def options_of(engine: Engine) -> dict[str, object]:
    """The settings of an engine that is a dataclass, for a recipe."""
    return asdict(engine) if is_dataclass(engine) and not isinstance(engine, type) else {}


def rebuilt(recipe: Recipe) -> Engine:
    """The engine of a saved run, with its settings. Raises InputError if it is not installed here."""
    engine = find_engine(recipe.engine)
    if not recipe.options or not is_dataclass(engine) or isinstance(engine, type):
        return engine
    return cast(Engine, replace(engine, **recipe.options))
