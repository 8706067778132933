"""Adaptive: uniform masks in rounds, until the explanation is known to be good enough."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from spexapi.engines.base import Design, Fit, next_masks
from spexapi.engines.exact import MOST_PLAYERS, Exact
from spexapi.engines.interim import InterimR2, explained_gain, interim_r2, sample_sizes
from spexapi.engines.proxyspex import ProxySPEX
from spexapi.engines.resampling import judged_rows
from spexapi.errors import BudgetError, InputError
from spexapi.fourier.masks import uniform_masks, unique_rows
from spexapi.measurements import NORMAL_95, Bools, Measurements, is_constant

# masks for the audit: 16 at least, and a tenth of the budget
_RESERVE = 16
# analyses between two fits that are compared: nearly three times fewer masks
_BACK = 4
# of the variance: the least gain that is worth three times the masks
_GAIN = 0.02


@dataclass(frozen=True, slots=True)
class Adaptive:
    """A sequential test: ProxySPEX on as few of the budgeted masks as its target needs.

    target_r2   R² at which the run ends, on masks that no fit saw, as a share of what sampling noise leaves
                to explain. 0.9 is what `Audit.verdict` calls trustworthy
    confidence  that R² is reached when the run says so, over all interim analyses together

    The analyses are at 3 n masks and each at 1.3 times as many as the one before. Each fits ProxySPEX, whose
    out-of-fold predictions give R² and a lower bound at level (1 - confidence) / number of analyses
    (Bonferroni: testing often does not make success likelier). The run ends if the bound reaches the target,
    or if nearly three times the masks have explained, at 95% confidence, less than 2% more of the variance.
    max(16, 10%) of the budget are fresh masks for the audit, which no analysis has seen.

    All masks are uniform draws: R², its bound and the intervals rest on that. Masks chosen by information
    gain predict some games better from as many calls, but then only those of the first round could judge.
    """

    target_r2: float = 0.9
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.target_r2 < 1:
            raise InputError(f"target_r2 is {self.target_r2}: give a share between 0 and 1, such as 0.9")
        if not 0.5 <= self.confidence < 1:
            raise InputError(f"confidence is {self.confidence}: give a share from 0.5 to below 1")

    @property
    def name(self) -> str:
        return "adaptive"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """All kept, none kept, then uniform masks: all of the budget but for those of the audit.

        Raises BudgetError below n + 2 masks for the fit and 16 for the audit, or 2^n if that is fewer.
        """
        if n_players < 2:
            raise InputError(f"interactions need at least 2 players, got {n_players}")
        every = 2**n_players if n_players <= MOST_PLAYERS else budget + 1
        least = min(n_players + 2 + _RESERVE, every)
        if budget < least:
            raise BudgetError(
                f"a budget of {budget} measurements is too small for an adaptive run with {n_players}"
                f" players, which keeps {_RESERVE} for its audit: raise it to {least} or more, or choose the"
                " engine proxyspex or auto"
            )
        seed = int(rng.integers(2**31))
        reserve = max(_RESERVE, -(-min(budget, every) // 10))
        anchors = np.array([[True] * n_players, [False] * n_players])
        most = every if every <= budget else budget - reserve
        drawn = uniform_masks(n_players, most - 2, rng, exclude=anchors)
        note = (
            f"adaptive: ends at an R² of {self.target_r2:g} with {100 * self.confidence:g}% confidence, for"
            f" which {reserve} masks are kept"
        )
        masks = np.concatenate([anchors, drawn])
        settings = {"seed": seed}
        made = Design(n_players, budget, masks, reserve=reserve, settings=settings, notes=(note,))
        return replace(made, exact=every <= budget, takes_more=True)

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        """The masks up to the next interim analysis; none if this one ends the run. Costs a fit or two."""
        sizes = interim_sizes(design)
        if len(seen) in sizes and self.verdict(design, seen, ProxySPEX().fit(design, seen))[0]:
            return design.masks[:0]
        end = next((size for size in sizes if size > len(seen)), len(seen))
        return next_masks(design, seen, min(remaining, end - len(seen)))

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """ProxySPEX's fit, or the exact one if all is measured; a note says how the target stands."""
        if design.exact and len(unique_rows(seen.masks[seen.ok])[0]) == 2**design.n_players:
            return Exact().fit(design, seen)
        found = ProxySPEX().fit(design, seen)
        note = self.verdict(design, seen, found)[1]
        return replace(found, notes=(*found.notes, note)) if note else found

    def verdict(self, design: Design, seen: Measurements, fit: Fit) -> tuple[bool, str]:
        """Whether to end the run at these masks, and a sentence about it; `fit` is ProxySPEX's."""
        sizes = interim_sizes(design)
        guesses = np.full(len(seen), np.nan) if fit.out_of_fold is None else fit.out_of_fold
        rng = np.random.default_rng([design.seed, len(seen)])
        now = interim_r2(seen, guesses, (1 - self.confidence) / len(sizes), rng)
        if now is not None and now.low >= self.target_r2 * now.ceiling > 0:
            return True, f"enough at {len(seen):,} masks: {self._sentence(now)}"
        done = [size for size in sizes if size <= len(seen)]
        if len(done) > _BACK and len(seen) == done[-1] < sizes[-1]:
            futile = _why_futile(design, seen, fit, done[-1 - _BACK])
            if futile is not None:
                return True, f"ended at {len(seen):,} masks, below the target: {futile}"
        return False, "" if now is None else f"not enough at {len(seen):,} masks: {self._sentence(now)}"

    def _sentence(self, now: InterimR2) -> str:
        noise = f" of the {now.ceiling:.2f} that noise leaves" if now.ceiling < 1 else ""
        return (
            f"R² {now.r2:.2f} out of fold, {now.low:.2f} or more with {100 * self.confidence:g}% confidence"
            f" over all interim analyses, for a target of {self.target_r2:g}{noise}"
        )


def interim_sizes(design: Design) -> list[int]:
    """At how many masks a run is analysed, the last time with all of them.

    Before the last one, enough masks are left for the audit.
    """
    most = len(design.masks)
    sizes = sample_sizes(design.n_players, most)
    return [*(size for size in sizes if size <= most - design.reserve), most] if design.exact else sizes


def _why_futile(design: Design, seen: Measurements, fit: Fit, before: int) -> str | None:
    """Why more masks are not worth their price, by what those after `before` gained; None if they may be."""
    if is_constant(seen.values[judged_rows(seen, np.zeros(len(seen)))]):
        return f"the values of {len(seen):,} masks are all the same"
    if fit.out_of_fold is None:
        return None
    earlier = ProxySPEX().fit(design, seen.take(np.arange(before))).out_of_fold
    if earlier is None:
        return None
    guesses = np.concatenate([earlier, np.full(len(seen) - before, np.nan)])
    gain, error = explained_gain(seen, guesses, fit.out_of_fold)
    if gain + NORMAL_95 * error >= _GAIN:
        return None
    return (
        f"{len(seen) - before:,} masks more explained {100 * gain:+.1f}% ± {100 * error:.1f}% of the variance"
    )
