"""Sums over the supersets of every subset: the one loop behind Möbius terms and all indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from spexapi.errors import InputError
from spexapi.fourier.parity import flatten
from spexapi.measurements import Floats

Terms = Mapping[tuple[int, ...], float]
Weight = Callable[[int, int], float]

MOST_SUBSETS = 1 << 27
_DENSE = 20
_ROUNDING = 1e-13


def superset_sums(terms: Terms, weight: Weight, max_order: int | None) -> dict[tuple[int, ...], float]:
    """For each subset T of some term: sum over terms S containing T of weight(|S|, |T|) * terms[S].

    terms      sorted tuples of player numbers -> value
    weight     of a term's size and a subset's size
    max_order  the largest subset; None for all

    Sums that cancel to rounding error are left out; () is always there. Raises InputError above 2^27 subsets.
    Time O(sum over S of the subsets of S up to max_order), vectorised; for the dense spectrum of u <= 20
    players O(u 2^u) for each size of subset, if that is less.
    """
    support = [s for s, value in terms.items() if value != 0.0]
    players, orders = flatten(support)
    values = np.array([terms[s] for s in support])
    used, place = np.unique(players, return_inverse=True)
    groups = list(_by_order(place.reshape(-1), orders, values))
    highest = max((d for d, _, _ in groups), default=0)
    highest = highest if max_order is None else min(highest, max_order)
    count = sum(len(rows) * sum(comb(d, t) for t in range(min(d, highest) + 1)) for d, rows, _ in groups)
    if len(used) <= _DENSE and count > len(used) << len(used):
        return _dense(used, groups, weight, highest)
    if count > MOST_SUBSETS:
        raise InputError(
            f"{len(support)} terms hold {count:,} subsets of up to {highest} players, more than"
            f" {MOST_SUBSETS:,}: lower max_order, or truncate the spectrum first"
        )
    found: dict[tuple[int, ...], float] = {(): 0.0}
    for t in range(highest + 1):
        found.update(_of_size(t, used, groups, weight))
    return found


Group = tuple[int, NDArray[np.intp], Floats]


def _by_order(players: NDArray[np.intp], orders: NDArray[np.intp], values: Floats) -> Iterator[Group]:
    """(order d, players (k, d), values (k,)) for each order."""
    starts = np.cumsum(orders) - orders
    for d in np.unique(orders):
        rows = np.flatnonzero(orders == d)
        yield int(d), players[starts[rows][:, None] + np.arange(d)], values[rows]


def _of_size(
    t: int, used: NDArray[np.intp], groups: list[Group], weight: Weight
) -> dict[tuple[int, ...], float]:
    """The sums for all subsets of t players."""
    subsets: list[NDArray[np.intp]] = []
    parts: list[Floats] = []
    for d, rows, values in groups:
        if d >= t and (w := weight(d, t)) != 0.0:
            chosen = np.array(list(combinations(range(d), t)), dtype=np.intp).reshape(comb(d, t), t)
            subsets.append(rows[:, chosen].reshape(len(rows) * len(chosen), t))
            parts.append(np.repeat(w * values, len(chosen)))
    if not subsets:
        return {}
    first, group = _same_rows(np.concatenate(subsets), len(used))
    part = np.concatenate(parts)
    sums = np.bincount(group, part)
    kept = np.abs(sums) > _ROUNDING * np.bincount(group, np.abs(part))
    names: list[list[int]] = used[np.concatenate(subsets)[first[kept]]].tolist()
    return {tuple(name): value for name, value in zip(names, sums[kept].tolist(), strict=True)}


def _same_rows(rows: NDArray[np.intp], base: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(first, group): the first row of each different one, and which of them each row is."""
    if base ** rows.shape[1] < 2**62:
        keys = np.zeros(len(rows), dtype=np.int64)
        for column in rows.T:
            keys = keys * base + column
        _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    else:
        _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, group.reshape(-1)


def _dense(
    used: NDArray[np.intp], groups: list[Group], weight: Weight, highest: int
) -> dict[tuple[int, ...], float]:
    """The same sums, one size of subset at a time, by the superset transform over all 2^u subsets."""
    u = len(used)
    sizes = np.array([i.bit_count() for i in range(2**u)])
    found: dict[tuple[int, ...], float] = {(): 0.0}
    for t in range(highest + 1):
        sums, size = np.zeros(2**u), np.zeros(2**u)
        for d, rows, values in groups:
            if d >= t:
                sums[(1 << rows).sum(axis=1)] = weight(d, t) * values
        np.abs(sums, out=size)
        for i in range(u):
            for table in (sums, size):
                pair = table.reshape(-1, 2, 2**i)
                pair[:, 0] += pair[:, 1]
        for code in np.flatnonzero((sizes == t) & (np.abs(sums) > _ROUNDING * size)).tolist():
            found[tuple(used[[i for i in range(u) if code >> i & 1]].tolist())] = float(sums[code])
    return found
