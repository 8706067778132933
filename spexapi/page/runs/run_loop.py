"""What happens between Explain and the result; no component is made here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from threading import Event
from typing import Any, cast

import numpy as np

import spexapi
from spexapi.errors import BackendError, BudgetError, NothingMeasured
from spexapi.games.base import CanHalt, Game, Target, traits_of
from spexapi.measurements import Bools, Measurements, exact_values
from spexapi.page.forms.requests import ExplainOptions
from spexapi.page.runs.visits import Quota, Run, Visitor
from spexapi.plan import plan
from spexapi.verification.budget import ameasured, set_aside
from spexapi.views.svg.drawing import combinations_of

PATIENCE = 1.0  # seconds that calls in flight may take to end by themselves once a run is stopped
CHECKED = 5  # of the strongest combinations are taken apart on the model itself after a run
_FEW = 32  # calls for that where the engine left some and none were set aside
_LOOK = 0.2  # seconds between looks at the stop flag


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the measuring is, in masks; seconds since the first was asked; price so far in US dollars.

    checking  the measuring is done: the strongest combinations are taken apart on the model
    kept      masks of the budget that are set aside for that
    """

    done: int
    planned: int
    seconds: float = 0.0
    price: float | None = None
    checking: bool = False
    kept: int = 0

    @property
    def rate(self) -> float:
        """Masks a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0


@dataclass(slots=True)
class StopFlags:
    """A flag for the run of each visitor, one run a visitor: raised where it shall end.

    visits  what each has asked so far
    """

    visits: Quota = field(default_factory=Quota)
    _flags: dict[str, Event] = field(default_factory=dict[str, Event])

    def begin(self, visitor: str) -> Event:
        """The flag of a new run; an older one of this visitor ends."""
        self.ask(visitor)
        self._flags[visitor] = Event()
        return self._flags[visitor]

    @contextmanager
    def run(self, request: Any, calls: int) -> Generator[tuple[Event, Run]]:
        """The flag and the bill of a new run on the page. Raises InputError where it is one too many."""
        visitor = Visitor.of(request)
        flag = self.begin(visitor.session)
        with self.visits.run(visitor, calls) as bill:
            yield flag, bill

    def ask(self, visitor: str) -> None:
        """Ends the run of this visitor, if there is one."""
        if flag := self._flags.pop(visitor, None):
            flag.set()


Update = Progress | spexapi.Explanation


def shared_out(game: Game, how: ExplainOptions) -> tuple[int, int]:
    """The budget as masks to explain from and masks to check the strongest combinations with.

    None are set aside where all selections can be tried, or where the engine needs the whole budget.
    """
    kept = set_aside(game, CHECKED, how.budget, how.index, None)
    if kept:
        try:
            plan(game, engine=how.engine, budget=how.budget - kept, index=how.index, seed=how.seed)
        except BudgetError:
            kept = 0
    return how.budget - kept, kept


async def ask(
    make: Callable[[], Game], how: ExplainOptions, stop: Event, seconds: float = 3600.0
) -> AsyncIterator[Update]:
    """Progress and ever sharper explanations; the last one is final, its strongest combinations checked.

    make     builds the game, in a thread
    stop     ends the measuring; calls still in flight after PATIENCE are cancelled
    seconds  after which the run stops itself

    Ends the measuring when the visitor leaves. Raises SpexError; where the model's side failed on the way,
    the explanation of what was measured by then comes before the error.
    """
    run = _Run(make, how, stop)
    task = asyncio.create_task(run.work())

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # looked at even where nobody waits any more, else asyncio complains
        run.updates.put_nowait(None)

    task.add_done_callback(ended)
    watch = asyncio.create_task(run.watch(time.monotonic() + seconds, task))
    watching.add(watch)  # asyncio itself keeps only a weak hold on it
    watch.add_done_callback(watching.discard)
    try:
        while (update := await run.updates.get()) is not None:
            if run.updates.empty() or isinstance(update, spexapi.Explanation):
                yield update
        if not task.cancelled():
            with suppress(NothingMeasured) if stop.is_set() else nullcontext():
                await task
    except BackendError as error:
        if error.partial is not None:
            yield error.partial
        raise
    finally:
        run.left = True  # where the page went away, nothing more is asked


watching: set[asyncio.Task[None]] = set()


class _Run:
    """One run in a task of its own, and whoever sees to it that it ends."""

    def __init__(self, make: Callable[[], Game], how: ExplainOptions, stop: Event) -> None:
        self.make, self.how, self.stop = make, how, stop
        self.updates: asyncio.Queue[Update | None] = asyncio.Queue()
        self.game: _Seen | None = None
        self.left = False  # the flag itself is the visitor's: another run may stand under it

    def over(self) -> bool:
        return self.left or self.stop.is_set()

    async def work(self) -> None:
        self.game = _Seen(await asyncio.to_thread(self.make))
        game = cast("Game", self.game)
        started = time.monotonic()

        def report(done: int, planned: int) -> None:
            nonlocal started
            if done == 0:
                started = time.monotonic()  # the model is loaded and the answer written by now
            spent = time.monotonic() - started
            self.updates.put_nowait(Progress(done, planned, spent, game.spent.price, kept=kept))

        budget, kept = await asyncio.to_thread(shared_out, game, self.how)
        last: spexapi.Explanation | None = None
        stream = spexapi.astream(
            game,
            engine=self.how.engine,
            budget=budget,
            index=self.how.index,
            seed=self.how.seed,
            on_progress=report,
            should_stop=self.over,
            audited=True,
        )
        async for last in stream:
            self.updates.put_nowait(last)
        if last is not None and not (last.stopped or last.audit.method == "exact" or self.over()):
            spent = time.monotonic() - started
            seen = len(last.observations)
            self.updates.put_nowait(Progress(seen, seen, spent, game.spent.price, True, kept))
            await self._check(game, last, kept)

    async def _check(self, game: Game, ex: spexapi.Explanation, kept: int) -> None:
        """The strongest combinations, or parts where there are none, measured on the model in the budget."""
        drawn = [combination.players for combination in combinations_of(ex)[0]]
        allowed = min(self.how.budget, ex.cost.calls + (kept or _FEW))
        found, _ = await ameasured(game, ex, CHECKED, allowed, drawn)
        if found.verification is not None and not self.over():
            self.updates.put_nowait(found)

    async def watch(self, deadline: float, task: asyncio.Task[None]) -> None:
        """Raises the flag when the time is over; cancels calls that are still in flight some time after."""
        while not self.over() and not task.done():
            if time.monotonic() > deadline:
                self.stop.set()
            await asyncio.sleep(_LOOK)
        await asyncio.sleep(PATIENCE)
        if self.game is None or self.game.preparing:
            task.cancel()
        elif traits_of(cast("Game", self.game)).concurrency > 1:  # a batch in this process ends by itself
            self.game.cut()


class _Seen:
    """A game whose calls in flight can be given up: their masks come back without a value."""

    def __init__(self, game: Game) -> None:
        self._game, self.preparing = game, False
        self._calls: set[asyncio.Future[Measurements]] = set()
        self._given_up = False
        if isinstance(game, CanHalt):
            self.halt = game.halt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._game, name)

    async def prepare(self) -> Target:
        self.preparing = True
        try:
            return await self._game.prepare()
        finally:
            self.preparing = False

    async def measure(self, masks: Bools) -> Measurements:
        call = asyncio.ensure_future(self._game.measure(masks))
        self._calls.add(call)
        try:
            return await call
        except asyncio.CancelledError:
            if not self._given_up:
                raise
            return exact_values(masks, np.full(len(masks), np.nan), reason=["given up"] * len(masks))
        finally:
            self._calls.discard(call)

    def cut(self) -> None:
        """Gives up what is in flight."""
        self._given_up = True
        for call in self._calls:
            call.cancel()
