"""What few masks show: which players are enough alone, which are missed, which hurt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from spexapi.explanation.reading import Reading
from spexapi.fourier.ranking import exceeds, first_largest, largest_first, reaches, strongest_first

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

MOST_ACTIVE = 40  # players the search for a small enough set starts from, by share
MOST_PAIRED = 12  # players of whom every pair is tried
MOST_NAMED = 4  # a set with more players than this is told as "spread over many"


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The value of everything and of nothing, and what counts as the same value or as a loss.

    full, none, total  the value with everything kept, with nothing kept, and their difference
    near               below full by no more than this: still the answer
    far                below full by this or more: the answer is lost
    """

    reading: Reading
    shares: tuple[float, ...]
    full: float
    none: float
    near: float
    far: float

    @classmethod
    def of(cls, reading: Reading) -> Evidence:
        full, none = reading.full.value, reading.none.value
        total = full - none
        near, far = 0.2 * total, 0.5 * total
        if reading.explanation.target.unit == "nats" and reading.tokens_apart == 1:
            # a probability may halve and still be the same answer; at a quarter the answer is lost
            near, far = min(0.7, near), min(1.4, far)
        # predictions are off by some error; half of it keeps "enough" clear of "lost"
        near += min(0.5 * _error(reading.explanation), 0.1 * max(total, 0.0))
        return cls(reading, reading.shares, full, none, near, far)

    @property
    def total(self) -> float:
        return self.full - self.none

    @property
    def scale(self) -> float:
        """The size of the values, whose rounding their differences have."""
        return max(abs(self.full), abs(self.none))

    def enough(self, kept: Iterable[int]) -> bool:
        """Is it still the answer with these alone?"""
        return reaches(self.reading.value(kept), self.full - self.near, self.scale)

    def lost(self, gone: Iterable[int]) -> bool:
        """Is the answer gone without these?"""
        return self.is_lost(self.reading.value_without(gone))

    def is_lost(self, value: float) -> bool:
        """Is the answer gone at this value?"""
        return reaches(self.full - self.far, value, self.scale)

    def helps(self, player: int) -> bool:
        """Is the player's share above 0?"""
        return exceeds(self.shares[player], 0.0, self.scale)

    def hurts(self, player: int) -> bool:
        """Is the player's share below 0?"""
        return exceeds(0.0, self.shares[player], self.scale)

    def active(self) -> list[int]:
        """Players that appear in the spectrum, the largest shares first."""
        present = sorted({i for s in self.reading.explanation.spectrum.coef for i in s})
        return [present[j] for j in strongest_first([self.shares[i] for i in present])][:MOST_ACTIVE]

    def smallest_enough(self) -> tuple[int, ...] | None:
        """Players that are enough without all others, none of whom can go.

        Every one and every two of the dozen largest shares are tried, then players are taken away greedily,
        the last of those that are missed equally little.
        """
        active = self.active()
        for size in (1, 2):
            fitting = [s for s in combinations(sorted(active[:MOST_PAIRED]), size) if self.enough(s)]
            if fitting:
                return fitting[first_largest(self._values(fitting))]
        kept = set(active)
        if not self.enough(kept):
            return None
        while kept:
            last_first = sorted(kept, reverse=True)
            best = last_first[first_largest(self._values([kept - {i} for i in last_first]))]
            if not self.enough(kept - {best}):
                break
            kept.remove(best)
        return tuple(sorted(kept))

    def replaceable(self, core: Sequence[int]) -> tuple[int, ...]:
        """Of players that are enough together: all if the answer outlives that, else each it outlives."""
        if not self.lost(core):
            return tuple(core)
        return tuple(i for i in core if self.enough(self.reading.everyone - {i}))

    def hurting(self) -> list[int]:
        """Players without which the value would be clearly higher, the worst first."""
        bar = max(self.reading.floor, 0.1 * abs(self.total))
        hurting = [i for i in self.active() if self.hurts(i)]
        gains = [value - self.full for value in self._values([self.reading.everyone - {i} for i in hurting])]
        worst = [j for j in largest_first(gains) if exceeds(gains[j], bar, self.scale)]
        return [hurting[j] for j in worst][:MOST_NAMED]

    def missed(self, gone: tuple[int, ...]) -> bool:
        """Is the value clearly lower without them?"""
        bar = self.full - max(self.reading.floor, 0.1 * abs(self.total))
        return exceeds(bar, self.reading.value_without(gone), self.scale)

    def alternatives(self, core: tuple[int, ...]) -> tuple[int, ...]:
        """Where one player is enough: all that are, if the answer outlives losing each but not all."""
        if len(core) != 1 or self.lost(core):
            return ()
        found = tuple(sorted(i for i in self.active() if self.enough((i,))))
        return found if 1 < len(found) <= MOST_NAMED and self.lost(found) else ()

    def _values(self, kept: Sequence[Iterable[int]]) -> list[float]:
        return [self.reading.value(players) for players in kept]


def _error(explanation: Explanation) -> float:
    """How far a predicted value is off, typically: what R² leaves of the spread of the values."""
    seen, r2 = explanation.observations, explanation.audit.r2
    if r2 is None or not seen.ok.any() or reaches(r2, 1.0):
        return 0.0
    return float(seen.values[seen.ok].std()) * max(1.0 - r2, 0.0) ** 0.5
