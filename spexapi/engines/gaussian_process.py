"""The Gaussian process engine: for small budgets, with closed-form intervals of the coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.engines._fit_data import FitData, impute_censored
from spexapi.engines.base import Design, Fit, next_masks
from spexapi.engines.proxyspex import ProxySPEX
from spexapi.engines.resampling import FOLDS, folds, predict_out_of_fold
from spexapi.engines.stack.gp_kernel import Process, condition, scales_of, spreads
from spexapi.engines.stack.gp_learners import MOST_MASKS, largest, one_thread
from spexapi.errors import InputError
from spexapi.fourier.spectrum import Interaction
from spexapi.measurements import NORMAL_95, Bools, Measurements

_SPREAD = (1.0,)
# all sets of 14 players
_SETS = 16_384
# of the energy: if the coefficients leave out more, a note says so
_LEFT_OUT = 0.01


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """Uniform masks; a Gaussian process with a product kernel, one rate for each player.

    A priori the variance of a coefficient falls with each player of its set, by a factor of that player's own
    (see `stack.gp_kernel.Process`). Coefficients and intervals are those of the posterior at the rates of
    largest density. The intervals are as good as that prior: they hold the truth nine times of ten in games
    drawn from it, less often for the few strong terms of a game that has no others. Rasmussen & Williams
    (2006), chapters 2 and 5.
    """

    @property
    def name(self) -> str:
        return "gp"

    def plan(self, n_players: int, budget: int, rng: Generator) -> Design:
        """ProxySPEX's plan. InputError above 2,000 masks, as memory grows with their square."""
        if budget > MOST_MASKS:
            raise InputError(
                f"the Gaussian process takes {MOST_MASKS:,} measurements at most, got a budget of {budget:,}:"
                " lower it, or choose proxyspex"
            )
        return ProxySPEX().plan(n_players, budget, rng)

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        """The planned masks that were not measured yet, in order."""
        return next_masks(design, seen, remaining)

    def fit(self, design: Design, seen: Measurements) -> Fit:
        """The posterior's largest coefficients with their 90% intervals; time O(m³).

        The rates are estimated again without each fold: leave-one-out predictions at rates that saw the row
        are too good for few masks. Of more than 2,000 masks a random sample of 2,000 is used; a note says so.
        """
        seed = design.seed
        data, row = _sample(FitData.of(seen), seed)
        if not data.scale:
            return data.constant()
        with one_thread():
            data = impute_censored(data, lambda certain: _first_fit(certain, seed))
            process = _process(data, seed)
            support, coef, prior, left = largest(process, _SETS)
            fold = folds(len(data.values), np.random.default_rng(seed))
            rest = [np.flatnonzero(fold != k) for k in range(min(FOLDS, len(fold)))]
            parts = [largest(_process(data.take(rows), seed), _SETS) for rows in rest]
            spread = spreads(process, support, prior)
        without = tuple(data.spectrum(dict(zip(s, c.tolist(), strict=True))) for s, c, _, _ in parts)
        spectrum = data.spectrum(dict(zip(support, coef.tolist(), strict=True)))
        half = data.scale * NORMAL_95 * spread
        of_rows = np.where(row >= 0, fold[row], -1)
        return Fit(
            spectrum,
            intervals={
                s: (spectrum.coef[s] - h, spectrum.coef[s] + h)
                for s, h in zip(support, half.tolist(), strict=True)
            },
            out_of_fold=predict_out_of_fold(without, of_rows, seen.masks),
            notes=(*data.notes, *_notes(process, len(support), left)),
            fold=of_rows,
            fold_spectra=without,
        )


def _process(data: FitData, seed: int) -> Process:
    (scales,) = scales_of(data.masks, data.values, data.variance, _SPREAD, seed)
    return condition(data.masks, data.values, data.variance, scales)


def _first_fit(certain: FitData, seed: int) -> tuple[Mapping[Interaction, float], float]:
    process = _process(certain, seed)
    support, coef, _, _ = largest(process, _SETS)
    error = float(np.mean((process.left_out - certain.values) ** 2))
    return dict(zip(support, coef.tolist(), strict=True)), error


def _sample(data: FitData, seed: int) -> tuple[FitData, NDArray[np.intp]]:
    """Up to 2,000 of the masks, and which of these each row of the measurements is, -1 for none."""
    count = len(data.values)
    if count <= MOST_MASKS:
        return data, data.group
    drawn = np.sort(np.random.default_rng([seed, count]).permutation(count)[:MOST_MASKS])
    place = np.full(count + 1, -1)
    place[drawn] = np.arange(MOST_MASKS)
    note = f"of {count:,} masks a random {MOST_MASKS:,} were used: proxyspex takes them all"
    return replace(data.take(drawn), notes=(*data.notes, note)), place[data.group]


def _notes(process: Process, count: int, left: float) -> list[str]:
    m = len(process.weights)
    noise = process.scales.noise / (process.scales.noise + process.scales.height)
    notes = [f"a Gaussian process over {m} masks: {count} coefficients, {100 * noise:.2g}% taken for noise"]
    if left > _LEFT_OUT:
        notes.append(f"{100 * left:.0f}% of what it predicts lies in coefficients too small and many to list")
    return notes
