"""An event loop whose clock jumps to the next thing that is due: an hour passes in a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands while anything can run. Nothing in it may wait for a thread or a socket."""

    _now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self._now = max(self._now, self._scheduled[0]._when)
        super()._run_once()


def in_virtual_time(work: Coroutine[Any, Any, Result]) -> tuple[Result, float]:
    """What the coroutine returns, and the seconds it took."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        found = runner.run(work)
        return found, runner.get_loop().time()
