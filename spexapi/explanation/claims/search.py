"""The search for claims: the spectrum proposes, the model confirms."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from spexapi.explanation.claims.belief import Belief, Kept
from spexapi.explanation.claims.claims import Claims, Kind
from spexapi.explanation.claims.rule import Rule
from spexapi.explanation.reading import Reading
from spexapi.explanation.values import Ablation
from spexapi.fourier.ranking import exceeds, largest_first, reaches
from spexapi.fourier.spectrum import Interaction

MOST_NAMED = 4  # a set with more players than this is told as "spread over many"
_TRIES = 6  # proposals of a core
_OTHER_TRIES = 2  # proposals of another way
_MOST_WAYS = 3  # besides the core

Found = TypeVar("Found")
# Sets to measure -> what the model did with each, None if that failed; None if no more can be asked.
Asking = Generator[list[Kept], Sequence[Ablation | None] | None, Found]


def claims_of(reading: Reading) -> Claims:
    """What may be said with what is measured already; nothing is asked."""
    steps = search(Belief(reading))
    try:
        next(steps)
        while True:
            steps.send(None)
    except StopIteration as end:
        return end.value


def search(belief: Belief) -> Asking[Claims]:
    """Yields the sets of players whose values are needed next; returns the claims.

    Everything and nothing kept come first. Then the smallest set that is believed enough is asked; if the
    model refutes it, that sharpens the belief, and the next is asked. Then what else the story tells of the
    set: whether a smaller part of it is enough, everything but it, and what stands in for it.
    """
    asker = _Asker(belief)
    yield from asker.ask([belief.reading.everyone, frozenset()])
    rule = Rule.of(belief.reading)
    story = _Story(asker, rule)
    return (yield from story.tell())


class _Asker:
    """Asks for what is not known yet, and remembers all of it."""

    def __init__(self, belief: Belief) -> None:
        self.belief = belief

    def ask(self, sets: Iterable[Iterable[int]]) -> Asking[list[Ablation | None]]:
        """What the model does with each set kept, in order; None for those it was not asked."""
        wanted = [frozenset(s) for s in sets]
        unknown = list(dict.fromkeys(s for s in wanted if self.belief.known(s) is None))
        if unknown:
            answers = yield unknown
            self.belief.closed = answers is None
            for kept, found in zip(unknown, answers or (), strict=answers is not None):
                self.belief.learn(kept, found)
        return [self.belief.known(s) for s in wanted]

    def ask_one(self, kept: Iterable[int]) -> Asking[Ablation | None]:
        return (yield from self.ask([kept]))[0]


@dataclass(frozen=True, slots=True)
class _Story:
    """The claims of one game, found in the order in which a reader needs them."""

    asker: _Asker
    rule: Rule

    @property
    def belief(self) -> Belief:
        return self.asker.belief

    @property
    def everyone(self) -> Kept:
        return self.belief.reading.everyone

    def tell(self) -> Asking[Claims]:
        rule, little = self.rule, 2 * self.belief.reading.floor
        if not reaches(rule.total, -little, rule.scale):
            return (yield from self.lower())
        if reaches(little, rule.total, rule.scale) or (rule.knows_behaviour and rule.stays(rule.none)):
            return (yield from self.nothing())
        core = yield from self.enough(self.everyone, MOST_NAMED, _TRIES)
        if core is None:
            found = yield from self.spread()
        else:
            found = yield from self.core(core)
        return (yield from self.with_against(found))

    # -- which set is enough

    def enough(self, pool: Iterable[int], largest: int, tries: int) -> Asking[Ablation | None]:
        """The smallest set of the pool that the model confirms, none of whose players can be spared."""
        optimism = 0.0
        for _ in range(tries + 1):  # once more with what is known, if nothing can be asked any more
            proposed = self.belief.smallest_enough(self.rule, pool, largest, optimism)
            proposed = proposed or self.belief.nearly_enough(self.rule, pool, largest)
            if proposed is None:
                return None
            believed = self.belief.at(proposed)
            found = yield from self.asker.ask_one(proposed)
            if found is None:
                continue
            if self.rule.stays(found):
                return (yield from self.smallest_part(found))
            # what is chosen for its promise tends to promise too much: the next must promise more
            optimism = max(optimism, 0.5 * (believed.value - found.value))
        return None

    def smallest_part(self, whole: Ablation) -> Asking[Ablation]:
        """The set without the players that the model can spare, taken out one after the other."""
        while len(whole.kept) > 1:
            parts = yield from self.asker.ask(whole.kept - {i} for i in sorted(whole.kept))
            smaller = [a for a in parts if a is not None and self.rule.stays(a)]
            if not smaller:
                break
            whole = smaller[largest_first([a.value for a in smaller])[0]]
        return whole

    # -- what is told of it

    def core(self, found: Ablation) -> Asking[Claims]:
        core = tuple(sorted(found.kept))
        without = yield from self.asker.ask_one(self.everyone - found.kept)
        ways = yield from self.ways(found.kept, without)
        singles = [way[0] for way in ways if len(way) == 1]
        if len(core) == 1 and singles:
            named = tuple(sorted([core[0], *singles]))
            rest = yield from self.asker.ask_one(self.everyone - set(named))
            alone = yield from self.asker.ask([i] for i in named)
            others = tuple(way for way in ways if len(way) > 1)
            return Claims(
                Kind.EITHER, self.rule, named, True, found, alone=tuple(alone), without=rest, others=others
            )
        parts: list[Ablation | None] = []
        if len(core) > 1:
            parts = yield from self.asker.ask(found.kept - {i} for i in core)
        claims = Claims(Kind.CORE, self.rule, core, True, found, tuple(parts), without=without, others=ways)
        if len(core) > 1 and not claims.survives:
            spared = yield from self.asker.ask(self.everyone - {i} for i in core)
            claims = replace(claims, spared=tuple(spared))
        alone = yield from self.asker.ask([i] for i in core)
        return replace(claims, alone=tuple(alone))

    def ways(self, core: Kept, without: Ablation | None) -> Asking[tuple[Interaction, ...]]:
        """Other sets that are enough, each without the players of those before."""
        gone, ways = core, list[Interaction]()
        while without is not None and self.rule.stays(without) and len(ways) < _MOST_WAYS:
            way = yield from self.enough(self.everyone - gone, MOST_NAMED, _OTHER_TRIES)
            if way is None:
                break
            ways.append(tuple(sorted(way.kept)))
            gone = gone | way.kept
            if len(gone) == len(self.everyone):
                break
            without = yield from self.asker.ask_one(self.everyone - gone)
        return tuple(ways)

    def spread(self) -> Asking[Claims]:
        """More players than can be named: a large set, and whose loss costs most."""
        large = self.belief.large_enough(self.rule, self.everyone, 0.0)
        found = None if large is None else (yield from self.asker.ask_one(large))
        worst = [i for i in self.belief.active()[:3] if exceeds(self.belief.reading.shares[i], 0.0)]
        losses = yield from self.asker.ask(self.everyone - {i} for i in worst)
        missed, lost = _missed(worst, losses, self.rule)
        if found is not None and self.rule.stays(found):
            if len(found.kept) <= MOST_NAMED:
                return (yield from self.core((yield from self.smallest_part(found))))
            core = tuple(sorted(found.kept))
            return Claims(Kind.SPREAD, self.rule, core, True, found, missed=missed, losses=lost)
        if (believed := self.belief.promised(self.rule, self.everyone, MOST_NAMED)) is not None:
            return Claims(Kind.CORE, self.rule, tuple(sorted(believed)))
        return Claims(Kind.SPREAD, self.rule, missed=missed, losses=lost)

    def nothing(self) -> Asking[Claims]:
        """Nothing is needed: perhaps because some speak for the answer and some against it."""
        reading = self.belief.reading
        bar = max(reading.floor, 0.1 * abs(self.rule.total))
        bad = self.hurting(())
        good = tuple(
            i
            for i in self.belief.active()
            if exceeds(self.rule.full.value - bar, self.belief.at(self.everyone - {i}).value)
        )[:MOST_NAMED]
        if bad and good and not (self.rule.knows_behaviour and self.rule.stays(self.rule.none)):
            freed, held = yield from self.asker.ask([self.everyone - set(bad), self.everyone - set(good)])
            full = self.rule.full.value
            if freed and held and freed.value > full + bar and held.value < full - bar:
                core = tuple(sorted(good))
                return Claims(
                    Kind.PULL, self.rule, core, True, without=held, against=tuple(sorted(bad)), freed=freed
                )
        return Claims(Kind.NOTHING, self.rule, confirmed=True)

    def lower(self) -> Asking[Claims]:
        """Together the players lower the value: those without which it is higher."""
        worst = self.hurting(())[:3]
        freed = (yield from self.asker.ask_one(self.everyone - set(worst))) if worst else None
        return Claims(Kind.LOWER, self.rule, tuple(sorted(worst)), True, without=freed)

    def with_against(self, claims: Claims) -> Asking[Claims]:
        """With the players that pull the other way, if the model confirms that they do."""
        bad = self.hurting(claims.core)
        freed = (yield from self.asker.ask_one(self.everyone - set(bad))) if bad else None
        if freed is None or not exceeds(freed.value, self.rule.full.value + self.bar, self.rule.scale):
            return claims
        return replace(claims, against=tuple(sorted(bad)), freed=freed)

    @property
    def bar(self) -> float:
        """A smaller rise is not worth a sentence."""
        return max(self.belief.reading.floor, 0.1 * abs(self.rule.total))

    def hurting(self, apart: Sequence[int]) -> list[int]:
        """Other players than those apart without which the value is believed higher, the worst first."""
        shares, full = self.belief.reading.shares, self.rule.full.value
        there = [i for i in self.belief.active() if exceeds(0.0, shares[i]) and i not in apart]
        gains = [a.value - full for a in self.belief.all_at([self.everyone - {i} for i in there])]
        worst = [j for j in largest_first(gains) if exceeds(gains[j], self.bar, self.rule.scale)]
        return [there[j] for j in worst][:MOST_NAMED]


def _missed(
    worst: Sequence[int], losses: Sequence[Ablation | None], rule: Rule
) -> tuple[Interaction, tuple[Ablation, ...]]:
    """Of the players whose loss was measured those whose loss lowers the value, the worst first."""
    known = [(i, a) for i, a in zip(worst, losses, strict=True) if a is not None]
    gone = [rule.full.value - a.value for _, a in known]
    order = [j for j in largest_first(gone) if exceeds(gone[j], 0.0, rule.scale)]
    return tuple(known[j][0] for j in order), tuple(known[j][1] for j in order)
