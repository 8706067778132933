"""Order, choice and comparison of numbers as if rounding were not there.

A sum of floats depends on the order in which a processor adds them up. So two values that are equal by the
symmetry of a game differ in their last digits, and which is larger depends on the machine. Here values
within a relative 1e-9 are equal; then the size of a set decides, then its players, or the place in the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spexapi.measurements import Floats

EQUAL = 1e-9  # of the larger of two values: by less they do not differ
# of a sum of squares: the squared errors of a fit without error
NO_ERROR = 1e-20
ROUNDING = 1e-12  # of the largest of all values: what the smallest ones are off by
_DIGITS = 10  # that a number shown to people can have: a digit less than rounding leaves

Set = tuple[int, ...]
Numbers = Sequence[float] | Floats


def ranks(values: Floats, scale: float = 0.0) -> NDArray[np.intp]:
    """The place of each value along the last axis, from 0 for the least; equal values have the same place.

    Two neighbours in size are equal if they differ by at most 1e-9 of the larger or 1e-12 of the largest of
    all, and so is a chain of such neighbours. Rounding to a grid would part equal values on either side of a
    grid line; a chain ends only at a true gap. NaN comes last.

    scale  the size of what the values are sums of, if that is larger than they are
    """
    order = np.argsort(values, axis=-1, kind="stable")
    rising = np.take_along_axis(values, order, axis=-1)
    size = np.where(np.isfinite(rising), np.abs(rising), 0.0)
    close = EQUAL * np.maximum(size[..., 1:], size[..., :-1])
    close = np.maximum(close, ROUNDING * size.max(axis=-1, keepdims=True, initial=scale))
    with np.errstate(invalid="ignore"):  # infinity less infinity
        apart = ~(np.diff(rising, axis=-1) <= close)
    place = np.zeros(values.shape, dtype=np.intp)
    np.cumsum(apart, axis=-1, out=place[..., 1:])
    found = np.empty_like(place)
    np.put_along_axis(found, order, place, axis=-1)
    return found


def least_first(values: Numbers, scale: float = 0.0) -> list[int]:
    """The positions of the values in rising order; equal ones in the order they have."""
    return np.argsort(ranks(np.asarray(values, dtype=np.float64), scale), kind="stable").tolist()


def largest_first(values: Numbers, scale: float = 0.0) -> list[int]:
    """The positions of the values in falling order; equal ones in the order they have."""
    return least_first(np.negative(values), scale)


def strongest_first(values: Numbers) -> list[int]:
    """The positions of the values from the largest absolute value down; equal ones in the order they have."""
    return largest_first(np.abs(values))


def ranked(values: Mapping[Set, float]) -> list[Set]:
    """The sets from the largest absolute value down; equal ones by size, then by players."""
    sets = sorted(values, key=lambda s: (len(s), s))
    return [sets[j] for j in strongest_first([values[s] for s in sets])]


def first_least(values: Numbers, rounding: float = 0.0) -> int:
    """The position of the least value, the first of those that equal it.

    rounding  by how much values may also differ and be equal: what they were computed from may be far larger
    """
    least = float(np.min(values))
    return int(np.argmax(np.asarray(values) <= least + EQUAL * abs(least) + rounding))


def first_largest(values: Numbers, rounding: float = 0.0) -> int:
    """As first_least, of the largest value."""
    return first_least(np.negative(values), rounding)


def reaches(value: float, bar: float, scale: float = 0.0) -> bool:
    """Whether the value is the bar or above: within 1e-9 of the larger, or of the `scale` of their parts."""
    return value >= bar - EQUAL * max(abs(value), abs(bar), scale)


def exceeds(value: float, bar: float, scale: float = 0.0) -> bool:
    """Whether the value is above the bar and not equal to it."""
    return not reaches(bar, value, scale)


def step_of(share: float, steps: int) -> int:
    """Which of so many equal steps from 0 to 1 a share is on, from 0; where one begins, on that one."""
    return min(int(share * steps + EQUAL), steps - 1)


def settled(value: float) -> float:
    """The value to ten digits, to be shown with fewer: equal values then round the same way."""
    return float(f"{value:.{_DIGITS}g}")
