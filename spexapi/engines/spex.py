"""SPEX: masks from error-correcting codes hash the spectrum into bins, decoded into terms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines._fit_data import FitData, bounds_unused
from spexapi.engines.base import Design, Fit, next_masks
from spexapi.engines.codes.bch import bch
from spexapi.engines.codes.peeling import Hashing, peel
from spexapi.engines.codes.refit import refit_terms
from spexapi.engines.proxyspex import ProxySPEX
from spexapi.engines.stack.matching_pursuit import Halves, highest_order, pursue
from spexapi.errors import BudgetError, InputError
from spexapi.fourier.masks import uniform_masks, unique_rows
from spexapi.fourier.spectrum import Interaction, truncate
from spexapi.measurements import Bools, Floats, Measurements

# of a bin's number: 8 bins a group, as in the published SPEX
_FEWEST_BITS = 3
_LOWEST_ORDER = 2
# uniform masks: 16 at least, and one in ten of the budget
_RESERVE, _SHARE = 16, 10
# one in twelve: what 3 groups of 8 bins leave of their published price
_SHARE_OF_THE_SMALLEST = 12
# of a group's masks must have a value, or its bins are mostly guesses
_COMPLETE = 0.5
# of the energy of the spectrum: the rest is many terms below any noise
_ENERGY = 0.9999
# terms: 64, or one for 4 masks if that is more
_MOST_TERMS, _MASKS_A_TERM = 64, 4
_HIGHEST_ORDER = 10
_MOST_GROUPS = 16


@dataclass(frozen=True, slots=True)
class SPEX:
    """Recovers few strong terms among all sets of up to `order` players, also if their subsets do not matter.

    order     highest order of a term; lowered, down to 2, if the budget requires it
    groups    fewest groups of masks, each with another hashing of the spectrum; more if the budget allows
    combined  stack with boosted trees and regressions on their terms if that predicts the uniform masks
              better

    Kang et al., "SPEX", ICML 2025, arXiv 2502.13870. It departs from the published code: a random shift makes
    every mask uniform; terms are selected by the extended BIC over all groups; if all sets can be tried, a
    matching pursuit recovers those that share all their bins with others; the coefficients are refitted by
    ridge on all masks; masks asked twice are paid once, and those saved are uniform masks for the refit and
    the audit.
    """

    order: int = 5
    groups: int = 3
    combined: bool = True

    @property
    def name(self) -> str:
        return "spex"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """All kept, none kept and uniform masks, max(16, 10%) of the budget or more; then group after group.

        No term is selected with the uniform masks: the audit rests on them. At the published price of the
        smallest design they are a twelfth of the budget. Each group has as many bins as fit, 8 or more, for
        sets of `order` players; the order is lowered only if 8 bins do not fit. Raises BudgetError with the
        smallest budget, InputError for settings out of range.
        """
        self._check(n_players)
        orders = range(min(self.order, n_players), min(self.order, _LOWEST_ORDER) - 1, -1)
        least = self.smallest_budget(n_players)
        if budget < least:
            raise BudgetError(
                f"a budget of {budget:,} measurements is too small for SPEX with {n_players} players: raise"
                f" it to {least:,} or more, or choose the engine proxyspex or auto"
            )
        order = next(t for t in orders if _smallest(n_players, t, self.groups) <= budget)
        bits, groups = _FEWEST_BITS, self.groups
        while bits < n_players and _needed(n_players, order, bits + 1, groups) <= budget:
            bits += 1
        while groups < _MOST_GROUPS and _needed(n_players, order, bits, groups + 1) <= budget:
            groups += 1
        matrices = rng.integers(0, 2, size=(groups, bits, n_players), dtype=np.bool_)
        shift = rng.integers(0, 2, size=n_players, dtype=np.bool_)
        seed = int(rng.integers(2**31))
        hashed = _distinct(Hashing(matrices, shift, bch(n_players, order)).masks())
        anchors = _not_among(np.array([[True] * n_players, [False] * n_players]), hashed)
        known = np.concatenate([hashed, anchors])
        free = uniform_masks(n_players, max(0, budget - len(known)), rng, exclude=known)
        apart = np.concatenate([anchors, free])
        note = (
            f"spex: {groups} groups of {2**bits} bins for sets of up to {order} players take"
            f" {len(hashed):,} masks; {len(apart):,} more are uniform or keep all or nothing"
        )
        if order < min(self.order, n_players):
            note += f"; sets of {min(self.order, n_players)} would need a larger budget"
        settings = {"order": order, "matrices": matrices, "shift": shift, "seed": seed}
        masks = np.concatenate([apart, hashed])
        return Design(n_players, budget, masks, whole=True, settings=settings, notes=(note,))

    def smallest_budget(self, n_players: int) -> int:
        """What `plan` needs: with 3 groups the published 24 (P + 1), with P parity bits for sets of 2."""
        self._check(n_players)
        return _smallest(n_players, min(self.order, _LOWEST_ORDER), self.groups)

    def budget_of_its_order(self, n_players: int) -> int:
        """The smallest with which `plan` does not lower the order."""
        self._check(n_players)
        return _smallest(n_players, min(self.order, n_players), self.groups)

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        """The planned masks that were not measured yet, in order; failed ones not again."""
        return next_masks(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """Support recovery by decoding and peeling, then a refit by ridge on all masks; up to a few seconds.

        A failed mask counts in the transform as what the fit without it predicts. If fewer than two groups
        are half complete, ProxySPEX fits the values there are. Only the uniform masks have out-of-fold
        predictions: no term was selected with them.
        """
        data, hashing = FitData.of(seen), _hashing(design)
        if not data.scale:
            return data.constant()
        masks, row = data.masks, data.group
        inside, there = _look_up(hashing.masks(), masks)
        kept = masks.sum(axis=1)
        apart = ~there & (kept > 0) & (kept < design.n_players)
        asked = np.where(inside >= 0, data.values[inside], np.nan).reshape(len(hashing.matrices), -1)
        share = np.isfinite(asked).mean(axis=1)
        groups = np.flatnonzero(share >= _COMPLETE)
        if len(groups) < 2:
            return _without_codes(design, seen, (row >= 0) & apart[row], f"{len(groups)} of {len(share)}")
        notes = _gaps(seen, data, int(np.isnan(asked).sum()), len(groups), len(share))
        part = Hashing(hashing.matrices[groups], hashing.shift, hashing.code)
        most = max(_MOST_TERMS, len(masks) // _MASKS_A_TERM)
        terms = _recover_support(part, asked[groups].ravel(), most, min(self.order, design.n_players))
        notes.append(f"{len(terms) - 1} terms stand out of the noise in {len(masks):,} masks")
        found = refit_terms(terms, masks, data.values, apart, seed=design.seed, combined=self.combined)
        spectrum = truncate(data.spectrum(found.coef), _ENERGY)
        if found.out_of_fold is None:
            return Fit(spectrum, notes=(*notes, found.note))
        out_of_fold = np.where(row >= 0, data.centre + data.scale * found.out_of_fold[row], np.nan)
        return Fit(spectrum, out_of_fold=out_of_fold, notes=(*notes, found.note))

    def _check(self, n_players: int) -> None:
        if n_players < 2:
            raise InputError(f"interactions need at least 2 players, got {n_players}")
        if not 1 <= self.order <= _HIGHEST_ORDER:
            raise InputError(f"order is from 1 to {_HIGHEST_ORDER} players, got {self.order}")
        if not 2 <= self.groups <= _MOST_GROUPS:
            raise InputError(f"groups is from 2 to {_MOST_GROUPS}, got {self.groups}")


def _asked(n: int, order: int, bits: int, groups: int) -> int:
    """The different masks of a design: those of number 0 are the same in all groups."""
    return (bch(n, order).n_checks + 1) * (groups * (2**bits - 1) + 1)


def _needed(n: int, order: int, bits: int, groups: int) -> int:
    """The smallest budget that holds this design, the masks that keep all or nothing, and the reserve."""
    asked = _asked(n, order, bits, groups) + 2
    return asked + max(_RESERVE, -(-asked // (_SHARE - 1)))  # of that budget, one in _SHARE


def _smallest(n: int, order: int, groups: int) -> int:
    """The published price, which asks masks of number 0 in every group; what that saves is the reserve."""
    asked = _asked(n, order, _FEWEST_BITS, groups)
    published = groups * (bch(n, order).n_checks + 1) * 2**_FEWEST_BITS
    return max(published, asked + max(_RESERVE, -(-asked // (_SHARE_OF_THE_SMALLEST - 1))))


def _distinct(masks: Bools) -> Bools:
    """Each mask once, in the order of its first row."""
    return masks[unique_rows(masks)[0]]


def _not_among(masks: Bools, others: Bools) -> Bools:
    """The rows that `others` does not have."""
    _, group = unique_rows(np.concatenate([others, masks]))
    return masks[~np.isin(group[len(others) :], group[: len(others)])]


def _without_codes(design: Design, seen: Measurements, apart: Bools, complete: str) -> Fit:
    """ProxySPEX's fit; it is judged on uniform masks only, as the masks of a block resemble each other."""
    found = ProxySPEX().fit(design, seen)
    note = (
        f"{complete} groups of masks are complete enough to decode, and SPEX needs 2: this is ProxySPEX on"
        " what there is"
    )
    guesses = None if found.out_of_fold is None else np.where(apart, found.out_of_fold, np.nan)
    return replace(found, out_of_fold=guesses, notes=(note, *found.notes))


