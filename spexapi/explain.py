"""The line: a game is measured where the engine asks, the engine fits a spectrum, the spectrum is read as
interactions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace

import numpy as np

from spexapi.engines.base import Design, Engine
from spexapi.engines.registry import find_engine
from spexapi.errors import BudgetError, InputError, RunningLoopError
from spexapi.explanation import Cost, Explanation, Recipe, options_of, read
from spexapi.games.base import Game, Spent, Target
from spexapi.indices import check_index
from spexapi.masks import uniform_masks
from spexapi.measurements import Bools, Measurements, join, nothing
from spexapi.sampling.sampler import sample

Progress = Callable[[int, int], None]  # masks measured, masks planned
Stop = Callable[[], bool]

SNAPSHOT_GROWTH = (
    1.5  # a new snapshot when this many times more masks are known: fits stay a small part of the time
)


@dataclass(frozen=True, slots=True)
class _Run:
    """What was asked for, checked; nothing has been paid for yet."""

    game: Game
    engine: Engine
    design: Design
    recipe: Recipe
    index: str
    max_order: int | None
    audit_masks: Bools


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
    budget       how many masks may be newly measured, those of `held_out` included
    index        how interactions are read: fourier moebius sii stii fsii fbii bii sv bv
    max_order    largest interaction reported; None: 3, for SV and BV 1, for Fourier and Möbius all
    held_out     fresh uniform masks set aside for the audit, beside those that the engine's design reserves
                 (adaptive: max(16, 10%) of the budget); without any, R² is out of fold on the masks paid for
    on_progress  called with (masks measured, masks planned); an engine that has seen enough ends below the
                 plan, and the last call says how many it took
    should_stop  asked between batches; True ends the measuring and explains what is known by then

    Raises InputError (BudgetError with the number that is enough) before anything is paid; BackendError where
    the model cannot be asked; NothingMeasured where every measurement failed; RunningLoopError inside a
    running event loop. Cost: at most `budget` model calls, and one more where the game's answer must be
    written first.
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
    run = _plan(game, engine, budget, index, max_order, seed, held_out)
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
) -> AsyncGenerator[Explanation]:
    """Explanations that sharpen while measurements arrive; the last one is what aexplain() returns.

    Arguments and errors of explain(). A snapshot before the last is marked `stopped` and has no R². Leaving
    the loop early ends the measuring after the batch in flight.
    """
    run = _plan(game, engine, budget, index, max_order, seed, held_out)
    stream = _stream(run, on_progress, should_stop, snapshots=True)
    try:
        async for explanation in stream:
            yield explanation
    finally:
        await stream.aclose()


def _plan(
    game: Game, engine: str | Engine, budget: int, index: str, max_order: int | None, seed: int, held_out: int
) -> _Run:
    """Everything that can be refused without asking the model."""
    found = find_engine(engine)
    n = len(game.players)
    if n < 2:
        raise InputError(
            f"the game has {n} player{'s' * (n != 1)}: at least 2 are needed to speak of combinations"
        )
    index, max_order = check_index(index, max_order, n)
    if isinstance(budget, bool) or not isinstance(budget, (int, np.integer)) or budget < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BudgetError(f"the budget is {budget!r}: it must be a whole number of masks, at least 1")
    if not 0 <= held_out < budget:
        raise BudgetError(
            f"held_out={held_out} of a budget of {budget}: give a number from 0 to {budget - 1}"
        )
    design = found.plan(n, int(budget) - held_out, np.random.default_rng(seed))
    recipe = Recipe(
        found.name, int(budget), seed, held_out, options=options_of(found), uniform=design.uniform
    )
    audit_masks = np.zeros((0, n), dtype=np.bool_)
    if not design.exact:
        fresh = np.random.default_rng([seed, 1])
        audit_masks = uniform_masks(n, held_out + design.reserve, fresh, exclude=design.masks)
    return _Run(game, found, design, recipe, index, max_order, audit_masks)


def _audit_masks(run: _Run, seen: Measurements) -> Bools:
    """The planned ones; for a design of all masks that ended early, its reserve from those that are left."""
    if not (run.design.exact and run.design.reserve):
        return run.audit_masks
    count = min(run.design.reserve, run.recipe.budget - len(seen))
    return uniform_masks(
        seen.n_players, count, np.random.default_rng([run.recipe.seed, 1]), exclude=seen.masks
    )


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would ask, before it asks anything.

    calls   masks that would be scored, the audit's included; generating an answer comes on top
    tokens  estimate of what the model would read, None where the game cannot know
    """

    n_players: int
    labels: tuple[str, ...]
    engine: str
    calls: int
    tokens: int | None
    notes: tuple[str, ...]


