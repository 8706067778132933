"""How the run of a visitor is stopped from outside: by the Stop button, a newer run, or leaving the page."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from spexapi.page.runs.quota import CountedRun, Quota, Visitor


@dataclass(slots=True)
class StopFlags:
    """A flag for the run of each visitor, one run a visitor; it is raised to end the run.

    quota  what each visitor has asked so far
    """

    quota: Quota = field(default_factory=Quota)
    _flags: dict[str, Event] = field(default_factory=dict[str, Event])

    def begin(self, session: str) -> Event:
        """The flag of a new run; an older run of this session ends."""
        self.stop(session)
        self._flags[session] = Event()
        return self._flags[session]

    @contextmanager
    def run(self, caller: object, calls: int) -> Generator[tuple[Event, CountedRun]]:
        """The flag of a new run, and its entry in the quota.

        caller  Gradio's request

        Raises InputError if the visitor has too many runs or calls already.
        """
        visitor = Visitor.of(caller)
        flag = self.begin(visitor.session)
        with self.quota.run(visitor, calls) as counted:
            yield flag, counted

    def stop(self, session: str) -> None:
        """Ends the run of this session, if there is one."""
        if flag := self._flags.pop(session, None):
            flag.set()