def _recover_support(hashing: Hashing, values: Floats, most: int, order: int) -> list[Interaction]:
    """Terms by peeling; then by matching pursuit, if all sets of up to `order` players can be tried.

    Peeling cannot resolve a bin in which several strong terms collide; the pursuit can.
    """
    terms, _ = peel(hashing, values, most)
    known = np.flatnonzero(np.isfinite(values))
    masks = hashing.masks()[known]
    first, _ = unique_rows(masks)  # the masks of number 0 are the same in all groups
    if highest_order(hashing.code.n, len(first)) < order:
        return terms
    halves = Halves.of(masks[first], order)
    return pursue(halves, np.arange(len(first)), values[known[first]], terms)


def _hashing(design: Design) -> Hashing:
    """Raises InputError if the design is another engine's."""
    settings = design.settings
    if not {"order", "matrices", "shift"} <= set(settings):
        raise InputError("this design was not made by spex: it lacks order, matrices or shift")
    matrices, shift = (np.asarray(settings[key], dtype=np.bool_) for key in ("matrices", "shift"))
    return Hashing(matrices, shift, bch(design.n_players, int(str(settings["order"]))))


def _look_up(asked: Bools, masks: Bools) -> tuple[NDArray[np.intp], Bools]:
    """For each mask asked, its row in masks, -1 if there is none; and (m,) which masks were asked."""
    _, group = unique_rows(np.concatenate([masks, asked]))
    inside, own = group[len(masks) :].copy(), group[: len(masks)]
    # masks differ from each other, so their groups count from 0 in their order
    inside[inside >= len(masks)] = -1
    return inside, np.isin(own, inside)


def _gaps(seen: Measurements, data: FitData, missing: int, complete: int, groups: int) -> list[str]:
    notes: list[str] = []
    if seen.n_failed:
        notes.append(f"{seen.n_failed} of {len(seen)} measurements failed")
    notes += bounds_unused(data)
    if missing:
        notes.append(
            f"{missing} masks of the transform have no value: each counts as what the fit predicts for it"
        )
    if complete < groups:
        notes.append(f"{complete} of {groups} groups of masks are complete enough to decode")
    return notes
