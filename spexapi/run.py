"""A plan under way: what is measured of it so far, what that took, and what it says."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from spexapi.explanation.explanation import Explanation, read
from spexapi.fourier.spectrum import Interaction
from spexapi.games.base import Target, traits_of
from spexapi.measure import sample
from spexapi.measurements import Bools, Measurements, join, nothing
from spexapi.plan import Plan, ready
from spexapi.sampling.usage import Usage

Progress = Callable[[int, int], None]  # masks measured, masks planned
Stop = Callable[[], bool]

_FIRST_SNAPSHOT = 8  # masks
# A new snapshot when this many times more masks are known: fits stay a small part of the time.
_SNAPSHOT_GROWTH = 1.5


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


class Run:
    """A plan under way: what is measured of it so far, and what that took.

    seen, held_out   what the engine asked for, and the audit
    asked            what the claims asked for
    written          what the model wrote itself: (the players kept, its text)
    troubles         sentences on what went wrong on the way
    unspent          masks kept for the claims that they did not take; None until they are made
    planned, at_most masks to measure as is known now, and as it was known at first
    stopped_by       the cap or the error that ended it
    """

    def __init__(self, made: Plan, on_progress: Progress | None, should_stop: Stop | None) -> None:
        self.plan, self.game = made, made.game
        self.should_stop = should_stop or (lambda: False)
        self.seen, self.held_out, self.asked = (_Rows(made.n_players) for _ in range(3))
        self.unspent: int | None = None
        self.written: list[tuple[Interaction, str]] = []
        self.troubles: list[str] = []
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
        self.planned = self.at_most = first + len(made.audit_masks) + made.claims
        self._report()

    @property
    def count(self) -> int:
        return len(self.seen) + len(self.held_out) + len(self.asked)

    @property
    def left_to_fit(self) -> int:
        """Masks that the engine may still ask for."""
        return self.plan.fitted_masks + (self.unspent or 0) - len(self.seen)

    @property
    def left_for_claims(self) -> int:
        return self.plan.claims - len(self.asked)

    @property
    def has_values(self) -> bool:
        return bool(self.seen.all().ok.any())

    def measuring(self, masks: Bools) -> contextlib.aclosing[AsyncGenerator[Measurements]]:
        """The parts of the measurements of these masks, as they arrive; those known are not asked again."""
        known = join([self.seen.all(), self.held_out.all(), self.asked.all()])
        return contextlib.aclosing(sample(self.game, masks, known=known, should_stop=self.should_stop))

    def add(self, own: Measurements, audits: Measurements) -> None:
        self.seen.add(own)
        self.held_out.add(audits)
        self._report()

    def add_asked(self, claims: Measurements) -> None:
        self.asked.add(claims)
        self._report()

    def claims_are_done(self) -> None:
        """What was kept for them and not spent is the engine's."""
        self.unspent = max(0, self.left_for_claims)

    def engine_is_done(self) -> None:
        """The engine has seen enough: only the audit's masks are left."""
        claims = self.plan.claims if self.unspent is None else len(self.asked)
        self.planned = len(self.seen) + len(self.plan.audit_after(self.seen.all())) + claims
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
            join([self.seen.all(), self.held_out.all(), self.asked.all()]),
            players=self.game.players,
            recipe=replace(made.recipe, fitted=len(self.seen), asked=len(self.asked)),
            index=made.index,
            max_order=made.max_order,
            target=self._target,
            backend=self.game.backend_name,
            cost=self._cost(),
            stopped=stopped,
            stopped_by=self.stopped_by,
            audited=audited,
        )
        said = [
            made.changed,
            *self.troubles,
            *traits_of(self.game).notes,
            self.stopped_by and f"stopped: {self.stopped_by}",
        ]
        return replace(ex, written=tuple(self.written), notes=(*ex.notes, *filter(None, said)))

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
