"""How much each visitor asks: runs at once, and questions to the model within an hour."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from spexapi.errors import InputError

HOUR = 3_600.0  # seconds
SHARING = 8  # visitors who may share one address: a school, an office


@dataclass(frozen=True, slots=True)
class Visitor:
    """session: of one open page, or what a program calls itself; address: where it comes from."""

    session: str = ""
    address: str = ""

    @classmethod
    def of(cls, caller: object) -> Visitor:
        """From Gradio's request; calls without one are all of one visitor."""
        client = getattr(caller, "client", None)
        return cls(str(getattr(caller, "session_hash", None) or ""), str(getattr(client, "host", None) or ""))


@dataclass(slots=True)
class CountedRun:
    """A run in the quota: when it began, the calls it may make or has made, and whether it goes on."""

    began: float
    calls: int
    going: bool = True


@dataclass(slots=True)
class Quota:
    """The runs of the last hour by visitor, in the memory of this process.

    runs   at once in one session
    calls  within an hour in one session
    clock  seconds

    An address has SHARING times as many: a program can give itself a new session each time.
    """

    runs: int = 16
    calls: int = 1_000_000
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, list[CountedRun]] = field(default_factory=dict[str, list[CountedRun]])

    def __len__(self) -> int:
        """How many sessions and addresses are known."""
        return len(self._known)

    @contextmanager
    def run(self, visitor: Visitor, calls: int) -> Generator[CountedRun]:
        """Counts a run of up to `calls` calls. Write the calls it made into it when they are known.

        Raises InputError in words for the visitor.
        """
        self._forget()
        accounts = {f"address {visitor.address}": SHARING}
        if visitor.session:
            accounts[f"session {visitor.session}"] = 1
        for account, times in accounts.items():
            self._admit(self._known.get(account, []), times, calls)
        run = CountedRun(self.clock(), calls)
        for account in accounts:
            self._known.setdefault(account, []).append(run)
        try:
            yield run
        finally:
            run.going = False

    def _admit(self, runs: list[CountedRun], times: int, calls: int) -> None:
        if sum(run.going for run in runs) >= self.runs * times:
            most = self.runs * times
            going = "One run of yours is" if most == 1 else f"{most} runs of yours are"
            raise InputError(
                f"{going} going on, as many as this page allows at once. Wait for one to end, or stop it."
            )
        left = self.calls * times - sum(run.calls for run in runs)
        if calls > left:
            until = HOUR - self.clock() + min((run.began for run in runs), default=self.clock())
            minutes = max(1, round(until / 60))
            raise InputError(
                f"This run may ask the model {calls:,} times, and {max(left, 0):,} of the"
                f" {self.calls * times:,} that this page allows within an hour are left. Ask for fewer,"
                f" or come back in {minutes} minute{'s' * (minutes != 1)}."
            )

    def _forget(self) -> None:
        """Drops runs that ended, and began more than an hour ago."""
        old = self.clock() - HOUR
        for account, runs in list(self._known.items()):
            kept = [run for run in runs if run.going or run.began > old]
            if kept:
                self._known[account] = kept
            else:
                del self._known[account]
