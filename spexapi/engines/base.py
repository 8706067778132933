"""The contract of an engine: three pure steps, with all waiting between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.fourier.spectrum import Interaction, Spectrum
from spexapi.measurements import Bools, Floats, Measurements


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """What will be asked, as a value: equal arguments give equal designs.

    n_players  n
    budget     how many masks may be measured in all
    masks      (k, n) bool, k <= budget: what a one-shot engine proposes; adaptive engines start from it
    exact      True if the masks are all 2^n, so that the spectrum is not an estimate
    uniform    True if the masks are uniform draws (all kept and none kept apart), on which R² is defined
    whole      True if the fit needs all of `masks`: a code, or one mask for each player
    takes_more True if a fit gains from measurements that are no uniform draws, such as those of the claims
    order      players of the largest set that a fit can know; 0: of any
    reserve    fresh uniform masks that the run sets aside from the budget for the audit; the engine never
               sees them. None are set aside if an exact design is measured to its end
    settings   engine-specific values (seeds, codes); numbers, strings and arrays only
    notes      sentences for the audit: which engine, why
    """

    n_players: int
    budget: int
    masks: Bools
    exact: bool = False
    uniform: bool = True
    reserve: int = 0
    whole: bool = False
    takes_more: bool = False
    order: int = 0
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    notes: tuple[str, ...] = ()

    @property
    def seed(self) -> int:
        """settings["seed"], 0 if there is none: the seed of what a fit draws."""
        seed = self.settings.get("seed")
        return seed if isinstance(seed, int) else 0


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What an engine found.

    spectrum      predicts any mask
    intervals     90% interval of each Fourier coefficient, if the engine has them
    out_of_fold   (m,) predictions of each observation by fits that did not see it, NaN if there is none;
                  None if the engine leaves that to the audit
    notes         sentences for the audit: what was chosen, what could not be used
    fold          (m,) the fold of each observation, -1 if it was not used; None if the engine has no folds
    fold_spectra  for each fold the fit made without it, all choices included: it predicts out_of_fold
    """

    spectrum: Spectrum
    intervals: Mapping[Interaction, tuple[float, float]] = field(
        default_factory=dict[Interaction, tuple[float, float]]
    )
    out_of_fold: Floats | None = None
    notes: tuple[str, ...] = ()
    fold: NDArray[np.intp] | None = None
    fold_spectra: tuple[Spectrum, ...] = ()

    def of_first(self, count: int) -> Fit:
        """The same fit, with what is told of single observations for the first `count` alone."""
        guesses = None if self.out_of_fold is None else self.out_of_fold[:count]
        return replace(self, out_of_fold=guesses, fold=None if self.fold is None else self.fold[:count])


@runtime_checkable
class Engine(Protocol):
    """Finds the interactions of a game from as few of its values as it can.

    Pure: no model, no clock, no hidden state.
    """

    @property
    def name(self) -> str:
        """Its name on the command line and in a saved explanation."""
        ...

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """What will be asked, before anything is paid. Raises BudgetError with the smallest budget."""
        ...

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        """The next masks worth paying for, (k, n) bool, k <= remaining; no rows if it has seen enough."""
        ...

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """Spectrum, intervals and notes.

        `seen` may hold NaN, variances and bounds, and fewer rows than planned (a run stopped early); what
        could not be used is said in the notes. Raises NothingMeasured if no value is finite.
        """
        ...


def next_masks(design: Design, seen: Measurements, remaining: int) -> Bools:
    """The planned masks that were not measured yet, in order: what a one-shot engine proposes."""
    return design.masks[len(seen) : len(seen) + max(0, remaining)]
