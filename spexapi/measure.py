"""Masks an engine proposed -> measurements, each distinct one bought once, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator

import numpy as np

from spexapi.errors import CapReached, InputError
from spexapi.games.base import CanHalt, Game, traits_of
from spexapi.measurements import Bools, Measurements, join, nothing

Progress = Callable[[int, int], None]

# Seconds between looks at should_stop while calls are under way.
_LOOK = 0.25
# Masks that are sorted together.
_STRETCH = 512


async def sample(
    game: Game,
    masks: Bools,
    *,
    known: Measurements | None = None,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> AsyncGenerator[Measurements]:
    """Yields the measurements of `masks` in the order asked, in parts, as they are complete.

    masks        (m, n) bool; a mask asked twice is measured once and its row returned twice
    known        measured before: the masks in it that worked are not asked again
    on_progress  called with (distinct masks measured, distinct masks to measure) before the first and after
                 each batch
    should_stop  looked at before each batch, and while a game with calls under way waits; once it is true
                 nothing more is sent, and what is under way is waited for

    As many calls of `measure` run at once as the game's traits say, those with a common beginning of the
    prompt near each other. The parts joined are what was asked, row for row; stopped or after an error,
    a leading piece of it and then, in the same order and once each, what else was measured. Errors of
    `game.measure` pass through once the calls under way have ended; the parts yielded before stay valid.
    """
    if masks.ndim != 2 or masks.dtype != np.bool_:
        raise InputError(f"masks must be (m, n) bool, got {masks.dtype} of shape {masks.shape}")
    order = _Order(masks, known)
    rows = order.missing()
    batches = _batches(masks, rows, max(1, game.batch), traits_of(game).concurrency)
    report: Progress = on_progress or (lambda done, planned: None)
    buying = _Buying(game, masks, should_stop or (lambda: False))
    done = 0
    report(0, len(rows))
    try:
        while True:
            buying.start(batches)
            if (part := order.ready()) is not None:
                yield part
            if not buying.busy:
                break
            for bought, measured in await buying.arrived():
                order.add(bought, measured)
                done += len(bought)
                report(done, len(rows))
        if (part := order.rest()) is not None:
            yield part
        if buying.error is not None:
            raise buying.error
    finally:
        await buying.end()


class _Order:
    """Measurements as they are bought, given out in the order in which their masks were asked."""

    def __init__(self, masks: Bools, known: Measurements | None) -> None:
        self._keys = [row.tobytes() for row in np.packbits(masks, axis=1)]
        self._found = _rows_of(known)
        self._given = 0

    def missing(self) -> list[int]:
        """The rows to buy, one for each mask, by its first appearance."""
        row_of = dict(zip(self._keys, range(len(self._keys)), strict=True))
        return [row for key, row in row_of.items() if key not in self._found]

    def add(self, rows: list[int], measured: Measurements) -> None:
        self._found.update((self._keys[row], (measured, i)) for i, row in enumerate(rows))

    def ready(self) -> Measurements | None:
        """The rows that come next and are all there, each given once; None if the next one is not."""
        first = self._given
        while self._given < len(self._keys) and self._keys[self._given] in self._found:
            self._given += 1
        asked = self._keys[first : self._given]
        return _gather([self._found[key] for key in asked]) if asked else None

    def rest(self) -> Measurements | None:
        """What was bought past a row that never came, each mask once."""
        before = set(self._keys[: self._given])
        later = [key for key in self._keys[self._given :] if key in self._found and key not in before]
        return _gather([self._found[key] for key in dict.fromkeys(later)]) if later else None


class _Buying:
    """The calls of `measure` under way; after a stop or an error none is added, and those not sent end."""

    def __init__(self, game: Game, masks: Bools, should_stop: Callable[[], bool]) -> None:
        self._game, self._masks, self._should_stop = game, masks, should_stop
        self._calls: dict[asyncio.Task[Measurements], list[int]] = {}
        self._ended: list[asyncio.Task[Measurements]] = []
        self._wake = asyncio.Event()
        self._stopped = False
        self.error: BaseException | None = None

    @property
    def busy(self) -> bool:
        return bool(self._calls)

    def start(self, batches: Iterator[list[int]]) -> None:
        """As many as may run at once."""
        width = traits_of(self._game).concurrency
        while len(self._calls) < width and not self._stopping():
            if (rows := next(batches, None)) is None:
                return
            # not a coroutine for sure: a game may return any awaitable
            task = asyncio.ensure_future(self._game.measure(self._masks[rows]))
            self._calls[task] = rows
            task.add_done_callback(self._note)

    async def arrived(self) -> list[tuple[list[int], Measurements]]:
        """What has ended since, at least one call unless it is time to look whether to stop."""
        timer = asyncio.get_running_loop().call_later(_LOOK, self._wake.set)
        await self._wake.wait()
        timer.cancel()
        self._wake.clear()
        ended, self._ended = self._ended, []
        found: list[tuple[list[int], Measurements]] = []
        for task in ended:
            rows = self._calls.pop(task)
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            if error is None:
                found.append((rows, task.result()))
            elif not (self._stopped and isinstance(error, CapReached)):
                self.error = self.error or error
        self._stopping()
        return found

    async def end(self) -> None:
        """Waits for what is under way, or cancels it if the game cannot be told to send no more."""
        if self._calls:
            if not self._halt():
                for task in self._calls:
                    task.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    def _note(self, task: asyncio.Task[Measurements]) -> None:
        self._ended.append(task)
        self._wake.set()

    def _stopping(self) -> bool:
        if not self._stopped and (self.error is not None or self._should_stop()):
            self._stopped = True
            self._halt()
        return self._stopped

    def _halt(self) -> bool:
        if not isinstance(self._game, CanHalt):
            return False
        self._game.halt()
        return True


def _batches(masks: Bools, rows: list[int], size: int, width: int) -> Iterator[list[int]]:
    """The rows in batches, in order; if several run at once, each stretch of them sorted.

    Masks that agree on the first players make prompts with a common beginning, which caches of prefixes like
    to get together. Sorting all of them would leave a stopped run without the last players' sides.
    """
    if width > 1:
        stretch = max(width * size, min(_STRETCH, len(rows) // 8))
        rows = [
            row
            for start in range(0, len(rows), stretch)
            for row in _sorted(masks, rows[start : start + stretch])
        ]
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _sorted(masks: Bools, rows: list[int]) -> list[int]:
    order = np.lexsort(masks[rows].T[::-1])
    return [rows[i] for i in order.tolist()]


async def collect(
    game: Game,
    masks: Bools,
    *,
    known: Measurements | None = None,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Measurements:
    """All parts of `sample` as one value; fewer rows than asked, perhaps none, if it was stopped."""
    parts = [
        part
        async for part in sample(game, masks, known=known, on_progress=on_progress, should_stop=should_stop)
    ]
    return join(parts) if parts else nothing(masks.shape[1])


def _rows_of(known: Measurements | None) -> dict[bytes, tuple[Measurements, int]]:
    if known is None:
        return {}
    packed = np.packbits(known.masks, axis=1)
    settled = known.ok | (known.infinite != 0)
    return {packed[i].tobytes(): (known, int(i)) for i in np.flatnonzero(settled)}


def _gather(rows: list[tuple[Measurements, int]]) -> Measurements:
    """Rows in order; neighbours of one source are taken together."""
    parts: list[Measurements] = []
    begin = 0
    for i in range(1, len(rows) + 1):
        if i == len(rows) or rows[i][0] is not rows[begin][0]:
            source, chosen = rows[begin][0], [row for _, row in rows[begin:i]]
            whole = chosen == list(range(len(source)))
            parts.append(source if whole else source.take(np.array(chosen, dtype=np.intp)))
            begin = i
    return parts[0] if len(parts) == 1 else join(parts)
