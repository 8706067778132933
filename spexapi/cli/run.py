"""One run on the command line: plan, forecast, explain, verify, save."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import typer

from spexapi.cli.console import STOPPED, interruptible, note, plain_errors
from spexapi.cli.forecast import no_price, say_forecast, say_plan, say_unknown
from spexapi.cli.options import RunOptions
from spexapi.cli.progress import SCORING, Work, progress
from spexapi.cli.saving import PARTIAL, check_writable, present, saving_partial, say_stopped
from spexapi.errors import BudgetError, InputError
from spexapi.explain import explain
from spexapi.explanation.explanation import Explanation
from spexapi.games.base import Game
from spexapi.plan import Plan, preview
from spexapi.verification.budget import measured, set_aside


class FollowUp(Protocol):
    """What a command measures after the explanation. option: who asks for it, in messages."""

    @property
    def option(self) -> str: ...

    def calls(self, game: Game, allowed: int) -> int:
        """How many of the allowed calls to keep for it. Raises InputError."""
        ...

    def __call__(self, game: Game, ex: Explanation, calls: int) -> Explanation:
        """The explanation with what those calls found."""
        ...


@dataclass(frozen=True, slots=True)
class Shares:
    """The calls that a run may make, and what part of them is kept for later.

    allowed  in all
    verify   for --verify, follow_up for the command's own; keepers: the options that keep them
    """

    allowed: int
    verify: int
    follow_up: int
    keepers: str

    @classmethod
    def of(cls, game: Game, ask: RunOptions, then: FollowUp | None) -> Shares:
        """Raises InputError if the follow-up does not fit the game."""
        allowed = ask.budget if ask.max_calls is None else min(ask.budget, ask.max_calls)
        follow_up = then.calls(game, allowed) if then is not None else 0
        left = allowed - follow_up
        verify = set_aside(game, ask.verify, left, ask.index, ask.max_order) if ask.verify else 0
        keepers = ["--verify"] * bool(ask.verify) + ([then.option] if then is not None else [])
        return cls(allowed, verify, follow_up, " and ".join(keepers))

    @property
    def kept(self) -> int:
        return self.verify + self.follow_up

    @contextmanager
    def told(self) -> Generator[None]:
        """A budget that is too small without what is kept is told in the user's own numbers."""
        try:
            yield
        except BudgetError as error:
            if not self.kept:
                raise
            keep = "keep" if " and " in self.keepers else "keeps"
            raise BudgetError(
                f"{self.keepers} {keep} {self.kept} of the {self.allowed} calls: {error}"
            ) from error


def run(
    build: Callable[[], Game], ask: RunOptions, work: Work = SCORING, then: FollowUp | None = None
) -> None:
    """The line once, with its progress, its caps and its files."""
    with plain_errors():
        check_writable(ask.json, ask.html)
        game = build()
        shares = Shares.of(game, ask, then)
        with shares.told():
            plan = _planned(game, ask, shares.allowed - shares.kept)
            say_unknown(game)
            if ask.dry_run:
                say_plan(plan, ask, shares.kept, shares.keepers, work)
                return
            if why := no_price(plan, ask):  # before the probe is paid
                raise InputError(why)
            if not ask.quiet:
                say_forecast(plan)
            with saving_partial(ask), interruptible() as stop, progress(ask.quiet, work) as report:
                ex = explain(plan, on_progress=report, should_stop=stop)
        if ask.verify:
            ex = _verified(game, ex, ask, shares.allowed - shares.follow_up)
        capped = shares.allowed < ask.budget and ex.audit.method != "exact" and not ex.cost.saved_calls
        saved = ask.json or (PARTIAL if ex.stopped or capped else None)
        if then is not None:
            if saved is not None:  # what is paid for is safe if this fails
                ex.to_json(saved)
            ex = then(game, ex, shares.follow_up)
        present(ex, saved, ask.html, ask.quiet)
        if ex.stopped or capped:
            say_stopped(ex, ask, shares.allowed, saved)
            raise typer.Exit(STOPPED)


def _planned(game: Game, ask: RunOptions, budget: int) -> Plan:
    return preview(
        game,
        engine=ask.engine,
        budget=budget,
        index=ask.index,
        max_order=ask.max_order,
        seed=ask.seed,
        held_out=ask.held_out,
        claims=ask.claims,
        writes=ask.writes,
    )


def _verified(game: Game, ex: Explanation, ask: RunOptions, allowed: int) -> Explanation:
    """With the strongest interactions measured, unless the run was stopped; says why if they are not."""
    if ex.stopped:
        why = "not verified: the run was stopped"
    else:
        ex, why = measured(game, ex, ask.verify, allowed)
    if why:
        note(why)
    return ex
