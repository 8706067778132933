"""The sentence at the top: which players made the answer, together or each alone, as the values show it.

The story never reads an index. It asks the explanation for the values of a few masks (everything, nothing,
only these, all but these), measured if they were measured, else predicted, and says what they show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from spexapi.explanation.confidence import level
from spexapi.explanation.evidence import MOST_NAMED, Evidence
from spexapi.explanation.reading import Ablation, Reading
from spexapi.fourier.ranking import EQUAL, exceeds, first_largest, reaches, settled
from spexapi.narrative.failures import lead_of
from spexapi.narrative.wording import (
    explained,
    kind_plural,
    name,
    names,
    percent,
    quoted,
    signed,
    valued,
)

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

Words = tuple[tuple[str, bool], ...]  # pieces of a sentence, True if it is stressed


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the proof: what was kept, and the value then."""

    label: str
    ablation: Ablation


@dataclass(frozen=True, slots=True)
class Story:
    """headline: the sentence; asides: what else the reader should hear; steps: the masks that show it;
    core: the players it names."""

    headline: Words
    asides: tuple[str, ...]
    steps: tuple[Step, ...]
    core: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        return "".join(piece for piece, _ in self.headline)


def tell(explanation: Explanation, reading: Reading | None = None) -> Story:
    """The story of an explanation; a frank "cannot tell" if the audit is poor.

    reading  of this explanation, if there is one already
    """
    teller = _Teller(Evidence.of(reading or Reading.of(explanation)))
    if (lead := lead_of(explanation)) is not None:
        return Story(lead.words, lead.asides, tuple(teller.steps(lead.core)), lead.core)
    trust = level(explanation.audit)
    if trust == "poor" or (trust == "none" and explanation.stopped):
        return teller.cannot_tell(trust)
    story = teller.tell()
    return _hedged(story, trust)


def _hedged(story: Story, trust: str) -> Story:
    if trust not in ("fair", "weak"):
        return story
    lead = "Most likely: " if trust == "fair" else "A hint, no more: "
    return Story(((lead, False), *story.headline), story.asides, story.steps, story.core)


