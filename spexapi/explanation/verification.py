"""What measuring an explanation found, as values."""

from __future__ import annotations

from dataclasses import dataclass

from spexapi.fourier.optimize import Optimum
from spexapi.fourier.spectrum import Interaction


@dataclass(frozen=True, slots=True)
class Check:
    """One interaction on one background: its discrete derivative, measured and predicted.

    derivative = sum over T inside `players` of (-1)^(|players| - |T|) value(T and the kept others)

    players     the interaction
    kept        the other players that were kept, sorted
    measured    in the unit of the value; NaN if a mask of it failed
    predicted   by the spectrum, for the same masks
    tolerance   how far apart the two may be by chance, 90%
    confirmed   whether they are within it; None if it was not measured
    fresh       of its 2^|players| masks, those bought for this; the others were in the explanation already
    reason      why it was not measured: of a mask that failed, or the players that leave no value
    """

    players: Interaction
    kept: Interaction
    measured: float
    predicted: float
    tolerance: float
    confirmed: bool | None
    fresh: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SetCheck:
    """An optimal set, measured.

    confirmed  whether measured and predicted are within the tolerance; None if the measurement failed
    holds      whether the measured value itself lies in what the set was asked for (Optimum.within)
    """

    optimum: Optimum
    measured: float
    tolerance: float
    confirmed: bool | None
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Verification:
    """The strongest interactions, measured on the game.

    checks    by strength; for each interaction all others kept first, then random backgrounds
    labels    of the interactions' players
    residual  standard deviation of the spectrum's error on a mask, from which the tolerances come
    calls     masks newly measured
    skipped   derivatives that did not fit the budget
    notes     sentences
    """

    checks: tuple[Check, ...]
    labels: tuple[str, ...]
    n_players: int
    residual: float
    calls: int
    skipped: int
    notes: tuple[str, ...] = ()

    @property
    def n_confirmed(self) -> int:
        return sum(check.confirmed is True for check in self.checks)

    def verdict(self, players: Interaction) -> bool | None:
        """Whether every background of this interaction that was measured confirms it.

        None if none was measured, or if no effect at all would have passed every check.
        """
        found = [c for c in self.checks if c.players == players and c.confirmed is not None]
        if not all(c.confirmed for c in found):
            return False
        return True if any(abs(c.predicted) > c.tolerance for c in found) else None

    @property
    def interactions(self) -> tuple[Interaction, ...]:
        """Those measured, strongest first."""
        return tuple(dict.fromkeys(check.players for check in self.checks))

    def said(self, players: Interaction) -> str:
        """The verdict in words, "" if the interaction was not chosen."""
        from spexapi.narrative.verification import verdict_of

        return verdict_of(self, players)

    def summary(self) -> str:
        """ "3 of the 5 strongest interactions confirmed by measuring them directly (40 model calls)"."""
        from spexapi.narrative.verification import summary_of

        return summary_of(self)

    def __str__(self) -> str:
        from spexapi.narrative.verification import table_of

        return table_of(self)
