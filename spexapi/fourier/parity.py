"""Parities of many masks at once, packed along the masks: a product of signs is an exclusive or of words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from spexapi.errors import InputError
from spexapi.measurements import Bools, Floats

# numbers held at a time when a table is gone through in blocks: 32 MB of float64
_BLOCK = 1 << 22
# masks packed at a time: the words of 1,000 players are then 8 MB
_MASKS = 1 << 16


def blocks(length: int, width: int) -> Iterator[slice]:
    """Slices of `length` rows of `width` numbers each, so that a block of float64 takes at most 32 MB."""
    step = max(1, _BLOCK // max(1, width))
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def flatten(support: Sequence[tuple[int, ...]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(players, orders): all player numbers one after the other, and how many each interaction has."""
    orders = np.fromiter(map(len, support), dtype=np.intp, count=len(support))
    return np.fromiter(chain.from_iterable(support), dtype=np.intp, count=int(orders.sum())), orders


def check_support(n_players: int, support: Sequence[tuple[int, ...]]) -> None:
    """Raises InputError naming the first interaction that is not a sorted tuple of different players."""
    players, orders = flatten(support)
    if len(players) == 0:
        return
    owner = np.repeat(np.arange(len(orders)), orders)
    bad = (players < 0) | (players >= n_players)
    bad[1:] |= (np.diff(players) <= 0) & (owner[1:] == owner[:-1])
    if bad.any():
        seen = support[int(owner[bad][0])]
        raise InputError(
            f"interaction {seen} must name different players from 0 to {n_players - 1} in rising order"
        )


def check_masks(masks: Bools, n_players: int) -> None:
    """Raises InputError unless masks is (m, n_players) bool."""
    if masks.ndim != 2 or masks.dtype != np.bool_ or masks.shape[1] != n_players:
        raise InputError(f"masks must be (m, {n_players}) bool, got {masks.dtype} of shape {masks.shape}")


def weighted_sum(masks: Bools, support: Sequence[tuple[int, ...]], weights: Floats) -> Floats:
    """(m,) sum over interactions of weight times parity. Time O(m (s + sum of orders / 64))."""
    total = np.full(len(masks), weights.sum())
    for rows, columns, odd in _odd_bits(masks, support):
        total[rows] -= 2 * (weights[columns] @ odd)  # parity = 1 - 2 odd
    return total


def write_parities(masks: Bools, support: Sequence[tuple[int, ...]], out: NDArray[np.generic]) -> None:
    """Writes each parity, +1 or -1, into out (s, m). Time O(m * s)."""
    for rows, columns, odd in _odd_bits(masks, support):
        out[columns, rows] = 1 - 2 * odd.astype(np.int8)


def _odd_bits(
    masks: Bools, support: Sequence[tuple[int, ...]]
) -> Iterator[tuple[slice, NDArray[np.intp], NDArray[np.uint8]]]:
    """Blocks (rows, columns, odd): odd (columns, rows) is 1 for masks that keep an odd number of players."""
    players, orders = flatten(support)
    used, place = np.unique(players, return_inverse=True)
    place = place.reshape(-1)
    starts = np.cumsum(orders) - orders
    longest_first = np.argsort(-orders, kind="stable")
    for top in range(0, len(masks), _MASKS):
        rows = slice(top, min(top + _MASKS, len(masks)))
        m = rows.stop - rows.start
        words = _pack_columns(masks[rows][:, used])
        for part in blocks(len(support), m):
            columns = longest_first[part]
            parity = _exclusive_or(words, place, starts[columns], orders[columns])
            yield rows, columns, np.unpackbits(parity.view(np.uint8), axis=1, count=m, bitorder="little")


def _pack_columns(kept: Bools) -> NDArray[np.uint64]:
    """(m, u) bool -> (u, ceil(m / 64)) words: mask i is bit i % 64 of word i // 64."""
    m, u = kept.shape
    packed = np.zeros((u, -(-m // 64) * 8), dtype=np.uint8)
    packed[:, : -(-m // 8)] = np.packbits(kept, axis=0, bitorder="little").T
    return packed.view(np.uint64)


def _exclusive_or(
    words: NDArray[np.uint64],
    place: NDArray[np.intp],
    starts: NDArray[np.intp],
    orders: NDArray[np.intp],
) -> NDArray[np.uint64]:
    """(k, w) the words of the players of each interaction, combined; orders must fall."""
    result = np.zeros((len(orders), words.shape[1]), dtype=np.uint64)
    for depth in range(int(orders[0]) if len(orders) else 0):
        reach = int(np.searchsorted(-orders, -depth, side="left"))  # orders above depth
        result[:reach] ^= words[place[starts[:reach] + depth]]
    return result
