"""Mask matrices: all of them, uniform draws of them, and how they are packed into words and text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.errors import InputError
from spexapi.fourier.parity import check_masks
from spexapi.measurements import Bools, Floats

Words = NDArray[np.uint64]

# 2^24 masks of 24 players are 403 MB
_MOST_LISTED = 24
# up to here a mask is drawn as a number below 2^n, without replacement
_DRAWN_BY_CODE = 20
# at most 128 draws for each mask wanted; few masks are left to be found then
_DOUBLINGS = 7


def all_masks(n: int) -> Bools:
    """Every mask of n players, (2^n, n) bool; row i keeps player j if bit j of i is set.

    Raises InputError for n above 24. Time and memory O(n 2^n).
    """
    if not 0 <= n <= _MOST_LISTED:
        raise InputError(
            f"all masks of {n} players would be 2^{n} rows; they are listed for 0 to {_MOST_LISTED}"
        )
    return _from_codes(np.arange(2**n, dtype=np.uint32), n)


def codes(masks: Bools) -> NDArray[np.intp]:
    """(m,) the number of each mask's row in `all_masks`. Raises InputError for more than 24 players."""
    n = masks.shape[1]
    if n > _MOST_LISTED:
        raise InputError(f"masks of {n} players have no row in all_masks, which lists {_MOST_LISTED} at most")
    return masks @ (1 << np.arange(n, dtype=np.intp))


def uniform_masks(
    n: int, count: int, rng: Generator, *, distinct: bool = True, exclude: Bools | None = None
) -> Bools:
    """Uniform draws from the 2^n masks, (count, n) bool.

    distinct   no mask twice, so that no call is wasted; if fewer than `count` masks are left, all of those
    exclude    (k, n) masks that are known already and are not drawn again

    Up to 20 players it draws without replacement; for more it draws repeats again. Raises InputError for a
    negative count.
    """
    if n < 0 or count < 0:
        raise InputError(f"cannot draw {count} masks of {n} players: both must be 0 or more")
    known = np.zeros((0, n), dtype=np.bool_) if exclude is None else exclude
    check_masks(known, n)
    if n <= _DRAWN_BY_CODE:
        return _draw_by_code(n, count, rng, distinct, known)
    drawn = np.zeros((0, n), dtype=np.bool_)
    while (missing := count - len(drawn)) > 0:
        drawn = np.concatenate([drawn, rng.integers(0, 2, size=(missing, n), dtype=np.bool_)])
        drawn = _not_in(drawn, known, distinct)
    return drawn


def distinct_draws(draw: Callable[[int], Bools], count: int) -> tuple[Bools, Floats]:
    """The first `count` different masks of a sequence of draws, and how often each was drawn by then.

    draw  a number -> that many draws, (number, n) bool

    Returns (k, n) bool and (k,) float64; k < count if even 128 draws for each mask wanted hold no more.
    """
    drawn = draw(count)
    first, group = unique_rows(drawn)
    for _ in range(_DOUBLINGS):
        if len(first) > count or not count:
            break
        drawn = np.concatenate([drawn, draw(len(drawn))])
        first, group = unique_rows(drawn)
    end = int(first[count]) if len(first) > count else len(drawn)
    first = first[:count]
    return drawn[first], np.bincount(group[:end], minlength=len(first)).astype(np.float64)


def subsets_of_sizes(n: int, sizes: NDArray[np.intp], rng: Generator) -> Bools:
    """(m, n) bool: row j is a uniform draw from the subsets of sizes[j] of the n players."""
    rank = rng.random((len(sizes), n)).argsort(axis=1).argsort(axis=1)
    return rank < sizes[:, None]


def pack(masks: Bools) -> Words:
    """Each row as words, (m, ceil(n / 64)) uint64: player j is bit j % 64 of word j // 64, unused bits 0."""
    m, n = masks.shape
    packed = np.zeros((m, -(-n // 64) * 8), dtype=np.uint8)
    packed[:, : -(-n // 8)] = np.packbits(masks, axis=1, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)


def unpack(words: Words, n: int) -> Bools:
    """The masks that `pack` made words of, (m, n) bool. Raises InputError if n does not fit the words."""
    if words.ndim != 2 or words.shape[1] != -(-n // 64):
        raise InputError(f"{n} players need {-(-n // 64)} words a mask, got an array of shape {words.shape}")
    packed = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    return np.unpackbits(packed, axis=1, count=n, bitorder="little").view(np.bool_)


def to_text(masks: Bools) -> str:
    """All rows one after the other, eight players a byte, as base64: ceil(m n / 8) bytes for JSON."""
    return base64.b64encode(np.packbits(masks.ravel(), bitorder="little").tobytes()).decode("ascii")


def from_text(text: str, m: int, n: int) -> Bools:
    """The (m, n) masks that `to_text` wrote. Raises InputError if it is not base64 or not of that size."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"the masks are not base64 text: {error}") from error
    if len(data) != -(-m * n // 8):
        raise InputError(f"{m} masks of {n} players are {-(-m * n // 8)} bytes, the text holds {len(data)}")
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=m * n, bitorder="little")
    return bits.view(np.bool_).reshape(m, n)


def unique_rows(masks: Bools) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(first, group): the rows of k different masks, and which of them each row is.

    first (k,) is the first row of each mask, rising; group (m,) is such that masks[first][group] is masks.
    Time O(m log m).
    """
    _, first, inverse = np.unique(_keys(masks), return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse.reshape(-1)]


def _from_codes(numbers: NDArray[np.uint32], n: int) -> Bools:
    packed = numbers.astype("<u4").view(np.uint8).reshape(-1, 4)
    return np.unpackbits(packed, axis=1, count=n, bitorder="little").view(np.bool_)


def _draw_by_code(n: int, count: int, rng: Generator, distinct: bool, known: Bools) -> Bools:
    taken = np.unique(codes(known))
    if distinct:
        # dropping the known ones among count + k draws leaves a uniform draw from the others
        drawn: NDArray[np.intp] = rng.choice(1 << n, size=min(1 << n, count + len(taken)), replace=False)
        drawn = drawn[~np.isin(drawn, taken)][:count]
    else:
        left = np.delete(np.arange(1 << n, dtype=np.intp), taken)
        drawn = rng.choice(left, size=count if len(left) else 0)
    return _from_codes(drawn.astype(np.uint32), n)


def _not_in(drawn: Bools, known: Bools, distinct: bool) -> Bools:
    """The drawn rows that are not known, in order; each once if they must be distinct."""
    first, group = unique_rows(np.concatenate([known, drawn]))
    fresh = group[len(known) :] >= (group[: len(known)].max() + 1 if len(known) else 0)
    if distinct:
        fresh &= first[group[len(known) :]] == np.arange(len(known), len(known) + len(drawn))
    return drawn[fresh]


def _keys(masks: Bools) -> NDArray[np.void] | Words:
    """(m,) one opaque value for each row, equal for equal rows."""
    words = pack(masks) if masks.shape[1] else np.zeros((len(masks), 1), dtype=np.uint64)
    if words.shape[1] == 1:
        return words[:, 0]
    return words.view(np.dtype((np.void, words.shape[1] * 8))).reshape(-1)
