"""The line: a game is measured where the engine asks, the engine fits a spectrum, the spectrum is read as
interactions."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar, Unpack

import numpy as np

from spexapi.errors import BackendError, CapReached, InputError, RunningLoopError, SpexError
from spexapi.explanation.explanation import Explanation, read
from spexapi.games.base import Game, Target, traits_of
from spexapi.measure import sample
from spexapi.measurements import Bools, Measurements, join, nothing, split
from spexapi.plan import Plan, PlanOptions, plan, ready, shows_options
from spexapi.sampling.usage import Usage

Progress = Callable[[int, int], None]  # masks measured, masks planned
Stop = Callable[[], bool]
Result = TypeVar("Result")

_FIRST_SNAPSHOT = 8  # masks
# A new snapshot when this many times more masks are known: fits stay a small part of the time.
_SNAPSHOT_GROWTH = 1.5


@shows_options
def explain(
    game: Game | Plan,
    *,
    on_progress: Progress | None = None,
    should_stop: Stop | None = None,
    **options: Unpack[PlanOptions],
) -> Explanation:
    """Which combinations of the game's players drive its value.

    game         a game, or the plan that spexapi.preview() made of one: it is run as it was shown, and no
                 option below `game` but on_progress and should_stop is given with it
    engine       a name (see `spexapi plugins`) or an Engine
    budget       how many masks may be newly measured, those of `held_out` included; if the game takes
                 several replies a mask, each counts
    index        how interactions are read: fourier moebius sii stii fsii fbii bii sv bv. FBII is the default
                 because its values are the best fit (least squares) to all masks alike, and so say what any
                 selection would do; Shapley values (sv) weigh masks by their size instead, so that the single
                 players' values add up to the difference between everything and nothing kept
    max_order    largest interaction reported; None: 3, for SV and BV 1, for Fourier and Möbius all
    seed         of the masks; the same seed asks the same masks
    held_out     fresh uniform masks for the audit, besides those that the engine's design reserves
                 (adaptive: max(16, 10%) of the budget); without any, R² is out of fold on the masks paid for
    on_progress  called with (masks measured, masks planned); an engine that has seen enough ends below the
                 plan, and the last call says how many it took
    should_stop  asked between batches; True ends the measuring and explains what is known by then

    Raises InputError (BudgetError with the number that is enough) before anything is paid; BackendError if
    the model cannot be asked, its `partial` the explanation of what was measured by then; NothingMeasured
    if every measurement failed; RunningLoopError inside a running event loop. Cost: up to `budget` model
    calls, and one more if the game's answer must be written first.
    """
    work = aexplain(game, on_progress=on_progress, should_stop=should_stop, **options)
    return in_one_loop("explain", work)


@shows_options
async def aexplain(
    game: Game | Plan,
    *,
    on_progress: Progress | None = None,
    should_stop: Stop | None = None,
    **options: Unpack[PlanOptions],
) -> Explanation:
    """explain() for notebooks and servers, with the same arguments and errors."""
    run = _Run(_planned(game, options), on_progress, should_stop)
    return [explanation async for explanation in _explained(run)][-1]


@shows_options
async def astream(
    game: Game | Plan,
    *,
    on_progress: Progress | None = None,
    should_stop: Stop | None = None,
    audited: bool = False,
    **options: Unpack[PlanOptions],
) -> AsyncGenerator[Explanation]:
    """Explanations that sharpen while measurements arrive; the last one is what aexplain() returns.

    audited  snapshots before the last have R² and intervals too, at the price of five refits each

    Other arguments, and errors, of explain(). A snapshot before the last is marked `stopped`. Leaving the
    loop early ends the measuring after the batch in flight.
    """
    run = _Run(_planned(game, options), on_progress, should_stop)
    async with contextlib.aclosing(_explained(run, snapshots=True, audited=audited)) as explanations:
        async for explanation in explanations:
            yield explanation


def in_one_loop(name: str, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine, for the plain function of that name. Raises RunningLoopError."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    work.close()
    raise RunningLoopError(
        f"{name}() was called inside a running event loop (a notebook or a server): "
        f"write `await spexapi.a{name}(...)` there"
    )


def _planned(game: Game | Plan, options: PlanOptions) -> Plan:
    if not isinstance(game, Plan):
        return plan(game, **options)
    if options:
        given = ", ".join(f"{name}=" for name in options)
        raise InputError(
            f"{given} given together with a plan, which has its own: explain the plan as it is, or give"
            " spexapi.preview() the game and other options"
        )
    return game


async def _explained(
    run: _Run, *, snapshots: bool = False, audited: bool = False
) -> AsyncGenerator[Explanation]:
    """The explanation of a run, and before it, if they are wanted, those of what is measured so far."""
    try:
        await run.prepare()
        try:
            async with contextlib.aclosing(_measured(run)) as parts:
                async for _ in parts:
                    if snapshots and run.is_sharper():
                        yield await asyncio.to_thread(run.read, stopped=True, audited=audited)
        except CapReached as cap:
            if not run.has_values:
                raise
            run.stopped_by = str(cap)
        except BackendError as error:
            run.stopped_by = str(error)
            if run.has_values:
                with contextlib.suppress(SpexError):  # too little for this engine: the error itself remains
                    error.partial = await asyncio.to_thread(run.read, stopped=True)
            raise
        yield await asyncio.to_thread(run.read, stopped=not run.is_complete())
    finally:
        await run.game.close()


async def _measured(run: _Run) -> AsyncGenerator[None]:
    """Measures what the engine asks for, then what the audit does; a step for each part that arrived."""
    made, seen = run.plan, run.seen
    while not run.should_stop() and len(seen) < made.fitted_masks:
        # in a thread: an adaptive engine fits before it asks again
        left = made.fitted_masks - len(seen)
        asked = await asyncio.to_thread(made.fitted_by.propose, made.design, seen.all(), left)
        if not len(asked):
            run.engine_is_done()
            break
        upto = len(seen) + len(asked)
        masks = asked if len(seen) else np.concatenate([asked, made.audit_at_first()])
        async with run.measuring(masks) as parts:
            async for part in parts:
                run.add(*split(part, upto - len(seen)))
                yield
    fresh = made.audit_after(seen.all())
    if len(fresh) and not len(run.held_out) and not run.should_stop():
        async with run.measuring(fresh) as parts:
            async for part in parts:
                run.add(nothing(made.n_players), part)
                yield


class _Rows:
    """Measurements as they come, joined when they are looked at."""

    def __init__(self, n_players: int) -> None:
        self._parts = [nothing(n_players)]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, part: Measurements) -> None:
        self._parts.append(part)
        self._count += len(part)

    def all(self) -> Measurements:
        self._parts = [join(self._parts)]
        return self._parts[0]


class _Run:
    """A plan under way: what is measured of it so far, and what that took.

    seen, held_out   what the engine asked for, and the audit
    planned, at_most masks to measure as is known now, and as it was known at first
    stopped_by       the cap or the error that ended it
    """

    def __init__(self, made: Plan, on_progress: Progress | None, should_stop: Stop | None) -> None:
        self.plan, self.game = made, made.game
        self.should_stop = should_stop or (lambda: False)
        self.seen, self.held_out = _Rows(made.n_players), _Rows(made.n_players)
        self.planned = self.at_most = 0
        self.stopped_by = ""
        self._target = Target()
        self._on_progress = on_progress
        self._snapshot_at = _FIRST_SNAPSHOT
        self._started, self._before = time.perf_counter(), made.game.spent

    async def prepare(self) -> None:
        """Prepares the game, which may then take more replies a mask than was planned."""
        self._target = await self.game.prepare()
        made = self.plan = ready(self.plan)
        first = min(made.fitted_masks, max(len(made.design.masks), 1))
        self.planned = self.at_most = first + len(made.audit_masks)
        self._report()

    @property
    def count(self) -> int:
        return len(self.seen) + len(self.held_out)

    @property
    def has_values(self) -> bool:
        return bool(self.seen.all().ok.any())

    def measuring(self, masks: Bools) -> contextlib.aclosing[AsyncGenerator[Measurements]]:
        """The parts of the measurements of these masks, as they arrive; those known are not asked again."""
        return contextlib.aclosing(
            sample(self.game, masks, known=self.seen.all(), should_stop=self.should_stop)
        )

    def add(self, own: Measurements, audits: Measurements) -> None:
        self.seen.add(own)
        self.held_out.add(audits)
        self._report()

    def engine_is_done(self) -> None:
        """The engine has seen enough: only the audit's masks are left."""
        self.planned = len(self.seen) + len(self.plan.audit_after(self.seen.all()))
        self._report()

    def is_sharper(self) -> bool:
        """Whether enough more is known than at the last snapshot."""
        if not self._snapshot_at <= len(self.seen) < self.planned or not self.has_values:
            return False
        self._snapshot_at = int(len(self.seen) * _SNAPSHOT_GROWTH)
        return True

    def is_complete(self) -> bool:
        return not self.stopped_by and (self.count >= self.planned or not self.should_stop())

    def read(self, *, stopped: bool, audited: bool = True) -> Explanation:
        """The engine fits a spectrum to what is measured, and it is read as interactions."""
        made = self.plan
        ex = read(
            made.fitted_by,
            made.design,
            join([self.seen.all(), self.held_out.all()]),
            players=self.game.players,
            recipe=replace(made.recipe, fitted=len(self.seen)),
            index=made.index,
            max_order=made.max_order,
            target=self._target,
            backend=self.game.backend_name,
            cost=self._cost(),
            stopped=stopped,
            stopped_by=self.stopped_by,
            audited=audited,
        )
        said = [made.changed, *traits_of(self.game).notes, self.stopped_by and f"stopped: {self.stopped_by}"]
        return replace(ex, notes=(*ex.notes, *filter(None, said)))

    def _cost(self) -> Usage:
        used, each = self.game.spent - self._before, self.plan.calls_per_mask
        return replace(
            used,
            cached_calls=max(0, self.count * each - used.calls),
            saved_calls=max(0, self.at_most - self.planned) * each,
            seconds=time.perf_counter() - self._started,
        )

    def _report(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.count, max(self.planned, self.count))
