"""What an engine's fit to the observations says: spectrum, interactions, audit, intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.random import Generator

from spexapi.engines.base import Design, Engine, Fit
from spexapi.engines.resampling import squared_errors
from spexapi.explanation.recipe import Recipe
from spexapi.fourier.indices import to_index
from spexapi.fourier.ranking import exceeds
from spexapi.fourier.spectrum import Interaction, Spectrum
from spexapi.measurements import Bools, Measurements, join
from spexapi.trust.assess import judge, unaudited
from spexapi.trust.audit import Audit
from spexapi.trust.estimates import Estimates
from spexapi.trust.fixed_players import without_fixed
from spexapi.trust.intervals import intervals


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The fields of an explanation that come from a fit."""

    spectrum: Spectrum
    interactions: Mapping[Interaction, float]
    audit: Audit
    intervals: Mapping[Interaction, tuple[float, float]]
    notes: tuple[str, ...]
    estimates: Estimates | None

    def fields(self) -> dict[str, Any]:
        """By name, to make an explanation of."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


# masks; of more of them a second fit takes its time, and the few of the claims tell it little
_FEW = 128


@dataclass(frozen=True, slots=True)
class _KnowsMore:
    """An engine whose fits always use further measurements; no uniform draws, they are in no fold."""

    engine: Engine
    more: Measurements

    @property
    def name(self) -> str:
        return self.engine.name

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        return self.engine.plan(n_players, budget, rng)

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        return self.engine.propose(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        return self.engine.fit(design, join([seen, self.more])).of_first(len(seen))


def _is_better(one: Fit, other: Fit, seen: Measurements) -> bool:
    """Whether it predicts the uniform masks better by fits that did not see them."""
    if one.out_of_fold is None or other.out_of_fold is None:
        return False
    errors = [squared_errors(seen, guesses) for guesses in (one.out_of_fold, other.out_of_fold)]
    both = np.isfinite(errors[0]) & np.isfinite(errors[1])
    return exceeds(float(errors[1][both].sum()), float(errors[0][both].sum()))


def fitted(
    engine: Engine,
    design: Design,
    observations: Measurements,
    recipe: Recipe,
    index: str,
    max_order: int | None,
    *,
    audited: bool = True,
) -> Fitted:
    """Fit, audit and interactions of observations.

    observations  the `recipe.fitted` rows the engine asked for, then the fresh masks of the audit, then the
                  `recipe.asked` rows that were measured for the claims
    audited       False leaves R² and intervals out, which cost several fits: for snapshots of a run
    """
    rows = np.arange(len(observations))
    first_asked = len(rows) - recipe.asked
    seen, asked = observations.take(rows[: recipe.fitted]), observations.take(rows[first_asked:])
    held_out = observations.take(rows[recipe.fitted : first_asked])
    fit = engine.fit(design, seen)
    if design.takes_more and len(asked) and len(seen) <= _FEW:
        informed = _KnowsMore(engine, asked)
        if _is_better(other := informed.fit(design, seen), fit, seen):
            engine, fit = informed, other
    found = without_fixed(fit, seen)
    trust = judge(engine, design, seen, found, held_out, recipe.seed) if audited else unaudited(seen, found)
    fit = trust.fit
    ranges: Mapping[Interaction, tuple[float, float]] = fit.intervals if index == "fourier" else {}
    if trust.estimates is not None:
        ranges = intervals(trust.estimates, fit.spectrum, index, max_order)
    return Fitted(
        spectrum=fit.spectrum,
        interactions=to_index(fit.spectrum, index, max_order),
        audit=replace(trust.audit, n_failed=trust.audit.n_failed + asked.n_failed),
        intervals=ranges,
        notes=(*design.notes, *fit.notes, *trust.notes),
        estimates=trust.estimates,
    )
