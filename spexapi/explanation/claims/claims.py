"""What may be said about the answer: claims that the model was asked to confirm. Values, no words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto

from spexapi.explanation.claims.rule import Rule
from spexapi.explanation.reading import Meaning, Reading
from spexapi.explanation.values import Ablation
from spexapi.fourier.ranking import reaches
from spexapi.fourier.spectrum import Interaction


class Kind(StrEnum):
    """What the players do for the answer as a whole."""

    CORE = auto()  # few of them are enough
    EITHER = auto()  # one of several is enough
    SPREAD = auto()  # no few of them are enough
    NOTHING = auto()  # it stays without any of them
    PULL = auto()  # some for it, some against it, and together they change nothing
    LOWER = auto()  # together they make it less likely


@dataclass(frozen=True, slots=True)
class Claims:
    """What is said, each part measured unless it says otherwise.

    rule       when the answer stays and when it is lost
    core       the players that are named, sorted: enough without all others for CORE and SPREAD, each enough
               for EITHER, those for the answer for PULL, those against it for LOWER
    confirmed  whether the model was asked about the core; if not, it is what the spectrum believes
    parts      the core without each of its players, in their order
    alone      each player of the core alone, in their order
    without    everything but the core
    spared     everything but each player of the core, in their order
    others     further sets that are enough without all others
    against    players without which the value is clearly higher, sorted, and `freed`, everything but them
    missed     players whose loss costs most, the worst first, for SPREAD; and `losses`, everything but each
    """

    kind: Kind
    rule: Rule
    core: Interaction = ()
    confirmed: bool = False
    kept: Ablation | None = None
    parts: tuple[Ablation | None, ...] = ()
    alone: tuple[Ablation | None, ...] = ()
    without: Ablation | None = None
    spared: tuple[Ablation | None, ...] = ()
    others: tuple[Interaction, ...] = ()
    against: Interaction = ()
    freed: Ablation | None = None
    missed: Interaction = ()
    losses: tuple[Ablation | None, ...] = ()

    @property
    def can_be_spared(self) -> Interaction:
        """Players of the core of whom each alone can go, and the answer stays."""
        found = zip(self.core, self.spared, strict=False)
        return tuple(i for i, a in found if a is not None and self.rule.stays(a))

    @property
    def survives(self) -> bool | None:
        """Whether the answer stays without the whole core; None if that was not measured."""
        return None if self.without is None else self.rule.stays(self.without)

    @property
    def is_lost(self) -> bool | None:
        """Whether the answer goes without the whole core; None if that was not measured."""
        return None if self.without is None else self.rule.lost(self.without)

    @property
    def telling(self) -> list[frozenset[int]]:
        """The sets kept of which it tells most what the model writes instead, the most telling first.

        Those that were measured, of whose answer it is not known that it stays.
        """
        first = [self.rule.full, self.without, *self.alone, self.rule.none, *self.parts, self.freed]
        there = dict.fromkeys(a.kept for a in first if a is not None and a.measured and _may_differ(a))
        return list(there)

    @property
    def is_close(self) -> bool:
        """Whether a little more or less would name other players."""
        return any(a is not None and self.rule.is_close(a) for a in (self.kept, *self.parts))

    def meaning(self, players: Interaction) -> Meaning | None:
        """What the headline says that these players do together; None if it says nothing of just these."""
        if len(players) < 2 or not self.confirmed:
            return None
        if self.kind is Kind.EITHER and set(players) <= set(self.core):
            return Meaning.EITHER if len(players) == 2 else Meaning.ANY
        known = [a for a in self.parts if a is not None]
        needed = len(known) == len(self.core) and all(self.rule.lost(a) for a in known)
        return Meaning.TOGETHER if self.kind is Kind.CORE and players == self.core and needed else None


def _may_differ(found: Ablation) -> bool:
    return found.behaviour is None or found.behaviour.stays is not True


def meaning_of(reading: Reading, claims: Claims, players: Interaction) -> Meaning:
    """What these players do as a group, as all views tell it.

    What the headline says of them is said everywhere; an interaction whose interval holds 0 has no meaning.
    """
    if (told := claims.meaning(players)) is not None:
        return told
    low, high = reading.explanation.intervals.get(players, (1.0, 1.0))
    scale = max(abs(low), abs(high))
    if reaches(0.0, low, scale) and reaches(high, 0.0, scale):
        return Meaning.UNCLEAR
    return reading.meaning(players)
