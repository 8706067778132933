"""Whether two values are the same: arrays by their numbers, NaN equal to NaN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray


def same(a: object, b: object) -> bool:
    """Whether a and b are equal, by value and to the last digit. Fields with compare=False do not count."""
    if _both(np.ndarray, a, b):
        return _same_arrays(cast("NDArray[np.generic]", a), cast("NDArray[np.generic]", b))
    if _both(Mapping, a, b):
        first, second = cast("Mapping[object, object]", a), cast("Mapping[object, object]", b)
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if _both((list, tuple), a, b):
        one, two = cast("Sequence[object]", a), cast("Sequence[object]", b)
        return len(one) == len(two) and all(map(same, one, two))
    if is_dataclass(a) and not isinstance(a, type) and type(a) is type(b):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a) if f.compare)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):  # one of them only
        return False
    return a == b or (_both(float, a, b) and a != a and b != b)


def _both(kind: type | tuple[type, ...], a: object, b: object) -> bool:
    return isinstance(a, kind) and isinstance(b, kind)


def _same_arrays(a: NDArray[np.generic], b: NDArray[np.generic]) -> bool:
    floats = np.issubdtype(a.dtype, np.floating)
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=floats)
