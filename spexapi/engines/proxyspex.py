"""ProxySPEX: boosted trees learn the value function, their Fourier transform names its interactions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines._members import first_order, fit_members
from spexapi.engines._published import published
from spexapi.engines._stack import Stack, folds, stack
from spexapi.engines._trees import Growth
from spexapi.engines.base import Design, Fit
from spexapi.errors import BudgetError, InputError, NothingMeasured
from spexapi.masks import uniform_masks, unique_rows
from spexapi.measurements import Bools, Floats, Measurements
from spexapi.spectrum import Interaction, Spectrum, truncate

_FOLDS = 5
_FEWEST_FOR_TREES = 8
_ENERGY = 0.9999  # of the combined spectrum; what is left out is noise by any measure
_GROWTHS = (Growth(depth=5, trees=250, rate=0.05, rows=0.7, columns=0.7),)


@dataclass(frozen=True, slots=True)
class ProxySPEX:
    """Uniform masks, boosted trees, their exact spectrum, and regressions on its terms, combined.

    published   the recipe of the paper as it stands: a grid search over 12 settings in 5 folds, the terms
                that hold 95% of the energy, ridge

    Butler et al., "ProxySPEX", NeurIPS 2025, arXiv 2505.17495. Unlike it, nothing is searched or cut at 95%:
    trees on random parts of the samples and players need no grid; ridge and lasso take each term's size in
    the trees as their prior; and the fits are weighed against each other by what they predict out of fold.
    """

    published: bool = False

    @property
    def name(self) -> str:
        return "proxyspex"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """All players kept, none kept, then uniform masks, none twice. BudgetError below min(n + 2, 2^n)."""
        if n_players < 2:
            raise InputError(f"interactions need at least 2 players, got {n_players}")
        least = n_players + 2 if n_players > 2 else 4
        if budget < least:
            raise BudgetError(
                f"a budget of {budget} measurements cannot explain {n_players} players: first effects alone"
                f" are {n_players + 1} numbers; raise it to {least} or more, or make fewer, larger players"
            )
        anchors = np.array([[True] * n_players, [False] * n_players])
        drawn = uniform_masks(n_players, budget - 2, rng, exclude=anchors)
        seed = int(rng.integers(2**31))
        return Design(n_players, budget, np.concatenate([anchors, drawn]), settings={"seed": seed})

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        """The planned masks that were not measured yet, in order."""
        return design.masks[len(seen) : len(seen) + max(0, remaining)]

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """The combined spectrum with its out-of-fold predictions; time mostly trees, O(m n) of them.

        Failed masks are left out, equal masks averaged. Fewer than 8 masks give single players, one a
        constant.
        """
        ok = np.flatnonzero(seen.ok)
        notes = _what_was_left_out(seen)
        first, group = unique_rows(seen.masks[ok])
        masks = seen.masks[ok[first]]
        values = np.bincount(group, weights=seen.values[ok]) / np.bincount(group)
        centre, scale = float(values.mean()), float(np.abs(values - values.mean()).max())
        n = design.n_players
        if len(values) < 2 or scale <= 1e-12 * np.abs(values).max():
            return _constant(n, centre, len(values), notes)
        standard = (values - centre) / scale
        scale_up = float(standard.std())
        standard, scale = standard / scale_up, scale * scale_up
        if len(values) < _FEWEST_FOR_TREES:
            member = first_order(masks, standard)
            found = dict(zip(member.support, member.coef[:, 0].tolist(), strict=True))
            notes.append(f"{len(values)} values are enough for single players only, not for interactions")
            return Fit(_in_units(n, found, centre, scale), notes=tuple(notes))
        given = design.settings.get("seed")
        seed = given if isinstance(given, int) else 0
        if self.published:
            found, growth = published(masks, standard, np.random.default_rng(seed))
            chosen = f"{growth.trees} trees of depth {growth.depth}, rate {growth.rate}"
            notes.append(f"the published recipe chose {chosen}")
            return Fit(_in_units(n, found.coef, centre, scale), notes=tuple(notes))
        fold = folds(len(values), _FOLDS, np.random.default_rng(seed))
        combined = _combine(masks, standard, fold, seed)
        spectrum = truncate(_in_units(n, combined.coef, centre, scale), _ENERGY)
        without = [truncate(_in_units(n, coef, centre, scale), _ENERGY) for coef in combined.without]
        folds_seen = np.full(len(seen), -1)
        folds_seen[ok] = fold[group]
        out_of_fold = np.full(len(seen), np.nan)
        for k, part in enumerate(without):
            out_of_fold[folds_seen == k] = part.predict(seen.masks[folds_seen == k])
        parts = ", ".join(f"{weight:.2f} {name}" for name, weight in combined.shares if weight > 0.005)
        notes.append(f"combined from {len(values)} masks: {parts or 'no fit beat the mean'}")
        return Fit(
            spectrum,
            out_of_fold=out_of_fold,
            notes=tuple(notes),
            fold=folds_seen,
            fold_spectra=tuple(without),
        )


def _combine(masks: Bools, values: Floats, fold: NDArray[np.intp], seed: int) -> Stack:
    limits: Any = import_module("threadpoolctl").threadpool_limits  # comes with scikit-learn, has no types
    # many small products: threads that wait for each other cost several times what they save
    with limits(limits=1, user_api="blas"):
        return stack(masks, values, partial(fit_members, growths=_GROWTHS, seed=seed), fold)


def _what_was_left_out(seen: Measurements) -> list[str]:
    """Raises NothingMeasured, with the most frequent reason, where no value is finite."""
    if not len(seen) - seen.n_failed:
        reasons = [r for r in seen.reason if r]
        why = max(set(reasons), key=lambda r: (reasons.count(r), r)) if reasons else "nothing was measured"
        raise NothingMeasured(f"none of {len(seen)} measurements gave a value; most often: {why}")
    notes: list[str] = []
    if seen.n_failed:
        notes.append(f"{seen.n_failed} of {len(seen)} measurements failed and were left out")
    if bounded := int((seen.ok & (seen.lower < seen.upper)).sum()):
        notes.append(f"{bounded} values are known within bounds only and were taken as they stand")
    return notes


def _constant(n: int, value: float, count: int, notes: list[str]) -> Fit:
    why = "only one mask has a value" if count == 1 else f"all {count} masks have the same value"
    return Fit(Spectrum(n, {(): value}), notes=(*notes, f"{why}: there is nothing to explain"))


def _in_units(n: int, coef: Mapping[Interaction, float], centre: float, scale: float) -> Spectrum:
    """From standardised values back to the game's own."""
    scaled = {s: scale * value for s, value in coef.items()}
    scaled[()] = centre + scaled.get((), 0.0)
    return Spectrum(n, scaled)
