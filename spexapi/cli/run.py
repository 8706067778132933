"""One run on the command line: progress, Ctrl-C, caps, files, and errors as one line."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from spexapi.cli.options import RunOptions
from spexapi.errors import BackendError, BudgetError, InputError, NothingMeasured, SpexError
from spexapi.explain import explain
from spexapi.explanation.explanation import Explanation
from spexapi.games.base import Game
from spexapi.plan import Plan, preview
from spexapi.verification.budget import measured, set_aside

BAD_INPUT, REFUSED, STOPPED = 2, 3, 4
PARTIAL = Path("explanation-partial.json")

out, err = Console(), Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Work:
    """What a run does, in the words of its messages. first: before anything is measured."""

    doing: str = "scoring"
    things: str = "prompts"
    done: str = "scored"
    first: str = "loading the model"


_SCORING = Work()


class FollowUp(Protocol):
    """What a command measures beside the explanation. option: who asks for it, in messages."""

    @property
    def option(self) -> str: ...

    def calls(self, game: Game, allowed: int) -> int:
        """How many of the allowed calls to keep for it. Raises InputError."""
        ...

    def __call__(self, game: Game, ex: Explanation, calls: int) -> Explanation:
        """The explanation with what those calls found."""
        ...


def run(
    build: Callable[[], Game], ask: RunOptions, work: Work = _SCORING, then: FollowUp | None = None
) -> None:
    """The line once, with its progress, its caps and its files."""
    with plain_errors():
        _writable(ask.json, ask.html)
        game = build()
        allowed = ask.budget if ask.max_calls is None else min(ask.budget, ask.max_calls)
        later = then.calls(game, allowed) if then is not None else 0
        kept = later + _for_verify(game, ask, allowed - later)
        wanted = _wanted(ask, allowed - kept)
        with _explaining(kept, allowed, keepers := _keepers(ask, then)):
            planned = preview(game, **wanted)
            if ask.dry_run:
                _say_plan(planned, ask, kept, keepers, work)
                return
            if why := _no_price(planned, ask):  # before the probe is paid
                raise InputError(why)
            if not ask.quiet:
                _say_forecast(planned)
            with _saving(ask), _interruptible() as stop, _progress(ask.quiet, work) as report:
                ex = explain(planned, on_progress=report, should_stop=stop)
        if ask.verify:
            ex = _verified(game, ex, ask, allowed - later)
        capped = allowed < ask.budget and ex.audit.method != "exact" and not ex.cost.saved_calls
        saved = ask.json or (PARTIAL if ex.stopped or capped else None)
        if then is not None:
            if saved is not None:  # what is paid for is safe if this fails
                ex.to_json(saved)
            ex = then(game, ex, later)
        present(ex, saved, ask.html, ask.quiet)
        if ex.stopped or capped:
            _say_stopped(ex, ask, allowed, saved)
            raise typer.Exit(STOPPED)


def _wanted(ask: RunOptions, budget: int) -> dict[str, Any]:
    names = ("engine", "index", "max_order", "seed", "held_out")
    return {"budget": budget, **{name: getattr(ask, name) for name in names}}


def _for_verify(game: Game, ask: RunOptions, allowed: int) -> int:
    return set_aside(game, ask.verify, allowed, ask.index, ask.max_order) if ask.verify else 0


def _keepers(ask: RunOptions, then: FollowUp | None) -> str:
    """The options that keep a part of the calls."""
    return " and ".join(["--verify"] * bool(ask.verify) + ([then.option] if then is not None else []))


def _verified(game: Game, ex: Explanation, ask: RunOptions, allowed: int) -> Explanation:
    """With the strongest interactions measured, unless the run was stopped; says why where they were not."""
    if ex.stopped:
        why = "not verified: the run was stopped"
    else:
        ex, why = measured(game, ex, ask.verify, allowed)
    if why:
        err.print(why, highlight=False, markup=False)
    return ex


def _say_stopped(ex: Explanation, ask: RunOptions, allowed: int, saved: Path | None) -> None:
    why = f"at --max-calls {allowed} of the {ask.budget} asked for"
    if ex.stopped:
        why = f"before the plan was measured{': ' * bool(ex.stopped_by)}{ex.stopped_by}"
    kept = f"{len(ex.observations)} measurements are saved in {saved}"
    err.print(f"stopped {why}; {kept}", highlight=False, markup=False)


@contextmanager
def _saving(ask: RunOptions) -> Generator[None]:
    """What was measured before the model's side failed is saved; the error goes on."""
    try:
        yield
    except BackendError as error:
        if error.partial is not None:
            path = ask.json or PARTIAL
            present(error.partial, path, ask.html, ask.quiet)
            kept = f"{len(error.partial.observations)} measurements are saved in {path}"
            err.print(f"stopped before the plan was measured; {kept}", highlight=False, markup=False)
        raise


