"""Shrinkage of many estimated terms: most sets have none, and some were reported because of noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spexapi.fourier.parity import flatten
from spexapi.fourier.spectrum import Interaction, Spectrum
from spexapi.measurements import Floats

# cap of a player's share of the energy, and of a set's probability of having a term
_MOST = 0.9
# of EM
_ROUNDS = 30
# standard deviations: beyond, their square would overflow
_FAR = 1e9
_TINY = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class Shrinkage:
    """The posterior of each coefficient, given its estimate.

    mean      of the posterior
    variance  mean squared distance of the coefficient from there
    """

    mean: dict[Interaction, float]
    variance: dict[Interaction, float]


def shrink(estimated: Mapping[Interaction, float], variance: float, reported: Spectrum) -> Shrinkage:
    """The posterior of each estimated term under a spike-and-slab prior; the constant is not shrunk.

    estimated  unbiased for sets that were not chosen by the same values
    variance   of each estimate
    reported   the spectrum whose energy gives each player's weight in the prior

    A priori some sets of a size have a term, normal around 0, the others have none. Their number and the
    variance of their terms maximise the likelihood (EM); the probability of a set is proportional to the
    product of its players' shares of the reported energy. So terms that are large by chance are shrunk
    towards 0, however they were selected: under the prior of all sets, selecting among them does not change a
    posterior. Mitchell & Beauchamp (1988), "Bayesian variable selection in linear regression"; Efron (2011),
    "Tweedie's formula and selection bias". Time O(terms).
    """
    mean = dict(estimated)
    spread = dict.fromkeys(mean, variance)
    share = shares_of_players(reported)
    if variance > 0:
        for size in sorted({len(s) for s in mean} - {0}):
            sets = [s for s in mean if len(s) == size]
            value = np.array([mean[s] for s in sets])
            distance = np.minimum(np.abs(value) / np.sqrt(variance), _FAR)
            there = _term_probability(distance**2, _prior(share, sets, size))
            mean.update(zip(sets, (there * value).tolist(), strict=True))
            both = there * (variance + (1 - there) * value**2)
            spread.update(zip(sets, both.tolist(), strict=True))
    return Shrinkage(mean, spread)


def limit_translation(
    posterior: Shrinkage, estimated: Mapping[Interaction, float], variance: float
) -> Shrinkage:
    """The posterior, with each mean moved to within one standard deviation of the estimate.

    Without this limit, a real term among many sets that have none would be shrunk to 0, however large: a
    prior that fits the sets on average may be wrong for one of them. Efron & Morris (1971), "Limiting the
    risk of Bayes and empirical Bayes estimators", the limited translation rule.
    """
    mean, spread = dict(posterior.mean), dict(posterior.variance)
    most = variance**0.5
    for s, value in estimated.items():
        middle = min(max(mean[s], value - most), value + most)
        spread[s] += (middle - mean[s]) ** 2
        mean[s] = middle
    return Shrinkage(mean, spread)


def shares_of_players(reported: Spectrum) -> Floats:
    """(n,) the share of the variance of the spectrum that lies in terms with each player, capped at 0.9."""
    players, orders = flatten(list(reported.coef))
    energy = np.array(list(reported.coef.values())) ** 2
    held = np.bincount(players, np.repeat(energy, orders), minlength=reported.n_players)
    total = float(energy[orders > 0].sum())
    return np.minimum(held / total, _MOST) if total > 0 else np.zeros(reported.n_players)


def _prior(share: Floats, sets: list[Interaction], size: int) -> Floats:
    """(s,) the product of the shares of each set's players, normalised over all sets of that size."""
    every = np.zeros(size + 1)  # elementary symmetric polynomials
    every[0] = 1.0
    for p in share[share > 0].tolist():
        every[1:] += p * every[:-1]
    return share[np.array(sets)].prod(axis=1) / max(float(every[size]), _TINY)


def _term_probability(square: Floats, prior: Floats) -> Floats:
    """(s,) the probability that each set has a term.

    square  (s,) of the estimates, in units of their variance
    prior   (s,) probability of each set, if one set has a term, to be that one
    """
    count, wide = float(len(square)), max(float(square.max()), 2.0)
    there = np.ones(len(square))
    for _ in range(_ROUNDS):
        before = np.minimum(count * prior, _MOST)
        chance, term = (1 - before) * np.exp(-square / 2), before * np.exp(-square / 2 / wide) / np.sqrt(wide)
        there = 1 - chance / np.maximum(chance + term, _TINY)
        count = max(float(there.sum()), _TINY)
        wide = max(float(there @ square) / count, 1.0)
    return there
