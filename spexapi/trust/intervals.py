"""A 90% interval for each reported interaction, in any index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import comb, inf

import numpy as np
from numpy.typing import NDArray

from spexapi.fourier.indices import check_index, to_index
from spexapi.fourier.spectrum import Interaction, Spectrum
from spexapi.fourier.subset_sums import superset_sums
from spexapi.measurements import Floats
from spexapi.trust.estimates import Estimates
from spexapi.trust.shrinkage import limit_translation, shares_of_players, shrink

Intervals = dict[Interaction, tuple[float, float]]

# probability beyond either end of a 90% interval
_TAIL = 0.05
# indices whose value of a set depends on the parity of that set alone
_DIAGONAL = ("fourier", "bii", "bv")
# players of a missed term
_HIGHEST = 12
# least probability of all sets that are not reported
_LEAST_ROOM = 0.02


def intervals(
    estimates: Estimates,
    reported: Spectrum,
    index: str,
    max_order: int | None = None,
    *,
    also: Sequence[Interaction] = (),
) -> Intervals:
    """A 90% interval for each value of to_index(reported, index, max_order), that value inside.

    also  sets that are not reported, whose value is given as 0

    An interval is centred at the index of the estimates. The set's own term enters as estimated; the other
    terms that the index sums enter shrunk (`shrinkage`), as many of them were reported because of noise,
    which adds up. The width has two parts: the variance of these terms, and the terms that are not reported.
    The total variance of those is known (`estimates.missed`); it is distributed over sets as the reported
    energy is over players, who are in a set independently of each other. The interval is extended to 0 if the
    false discovery rate of reporting this set and all of its size with larger values is above 5%: such a
    value can be the largest of so many by chance. Benjamini & Hochberg (1995), "Controlling the false
    discovery rate". Time and memory as for the index itself, five times.
    """
    from scipy.special import stdtrit

    n = reported.n_players
    name, order = check_index(index, max_order, n)
    values = to_index(reported, name, order)
    sets = list(dict.fromkeys([*values, *also]))
    value = _at(values, sets)
    centre, sampled = _centre_and_variance(estimates, reported, sets, name, order)
    unseen = estimates.missed * missed_weight(reported, sets, name, order) if estimates.missed else 0.0
    half = stdtrit(min(estimates.freedom, 1e9), 1 - _TAIL) * np.sqrt(sampled + unseen)
    low, high = np.minimum(centre - half, value), np.maximum(centre + half, value)
    rate = false_discovery_rate(_distance(estimates, sets, name, order), sets, n, estimates.freedom)
    low = np.where(rate > _TAIL, np.minimum(low, 0.0), low)
    high = np.where(rate > _TAIL, np.maximum(high, 0.0), high)
    return {s: (a, b) for s, a, b in zip(sets, low.tolist(), high.tolist(), strict=True)}


def _at(values: Mapping[Interaction, float], sets: Sequence[Interaction]) -> Floats:
    return np.array([values.get(s, 0.0) for s in sets], dtype=np.float64)


@lru_cache(maxsize=4096)
def _on_parity(name: str, order: int | None, r: int, s: int) -> float:
    """The index of a set of s players on the parity of r players that include them."""
    if name == "moebius":
        return (-2.0) ** s
    if r > s and name in _DIAGONAL:
        return 0.0
    return to_index(Spectrum(r, {tuple(range(r)): 1.0}), name, order).get(tuple(range(s)), 0.0)


def _centre_and_variance(
    estimates: Estimates, reported: Spectrum, sets: Sequence[Interaction], name: str, order: int | None
) -> tuple[Floats, Floats]:
    """Mean and variance of each value: its own parity as estimated, the other parities shrunk."""
    estimated, variance = estimates.spectrum.coef, estimates.variance
    posterior = limit_translation(shrink(estimated, variance, reported), estimated, variance)
    own = np.array([_on_parity(name, order, len(s), len(s)) for s in sets])
    moved = _at(estimated, sets) - _at(posterior.mean, sets)
    doubt = _at(dict.fromkeys(estimated, variance), sets) - _at(posterior.variance, sets)
    centre = _at(to_index(Spectrum(estimates.spectrum.n_players, posterior.mean), name, order), sets)
    sampled = _at(squared_index(posterior.variance, name, order), sets)
    return centre + own * moved, np.maximum(sampled + own**2 * doubt, 0.0)


def _distance(estimates: Estimates, sets: Sequence[Interaction], name: str, order: int | None) -> Floats:
    """(q,) distance of each value from 0 in its standard deviations, all terms as estimated."""
    value = np.abs(_at(to_index(estimates.spectrum, name, order), sets))
    each = dict.fromkeys(estimates.spectrum.coef, estimates.variance)
    variance = _at(squared_index(each, name, order), sets)
    return np.where(variance > 0, value / np.sqrt(np.where(variance > 0, variance, 1.0)), inf)


def squared_index(
    terms: Mapping[Interaction, float], name: str, order: int | None
) -> dict[Interaction, float]:
    """The index with squared weights: the variance of each value from those of independent terms."""
    if name in _DIAGONAL:
        return {s: v * _on_parity(name, order, len(s), len(s)) ** 2 for s, v in terms.items()}
    return superset_sums(terms, lambda r, s: _on_parity(name, order, r, s) ** 2, order)


def missed_weight(reported: Spectrum, sets: Sequence[Interaction], name: str, order: int | None) -> Floats:
    """(q,) for each set the mean squared weight of the terms that are not reported.

    The mean is over random sets that are not reported and hold each player with a probability equal to the
    share of the reported energy in that player's terms.
    """
    if name in _DIAGONAL:
        return np.zeros(len(sets))
    share = shares_of_players(reported)
    none = float(np.prod(1 - share))
    odds = share / (1 - share)
    probable = {t: none * float(np.prod(odds[list(t)])) for t in reported.coef}
    hit = _at(squared_index(probable, name, order), sets)
    room = max(1 - sum(probable.values()), _LEAST_ROOM)
    return np.maximum(_over_all(share, sets, name, order) - hit, 0.0) / room


def _over_all(share: Floats, sets: Sequence[Interaction], name: str, order: int | None) -> Floats:
    """(q,) for each set S the mean over random sets R of the squared weight; it is 0 unless R includes S."""
    count = np.zeros(min(len(share), _HIGHEST) + 1)
    count[0] = 1.0
    for p in share[share > 0].tolist():
        count[1:] = count[1:] * (1 - p) + count[:-1] * p
        count[0] *= 1 - p
    found = np.zeros(len(sets))
    sizes = np.array([len(s) for s in sets])
    for size in np.unique(sizes[sizes < len(count)]).tolist():
        rows = np.flatnonzero(sizes == size)
        inside = share[np.array([s for s in sets if len(s) == size], dtype=np.intp).reshape(len(rows), size)]
        others = np.tile(count, (len(rows), 1))  # how many of the players outside S are in R
        for p in inside.T:
            others[:, 0] /= 1 - p
            for e in range(1, len(count)):
                others[:, e] = (others[:, e] - p * others[:, e - 1]) / (1 - p)
        squares = np.array([_on_parity(name, order, r, size) ** 2 for r in range(size, len(count))])
        found[rows] = inside.prod(axis=1) * (np.maximum(others[:, : len(squares)], 0.0) @ squares)
    return found


def false_discovery_rate(distance: Floats, sets: Sequence[Interaction], n: int, freedom: float) -> Floats:
    """(q,) the false discovery rate of reporting a set and all of its size that are at least as far from 0.

    distance  in standard deviations; all sets of a size count as tested, reported or not
    """
    from scipy.special import stdtr

    tail = 2 * stdtr(min(freedom, 1e9), -distance)
    sizes = np.array([len(s) for s in sets])
    rate = np.zeros(len(sets))
    for size in np.unique(sizes[sizes > 0]).tolist():
        rows: NDArray[np.intp] = np.flatnonzero(sizes == size)
        rows = rows[np.argsort(-distance[rows], kind="stable")]
        expected = float(comb(n, size)) * tail[rows] / np.arange(1, len(rows) + 1)
        rate[rows] = np.minimum.accumulate(expected[::-1])[::-1]
    return rate