class _Teller:
    """Puts the evidence of one explanation into words."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.reading = evidence.reading
        self.explanation = evidence.reading.explanation
        self.players = self.explanation.players

    def tell(self) -> Story:
        total, scale, little = self.evidence.total, self.evidence.scale, 2 * self.reading.floor
        if reaches(little, total, scale):
            return self.nothing_lifts() if reaches(total, -little, scale) else self.all_lower()
        core = self.evidence.smallest_enough()
        if core is None or not core or len(core) > MOST_NAMED:
            return self.spread(core)
        twins = self.evidence.alternatives(core)
        if len(core) == 1 and twins:
            return self.either(twins)
        return self.one(core[0]) if len(core) == 1 else self.several(core)

    def one(self, i: int) -> Story:
        words = self.because((name(self.players, i), True))
        if self.evidence.lost((i,)):
            words += ((": it is enough alone, and without it the answer goes.", False),)
        else:
            words += (
                (
                    ": it is enough alone, and the others would carry the answer without it.",
                    False,
                ),
            )
        return self.story(words, (i,))

    def either(self, twins: tuple[int, ...]) -> Story:
        some, rest = ("either one", "both") if len(twins) == 2 else ("any one", "all of them")
        words = self.because((f"{names(self.players, twins, 'or')}: ", False), (f"{some} is enough", True))
        words += ((f". It takes the loss of {rest} to lose the answer.", False),)
        return self.story(words, twins)

    def several(self, core: tuple[int, ...]) -> Story:
        seen, called = self.evidence, names(self.players, core)
        alone = {i: self.reading.value((i,)) - seen.none for i in core}
        off = abs(sum(alone.values()) - seen.total)
        summed = exceeds(min(alone.values()), 0.0, seen.scale) and reaches(0.1 * seen.total, off, seen.scale)
        most = core[first_largest(list(alone.values()), EQUAL * seen.scale)]
        parts = [s for k in range(1, len(core)) for s in combinations(core, k)]
        if all(seen.is_lost(self.reading.value(s)) for s in parts):
            rest = "neither is enough alone" if len(core) == 2 else "no smaller part of them is enough"
        else:
            rest = f"{name(self.players, most)} alone goes part of the way"
        share = self.share_of(self.reading.value((most,)))
        if summed and reaches(share, 0.6):
            brings = f": it alone brings {settled(share):.0%} of the difference."
            return self.story(
                (*self.because((name(self.players, most), False)), (" above all", True), (brings, False)),
                core,
            )
        if summed:
            words = (
                *self.because((called, False)),
                (": ", False),
                ("each adds its part", True),
                (f"; {rest}.", False),
            )
        else:
            words = (*self.because((called, False)), (" together", True), (f": {rest}.", False))
        if summed or not (spare := seen.replaceable(core)):
            return self.story(words, core)
        stays = "the answer" if self.answer else "the value"
        aside = f"Even without {names(self.players, spare)} {stays} stays: something else can stand in."
        return self.story(words, core, aside)

    def share_of(self, value: float) -> float:
        """How far a value is from nothing kept to everything kept; in probability if it is one."""
        values = (self.evidence.none, value, self.evidence.full)
        chances = [self.reading.probability(v) for v in values]
        none, here, full = values
        # both ends may be certain
        if chances[0] is not None and exceeds(abs((chances[2] or 0.0) - chances[0]), 0.0, 1.0):
            none, here, full = (p or 0.0 for p in chances)
        return (here - none) / (full - none)

    def spread(self, core: tuple[int, ...] | None) -> Story:
        top = tuple(sorted(i for i in self.evidence.active()[:3] if self.evidence.helps(i)))
        many = (
            f"{len(core)} {kind_plural(self.explanation)}"
            if core
            else f"many {kind_plural(self.explanation)}"
        )
        words = self.because((f"{many} at once", True))
        if top:
            words += (
                (f": no few of them are enough. The most comes from {names(self.players, top)}.", False),
            )
        return self.story(words, top)

    def nothing_lifts(self) -> Story:
        what = kind_plural(self.explanation)
        bad, good = (
            self.evidence.hurting(),
            [i for i in self.evidence.active() if self.evidence.missed((i,))][:MOST_NAMED],
        )
        if bad and good:
            words: Words = (
                (f"The {what} pull against each other: ", False),
                self.some(good),
                (" for, ", False),
            )
            words += (self.some(bad), (" against.", False))
            return self.story(words, tuple(sorted((*good, *bad))))
        subject = self.subject()
        words = ((f"{subject} ", False), ("does not depend", True), (f" on any of the {what}: ", False))
        if not self.answer:
            return self.story((*words, ("the value is as high with none of them.", False)), ())
        return self.story((*words, ("it is as likely with none of them.", False)), ())

    def some(self, group: Sequence[int]) -> tuple[str, bool]:
        return names(self.players, sorted(group)), True

    def all_lower(self) -> Story:
        worst = [i for i in self.evidence.active() if self.evidence.hurts(i)][:3]
        what = kind_plural(self.explanation)
        answer = "the value" if not self.answer else quoted(self.answer, 48)
        verb = "lower" if not self.answer else "make less likely"
        words: Words = ((f"Taken together, the {what} ", False), (verb, True), (f" {answer}", False))
        if worst:
            words += ((f", {names(self.players, sorted(worst))} the most", False),)
        return self.story((*words, (".", False)), tuple(sorted(worst)))

    def cannot_tell(self, trust: str) -> Story:
        if trust == "none":
            words: Words = (("Too early to tell why.", False),)
        else:
            r2 = self.explanation.audit.r2 or 0.0
            words = (
                ("This run ", False),
                ("cannot tell", True),
                (f" why ({settled(max(r2, 0.0)):.0%} explained). ", False),
            )
            more = "It ended early" if self.explanation.stopped else "Raise the budget"
            words += ((f"{more}; take what follows as hints.", False),)
        return Story(words, (), self.ends())

    # -- the pieces

    @property
    def answer(self) -> str:
        return explained(self.explanation)

    def subject(self) -> str:
        return "The value" if not self.answer else quoted(self.answer, 48)

    def because(self, *what: tuple[str, bool]) -> Words:
        """The start of the headline, as sure as the model itself is of its answer."""
        target = self.explanation.target
        if not self.answer:
            return (("The value comes from ", False), *what)
        p = self.reading.probability(self.evidence.full)
        if target.generated:
            return ((f"The model said {quoted(self.answer, 48)} because of ", False), *what)
        if p is not None and exceeds(0.5, p) and self.reading.tokens_apart == 1:
            start = (
                f"The model finds {quoted(self.answer, 48)} only {percent(p)} likely; what speaks for it is "
            )
            return ((start, False), *what)
        return ((f"The model finds {quoted(self.answer, 48)} likely because of ", False), *what)

    @property
    def all(self) -> str:
        return f"all {len(self.players):,} {kind_plural(self.explanation)}"

    @property
    def none(self) -> str:
        return f"no {kind_plural(self.explanation)}"

    def ends(self) -> tuple[Step, ...]:
        ablate = self.reading.ablate
        return (Step(self.all, ablate(self.reading.everyone)), Step(self.none, ablate(())))

    def story(self, words: Words, core: tuple[int, ...], *asides: str) -> Story:
        return Story(words, (*asides, *self.asides(core)), tuple(self.steps(core)), core)

    def steps(self, core: Sequence[int]) -> list[Step]:
        """Everything, only the named, each of them alone, everything without them, nothing."""
        ablate, everyone = self.reading.ablate, self.reading.everyone
        steps = [Step(self.all, ablate(everyone))]
        if len(core) > 1:
            steps.append(Step(f"only {names(self.players, core)}", ablate(core)))
        steps += [Step(f"only {name(self.players, i)}", ablate((i,))) for i in core]
        if core:
            steps.append(Step(f"all but {names(self.players, core)}", ablate(everyone - set(core))))
        return [*steps, Step(self.none, ablate(()))]

    def asides(self, core: Sequence[int]) -> list[str]:
        found: list[str] = []
        bad = [i for i in self.evidence.hurting() if i not in core]
        if bad:
            without = self.reading.value_without(bad)
            full = self.evidence.full
            how = f"{valued(self.reading, full)} would become {valued(self.reading, without)}"
            plural = "pull" if len(bad) > 1 else "pulls"
            found.append(
                f"{_capital(names(self.players, sorted(bad)))} {plural} the other way: without "
                f"{'them' if len(bad) > 1 else 'it'}, {how} ({signed(without - full)})."
            )
        return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
