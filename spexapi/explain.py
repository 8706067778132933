"""The line: a game is measured where the engine asks, the engine fits a spectrum, the spectrum is read as
interactions."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

import numpy as np

from spexapi.engines.base import Engine
from spexapi.errors import BackendError, CapReached, RunningLoopError, SpexError
from spexapi.explanation.explanation import Explanation, read
from spexapi.games.base import Game, Target, traits_of
from spexapi.measure import sample
from spexapi.measurements import Measurements, join, nothing, split
from spexapi.plan import Preview as Preview
from spexapi.plan import Run, audit_masks_beside, audit_masks_of, plan, ready
from spexapi.plan import preview as preview
from spexapi.sampling.usage import Usage

Progress = Callable[[int, int], None]  # masks measured, masks planned
Stop = Callable[[], bool]

SNAPSHOT_GROWTH = (
    1.5  # a new snapshot when this many times more masks are known: fits stay a small part of the time
)


def explain(
    game: Game,
    *,
    engine: str | Engine = "auto",
    budget: int = 256,
    index: str = "fbii",
    max_order: int | None = None,
    seed: int = 0,
    held_out: int = 0,
    on_progress: Progress | None = None,
    should_stop: Stop | None = None,
) -> Explanation:
    """Which combinations of the game's players drive its value.

    engine       a name (see `spexapi plugins`) or an Engine
    budget       how many masks may be newly measured, those of `held_out` included; where the game takes
                 several replies a mask, each counts
    index        how interactions are read: fourier moebius sii stii fsii fbii bii sv bv
    max_order    largest interaction reported; None: 3, for SV and BV 1, for Fourier and Möbius all
    held_out     fresh uniform masks set aside for the audit, beside those that the engine's design reserves
                 (adaptive: max(16, 10%) of the budget); without any, R² is out of fold on the masks paid for
    on_progress  called with (masks measured, masks planned); an engine that has seen enough ends below the
                 plan, and the last call says how many it took
    should_stop  asked between batches; True ends the measuring and explains what is known by then

    Raises InputError (BudgetError with the number that is enough) before anything is paid; BackendError where
    the model cannot be asked, its `partial` the explanation of what was measured by then; NothingMeasured
    where every measurement failed; RunningLoopError inside a running event loop. Cost: at most `budget` model
    calls, and one more where the game's answer must be written first.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RunningLoopError(
            "explain() was called inside a running event loop (a notebook or a server): "
            "write `await spexapi.aexplain(...)` there"
        )
    return asyncio.run(
        aexplain(
            game,
            engine=engine,
            budget=budget,
            index=index,
            max_order=max_order,
            seed=seed,
            held_out=held_out,
            on_progress=on_progress,
            should_stop=should_stop,
        )
    )


async def aexplain(
    game: Game,
    *,
    engine: str | Engine = "auto",
    budget: int = 256,
    index: str = "fbii",
    max_order: int | None = None,
    seed: int = 0,
    held_out: int = 0,
    on_progress: Progress | None = None,
    should_stop: Stop | None = None,
) -> Explanation:
    """explain() for notebooks and servers, with the same arguments and errors."""
    run = plan(game, engine, budget, index, max_order, seed, held_out)
    explanations = [ex async for ex in _stream(run, on_progress, should_stop, snapshots=False)]
    return explanations[-1]


async def astream(
    game: Game,
    *,
    engine: str | Engine = "auto",
    budget: int = 256,
    index: str = "fbii",
    max_order: int | None = None,
    seed: int = 0,
    held_out: int = 0,
    on_progress: Progress | None = None,
    should_stop: Stop | None = None,
    audited: bool = False,
) -> AsyncGenerator[Explanation]:
    """Explanations that sharpen while measurements arrive; the last one is what aexplain() returns.

    audited  snapshots before the last have R² and intervals too, where five refits each are worth the wait

    Other arguments, and errors, of explain(). A snapshot before the last is marked `stopped`. Leaving the
    loop early ends the measuring after the batch in flight.
    """
    run = plan(game, engine, budget, index, max_order, seed, held_out)
    stream = _stream(run, on_progress, should_stop, snapshots=True, audited=audited)
    try:
        async for explanation in stream:
            yield explanation
    finally:
        await stream.aclose()


