"""The line: a game is measured where the engine asks, the engine fits a spectrum, the spectrum is read as
interactions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar, Unpack

import numpy as np

from spexapi.errors import BackendError, CapReached, InputError, RunningLoopError, SpexError
from spexapi.explanation.claims.belief import Belief
from spexapi.explanation.claims.claims import Claims
from spexapi.explanation.claims.search import search
from spexapi.explanation.explanation import Explanation
from spexapi.explanation.reading import Reading
from spexapi.explanation.values import Ablation, MaskValues
from spexapi.games.base import CanWrite, Game
from spexapi.measurements import nothing, split
from spexapi.plan import Plan, PlanOptions, plan, shows_options
from spexapi.run import Progress, Run, Stop

Result = TypeVar("Result")


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
    claims       masks of the budget kept for asking the model what the story says of it; None: up to 12, at
                 most a quarter. What is left of them the engine gets. 0: nothing is asked, and the story is
                 told as a prediction
    writes       most answers that the model writes itself with few players kept, to show what it says then;
                 not of the budget, counted in the forecast; 0: none
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
    run = Run(_planned(game, options), on_progress, should_stop)
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
    run = Run(_planned(game, options), on_progress, should_stop)
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
    run: Run, *, snapshots: bool = False, audited: bool = False
) -> AsyncGenerator[Explanation]:
    """The explanation of a run, and before it, if they are wanted, those of what is measured so far."""
    try:
        await run.prepare()
        try:
            async with contextlib.aclosing(_measured(run)) as parts:
                async for _ in parts:
                    if snapshots and run.is_sharper():
                        yield await asyncio.to_thread(run.read, stopped=True, audited=audited)
            if run.plan.claims or run.plan.writes:
                await _confirm(run)
            if run.plan.claims:
                async with contextlib.aclosing(_measured(run)) as rest:  # what the claims left unspent
                    async for _ in rest:
                        pass
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


async def _measured(run: Run) -> AsyncGenerator[None]:
    """Measures what the engine asks for, then what the audit does; a step for each part that arrived."""
    made, seen = run.plan, run.seen
    while not run.should_stop() and (left := run.left_to_fit):
        # in a thread: an adaptive engine fits before it asks again
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
    if run.unspent is None and made.claims:
        return
    fresh = made.audit_after(seen.all())
    if len(fresh) and not len(run.held_out) and not run.should_stop():
        async with run.measuring(fresh) as parts:
            async for part in parts:
                run.add(nothing(made.n_players), part)
                yield


async def _confirm(run: Run) -> None:
    """Asks the model for the masks that the story tells of; each answer decides what is asked next."""
    if run.should_stop():
        return
    reading = Reading.of(await asyncio.to_thread(run.read, stopped=True, audited=False))
    steps = search(Belief(reading))
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(await _answers(run, reading, wanted))
    except StopIteration as end:
        claims: Claims = end.value
    run.claims_are_done()
    await _write(run, claims)


async def _write(run: Run, claims: Claims) -> None:
    """Lets the model write what it says with few players kept; what goes wrong is noted."""
    if not isinstance(run.game, CanWrite):
        return
    for kept in claims.telling[: run.plan.writes]:
        if run.should_stop():
            return
        mask = np.zeros(run.plan.n_players, dtype=np.bool_)
        mask[list(kept)] = True
        try:
            run.written.append((tuple(sorted(kept)), await run.game.write(mask)))
        except SpexError as error:
            run.troubles.append(f"the model wrote no answers for the story: {error}")
            return


async def _answers(run: Run, reading: Reading, wanted: list[frozenset[int]]) -> list[Ablation | None] | None:
    """What the model does with each set kept, as far as the masks kept for it go; None if none are left."""
    affordable = wanted[: run.left_for_claims]
    if not affordable or run.should_stop():
        return None
    masks = np.zeros((len(affordable), run.plan.n_players), dtype=np.bool_)
    for row, kept in enumerate(affordable):
        masks[row, list(kept)] = True
    async with run.measuring(masks) as parts:
        async for part in parts:
            run.add_asked(part)
    ex = reading.explanation
    known = MaskValues(run.asked.all(), ex.spectrum, ex.target)
    found = [known.at(kept) for kept in affordable]
    answers = [each if each.measured else None for each in found]
    return answers + [None] * (len(wanted) - len(affordable))
