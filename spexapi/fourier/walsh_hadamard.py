"""The fast Walsh-Hadamard transform."""

from __future__ import annotations

import numpy as np

from spexapi.measurements import Floats

_ROWS = 1 << 10


def walsh_hadamard(values: Floats) -> None:
    """Replaces values[x] by sum_y (-1)^popcount(x & y) values[y], in place; twice gives 2^n times as much.

    values  (..., 2^n) float64, contiguous; each row of the last axis is transformed

    Time O(n 2^n) a row. Values in the order of `masks.all_masks` become, divided by 2^n, the coefficients of
    the players in each mask. Fino & Algazi (1976).
    """
    size = values.shape[-1]
    assert size & (size - 1) == 0, "2^n values"
    assert values.flags.c_contiguous, "reshaping must not copy"
    rows = values.reshape(-1, size)
    if size <= _ROWS or len(rows) > 1:
        _butterflies(rows, 1, size)
        return
    # strides below _ROWS are slow one number at a time: transposed, they are butterflies of whole rows
    table = rows.reshape(-1, _ROWS)
    turned = np.ascontiguousarray(table.T)
    for step in _steps(1, _ROWS):
        _butterfly(turned.reshape(-1, 2, step * len(table)))
    table[:] = turned.T
    for step in _steps(_ROWS, size):
        _butterfly(rows.reshape(-1, 2, step))


def _steps(start: int, stop: int) -> list[int]:
    return [1 << i for i in range(start.bit_length() - 1, stop.bit_length() - 1)]


def _butterflies(rows: Floats, start: int, stop: int) -> None:
    for step in _steps(start, stop):
        _butterfly(rows.reshape(-1, 2, step))


def _butterfly(pairs: Floats) -> None:
    """(a, b) -> (a + b, a - b) along the middle axis of (p, 2, step)."""
    difference = pairs[:, 0] - pairs[:, 1]
    pairs[:, 0] += pairs[:, 1]
    pairs[:, 1] = difference