@contextmanager
def _explaining(kept: int, allowed: int, keepers: str) -> Generator[None]:
    """A budget that is too small beside what is set aside is told in the user's own numbers."""
    try:
        yield
    except BudgetError as error:
        if not kept:
            raise
        keep = "keep" if " and " in keepers else "keeps"
        raise BudgetError(f"{keepers} {keep} {kept} of the {allowed} calls: {error}") from error


def _no_price(plan: Plan, ask: RunOptions) -> str:
    """Why --max-cost cannot be kept, "" where it can."""
    found = plan.forecast
    if ask.max_cost is None or found is None or not found.paid or found.price is not None:
        return ""
    return (
        f"--max-cost is given, but no price of {ask.backend} is known: give one (--price-in, --price-out),"
        " or cap --max-tokens instead"
    )


def _say_forecast(plan: Plan) -> None:
    """Before anything is paid; a local model costs nothing."""
    if plan.forecast is not None and plan.forecast.paid:
        err.print(f"forecast: {plan.forecast.line}", highlight=False, markup=False, soft_wrap=True)


def _say_plan(plan: Plan, ask: RunOptions, kept: int, keepers: str, work: Work) -> None:
    out.print(
        f"{plan.n_players} players: {', '.join(plan.labels[:8])}{', ...' if plan.n_players > 8 else ''}",
        markup=False,
    )
    would = f"{plan.calls} {work.things} would be {work.done}"
    out.print(f"engine {plan.engine}: {would}", markup=False, highlight=False)
    if kept:
        out.print(f"{kept} more are kept for {keepers}", markup=False, highlight=False)
    for note in plan.notes:
        out.print(f"  {note}", markup=False, highlight=False)
    if plan.forecast is not None:
        out.print(f"forecast: {plan.forecast.line}", markup=False, highlight=False, soft_wrap=True)
        for number, messages in enumerate(plan.forecast.prompts, 1):
            out.print(f"--- prompt {number} ---", markup=False, highlight=False)
            for message in messages:
                out.print(
                    f"[{message.role}] {message.content}", markup=False, highlight=False, soft_wrap=True
                )
        out.print("---", highlight=False)
    if ask.max_cost is not None:
        said = _no_price(plan, ask) or f"stops at {ask.max_cost} US dollars"
        out.print(said, markup=False, highlight=False, soft_wrap=True)
    out.print("nothing was asked", markup=False)


def present(ex: Explanation, json: Path | None, html: Path | None, quiet: bool) -> None:
    if json is not None:
        ex.to_json(json)
    if html is not None:
        ex.to_html(html)
    if quiet:
        return
    from spexapi.views.terminal import show as show_table

    show_table(ex, out)
    for path in (html, json):
        if path is not None:
            out.print(f"wrote {path}", highlight=False, markup=False)


def _writable(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path} cannot be written: there is no folder {path.parent}; make it first")


@contextmanager
def plain_errors() -> Generator[None]:
    """Our own errors as one line and an exit code; a traceback only for mistakes of ours."""
    try:
        yield
    except SpexError as error:
        err.print(f"spexapi: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        code = BAD_INPUT if isinstance(error, InputError) else REFUSED
        raise typer.Exit(code) from error
    except KeyboardInterrupt as error:
        err.print("stopped; nothing had been measured that could be saved", highlight=False)
        raise typer.Exit(130) from error


@contextmanager
def _interruptible() -> Generator[Callable[[], bool]]:
    """Ctrl-C ends the measuring after the batch in flight and keeps what is there; a second one drops it."""
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        err.print(
            "stopping after the batch in flight; press Ctrl-C again to drop everything", highlight=False
        )

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    except NothingMeasured:
        if pressed:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress(quiet: bool, work: Work) -> Generator[Callable[[int, int], None] | None]:
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
            err.print(f"{work.doing} {planned} {work.things}", highlight=False)
        elif (reached := 10 * done // planned) > tenths and done < planned:
            tenths = reached
            err.print(f"{done} of {planned} {work.done}", highlight=False)

    return report
