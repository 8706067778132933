"""What engines share that give each player one number."""

from __future__ import annotations

from typing import cast

import numpy as np

from spexapi.engines._fit_data import FitData, bounds_unused
from spexapi.engines.base import Design, Fit
from spexapi.errors import BudgetError, InputError
from spexapi.measurements import Bools, Floats


def need_budget(who: str, n_players: int, budget: int, least: int) -> None:
    """Raises InputError for fewer than 2 players, BudgetError with the number below `least`."""
    if n_players < 2:
        raise InputError(f"there is nothing to compare with fewer than 2 players, got {n_players}")
    if budget < least:
        raise BudgetError(
            f"a budget of {budget} measurements is too small for {who} on {n_players} players: raise it to"
            f" {least} or more, or make fewer, larger players"
        )


def smallest_budget(n_players: int) -> int:
    """One mask more than the n + 1 coefficients of first order; all 4 of two players."""
    return n_players + 2 if n_players > 2 else 4


def additive_fit(data: FitData, base: float, effects: Floats, *notes: str) -> Fit:
    """The fit value(mask) = base + sum of effects[i] over the players i that are kept.

    base     standardised
    effects  (n,) standardised
    """
    coef = {(i,): -effect / 2 for i, effect in enumerate(effects.tolist())}
    spectrum = data.spectrum({(): base + float(effects.sum()) / 2, **coef})
    return Fit(spectrum, notes=(*data.notes, *bounds_unused(data), *notes))


def design_weights(design: Design, masks: Bools) -> Floats | None:
    """(m,) the weight of each mask in design.settings["weights"]; None if one is not of this design."""
    settled = design.settings.get("weights")
    if not isinstance(settled, np.ndarray):
        return None
    weights: list[float] = cast(Floats, settled).tolist()
    rows = np.packbits(design.masks, axis=1)
    known = {row.tobytes(): weight for row, weight in zip(rows, weights, strict=True)}
    found = [known.get(row.tobytes()) for row in np.packbits(masks, axis=1)]
    return None if None in found else np.array(found, dtype=np.float64)
