"""Masks an engine proposed -> measurements, each distinct one bought once, in batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import numpy as np

from spexapi.errors import InputError
from spexapi.games.base import Game
from spexapi.measurements import Bools, Measurements, join, nothing

Progress = Callable[[int, int], None]


async def sample(
    game: Game,
    masks: Bools,
    *,
    known: Measurements | None = None,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> AsyncIterator[Measurements]:
    """Yields the measurements of `masks` in the order asked, in parts, as they are complete.

    masks        (m, n) bool; a mask asked twice is measured once and its row returned twice
    known        measured before: the masks in it that worked are not asked again
    on_progress  called with (distinct masks measured, distinct masks to measure) before the first and after
                 each batch
    should_stop  looked at before each batch; once it is true, nothing more is asked and the parts so far are
                 all

    The parts joined are a leading piece of what was asked: all of it, unless stopped. Errors of
    `game.measure` pass through; the parts yielded before stay valid.
    """
    if masks.ndim != 2 or masks.dtype != np.bool_:
        raise InputError(f"masks must be (m, n) bool, got {masks.dtype} of shape {masks.shape}")
    keys = [row.tobytes() for row in np.packbits(masks, axis=1)]
    bought = _rows_of(known)
    row_of = dict(zip(keys, range(len(keys)), strict=True))  # in the order of first appearance
    to_buy = [row for key, row in row_of.items() if key not in bought]
    size = max(1, game.batch)
    given = 0
    for begin in range(0, len(to_buy) + 1, size):
        batch = to_buy[begin : begin + size]
        if on_progress is not None and begin == 0:
            on_progress(0, len(to_buy))
        if batch:
            if should_stop is not None and should_stop():
                return
            measured = await game.measure(masks[batch])
            for row, i in enumerate(batch):
                bought[keys[i]] = (measured, row)
            if on_progress is not None:
                on_progress(begin + len(batch), len(to_buy))
        ready = given
        while ready < len(keys) and keys[ready] in bought:
            ready += 1
        if ready > given:
            yield _gather([bought[key] for key in keys[given:ready]])
            given = ready


async def collect(
    game: Game,
    masks: Bools,
    *,
    known: Measurements | None = None,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Measurements:
    """All parts of `sample` as one value; fewer rows than asked where it was stopped, perhaps none."""
    parts = [
        part
        async for part in sample(game, masks, known=known, on_progress=on_progress, should_stop=should_stop)
    ]
    return join(parts) if parts else nothing(masks.shape[1])


def _rows_of(known: Measurements | None) -> dict[bytes, tuple[Measurements, int]]:
    if known is None:
        return {}
    packed = np.packbits(known.masks, axis=1)
    return {packed[i].tobytes(): (known, int(i)) for i in np.flatnonzero(known.ok)}


def _gather(rows: list[tuple[Measurements, int]]) -> Measurements:
    """Rows in order; neighbours of one source are taken together."""
    parts: list[Measurements] = []
    begin = 0
    for i in range(1, len(rows) + 1):
        if i == len(rows) or rows[i][0] is not rows[begin][0]:
            source = rows[begin][0]
            parts.append(source.take(np.array([r for _, r in rows[begin:i]], dtype=np.intp)))
            begin = i
    return join(parts)
