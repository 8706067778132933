"""How far a run is: a bar on a terminal, some lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from spexapi.cli.console import err, note


@dataclass(frozen=True, slots=True)
class Work:
    """What a run does, in the words of its messages. first: before anything is measured."""

    doing: str = "scoring"
    things: str = "prompts"
    done: str = "scored"
    first: str = "loading the model"


SCORING = Work()


@contextmanager
def progress(quiet: bool, work: Work) -> Generator[Callable[[int, int], None] | None]:
    """A bar on a terminal, some lines in a log, nothing when quiet."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield _in_a_log(work)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(work.first, total=None)
        yield lambda done, planned: bar.update(
            task,
            completed=done,
            total=planned,
            description="fitting" if done >= planned else f"{work.doing} {work.things}",
        )


def _in_a_log(work: Work) -> Callable[[int, int], None]:
    """A line at the start and one for every tenth that is measured."""
    tenths = 0

    def report(done: int, planned: int) -> None:
        nonlocal tenths
        if done == 0:
            note(f"{work.doing} {planned} {work.things}")
        elif (reached := 10 * done // planned) > tenths and done < planned:
            tenths = reached
            note(f"{done} of {planned} {work.done}")

    return report
