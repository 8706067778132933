"""What was measured: masks and the value of each, with how much each can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spexapi.errors import InputError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# the 95% quantile of a normal variable: half of a 90% interval, in standard deviations
NORMAL_95 = 1.6448536269514722
# beyond, squares are infinite; below one over it they are 0
_LARGEST = 1e150
# of the largest value: a spread below is none
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Masks and their values, in the order they were measured. Arrays are read-only.

    masks         (m, n) bool, True if the player is kept
    values        (m,) float64, higher = the explained output is more likely; NaN if the measurement failed
    variance      (m,) of sampling noise, 0 if the value is exact
    lower, upper  (m,) bounds of a censored value, equal to `values` for the others; both -inf (or inf) if the
                  value is NaN because it was that: see `infinite`
    reason        m strings, "" if the measurement worked
    token_values  (m, t) log-probability of each answer token in nats, None if the backend has none
    ranks         (m, t) place of each answer token among those the model could write there, 1 = its first
                  choice, 0 = unknown; None if none is known
    choices       m rows of t texts: the model's first choice in each place, "" = unknown; None if none is
                  known
    """

    masks: Bools
    values: Floats
    variance: Floats
    lower: Floats
    upper: Floats
    reason: tuple[str, ...]
    token_values: Floats | None = None
    ranks: Ints | None = None
    choices: tuple[tuple[str, ...], ...] | None = None

    def __post_init__(self) -> None:
        m = len(self.masks)
        if self.masks.ndim != 2 or self.masks.dtype != np.bool_:
            raise InputError(f"masks must be (m, n) bool, got {self.masks.dtype} of shape {self.masks.shape}")
        for name in ("values", "variance", "lower", "upper"):
            array = getattr(self, name)
            if array.shape != (m,):
                raise InputError(f"{name} must hold one float for each of {m} masks, got shape {array.shape}")
        if len(self.reason) != m:
            raise InputError(f"{len(self.reason)} reasons for {m} masks")
        if self.token_values is not None and (self.token_values.ndim != 2 or len(self.token_values) != m):
            raise InputError(f"token_values must be ({m}, t), got shape {self.token_values.shape}")
        if self.ranks is not None and (self.ranks.ndim != 2 or len(self.ranks) != m):
            raise InputError(f"ranks must be ({m}, t), got shape {self.ranks.shape}")
        if self.choices is not None and len(self.choices) != m:
            raise InputError(f"{len(self.choices)} rows of choices for {m} masks")
        arrays = (self.masks, self.values, self.variance, self.lower, self.upper)
        for array in (*arrays, self.token_values, self.ranks):
            if array is not None:
                array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def n_players(self) -> int:
        return self.masks.shape[1]

    @property
    def ok(self) -> Bools:
        """(m,) bool, True if the value is finite."""
        return np.isfinite(self.values)

    @property
    def infinite(self) -> Floats:
        """(m,) -inf or inf if that was the value, for which `values` has NaN; 0 for all others."""
        return np.where(~self.ok & np.isinf(self.lower) & (self.lower == self.upper), self.lower, 0.0)

    @property
    def n_failed(self) -> int:
        return int((~self.ok).sum())

    def take(self, rows: NDArray[np.intp] | Bools) -> Measurements:
        """The chosen rows, as a new value."""
        chosen: list[int] = (np.flatnonzero(rows) if rows.dtype == np.bool_ else rows).tolist()
        return Measurements(
            masks=self.masks[chosen],
            values=self.values[chosen],
            variance=self.variance[chosen],
            lower=self.lower[chosen],
            upper=self.upper[chosen],
            reason=tuple(self.reason[i] for i in chosen),
            token_values=None if self.token_values is None else self.token_values[chosen],
            ranks=None if self.ranks is None else self.ranks[chosen],
            choices=None if self.choices is None else tuple(self.choices[i] for i in chosen),
        )

    def with_behaviour(self, ranks: Ints | None, choices: tuple[tuple[str, ...], ...] | None) -> Measurements:
        """The same measurements with what the model would have written in each place; see the fields."""
        return replace(self, ranks=ranks, choices=choices)

    def with_values(self, values: Floats) -> Measurements:
        """The same masks with other exact values: another scorer, another span of the answer.

        A new NaN means that only a bound of one of its tokens is known.
        """
        unlisted = "the endpoint does not list a token of this part, so the value is only bounded"
        found = exact_values(self.masks, values)
        reason = (
            new and (why or (unlisted if nan else new))
            for why, nan, new in zip(self.reason, np.isnan(values), found.reason, strict=True)
        )
        return replace(
            self,
            values=found.values,
            variance=found.variance,
            lower=found.lower,
            upper=found.upper,
            reason=tuple(reason),
        )


