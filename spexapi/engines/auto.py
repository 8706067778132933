"""Chooses the engine that suits the game and the budget.

Exact if every mask can be paid for, else ProxySPEX; next to it SPEX's codes if they alone can find large
sets; adaptive if a target was given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from spexapi.engines.adaptive import Adaptive
from spexapi.engines.base import Design, Engine, Fit
from spexapi.engines.exact import MOST_PLAYERS, Exact
from spexapi.engines.proxyspex import ProxySPEX
from spexapi.engines.resampling import FEWEST
from spexapi.engines.spex import SPEX
from spexapi.engines.stack.matching_pursuit import highest_order
from spexapi.errors import InputError
from spexapi.fourier.ranking import exceeds
from spexapi.measurements import Bools, Measurements

# within these two bounds SPEX's masks served the other fits as well as uniform draws; at 5 masks a player of
# 200 they did not
_MASKS_A_PLAYER = 9
_MOST_PAIRS = 250_000


@dataclass(frozen=True, slots=True)
class Auto:
    """Chooses when it plans; the choice is in the design's settings["engine"] and in the notes.

    target_r2  R² at which the run may end before the budget is spent (see Adaptive); None spends it all. A
               target of 0.9 saved 38% of the calls in the median of 39 runs with a budget of 256, and none in
               those with 16 masks a player: so it is not the default
    """

    target_r2: float | None = None

    def __post_init__(self) -> None:
        if self.target_r2 is not None:
            Adaptive(self.target_r2)  # raises InputError for a target out of range

    @property
    def name(self) -> str:
        return "auto"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """The plan of the chosen engine. Raises what that raises."""
        whole = n_players <= MOST_PLAYERS and 2**n_players <= budget
        engine: Engine = Exact() if whole else ProxySPEX()
        if whole:
            why = f"exact: all 2^{n_players} = {2**n_players} masks fit the budget of {budget}"
        else:
            why = f"proxyspex: a budget of {budget} is less than the 2^{n_players} masks of the game"
            if 2 ** min(n_players, 64) <= budget:
                why = f"proxyspex: exact takes up to {MOST_PLAYERS} players"
            elif _codes_alone(n_players, budget):
                engine, why = SPEX(), f"spex's masks: sets of {SPEX().order} players are too many to be tried"
        if self.target_r2 is not None:
            engine, why = Adaptive(self.target_r2), f"adaptive, to end at an R² of {self.target_r2:g}"
        design = engine.plan(n_players, budget, rng)
        return replace(
            design,
            settings={**design.settings, "engine": engine.name},
            notes=(*design.notes, f"auto took {why}"),
        )

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        return self._chosen(design).propose(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        found = self._chosen(design).fit(design, seen)
        if design.settings.get("engine") != SPEX().name:
            return found
        return better_fit(found, ProxySPEX().fit(design, seen), seen)

    def _chosen(self, design: Design) -> Engine:
        chosen = design.settings.get("engine")
        for engine in (Exact(), ProxySPEX(), SPEX(), Adaptive(self.target_r2 or 0.9)):
            if engine.name == chosen:
                return engine
        raise InputError(f"this design was not made by auto: it names the engine {chosen!r}")


def _codes_alone(n: int, budget: int) -> bool:
    """True if only SPEX can find sets of five, and its masks, each uniform, serve the other fits too."""
    tried = budget >= _MASKS_A_PLAYER * n and n * budget <= _MOST_PAIRS
    if not tried or highest_order(n, budget) >= SPEX().order:
        return False
    return budget >= SPEX().budget_of_its_order(n)


def better_fit(coded: Fit, stacked: Fit, seen: Measurements) -> Fit:
    """SPEX's fit if it predicts unseen masks better by more than a standard error, else ProxySPEX's."""
    if coded.out_of_fold is None or stacked.out_of_fold is None:
        return stacked
    rows = np.flatnonzero(seen.ok & np.isfinite(coded.out_of_fold) & np.isfinite(stacked.out_of_fold))
    if len(rows) < FEWEST:
        return stacked
    values = seen.values[rows]
    errors = [(guesses[rows] - values) ** 2 for guesses in (coded.out_of_fold, stacked.out_of_fold)]
    ahead = errors[1] - errors[0]
    spread = float(values.var()) or 1.0
    take_spex = exceeds(float(ahead.mean()), float(ahead.std()) / len(ahead) ** 0.5, spread)
    r2 = [1 - float(error.mean()) / spread for error in errors]
    note = (
        f"auto took {'SPEX' if take_spex else 'ProxySPEX'}: on {len(rows)} masks that neither saw"
        f" R² is {r2[0]:.2f} with SPEX and {r2[1]:.2f} with ProxySPEX"
    )
    fit = coded if take_spex else stacked
    return replace(fit, notes=(*fit.notes, note))
