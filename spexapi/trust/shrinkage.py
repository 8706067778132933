"""Which of many estimated terms are there, and how large: most sets have none, some were reported by luck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spexapi.fourier.parity import flatten
from spexapi.fourier.spectrum import Interaction, Spectrum
from spexapi.measurements import Floats

_MOST = 0.9  # of the energy may be one player's, and of the sets of a size may be terms
_ROUNDS = 30
_FAR = 1e9  # standard deviations
_TINY = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class Shrinkage:
    """What is believed of each coefficient, given its estimate.

    mean      its middle
    variance  mean squared distance of the coefficient from there
    """

    mean: dict[Interaction, float]
    variance: dict[Interaction, float]


def shrink(estimated: Mapping[Interaction, float], variance: float, reported: Spectrum) -> Shrinkage:
    """What to believe of each term of which an estimate is known; the constant is believed as it stands.

    estimated  right on average for sets that were not chosen by the same values
    variance   of each estimate
    reported   whose energy says which players matter

    Of all sets of a size a share has a term, normal around 0, the others none; that share and its spread are
    the likeliest ones (EM), a set's own share is in proportion to those of its players in the reported
    energy. Terms reported because chance made them large are drawn to 0 so, however they were chosen: where
    the prior is that of all sets, choosing among them changes no posterior. Mitchell & Beauchamp (1988),
    "Bayesian variable selection in linear regression"; Efron (2011), "Tweedie's formula and selection bias".
    Time O(terms).
    """
    mean = dict(estimated)
    spread = dict.fromkeys(mean, variance)
    share = shares_of_players(reported)
    if variance > 0:
        for size in sorted({len(s) for s in mean} - {0}):
            sets = [s for s in mean if len(s) == size]
            value = np.array([mean[s] for s in sets])
            distance = np.minimum(np.abs(value) / np.sqrt(variance), _FAR)
            there = _probable(distance**2, _prior(share, sets, size))
            mean.update(zip(sets, (there * value).tolist(), strict=True))
            both = there * (variance + (1 - there) * value**2)
            spread.update(zip(sets, both.tolist(), strict=True))
    return Shrinkage(mean, spread)


def limited(believed: Shrinkage, estimated: Mapping[Interaction, float], variance: float) -> Shrinkage:
    """The posterior with no mean further than a standard deviation from the estimate.

    A term that is there though most like it are not would else be drawn to 0 whatever its size: an average
    over all sets may hold for no single one. Efron & Morris (1971), "Limiting the risk of Bayes and
    empirical Bayes estimators", the limited translation rule.
    """
    mean, spread = dict(believed.mean), dict(believed.variance)
    most = variance**0.5
    for s, value in estimated.items():
        middle = min(max(mean[s], value - most), value + most)
        spread[s] += (middle - mean[s]) ** 2
        mean[s] = middle
    return Shrinkage(mean, spread)


def shares_of_players(reported: Spectrum) -> Floats:
    """(n,) how much of the variance of the spectrum lies in terms with each player, capped."""
    players, orders = flatten(list(reported.coef))
    energy = np.array(list(reported.coef.values())) ** 2
    held = np.bincount(players, np.repeat(energy, orders), minlength=reported.n_players)
    total = float(energy[orders > 0].sum())
    return np.minimum(held / total, _MOST) if total > 0 else np.zeros(reported.n_players)


def _prior(share: Floats, sets: list[Interaction], size: int) -> Floats:
    """(s,) the product of the shares of a set's players; that of all sets of its size adds up to 1."""
    every = np.zeros(size + 1)  # elementary symmetric polynomials
    every[0] = 1.0
    for p in share[share > 0].tolist():
        every[1:] += p * every[:-1]
    return share[np.array(sets)].prod(axis=1) / max(float(every[size]), _TINY)


def _probable(square: Floats, prior: Floats) -> Floats:
    """(s,) the probability that each set has a term.

    square  (s,) of the estimates, in units of their variance
    prior   (s,) of each set to be the one that has a term, if one has
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
