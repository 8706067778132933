"""Adaptive: uniform masks in rounds, until the explanation is known to be good enough."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from spexapi.engines._looks import Look, gained, look, looks, usable
from spexapi.engines.base import Design, Fit, next_masks
from spexapi.engines.exact import MOST_PLAYERS, Exact
from spexapi.engines.proxyspex import ProxySPEX
from spexapi.errors import BudgetError, InputError
from spexapi.fourier.masks import uniform_masks, unique_rows
from spexapi.measurements import NORMAL_95, Bools, Measurements, is_constant

_RESERVE = 16  # masks at least for the audit, and a tenth of the budget
_BACK = 4  # looks: nearly three times fewer masks
_GAIN = 0.02  # of the variance: the least that is worth three times the masks


@dataclass(frozen=True, slots=True)
class Adaptive:
    """ProxySPEX on as few of the budgeted masks as its target needs.

    target_r2   where the run ends: R² on masks no fit saw, of what sampling noise leaves to explain. 0.9 is
                what `Audit.verdict` calls trustworthy
    confidence  that R² is there when the run says so, over all its looks together

    Looks at 3 n masks and each time at 1.3 times as many. At each it fits ProxySPEX, whose out-of-fold
    predictions give R² and a lower bound at level (1 - confidence) / number of looks (Bonferroni: looking
    often makes no luck). It ends where the bound reaches the target, or where nearly three times the masks
    have explained, at 95% confidence, less than 2% more of the variance. max(16, 10%) of the budget are
    fresh masks for the audit, which no look has seen.

    The masks stay uniform draws: R², its bound and the intervals rest on that. Masks chosen by information
    gain predict some games better from as many calls, but then only the first round could be judged by.
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
        """All kept, none kept, uniform masks, as many as the budget holds beside those for the audit.

        Raises BudgetError below n + 2 masks for the fit and 16 for the audit, or 2^n where that is fewer.
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
        return Design(
            n_players, budget, masks, exact=every <= budget, reserve=reserve, settings=settings, notes=(note,)
        )

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        """The masks up to the next look, none where this look is the last one needed. Costs a fit or two."""
        ends = rounds(design)
        if len(seen) in ends and self.verdict(design, seen, ProxySPEX().fit(design, seen))[0]:
            return design.masks[:0]
        end = next((end for end in ends if end > len(seen)), len(seen))
        return next_masks(design, seen, min(remaining, end - len(seen)))

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """ProxySPEX's, or exact where all is measured; what this look says of the target is in the notes."""
        if design.exact and len(unique_rows(seen.masks[seen.ok])[0]) == 2**design.n_players:
            return Exact().fit(design, seen)
        found = ProxySPEX().fit(design, seen)
        said = self.verdict(design, seen, found)[1]
        return replace(found, notes=(*found.notes, said)) if said else found

    def verdict(self, design: Design, seen: Measurements, fit: Fit) -> tuple[bool, str]:
        """Whether to end at these masks, and the sentence about it; fit is ProxySPEX's of them."""
        ends = rounds(design)
        guesses = np.full(len(seen), np.nan) if fit.out_of_fold is None else fit.out_of_fold
        rng = np.random.default_rng([design.seed, len(seen)])
        now = look(seen, guesses, (1 - self.confidence) / len(ends), rng)
        if now is not None and now.low >= self.target_r2 * now.ceiling > 0:
            return True, f"enough at {len(seen):,} masks: {self._said(now)}"
        earlier = [end for end in ends if end <= len(seen)]
        if len(earlier) > _BACK and len(seen) == earlier[-1] < ends[-1]:
            before = earlier[-1 - _BACK]
            if (why := _learned_nothing(design, seen, fit, before)) is not None:
                return True, f"ended at {len(seen):,} masks, below the target: {why}"
        return False, "" if now is None else f"not enough at {len(seen):,} masks: {self._said(now)}"

    def _said(self, now: Look) -> str:
        noise = f" of the {now.ceiling:.2f} that noise leaves" if now.ceiling < 1 else ""
        return (
            f"R² {now.r2:.2f} out of fold, {now.low:.2f} or more with {100 * self.confidence:g}% confidence"
            f" over all looks, for a target of {self.target_r2:g}{noise}"
        )


def _learned_nothing(design: Design, seen: Measurements, fit: Fit, before: int) -> str | None:
    """Why more masks are not worth their price, None where they may be."""
    if is_constant(seen.values[usable(seen, np.zeros(len(seen)))]):
        return f"the values of {len(seen):,} masks are all the same"
    if fit.out_of_fold is None:
        return None
    earlier = ProxySPEX().fit(design, seen.take(np.arange(before))).out_of_fold
    if earlier is None:
        return None
    guesses = np.concatenate([earlier, np.full(len(seen) - before, np.nan)])
    gain, error = gained(seen, guesses, fit.out_of_fold)
    if gain + NORMAL_95 * error >= _GAIN:
        return None
    return (
        f"{len(seen) - before:,} masks more explained {100 * gain:+.1f}% ± {100 * error:.1f}% of the variance"
    )


def rounds(design: Design) -> list[int]:
    """At how many masks to look, the last being all there are. Before it, enough are left for the audit."""
    most = len(design.masks)
    ends = looks(design.n_players, most)
    return [*(end for end in ends if end <= most - design.reserve), most] if design.exact else ends
