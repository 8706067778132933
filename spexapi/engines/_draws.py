"""Draws that are not uniform: a mask drawn again adds to its weight, not to the cost."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from spexapi.fourier.masks import unique_rows
from spexapi.measurements import Bools, Floats

_DOUBLINGS = 7  # at most 128 draws for each mask wanted; few masks are left to be found then


def distinct_draws(draw: Callable[[int], Bools], count: int) -> tuple[Bools, Floats]:
    """The first `count` different masks that are drawn, and how often each was by then.

    draw  how many -> (that many, n) bool

    Returns (k, n) bool and (k,) float64; k < count where the draws hold no more.
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
    """(m, n) bool: row j holds a random subset of sizes[j] of the n players, all of them as likely."""
    rank = rng.random((len(sizes), n)).argsort(axis=1).argsort(axis=1)
    return rank < sizes[:, None]
