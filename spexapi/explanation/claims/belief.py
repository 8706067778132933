"""What is believed of sets of players that were not measured: the spectrum, set right by what was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from spexapi.explanation.claims.rule import Rule
from spexapi.explanation.reading import Reading
from spexapi.explanation.values import Ablation
from spexapi.fourier.ranking import first_largest, largest_first, reaches
from spexapi.measurements import Bools, Floats

MOST_ACTIVE = 40  # players the search for a large set starts from, by share
_MOST_COMBINED = 12  # players of whom every set of up to four is weighed, the largest shares first
_MOST_MEASURED = 256  # masks whose errors are used, those that keep or remove fewest first
# An error at one mask is this much of an error at its neighbours.
_REACH = 0.75
# Of the variance of the errors: what neighbours do not share.
_OWN = 0.1

Kept = frozenset[int]


class Belief:
    """The value of any mask as believed, which sharpens while masks are measured.

    The spectrum's error at measured masks is interpolated: a Gaussian process whose covariance falls by a
    quarter with each player that differs (simple kriging; Rasmussen & Williams, 2006, eq. 2.25). So a set
    that did not hold what the spectrum promised lowers the belief in those like it.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._spectrum = reading.explanation.spectrum
        self._known = {found.kept: found for found in reading.measured}
        self._failed: set[Kept] = set()
        explanation = reading.explanation
        first = len(explanation.observations) - explanation.recipe.asked
        rows = explanation.observations.masks[first:]
        self._asked = {frozenset(np.flatnonzero(row).tolist()) for row in rows}  # for the claims
        self._correction: tuple[Bools, Floats] | None = None
        self.closed = False  # nothing can be asked any more: only measured sets are proposed

    def known(self, kept: Iterable[int]) -> Ablation | None:
        """What was measured with exactly these kept; None if that was not."""
        return self._known.get(frozenset(kept))

    def learn(self, kept: Kept, found: Ablation | None) -> None:
        """Takes in one more measurement; None if it failed."""
        if found is None:
            self._failed.add(kept)
        else:
            self._known[kept], self._correction = found, None

    def at(self, kept: Iterable[int]) -> Ablation:
        """Measured if it was, else believed."""
        return self.all_at([frozenset(kept)])[0]

    def all_at(self, sets: Sequence[Kept]) -> list[Ablation]:
        """at() of many sets."""
        new = [s for s in sets if s not in self._known]
        values = iter(self._predict(new).tolist())
        return [self._known.get(s) or Ablation(s, next(values), False) for s in sets]

    def active(self) -> list[int]:
        """Players that appear in the spectrum, the largest shares first, those that hurt last."""
        present = sorted({i for s in self._spectrum.coef for i in s})
        return [present[j] for j in largest_first([self.reading.shares[i] for i in present])]

    def smallest_enough(self, rule: Rule, pool: Iterable[int], largest: int, margin: float) -> Kept | None:
        """The smallest set of players of the pool that is measured or believed to be enough without others.

        largest  most players it may have; the largest believed value decides among equally small ones
        margin   by how much a believed value must pass the rule's bar

        Every set of up to `largest` of the dozen players with the largest shares is weighed.
        """
        allowed = frozenset(pool)
        inside = (a for a in self._known.values() if a.kept <= allowed)
        known = [a for a in inside if rule.stays(a) and self._is_settled(a)]
        for size in range(1, largest + 1):
            fitting = {a.kept: a for a in known if len(a.kept) == size}
            if not self.closed:
                sets = self._weighed(allowed, size)
                fitting |= {a.kept: a for a in self.all_at(sets) if self._passes(rule, a, margin)}
            if fitting:
                return _best(fitting.values())
        return None

    def nearly_enough(self, rule: Rule, pool: Iterable[int], size: int) -> Kept | None:
        """The best unmeasured set of that size, if it is believed to be little short of enough."""
        if self.closed:
            return None
        sets = [s for s in self._weighed(frozenset(pool), size) if s not in self._known]
        found = [a for a in self.all_at(sets) if reaches(a.value, rule.bar - rule.near, rule.scale)]
        return _best(found) if found else None

    def promised(self, rule: Rule, pool: Iterable[int], largest: int) -> Kept | None:
        """As smallest_enough, if nothing can be asked any more: also of what is believed, and of what was
        measured though not each of its parts was."""
        allowed = frozenset(pool)
        known = [a for a in self._known.values() if a.kept <= allowed and rule.stays(a)]
        for size in range(1, largest + 1):
            sets = [s for s in self._weighed(allowed, size) if s not in self._known]
            fitting = [a for a in known if len(a.kept) == size]
            if fitting := fitting + [a for a in self.all_at(sets) if rule.stays(a)]:
                return _best(fitting)
        return None

    def _weighed(self, allowed: Kept, size: int) -> list[Kept]:
        """Sets of that size of the players with the largest shares; none of which the measurement failed."""
        best = [i for i in self.active() if i in allowed][:_MOST_COMBINED]
        sets = (frozenset(s) for s in combinations(sorted(best), size))
        return [s for s in sets if s not in self._failed]

    def large_enough(self, rule: Rule, pool: Iterable[int], margin: float) -> Kept | None:
        """A set believed enough of which no player is believed to be spared; found greedily."""
        allowed = frozenset(pool)
        if self.closed:
            asked = (self._known[s] for s in self._asked if s in self._known)
            known = [a for a in asked if a.kept < allowed and rule.stays(a)]
            least = min((len(a.kept) for a in known), default=0)
            return _best(a for a in known if len(a.kept) == least) if known else None
        kept = frozenset([i for i in self.active() if i in allowed][:MOST_ACTIVE])
        if not self._passes(rule, self.at(kept), margin):
            return None
        while len(kept) > 1:
            fewer = [kept - {i} for i in sorted(kept, reverse=True)]
            found = self.all_at(fewer)
            best = found[first_largest([a.value for a in found])]
            if not self._passes(rule, best, margin):
                break
            kept = best.kept
        return kept

    def _is_settled(self, found: Ablation) -> bool:
        """If nothing can be asked any more: whether it is known of each part that it is not enough, or is."""
        return not self.closed or all(
            len(found.kept) == 1 or found.kept - {i} in self._known for i in found.kept
        )

    def _passes(self, rule: Rule, found: Ablation, margin: float) -> bool:
        if not found.measured and margin:
            found = Ablation(found.kept, found.value - margin, False)
        return rule.stays(found)

    def _predict(self, sets: Sequence[Kept]) -> Floats:
        """(k,) the spectrum and the errors that measured neighbours have of it."""
        if not sets:
            return np.zeros(0)
        masks = _masks(sets, self.reading.n)
        if self._correction is None:
            self._correction = self._errors()
        known, weights = self._correction
        predicted = self._spectrum.predict(masks)
        return predicted + _covariance(masks, known) @ weights if len(known) else predicted

    def _errors(self) -> tuple[Bools, Floats]:
        """(k, n) measured masks, and the weight of each one's covariance."""
        n = self.reading.n
        nearest = sorted(self._known.values(), key=lambda a: min(len(a.kept), n - len(a.kept)))
        used = nearest[:_MOST_MEASURED]
        masks = _masks([a.kept for a in used], n)
        errors = np.array([a.value for a in used]) - self._spectrum.predict(masks)
        covariance = _covariance(masks, masks) + _OWN * np.eye(len(used))
        return masks, np.linalg.solve(covariance, errors).astype(np.float64)


def _best(found: Iterable[Ablation]) -> Kept:
    """The largest value; of equal ones the first by players."""
    in_order = sorted(found, key=lambda a: sorted(a.kept))
    return in_order[first_largest([a.value for a in in_order])].kept


def _masks(sets: Sequence[Kept], n: int) -> Bools:
    masks = np.zeros((len(sets), n), dtype=np.bool_)
    for row, kept in enumerate(sets):
        masks[row, list(kept)] = True
    return masks


def _covariance(left: Bools, right: Bools) -> Floats:
    """(a, b) of errors at masks (a, n) and (b, n)."""
    one, other = left.astype(np.float64), right.astype(np.float64)
    apart = one.sum(1)[:, None] + other.sum(1) - 2 * one @ other.T
    return _REACH**apart