def preview(
    game: Game,
    *,
    engine: str | Engine = "auto",
    budget: int = 256,
    index: str = "fbii",
    max_order: int | None = None,
    seed: int = 0,
    held_out: int = 0,
) -> Preview:
    """Checks a run as explain() would and says what it would cost; asks nothing. Raises InputError."""
    run = _plan(game, engine, budget, index, max_order, seed, held_out)
    masks = run.design.masks if len(run.design.masks) else run.audit_masks
    calls = min(run.recipe.budget - len(run.audit_masks), len(run.design.masks)) + len(run.audit_masks)
    estimate = getattr(game, "estimate_tokens", None)
    return Preview(
        n_players=len(game.players),
        labels=tuple(p.label for p in game.players),
        engine=run.recipe.engine,
        calls=calls,
        tokens=int(estimate(masks)) if estimate is not None else None,
        notes=run.design.notes,
    )


async def _stream(
    run: _Run, on_progress: Progress | None, should_stop: Stop | None, *, snapshots: bool
) -> AsyncGenerator[Explanation]:
    started, before = time.perf_counter(), run.game.spent
    allowed = run.recipe.budget - len(run.audit_masks)
    planned = most = min(allowed, max(len(run.design.masks), 1)) + len(run.audit_masks)
    stop = should_stop or (lambda: False)
    seen, held_out = nothing(len(run.game.players)), nothing(len(run.game.players))
    read_at = 8

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(done, max(planned, done))

    def result(*, stopped: bool, audited: bool) -> Explanation:
        cost = _cost(before, run.game.spent, len(seen) + len(held_out), time.perf_counter() - started)
        cost = replace(cost, saved_calls=max(0, most - planned))
        return _read(run, target, seen, held_out, cost, stopped, audited)

    try:
        target = await run.game.prepare()
        report(0)
        while not stop() and len(seen) < allowed:
            # in a thread: an adaptive engine fits before it asks again
            masks = await asyncio.to_thread(run.engine.propose, run.design, seen, allowed - len(seen))
            if len(masks) == 0:
                planned = len(seen) + len(_audit_masks(run, seen))
                report(len(seen))
                break
            async for part in sample(run.game, masks, known=seen, should_stop=stop):
                seen = join([seen, part])
                report(len(seen))
                if snapshots and read_at <= len(seen) < planned and seen.ok.any():
                    read_at = int(len(seen) * SNAPSHOT_GROWTH)
                    yield await asyncio.to_thread(result, stopped=True, audited=False)
        fresh = _audit_masks(run, seen)
        if len(fresh) and not stop():
            async for part in sample(run.game, fresh, known=seen, should_stop=stop):
                held_out = join([held_out, part])
                report(len(seen) + len(held_out))
        complete = len(seen) + len(held_out) >= planned or not stop()
        yield await asyncio.to_thread(result, stopped=not complete, audited=True)
    finally:
        await run.game.close()


def _read(
    run: _Run,
    target: Target,
    seen: Measurements,
    held_out: Measurements,
    cost: Cost,
    stopped: bool,
    audited: bool,
) -> Explanation:
    return read(
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
        audited=audited,
    )


def _cost(before: Spent, after: Spent, asked: int, seconds: float) -> Cost:
    calls = after.calls - before.calls
    return Cost(
        calls=calls,
        cached_calls=asked - calls,
        setup_calls=after.setup_calls - before.setup_calls,
        tokens_in=after.tokens_in - before.tokens_in,
        tokens_out=after.tokens_out - before.tokens_out,
        seconds=seconds,
        price=after.price - before.price if after.price is not None and before.price is not None else None,
    )
