"""A game whose values come from the user's own function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np

from spexapi.errors import InputError
from spexapi.games.base import Player, Target
from spexapi.measurements import Bools, Floats, Measurements, exact_values
from spexapi.sampling.usage import Usage

ValueFunction = Callable[[Bools], object]


class FunctionGame:
    """Players and any function of which of them are kept.

    value_function  (m, n) bool, True = kept -> (m,) float, higher = more of what is explained; plain or
                    async. A plain one runs in a worker thread, one call at a time. NaN marks a mask that
                    failed; what it raises ends the run
    players         how many, or their labels
    batch           masks in one call: a run can be stopped, and shows progress, between calls
    """

    def __init__(
        self, value_function: ValueFunction, players: int | Sequence[str | Player], *, batch: int = 256
    ) -> None:
        if not callable(value_function):
            raise InputError(
                f"value_function must be a function of masks, got {type(value_function).__name__}"
            )
        if batch < 1:
            raise InputError(f"batch must be 1 or more, got {batch}")
        self._function = value_function
        self._players = _to_players(players)
        self._batch = batch
        self._spent = Usage()
        self._worker: ThreadPoolExecutor | None = None

    @property
    def players(self) -> tuple[Player, ...]:
        return self._players

    @property
    def batch(self) -> int:
        return self._batch

    @property
    def backend_name(self) -> str:
        return ""

    @property
    def spent(self) -> Usage:
        return self._spent

    async def prepare(self) -> Target:
        return Target(kind="function", score="value")

    async def measure(self, masks: Bools) -> Measurements:
        """(m, n) bool -> one value a mask. Raises InputError if the function returns something else."""
        if masks.shape[1] != len(self._players):
            raise InputError(
                f"masks have {masks.shape[1]} columns, the game has {len(self._players)} players"
            )
        # The function gets its own copy: user code that writes into it cannot change what was asked.
        returned = await self._call(np.array(masks, dtype=np.bool_))
        values = _checked(returned, len(masks), len(self._players))
        self._spent += Usage(calls=len(masks))
        return exact_values(masks, values)

    async def close(self) -> None:
        if self._worker is not None:
            self._worker.shutdown(wait=False)
            self._worker = None

    async def _call(self, masks: Bools) -> object:
        call = getattr(self._function, "__call__", None)  # noqa: B004 - an object with an async __call__
        if inspect.iscoroutinefunction(self._function) or inspect.iscoroutinefunction(call):
            return await cast("Awaitable[object]", self._function(masks))
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="spexapi-values")
        returned = await asyncio.get_running_loop().run_in_executor(self._worker, self._function, masks)
        return await cast("Awaitable[object]", returned) if inspect.isawaitable(returned) else returned


def _to_players(players: int | Sequence[str | Player]) -> tuple[Player, ...]:
    if isinstance(players, bool | str):
        raise InputError(f"players must be a number or a list of labels, got {players!r}")
    if isinstance(players, (int, np.integer)):
        found = tuple(Player(f"player {i}") for i in range(int(players)))
    else:
        found = tuple(p if isinstance(p, Player) else Player(str(p)) for p in players)
    if len(found) < 2:
        raise InputError(f"a game needs at least 2 players to remove, got {len(found)}")
    return found


def _checked(returned: object, m: int, n: int) -> Floats:
    needed = f"value_function must return shape ({m},), one number a mask, for masks of shape ({m}, {n})"
    try:
        values = np.asarray(returned)
    except ValueError:
        raise InputError(f"{needed}; it returned rows of different lengths") from None
    if values.shape != (m,):
        shown = f"shape {values.shape}" if returned is not None else "None"
        raise InputError(f"{needed}; it returned {shown}")
    if values.dtype.kind not in "fiub":
        raise InputError(f"{needed} of real numbers; it returned dtype {values.dtype}")
    return values.astype(np.float64)
