"""The sentence at the top: which players made the answer, together or each alone, as the values show it.

The story never reads an index. It asks the explanation for the values of a few masks (everything, nothing,
only these, all but these), measured where they were measured, else predicted, and says what they show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from spexapi.views.reading import Ablation, Reading
from spexapi.views.wording import (
    kind_plural,
    level,
    name,
    names,
    percent,
    probability,
    quoted,
    signed,
    valued,
)

if TYPE_CHECKING:
    from spexapi.explanation import Explanation

MOST_ACTIVE = 40  # players the search for a small enough set starts from, by share
MOST_NAMED = 4  # a set with more players than this is told as "spread over many"

Words = tuple[tuple[str, bool], ...]  # pieces of a sentence, True where it is stressed


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


def tell(explanation: Explanation) -> Story:
    """The story of an explanation; a frank "cannot tell" where the audit is poor."""
    teller = _Teller(Reading.of(explanation))
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
    """Looks at few masks of one explanation and puts them into words."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.explanation = reading.explanation
        self.players = reading.explanation.players
        self.full = reading.value(reading.everyone)
        self.none = reading.value(())
        self.total = self.full - self.none
        self.shares = reading.shares()
        # a probability may halve and still be "the same answer"; other units have no such anchor
        nats = self.explanation.target.unit == "nats"
        self.near = max(0.1 * self.total, min(0.7, 0.2 * self.total)) if nats else 0.2 * self.total
        self.far = max(0.2 * self.total, min(1.4, 0.5 * self.total)) if nats else 0.5 * self.total

    # -- what is asked of the values

    def enough(self, kept: Iterable[int]) -> bool:
        return self.reading.value(kept) >= self.full - self.near

    def lost(self, gone: Iterable[int]) -> bool:
        return self.reading.value_without(gone) <= self.full - self.far

    def active(self) -> list[int]:
        """Players that appear in the spectrum, the largest shares first."""
        present = {i for s in self.explanation.spectrum.coef for i in s}
        return sorted(present, key=lambda i: (-abs(self.shares[i]), i))[:MOST_ACTIVE]

    def smallest_enough(self) -> tuple[int, ...] | None:
        """Players that are enough without all others, none of whom can go; by greedy removal."""
        kept = set(self.active())
        if not self.enough(kept):
            return None
        while kept:
            best = max(sorted(kept), key=lambda i: self.reading.value(kept - {i}))
            if not self.enough(kept - {best}):
                break
            kept.remove(best)
        return tuple(sorted(kept))

    def hurting(self) -> list[int]:
        """Players without which the value would be clearly higher, the worst first."""
        bar = max(self.reading.floor(), 0.1 * abs(self.total))
        gains = {i: self.reading.value_without((i,)) - self.full for i in self.active() if self.shares[i] < 0}
        return sorted((i for i, gain in gains.items() if gain > bar), key=lambda i: -gains[i])[:MOST_NAMED]

    # -- the tellings

    def tell(self) -> Story:
        if self.total <= 2 * self.reading.floor():
            return self.nothing_lifts() if self.total >= -2 * self.reading.floor() else self.all_lower()
        core = self.smallest_enough()
        if core is None or not core or len(core) > MOST_NAMED:
            return self.spread(core)
        twins = self.alternatives(core)
        if len(core) == 1 and twins:
            return self.either(twins)
        return self.one(core[0]) if len(core) == 1 else self.several(core)

    def alternatives(self, core: tuple[int, ...]) -> tuple[int, ...]:
        """Where one player is enough: all that are, if the answer outlives losing each but not all."""
        if len(core) != 1 or self.lost(core):
            return ()
        found = tuple(sorted(i for i in self.active() if self.enough((i,))))
        return found if 1 < len(found) <= MOST_NAMED and self.lost(found) else ()

    def one(self, i: int) -> Story:
        words = self.because((name(self.players, i), True))
        if self.lost((i,)):
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
        names_ = names(self.players, core)
        alone = {i: self.reading.value((i,)) - self.none for i in core}
        summed = abs(sum(alone.values()) - self.total) <= 0.2 * self.total and all(
            v > 0 for v in alone.values()
        )
        if summed:
            return self.story((*self.because((names_, False)), (": each adds its part.", True)), core)
        words = (*self.because((names_, False)), (" together", True))
        parts = [s for k in range(1, len(core)) for s in combinations(core, k)]
        if all(self.reading.value(s) <= self.full - self.far for s in parts):
            nobody = "neither is enough alone" if len(core) == 2 else "no smaller part of them is enough"
            words += ((f": {nobody}.", False),)
        else:
            most = max(core, key=lambda i: alone[i])
            words += ((f": {name(self.players, most)} alone goes part of the way.", False),)
        return self.story(words, core)

    def spread(self, core: tuple[int, ...] | None) -> Story:
        top = tuple(sorted(i for i in self.active()[:3] if self.shares[i] > 0))
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
        bad, good = self.hurting(), [i for i in self.active() if self.lost_by((i,))][:MOST_NAMED]
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
        if self.explanation.target.kind == "function":
            return self.story((*words, ("the value is as high with none of them.", False)), ())
        return self.story((*words, ("it is as likely with none of them.", False)), ())

    def some(self, group: Sequence[int]) -> tuple[str, bool]:
        return names(self.players, sorted(group)), True

    def lost_by(self, gone: tuple[int, ...]) -> bool:
        return self.reading.value_without(gone) < self.full - max(self.reading.floor(), 0.1 * abs(self.total))

    def all_lower(self) -> Story:
        worst = [i for i in self.active() if self.shares[i] < 0][:3]
        what = kind_plural(self.explanation)
        answer = "the value" if self.explanation.target.kind == "function" else quoted(self.answer)
        verb = "lower" if self.explanation.target.kind == "function" else "make less likely"
        words: Words = ((f"Taken together, the {what} ", False), (verb, True), (f" {answer}", False))
        if worst:
            words += ((f", {names(self.players, sorted(worst))} the most", False),)
        return self.story((*words, (".", False)), tuple(sorted(worst)))

    def cannot_tell(self, trust: str) -> Story:
        if trust == "none":
            words: Words = (("Still measuring: too early to tell why.", False),)
        else:
            r2 = self.explanation.audit.r2 or 0.0
            words = (
                ("This run ", False),
                ("cannot tell", True),
                (f" why ({max(r2, 0.0):.0%} explained). ", False),
            )
            words += (("Raise the budget; take what follows as hints.", False),)
        return Story(words, (), self.ends())

    # -- the pieces

    @property
    def answer(self) -> str:
        target = self.explanation.target
        return target.answer[slice(*target.span)] if target.span else target.answer

    def subject(self) -> str:
        return (
            "The value"
            if self.explanation.target.kind == "function" or not self.answer
            else quoted(self.answer)
        )

    def because(self, *what: tuple[str, bool]) -> Words:
        """The start of the headline, as sure as the model itself is of its answer."""
        target = self.explanation.target
        if target.kind == "function" or not self.answer:
            return (("The value comes from ", False), *what)
        p = probability(self.explanation, self.full)
        if target.generated:
            return ((f"The model said {quoted(self.answer)} because of ", False), *what)
        if p is not None and p < 0.5:
            return (
                (
                    f"The model finds {quoted(self.answer)} only {percent(p)} likely; what speaks for it is ",
                    False,
                ),
                *what,
            )
        return ((f"The model finds {quoted(self.answer)} likely because of ", False), *what)

    def ends(self) -> tuple[Step, ...]:
        ablate = self.reading.ablate
        return (Step("everything kept", ablate(self.reading.everyone)), Step("nothing kept", ablate(())))

    def story(self, words: Words, core: tuple[int, ...]) -> Story:
        return Story(words, tuple(self.asides(core)), tuple(self.steps(core)), core)

    def steps(self, core: Sequence[int]) -> list[Step]:
        """Everything, only the named, each of them alone, everything without them, nothing."""
        ablate, everyone = self.reading.ablate, self.reading.everyone
        steps = [Step("everything kept", ablate(everyone))]
        if len(core) > 1:
            steps.append(Step(f"only {names(self.players, core)}", ablate(core)))
        steps += [Step(f"only {name(self.players, i)}", ablate((i,))) for i in core]
        if core:
            steps.append(Step(f"all but {names(self.players, core)}", ablate(everyone - set(core))))
        return [*steps, Step("nothing kept", ablate(()))]

    def asides(self, core: Sequence[int]) -> list[str]:
        found: list[str] = []
        bad = [i for i in self.hurting() if i not in core]
        if bad:
            without = self.reading.value_without(bad)
            how = f"{valued(self.explanation, self.full)} would become {valued(self.explanation, without)}"
            plural = "pull" if len(bad) > 1 else "pulls"
            found.append(
                f"{_capital(names(self.players, sorted(bad)))} {plural} the other way: without "
                f"{'them' if len(bad) > 1 else 'it'}, {how} ({signed(without - self.full)})."
            )
        return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
