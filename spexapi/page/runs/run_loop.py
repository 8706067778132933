"""What happens between Explain and the result; no component is made here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, nullcontext, suppress
from dataclasses import dataclass, replace
from threading import Event

import spexapi
from spexapi.errors import BackendError, NothingMeasured
from spexapi.games.base import Game, traits_of
from spexapi.page.requests.request import ExplainOptions, RunRequest
from spexapi.page.runs.cancellable import CancellableGame
from spexapi.page.runs.failures import how_to_go_on
from spexapi.page.runs.forecast import learn
from spexapi.page.runs.planned_run import CHECKED, planned
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.site import Site
from spexapi.verification.budget import ameasured
from spexapi.views.presentation import Presentation

PATIENCE = 1.0  # seconds that calls in flight may take to end by themselves after a run is stopped
_FEW = 32  # calls for the checks if the engine left some and none were set aside
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


Update = Progress | spexapi.Explanation


async def results(
    request: RunRequest,
    key: str,
    site: Site,
    stop: Event,
    *,
    title: str = "everything",
    above: SessionResult | None = None,
) -> AsyncGenerator[Progress | SessionResult]:
    """Progress, and results that sharpen; the last result is `done`. No result if stopped before any.

    title, above  of the results

    Raises any error that came before the first result. One that came later is told in the last result.
    """
    last: SessionResult | None = None
    kept = 0
    try:
        found = updates(lambda: request.game(site, key), request.options, stop, site.limits.seconds)
        async with aclosing(found):
            async for update in found:
                if isinstance(update, Progress):
                    kept = update.kept
                    yield update
                else:
                    last = SessionResult(request, update, update, title, above, kept, done=False)
                    yield last
    except Exception as error:  # told next to what was measured by then
        if last is None:
            raise
        last = replace(last, ended=how_to_go_on(error, site))
    if last is not None:
        if not last.ended:
            learn(request, last.whole.cost)
        yield replace(last, done=True)


async def updates(
    make: Callable[[], Game], options: ExplainOptions, stop: Event, seconds: float = 3600.0
) -> AsyncGenerator[Update]:
    """Progress and ever sharper explanations; the last one is final, its strongest combinations checked.

    make     builds the game, in a thread
    stop     ends the measuring; calls still in flight after PATIENCE are cancelled
    seconds  after which the run stops itself

    Ends the measuring when the visitor leaves. Raises SpexError; if the model's side failed on the way, the
    explanation of what was measured by then comes before the error.
    """
    run = _Run(make, options, stop)
    task = asyncio.create_task(run.work())
    task.add_done_callback(run.ended)
    watch = asyncio.create_task(run.watch(time.monotonic() + seconds, task))
    _watching.add(watch)  # asyncio itself keeps only a weak reference to it
    watch.add_done_callback(_watching.discard)
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
        run.left = True  # the page may have gone away: nothing more is asked


_watching: set[asyncio.Task[None]] = set()


class _Run:
    """One run: `work` in a task of its own, and `watch`, which makes sure that it ends."""

    def __init__(self, make: Callable[[], Game], options: ExplainOptions, stop: Event) -> None:
        self.make, self.options, self.stop = make, options, stop
        self.updates: asyncio.Queue[Update | None] = asyncio.Queue()
        self.cancellable: CancellableGame | None = None
        self.left = False  # the flag itself is the visitor's: another run may stand under it
        self.kept = 0
        self.started = time.monotonic()

    def over(self) -> bool:
        return self.left or self.stop.is_set()

    def ended(self, task: asyncio.Task[None]) -> None:
        """Closes the queue when the work has ended."""
        if not task.cancelled():
            task.exception()  # asyncio complains about an error that no one has looked at
        self.updates.put_nowait(None)

    async def work(self) -> None:
        self.cancellable = CancellableGame(await asyncio.to_thread(self.make))
        game = self.cancellable.as_game
        run = await asyncio.to_thread(planned, game, self.options)
        self.kept = run.kept
        last: spexapi.Explanation | None = None
        stream = spexapi.astream(
            run.plan,
            on_progress=lambda done, planned: self._report(game, done, planned),
            should_stop=self.over,
            audited=True,
        )
        async for last in stream:
            self.updates.put_nowait(last)
        if last is not None and not (last.stopped or last.audit.method == "exact" or self.over()):
            seen = len(last.observations)
            self._report(game, seen, seen, checking=True)
            await self._check(game, last)

    def _report(self, game: Game, done: int, planned: int, *, checking: bool = False) -> None:
        if done == 0:
            self.started = time.monotonic()  # the model is loaded and the answer written by now
        seconds = time.monotonic() - self.started
        self.updates.put_nowait(Progress(done, planned, seconds, game.spent.price, checking, self.kept))

    async def _check(self, game: Game, ex: spexapi.Explanation) -> None:
        """The strongest combinations, or parts if there are none, measured on the model in the budget."""
        drawn = [combination.players for combination in Presentation(ex).combinations]
        allowed = min(self.options.budget, ex.cost.calls + (self.kept or _FEW))
        found, _ = await ameasured(game, ex, CHECKED, allowed, drawn)
        if found.verification is not None and not self.over():
            self.updates.put_nowait(found)

    async def watch(self, deadline: float, task: asyncio.Task[None]) -> None:
        """Raises the flag when the time is over; cancels calls that are still in flight after PATIENCE."""
        while not self.over() and not task.done():
            if time.monotonic() > deadline:
                self.stop.set()
            await asyncio.sleep(_LOOK)
        await asyncio.sleep(PATIENCE)
        if self.cancellable is None or self.cancellable.preparing:
            task.cancel()
        elif traits_of(self.cancellable.as_game).concurrency > 1:  # a batch in this process ends by itself
            self.cancellable.cut()
