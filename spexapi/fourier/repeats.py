"""Each mask once: repeated measurements of a mask as one value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spexapi.fourier.masks import unique_rows
from spexapi.measurements import Bools, Floats, Measurements


def each_mask_once(seen: Measurements) -> tuple[Measurements, NDArray[np.intp]]:
    """The masks that have a value, none twice, in the order in which they were first measured.

    Repeated values of a mask are averaged with weights of one over their variance; if some have no noise,
    those alone count. A value known within bounds only is dropped if its mask was also measured without
    bounds.

    Returns them and, (m,), which of them each row of `seen` is: -1 if it failed or was dropped.
    """
    used = _usable(seen)
    first, group = unique_rows(seen.masks[used])
    share, variance = _shares(seen.variance[used], group)

    def mean(part: Floats) -> Floats:
        counted = share > 0  # a share of 0 and a bound of -inf must not meet
        weighed = share[counted] * part[used][counted]
        return np.bincount(group[counted], weights=weighed, minlength=len(first)).astype(np.float64)

    row = np.full(len(seen), -1)
    row[used] = group
    masks, reason = seen.masks[used[first]], ("",) * len(first)
    once = Measurements(masks, mean(seen.values), variance, mean(seen.lower), mean(seen.upper), reason)
    return once, row


def _usable(seen: Measurements) -> NDArray[np.intp]:
    """Rows with a value, but for censored ones of masks that were also measured without bounds."""
    ok = np.flatnonzero(seen.ok)
    censored = seen.lower[ok] < seen.upper[ok]
    if not censored.any():
        return ok
    _, group = unique_rows(seen.masks[ok])
    better: Bools = np.bincount(group, weights=~censored)[group] > 0
    return ok[~(censored & better)]


def _shares(variance: Floats, group: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """(rows,) the weight of each value in the mean of its mask; (k,) the variance of those means."""
    exact = variance <= 0
    settled = np.bincount(group, weights=exact) > 0
    weight = np.where(settled[group], exact, 1.0 / np.where(exact, 1.0, variance))
    total: Floats = np.bincount(group, weights=weight).astype(np.float64)
    return weight / total[group], np.where(settled, 0.0, 1.0 / total)
