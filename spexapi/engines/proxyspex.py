"""ProxySPEX: the Fourier transform of boosted trees, stacked with regressions on its terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines._fit_data import FitData, bounds_unused, impute_censored, precision_weights
from spexapi.engines.base import Design, Fit, next_masks
from spexapi.engines.resampling import folds, predict_out_of_fold
from spexapi.engines.stack.base_learners import BaseLearner, first_order, fit_base_learners
from spexapi.engines.stack.gp_learners import MOST_MASKS, one_thread, process_learners
from spexapi.engines.stack.matching_pursuit import Halves, highest_order, pursuit_learner
from spexapi.engines.stack.published import published
from spexapi.engines.stack.stacking import Stack, stack
from spexapi.errors import BudgetError, InputError
from spexapi.fourier.masks import uniform_masks
from spexapi.fourier.ranking import largest_first
from spexapi.fourier.spectrum import Interaction, truncate
from spexapi.measurements import Bools, Measurements

_FEWEST_FOR_TREES = 8
# of the energy of the stacked spectrum: the rest is many terms below any noise
_ENERGY = 0.9999
# a smaller weight is not named in the notes
_LEAST_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class ProxySPEX:
    """Uniform masks; a stack of boosted trees, regressions on their terms, and other learners.

    published  the recipe of the paper: a grid search over 12 settings in 5 folds, the terms that hold 95% of
               the energy, ridge

    Butler et al., "ProxySPEX", NeurIPS 2025, arXiv 2505.17495. The default departs from it: trees on random
    parts of the samples and players need no grid search; ridge and lasso take the size of each term in the
    trees as their prior, so no term is cut; up to 2,000 masks Gaussian processes join the stack; a matching
    pursuit over all sets of few players finds strong ones whose subsets have no effect, which trees miss.
    Each learner is weighed by its out-of-fold predictions.
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
        masks = np.concatenate([anchors, drawn])
        return Design(n_players, budget, masks, takes_more=True, settings={"seed": seed})

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        """The planned masks that were not measured yet, in order."""
        return next_masks(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """The stacked spectrum with its out-of-fold predictions. Time mostly that of the trees, O(m n).

        Failed masks are left out, repeated ones averaged, noisy values weighed by their variance, censored
        ones replaced by predictions within their bounds. Fewer than 8 masks give single players only, one
        mask a constant.
        """
        data = FitData.of(seen)
        if not data.scale:
            return data.constant()
        if len(data.values) < _FEWEST_FOR_TREES:
            learner = first_order(data.masks, data.values)
            found = dict(zip(learner.support, learner.coef[:, 0].tolist(), strict=True))
            note = f"{len(data.values)} values are enough for single players only, not for interactions"
            return Fit(data.spectrum(found), notes=(*data.notes, note))
        if self.published:
            rng = np.random.default_rng(design.seed)
            spectrum, params = published(data.masks, data.values, rng)
            chosen = f"{params.trees} trees of depth {params.depth}, rate {params.rate}"
            notes = (*data.notes, *bounds_unused(data), f"the published recipe chose {chosen}")
            return Fit(data.spectrum(spectrum.coef), notes=notes)
        return _fit_stack(data, seen, design.seed)


def _fit_stack(data: FitData, seen: Measurements, seed: int) -> Fit:
    def first_fit(certain: FitData) -> tuple[Mapping[Interaction, float], float]:
        found = _stacked(certain, folds(len(certain.values), np.random.default_rng(seed)), seed)
        return found.coef, float(np.mean((found.out_of_fold - certain.values) ** 2))

    with one_thread():
        data = impute_censored(data, first_fit)
        fold = folds(len(data.values), np.random.default_rng(seed))
        found = _stacked(data, fold, seed)
    without = tuple(truncate(data.spectrum(coef), _ENERGY) for coef in found.without)
    of_rows = data.rows(fold)
    return Fit(
        truncate(data.spectrum(found.coef), _ENERGY),
        out_of_fold=predict_out_of_fold(without, of_rows, seen.masks),
        notes=(*data.notes, _weights_note(found.shares, len(data.values))),
        fold=of_rows,
        fold_spectra=without,
    )


def _stacked(data: FitData, fold: NDArray[np.intp], seed: int) -> Stack:
    weights = precision_weights(data)
    process = len(data.values) <= MOST_MASKS
    order = highest_order(data.masks.shape[1], len(data.values))
    halves = Halves.of(data.masks, order) if order > 1 else None

    def fit(rows: NDArray[np.intp]) -> list[BaseLearner]:
        masks, values = data.masks[rows], data.values[rows]
        counts = None if weights is None else weights[rows]
        learners = fit_base_learners(masks, values, seed, counts)
        if halves is not None:
            learners.append(pursuit_learner(halves, rows, values, counts))
        if process:
            learners += process_learners(masks, values, data.variance[rows], seed)
        return learners

    return stack(data.masks, data.values, fit, fold, weights)


def _weights_note(shares: list[tuple[str, float]], count: int) -> str:
    """A sentence: the weights of the learners, the largest first."""
    named = [shares[j] for j in largest_first([share for _, share in shares]) if shares[j][1] > _LEAST_SHARE]
    parts = ", ".join(f"{100 * weight:.0f}% {name}" for name, weight in named)
    if not named:
        return f"combined from {count} masks: no fit predicted masks it had not seen better than the mean"
    return f"combined from {count} masks, weighed by what each predicts for masks it had not seen: {parts}"