class _Seen:
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


async def _stream(
    run: Run,
    on_progress: Progress | None,
    should_stop: Stop | None,
    *,
    snapshots: bool,
    audited: bool = False,
) -> AsyncGenerator[Explanation]:
    started, before = time.perf_counter(), run.game.spent
    stop = should_stop or (lambda: False)
    seen, held_out = _Seen(len(run.game.players)), _Seen(len(run.game.players))
    read_at, capped = 8, ""

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(done, max(planned, done))

    def result(*, stopped: bool, audited: bool) -> Explanation:
        asked = (len(seen) + len(held_out)) * run.calls_per_mask
        used = run.game.spent - before
        cost = replace(
            used,
            cached_calls=max(0, asked - used.calls),
            saved_calls=max(0, most - planned) * run.calls_per_mask,
            seconds=time.perf_counter() - started,
        )
        return _read(run, target, seen.all(), held_out.all(), cost, stopped, audited, capped)

    try:
        target = await run.game.prepare()
        run = ready(run)
        allowed = run.recipe.budget - len(run.audit_masks)
        planned = most = min(allowed, max(len(run.design.masks), 1)) + len(run.audit_masks)
        report(0)
        try:
            while not stop() and len(seen) < allowed:
                # in a thread: an adaptive engine fits before it asks again
                left = allowed - len(seen)
                masks = await asyncio.to_thread(run.engine.propose, run.design, seen.all(), left)
                if len(masks) == 0:
                    planned = len(seen) + len(audit_masks_of(run, seen.all()))
                    report(len(seen) + len(held_out))
                    break
                upto = len(seen) + len(masks)
                both = np.concatenate([masks, audit_masks_beside(run, len(seen))])
                async for part in sample(run.game, both, known=seen.all(), should_stop=stop):
                    own, audits = split(part, upto - len(seen))
                    seen.add(own)
                    held_out.add(audits)
                    report(len(seen) + len(held_out))
                    if snapshots and read_at <= len(seen) < planned and seen.all().ok.any():
                        read_at = int(len(seen) * SNAPSHOT_GROWTH)
                        yield await asyncio.to_thread(result, stopped=True, audited=audited)
            fresh = audit_masks_of(run, seen.all())
            if len(fresh) and not len(held_out) and not stop():
                async for part in sample(run.game, fresh, known=seen.all(), should_stop=stop):
                    held_out.add(part)
                    report(len(seen) + len(held_out))
        except CapReached as cap:
            if not seen.all().ok.any():
                raise
            capped = str(cap)
        except BackendError as error:
            capped = str(error)
            if seen.all().ok.any():
                with contextlib.suppress(SpexError):  # too little for this engine: the error itself remains
                    error.partial = await asyncio.to_thread(result, stopped=True, audited=True)
            raise
        complete = not capped and (len(seen) + len(held_out) >= planned or not stop())
        yield await asyncio.to_thread(result, stopped=not complete, audited=True)
    finally:
        await run.game.close()


def _read(
    run: Run,
    target: Target,
    seen: Measurements,
    held_out: Measurements,
    cost: Usage,
    stopped: bool,
    audited: bool,
    capped: str,
) -> Explanation:
    ex = read(
        run.engine,
        run.design,
        join([seen, held_out]),
        players=run.game.players,
        recipe=replace(run.recipe, fitted=len(seen)),
        index=run.index,
        max_order=run.max_order,
        target=target,
        backend=run.game.backend_name,
        cost=cost,
        stopped=stopped,
        stopped_by=capped,
        audited=audited,
    )
    said = (*traits_of(run.game).notes, *([f"stopped: {capped}"] if capped else []))
    return replace(ex, notes=(*ex.notes, *said)) if said else ex
