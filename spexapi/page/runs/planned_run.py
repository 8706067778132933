"""The plan of a run, and the part of its budget that is set aside to check what it finds."""

from __future__ import annotations

from dataclasses import dataclass

from spexapi.errors import BudgetError
from spexapi.games.base import Game
from spexapi.page.requests.request import ExplainOptions
from spexapi.plan import Plan, plan
from spexapi.verification.budget import set_aside

CHECKED = 5  # of the strongest combinations are taken apart on the model itself after a run


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What a run will ask: what the forecast shows and what the run loop runs.

    plan   of the masks to explain from
    kept   calls that are set aside to check the strongest combinations
    """

    plan: Plan
    kept: int

    @property
    def calls(self) -> int:
        return self.plan.calls + self.kept


def planned(game: Game, options: ExplainOptions) -> PlannedRun:
    """The plan for the whole budget. Raises InputError.

    Nothing is set aside if all selections can be tried, or if the engine needs the whole budget.
    """
    if kept := set_aside(game, CHECKED, options.budget, options.index, None):
        try:
            return PlannedRun(_plan(game, options, options.budget - kept), kept)
        except BudgetError:
            pass
    return PlannedRun(_plan(game, options, options.budget), 0)


def _plan(game: Game, options: ExplainOptions, budget: int) -> Plan:
    return plan(game, engine=options.engine, budget=budget, index=options.index, seed=options.seed)
