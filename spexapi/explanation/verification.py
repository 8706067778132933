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
    measured    in the unit of the value; NaN where a mask of it failed
    predicted   by the spectrum, for the same masks
    tolerance   how far apart the two may be by chance, 90%
    confirmed   whether they are within it; None where it was not measured
    fresh       of its 2^|players| masks, those bought for this; the others were in the explanation already
    """

    players: Interaction
    kept: Interaction
    measured: float
    predicted: float
    tolerance: float
    confirmed: bool | None
    fresh: int


@dataclass(frozen=True, slots=True)
class SetCheck:
    """An optimal set, measured.

    confirmed  whether measured and predicted are within the tolerance; None where the measurement failed
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

        None where none was measured, and where no effect at all would have passed every check.
        """
        found = [c for c in self.checks if c.players == players and c.confirmed is not None]
        if not all(c.confirmed for c in found):
            return False
        return True if any(abs(c.predicted) > c.tolerance for c in found) else None

    def said(self, players: Interaction) -> str:
        """The verdict in words, "" where the interaction was not chosen."""
        found = [check.confirmed for check in self.checks if check.players == players]
        measured = [c for c in found if c is not None]
        if not measured:
            return "not measured: a call failed" if found else ""
        if all(measured):
            return "confirmed" if self.verdict(players) else "agrees, within too wide a margin to confirm"
        return f"NOT confirmed: {sum(measured)} of {len(measured)} measurements agree"

    @property
    def interactions(self) -> tuple[Interaction, ...]:
        """Those measured, strongest first."""
        return tuple(dict.fromkeys(check.players for check in self.checks))

    def summary(self) -> str:
        """ "3 of 5 strongest interactions confirmed by measuring them (40 model calls)"."""
        measured = dict.fromkeys(c.players for c in self.checks if c.confirmed is not None)
        good = sum(self.verdict(players) is True for players in measured)
        calls = f"({self.calls:,} model call{'s' * (self.calls != 1)})"
        if len(measured) == 1:
            verdict = "confirmed" if good else "not confirmed"
            return f"The strongest interaction was {verdict} by measuring it directly {calls}"
        which = f"{good} of the {len(measured)} strongest interactions"
        return f"{which} confirmed by measuring them directly {calls}"

    def __str__(self) -> str:
        rows = [("Interaction", "Others kept", "Measured", "Predicted", "", "")]
        rows += [self._row(check) for check in self.checks]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        done = sum(check.confirmed is not None for check in self.checks)
        lines.append(f"{self.n_confirmed} of {done} confirmed; {self.calls} new model calls")
        return "\n".join([*lines, *self.notes])

    def _called(self, i: int) -> str:
        """The label of player i, with its number where another has the same."""
        short = [" ".join(label.split())[:24] for label in self.labels]
        return short[i] + (f" ({i + 1})" if short.count(short[i]) > 1 else "")

    def _row(self, check: Check) -> tuple[str, ...]:
        name = " + ".join(self._called(i) for i in check.players)
        others = self.n_players - len(check.players)
        kept = "all" if len(check.kept) == others else f"{len(check.kept)} of {others}"
        verdict = {True: "confirmed", False: "NOT confirmed", None: "failed"}[check.confirmed]
        numbers = (f"{check.measured:+.4g}", f"{check.predicted:+.4g}", f"± {check.tolerance:.2g}")
        return (name, kept, *numbers, verdict)
