"""How much each visitor asks: runs at once, and questions to the model within an hour."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from spexapi.errors import InputError

HOUR = 3_600.0  # seconds
BEHIND_ONE_ADDRESS = 8  # visitors who may share one: a school, an office


@dataclass(frozen=True, slots=True)
class Visitor:
    """session: of one open page, or what a program calls itself; address: where it comes from."""

    session: str = ""
    address: str = ""

    @classmethod
    def of(cls, request: Any) -> Visitor:
        """From gradio's request; calls without one are all of one visitor."""
        client = getattr(request, "client", None)
        return cls(
            str(getattr(request, "session_hash", None) or ""), str(getattr(client, "host", None) or "")
        )


@dataclass(slots=True)
class Run:
    """One run: when it began, the questions it may ask or has asked, and whether it goes on."""

    began: float
    calls: int
    going: bool = True


@dataclass(slots=True)
class Quota:
    """The runs of the last hour by visitor, in the memory of this process.

    runs   at once in one session; calls: within an hour. An address has BEHIND_ONE_ADDRESS times as many: a
           program can call itself anew each time
    clock  seconds
    """

    runs: int = 16
    calls: int = 1_000_000
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, list[Run]] = field(default_factory=dict[str, list[Run]])

    @contextmanager
    def run(self, visitor: Visitor, calls: int) -> Generator[Run]:
        """A run of at most so many calls; who knows how many it took writes them into it.

        Raises InputError in words for the visitor.
        """
        self._forget()
        accounts = {f"address {visitor.address}": BEHIND_ONE_ADDRESS}
        if visitor.session:
            accounts[f"session {visitor.session}"] = 1
        for account, times in accounts.items():
            self._admit(self._known.get(account, []), times, calls)
        run = Run(self.clock(), calls)
        for account in accounts:
            self._known.setdefault(account, []).append(run)
        try:
            yield run
        finally:
            run.going = False

    def _admit(self, runs: list[Run], times: int, calls: int) -> None:
        if sum(run.going for run in runs) >= self.runs * times:
            raise InputError(
                f"{self.runs * times} runs of yours are going on, as many as this page allows at once. Wait"
                " for one to end, or stop it."
            )
        left = self.calls * times - sum(run.calls for run in runs)
        if calls > left:
            until = HOUR - self.clock() + min((run.began for run in runs), default=self.clock())
            raise InputError(
                f"This run may ask the model {calls:,} times, and {max(left, 0):,} of the"
                f" {self.calls * times:,} that this page allows within an hour are left. Lower the budget, or"
                f" come back in {max(1, round(until / 60))} minutes."
            )

    def _forget(self) -> None:
        """Runs that ended, and began more than an hour ago."""
        old = self.clock() - HOUR
        for account, runs in list(self._known.items()):
            kept = [run for run in runs if run.going or run.began > old]
            if kept:
                self._known[account] = kept
            else:
                del self._known[account]