def exact_values(
    masks: Bools,
    values: Floats,
    *,
    reason: Sequence[str] | None = None,
    token_values: Floats | None = None,
) -> Measurements:
    """Measurements without noise or censoring; values that have no finite square become NaN with a reason.

    Of an infinite one the bounds still say which it was (`Measurements.infinite`).

    masks         (m, n) bool
    values        (m,) float
    reason        m strings; made from the values if none are given
    token_values  (m, t) nats
    """
    values = np.array(values, dtype=np.float64)
    bad = ~(np.abs(values) <= _LARGEST)
    made = [_why_not(value) if failed else "" for value, failed in zip(values.tolist(), bad, strict=True)]
    ends = np.where(bad & ~np.isinf(values), np.nan, values)
    values[bad] = np.nan
    return Measurements(
        masks=np.array(masks, dtype=np.bool_),
        values=values,
        variance=np.zeros(len(values)),
        lower=ends,
        upper=ends.copy(),
        reason=tuple(made if reason is None else reason),
        token_values=None if token_values is None else np.array(token_values, dtype=np.float64),
    )


def _why_not(value: float) -> str:
    if not np.isfinite(value):
        return f"the value is {value}"
    return f"the value is {value:.3g}: beyond {_LARGEST:g} it has no finite square; give it in a larger unit"


def is_constant(values: Floats) -> bool:
    """True if the values differ only by rounding, 1e-12 of the largest, or too little to have squares."""
    return not len(values) or bool(np.ptp(values) <= max(_ROUNDING * np.abs(values).max(), 1 / _LARGEST))


def centre_and_scale(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation, 0 if the values are constant. Values near 1e-150 or 1e150 are fine."""
    centre = float(values.mean()) if len(values) else 0.0
    if is_constant(values):
        return centre, 0.0
    # divided by the largest difference first: squares of values of 1e-200 would vanish
    widest = float(np.abs(values - centre).max())
    return centre, widest * float(((values - centre) / widest).std())


def join(parts: Sequence[Measurements]) -> Measurements:
    """All parts in order, as one value. Raises InputError if there are none."""
    if not parts:
        raise InputError("join needs at least one part")
    return Measurements(
        masks=np.concatenate([p.masks for p in parts]),
        values=np.concatenate([p.values for p in parts]),
        variance=np.concatenate([p.variance for p in parts]),
        lower=np.concatenate([p.lower for p in parts]),
        upper=np.concatenate([p.upper for p in parts]),
        reason=tuple(r for p in parts for r in p.reason),
        token_values=_join_tokens(parts),
        ranks=_join_ranks(parts),
        choices=_join_choices(parts),
    )


def split(whole: Measurements, count: int) -> tuple[Measurements, Measurements]:
    """The first `count` rows, and the rest."""
    if count >= len(whole):
        return whole, nothing(whole.n_players)
    first = np.arange(len(whole)) < count
    return whole.take(first), whole.take(~first)


def _join_tokens(parts: Sequence[Measurements]) -> Floats | None:
    """Token values of all parts; NaN for a part that failed as a whole, None if another part has none."""
    known = [p.token_values for p in parts if p.token_values is not None]
    widths = {table.shape[1] for table in known}
    if len(widths) != 1 or any(p.token_values is None and p.ok.any() for p in parts):
        return None
    width = widths.pop()
    rows = [np.full((len(p), width), np.nan) if p.token_values is None else p.token_values for p in parts]
    return np.concatenate(rows)


def _join_ranks(parts: Sequence[Measurements]) -> Ints | None:
    """Ranks of all parts, 0 where a part has none; None if no part has any, or their widths differ."""
    widths = {p.ranks.shape[1] for p in parts if p.ranks is not None}
    if len(widths) != 1:
        return None
    shape = widths.pop()
    rows = [np.zeros((len(p), shape), dtype=np.int64) if p.ranks is None else p.ranks for p in parts]
    return np.concatenate(rows)


def _join_choices(parts: Sequence[Measurements]) -> tuple[tuple[str, ...], ...] | None:
    """Choices of all parts, no text where a part has none; None if no part has any."""
    if all(p.choices is None for p in parts):
        return None
    return tuple(row for p in parts for row in (((),) * len(p) if p.choices is None else p.choices))


def nothing(n_players: int) -> Measurements:
    """No rows yet, for a game of n players."""
    return exact_values(np.zeros((0, n_players), dtype=np.bool_), np.zeros(0))
