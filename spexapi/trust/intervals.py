"""How far off a reported interaction can be: a 90% interval for each, in any index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import comb, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spexapi.fourier.indices import check_index, to_index
from spexapi.fourier.spectrum import Interaction, Spectrum
from spexapi.fourier.subset_sums import superset_sums
from spexapi.measurements import Floats
from spexapi.trust.estimates import Estimates
from spexapi.trust.shrinkage import limited, shares_of_players, shrink

Intervals = dict[Interaction, tuple[float, float]]

_TAIL = 0.05  # beyond either end of a 90% interval
_ALONE = ("fourier", "bii", "bv")  # their value of a set rests on the parity of that set and on no other
_HIGHEST = 12  # players of a missed term
_LEAST_ROOM = 0.02  # for missed terms among those not reported


def intervals(
    estimates: Estimates,
    reported: Spectrum,
    index: str,
    max_order: int | None = None,
    *,
    also: Sequence[Interaction] = (),
) -> Intervals:
    """A 90% interval for each value of to_index(reported, index, max_order), that value inside.

    also  sets that are not reported, whose value stands as 0

    Its middle is the index of the estimates, each set's own term as it stands and the other terms that its
    value sums as the `posterior` believes them: many of those were reported by luck, and luck adds up. Its
    width has two parts: the variance of these, and terms that are not reported. What those hold together is
    known (`estimates.missed`); over sets it is spread as the reported energy is over players, each in or out
    by its own share. The interval reaches 0 where the value could be the luckiest of all sets of its size:
    where the false discovery rate of reporting it and all larger ones is above 5%. Benjamini & Hochberg
    (1995), "Controlling the false discovery rate". Time and memory as for the index itself, five times.
    """
    n = reported.n_players
    name, order = check_index(index, max_order, n)
    values = to_index(reported, name, order)
    sets = list(dict.fromkeys([*values, *also]))
    value = _at(values, sets)
    centre, sampled = _known(estimates, reported, sets, name, order)
    unseen = estimates.missed * _missed_shares(reported, sets, name, order) if estimates.missed else 0.0
    special: Any = _special()
    half = special.stdtrit(min(estimates.freedom, 1e9), 1 - _TAIL) * np.sqrt(sampled + unseen)
    low, high = np.minimum(centre - half, value), np.maximum(centre + half, value)
    lucky = _false_share(_distance(estimates, sets, name, order), sets, n, estimates.freedom) > _TAIL
    low, high = np.where(lucky, np.minimum(low, 0.0), low), np.where(lucky, np.maximum(high, 0.0), high)
    return {s: (a, b) for s, a, b in zip(sets, low.tolist(), high.tolist(), strict=True)}


def _special() -> Any:
    # scipy has no types, and is not needed before a run is over
    from importlib import import_module

    return import_module("scipy.special")


def _at(values: Mapping[Interaction, float], sets: Sequence[Interaction]) -> Floats:
    return np.array([values.get(s, 0.0) for s in sets], dtype=np.float64)


@lru_cache(maxsize=4096)
def _on_parity(name: str, order: int | None, r: int, s: int) -> float:
    """The index of s of the r players of one parity; only r and s matter."""
    if name == "moebius":
        return (-2.0) ** s
    if r > s and name in _ALONE:
        return 0.0
    return to_index(Spectrum(r, {tuple(range(r)): 1.0}), name, order).get(tuple(range(s)), 0.0)


def _known(
    estimates: Estimates, reported: Spectrum, sets: Sequence[Interaction], name: str, order: int | None
) -> tuple[Floats, Floats]:
    """Mean and variance of each value: its own parity as estimated, the others it rests on as believed."""
    estimated, variance = estimates.spectrum.coef, estimates.variance
    believed = limited(shrink(estimated, variance, reported), estimated, variance)
    own = np.array([_on_parity(name, order, len(s), len(s)) for s in sets])
    moved = _at(estimated, sets) - _at(believed.mean, sets)
    doubt = _at(dict.fromkeys(estimated, variance), sets) - _at(believed.variance, sets)
    centre = _at(to_index(Spectrum(estimates.spectrum.n_players, believed.mean), name, order), sets)
    sampled = _at(_squares(believed.variance, name, order), sets)
    return centre + own * moved, np.maximum(sampled + own**2 * doubt, 0.0)


def _distance(estimates: Estimates, sets: Sequence[Interaction], name: str, order: int | None) -> Floats:
    """(q,) of each value from 0, in its standard deviations, all terms taken as estimated."""
    value = np.abs(_at(to_index(estimates.spectrum, name, order), sets))
    each = dict.fromkeys(estimates.spectrum.coef, estimates.variance)
    variance = _at(_squares(each, name, order), sets)
    return np.where(variance > 0, value / np.sqrt(np.where(variance > 0, variance, 1.0)), inf)


def _squares(terms: Mapping[Interaction, float], name: str, order: int | None) -> dict[Interaction, float]:
    """The index with its weights squared: of variances of independent terms, the variance of the value."""
    if name in _ALONE:
        return {s: v * _on_parity(name, order, len(s), len(s)) ** 2 for s, v in terms.items()}
    return superset_sums(terms, lambda r, s: _on_parity(name, order, r, s) ** 2, order)


def _missed_shares(reported: Spectrum, sets: Sequence[Interaction], name: str, order: int | None) -> Floats:
    """For each set the mean squared weight of the terms that are not reported.

    The mean is over random sets that hold each player i with the probability that a part of the reported
    energy lies in terms with i, and are none of the reported ones.
    """
    if name in _ALONE:
        return np.zeros(len(sets))
    share = shares_of_players(reported)
    none = float(np.prod(1 - share))
    odds = share / (1 - share)
    probable = {t: none * float(np.prod(odds[list(t)])) for t in reported.coef}
    hit = _at(_squares(probable, name, order), sets)
    room = max(1 - sum(probable.values()), _LEAST_ROOM)
    return np.maximum(_over_all(share, sets, name, order) - hit, 0.0) / room


def _over_all(share: Floats, sets: Sequence[Interaction], name: str, order: int | None) -> Floats:
    """For each set S the mean over random sets R of the squared weight, 0 where R does not hold S."""
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


def _false_share(distance: Floats, sets: Sequence[Interaction], n: int, freedom: float) -> Floats:
    """(q,) the false discovery rate of reporting a set and all of its size that are as far from 0.

    distance  in standard deviations; all sets of a size count as tried, whether or not they are reported
    """
    special: Any = _special()
    tail = 2 * special.stdtr(min(freedom, 1e9), -distance)
    sizes = np.array([len(s) for s in sets])
    rate = np.zeros(len(sets))
    for size in np.unique(sizes[sizes > 0]).tolist():
        rows: NDArray[np.intp] = np.flatnonzero(sizes == size)
        rows = rows[np.argsort(-distance[rows], kind="stable")]
        expected = float(comb(n, size)) * tail[rows] / np.arange(1, len(rows) + 1)
        rate[rows] = np.minimum.accumulate(expected[::-1])[::-1]
    return rate
