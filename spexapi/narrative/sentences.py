"""The headline: one claim as one sentence."""

from __future__ import annotations

import math

from spexapi.explanation.claims.claims import Claims, Kind
from spexapi.explanation.reading import Reading
from spexapi.explanation.values import Ablation
from spexapi.fourier.ranking import EQUAL, exceeds, first_largest, reaches, settled
from spexapi.narrative.wording import (
    are,
    explained,
    kind_plural,
    name,
    names,
    percent,
    quoted,
    some_words,
    valued,
)

Words = tuple[tuple[str, bool], ...]  # pieces of a sentence, True if it is stressed

_WIDTH = 48  # characters of the answer in a headline


class Sentences:
    """The claims of one explanation as sentences."""

    def __init__(self, reading: Reading, claims: Claims) -> None:
        self.reading, self.claims, self.rule = reading, claims, claims.rule
        self.explanation, self.players = reading.explanation, reading.explanation.players
        self.answer = explained(reading.explanation)

    def first(self) -> Words:
        """The model's own doubt as a sentence of its own, for claims whose words do not begin with it."""
        if self.claims.kind in (Kind.CORE, Kind.EITHER, Kind.SPREAD) or not self.answer:
            return ()
        return ((f"{doubt}. ", False),) if (doubt := self.doubt()) else ()

    def headline(self) -> Words:
        kind, core = self.claims.kind, self.claims.core
        if kind is Kind.EITHER:
            return self.either()
        if kind is Kind.SPREAD:
            return self.spread()
        if kind is Kind.NOTHING:
            return self.nothing()
        if kind is Kind.PULL:
            return self.pull()
        if kind is Kind.LOWER:
            return self.lower()
        return self.one(core[0]) if len(core) == 1 else self.several()

    def one(self, i: int) -> Words:
        claims, words = self.claims, self.because((name(self.players, i), True))
        if not claims.confirmed:
            return (*words, (".", False))
        if self.is_doubted:
            every = kind_plural(self.explanation)
            if claims.survives:
                return (*words, (f": the other {every} speak for it as much.", False))
            more = claims.kept is not None and claims.kept.value > self.rule.full.value + self.rule.near
            much = "more than" if more else "about as much as"
            return (*words, (f": alone it does {much} all {every} together.", False))
        if claims.survives:
            rest = "but so are the others" if self.reading.n > 2 else "but so is the other"
            return (*words, (f": it is enough alone, {rest}.", False))
        if claims.is_lost:
            gone = "the answer goes" if self.answer else "the value is lost"
            return (*words, (f": it is enough alone, and without it {gone}.", False))
        if claims.without is None:
            return (*words, (": it is enough alone.", False))
        fallen = f"without it {valued(self.reading, claims.without.value)} are left"
        return (*words, (f": it is enough alone; {fallen}.", False))

    def either(self) -> Words:
        claims, two = self.claims, len(self.claims.core) == 2
        some, rest = ("either one", "both") if two else ("any one", "all of them")
        enough = "does as much as all" if self.is_doubted else "is enough"
        words = self.because(
            (f"{names(self.players, claims.core, 'or')}: ", False), (f"{some} {enough}", True)
        )
        if self.is_doubted:
            return (*words, (".", False))
        what = "the answer" if self.answer else "the value"
        if claims.is_lost:
            return (*words, (f". It takes the loss of {rest} to lose {what}.", False))
        if claims.survives:
            return (*words, (f". Even without {rest} {what} stays.", False))
        return (*words, (".", False))

    def several(self) -> Words:
        claims, called = self.claims, names(self.players, self.claims.core)
        what = kind_plural(self.explanation)
        if not claims.confirmed:
            return (*self.because((called, False)), (" together.", True))
        rest = self.parts()
        alone = [a for a in claims.alone if a is not None]
        if len(alone) == len(claims.core) and (brings := self.summed(alone)) is not None:
            most = claims.core[first_largest(brings)]
            if reaches(max(brings), 0.6):
                share = (
                    f": it alone brings {settled(max(brings)):.0%} of the difference that all {what} make."
                )
                named = (name(self.players, most), False)
                return (*self.because(named), (" above all", True), (share, False))
            each = (": ", False), ("each adds its part", True)
            return (*self.because((called, False)), *each, (f"; {rest}." if rest else ".", False))
        words = (*self.because((called, False)), (" together", True))
        return (*words, (f": {rest}." if rest else ".", False))

    def parts(self) -> str:
        """What is known of smaller parts of the core."""
        parts, core = self.claims.parts, self.claims.core
        known = [a for a in parts if a is not None]
        if len(known) < len(core):
            return ""
        if len(core) == 2:
            alone = {i: a.value for i, a in zip(reversed(core), known, strict=True)}
            most = sorted(core)[first_largest([alone[i] for i in sorted(core)], EQUAL * self.rule.scale)]
            if all(self.rule.lost(a) for a in known):
                return f"neither {'does as much' if self.is_doubted else 'is enough'} alone"
            return f"{name(self.players, most)} alone goes part of the way"
        fewer = {3: "two", 4: "three"}.get(len(core), f"{len(core) - 1}")
        return f"no {fewer} of them {'do as much' if self.is_doubted else 'are enough'}"

    def summed(self, alone: list[Ablation]) -> list[float] | None:
        """The share of the difference that each brings alone, if these add up to all of it; else None."""
        none, total = self.rule.none.value, self.rule.total
        gains = [a.value - none for a in alone]
        if not exceeds(min(gains), 0.0, self.rule.scale) or not reaches(
            0.1 * total, abs(sum(gains) - total), self.rule.scale
        ):
            return None
        return [self.share_of(a.value) for a in alone]

    def share_of(self, value: float) -> float:
        """How far a value is from nothing kept to everything kept; in probability if it is one."""
        none, here, full = self.rule.none.value, value, self.rule.full.value
        chances = [self.reading.probability(v) for v in (none, here, full)]
        # both ends may be certain
        if chances[0] is not None and exceeds(abs((chances[2] or 0.0) - chances[0]), 0.0, 1.0):
            none, here, full = (p or 0.0 for p in chances)
        return (here - none) / (full - none)

    def spread(self) -> Words:
        claims, what = self.claims, kind_plural(self.explanation)
        noun = "answer" if self.answer else "value"
        few = claims.confirmed and 2 * len(claims.core) <= self.reading.n
        words = self.because((f"{len(claims.core) if few else 'many'} {what} at once", True))
        if few:
            words = (
                *words,
                (
                    f": with these alone the {noun} stays, and no smaller group that was tried is enough.",
                    False,
                ),
            )
        else:
            words = (*words, (": no small group that was tried is enough.", False))
        if most := self.missed_most():
            who = f"{names(self.players, most)} {are(len(most))} missed most"
            words = (*words, (f" Of the few that were removed one at a time, {who}.", False))
        return words

    def missed_most(self) -> tuple[int, ...]:
        """Those of the players removed alone whose loss costs most; none if it costs the same for all."""
        claims, scale = self.claims, self.rule.scale
        lost = [a.value for a in claims.losses if a is not None]
        most = [i for i, v in zip(claims.missed, lost, strict=False) if not exceeds(v, min(lost), scale)]
        return tuple(sorted(most)) if len(most) < max(len(lost), 2) else ()

    def nothing(self) -> Words:
        what = kind_plural(self.explanation)
        if self.varies:
            return self.varied()
        subject = quoted(self.answer, _WIDTH) if self.answer else "The value"
        if not self.answer:
            rest = "it is as high with none of them"
        elif self.rule.knows_behaviour and self.rule.stays(self.rule.none):
            does = "chooses" if self.explanation.target.score == "choice" else "says"
            rest = f"the model {does} it with none of them"
        else:
            rest = "it is as likely with none of them"
        return ((f"{subject} ", False), ("does not depend", True), (f" on any of the {what}: {rest}.", False))

    @property
    def varies(self) -> bool:
        """Whether some of the measured masks do not do as all kept and none kept do."""
        full, seen = self.rule.full, self.reading.measured
        if self.rule.knows_behaviour:
            return any(a.behaviour is not None and a.behaviour.stays is False for a in seen)
        apart = math.log(2) if self.explanation.target.unit == "nats" else 2 * self.reading.floor
        return any(exceeds(abs(a.value - full.value), apart, self.rule.scale) for a in seen)

    def varied(self) -> Words:
        """All kept and none kept do the same, and other masks do not."""
        what, answer = kind_plural(self.explanation), quoted(self.answer, _WIDTH)
        if self.answer and self.rule.knows_behaviour:
            does = "chooses" if self.explanation.target.score == "choice" else "says"
            first = f"The model {does} {answer} with all of the {what} and with none of them, "
        else:
            likely = f"{answer} is as likely" if self.answer else "The value is as high"
            first = f"{likely} with none of the {what} as with all of them, "
        return ((first, False), ("but not with every selection", True), (" of them.", False))

    def pull(self) -> Words:
        what, good, bad = kind_plural(self.explanation), self.claims.core, self.claims.against
        return (
            (f"The {what} pull against each other: ", False),
            (names(self.players, good), True),
            (" for, ", False),
            (names(self.players, bad), True),
            (" against.", False),
        )

    def lower(self) -> Words:
        what, worst = kind_plural(self.explanation), self.claims.core
        some = worst and len(worst) < self.reading.n
        above_all = f", above all {names(self.players, worst)}" if some else ""
        if self.answer:
            less = (" less likely" + above_all + ".", False)
            return (
                (f"Together the {what} make {quoted(self.answer, _WIDTH)}", False),
                (less[0].removesuffix(above_all + "."), True),
                (above_all + ".", False),
            )
        return ((f"Together the {what} ", False), ("lower", True), (f" the value{above_all}.", False))

    # -- how the sentence begins

    def because(self, *what: tuple[str, bool]) -> Words:
        """The start of the headline, as sure as the model itself is of its answer."""
        target, answer = self.explanation.target, quoted(self.answer, _WIDTH)
        if not self.answer:
            return (("The value comes from ", False), *what)
        if doubt := self.doubt():
            return ((f"{doubt}; what speaks for it is ", False), *what)
        if target.score == "choice":
            rather = f" rather than {some_words(others, 2, 'or', _WIDTH)}" if (others := self.others) else ""
            return ((f"The model chooses {answer}{rather} because of ", False), *what)
        if target.generated:
            return ((f"The model said {answer} because of ", False), *what)
        return ((f"The model finds {answer} likely because of ", False), *what)

    @property
    def is_doubted(self) -> bool:
        """Whether the model does not stand behind the answer: then nothing is "enough" for it."""
        return bool(self.answer and self.doubt())

    def doubt(self) -> str:
        """What is said first if the model itself does not stand behind the answer; "" if it does."""
        full, answer = self.rule.full, quoted(self.answer, _WIDTH)
        chance = self.reading.probability(full.value)
        how = "" if chance is None else f" ({valued(self.reading, full.value)})"
        if unknown := self.explanation.target.unknown:
            if self.explanation.target.generated:
                return f"The model does not know {some_words(unknown)}: it said {answer}, which means little"
            return f"The model does not know {some_words(unknown)}: what it makes of {answer} means little"
        behaviour = full.behaviour
        if behaviour is not None and behaviour.stays is False and self.explanation.target.score != "choice":
            says = self.reading.says(self.reading.everyone)
            instead = f" but {quoted(says, _WIDTH)}" if says else ""
            return f"The model would not say {answer}{how}{instead}"
        if self.rule.is_sure:
            return ""
        if self.explanation.target.score == "choice":
            return self.not_chosen(answer, chance or 0.0)
        if self.explanation.target.generated:
            return f"The model said {answer} but does not stand behind it{how}"
        says = self.reading.says(self.reading.everyone)
        instead = f" and would say {quoted(says, _WIDTH)}" if says else ""
        if how.endswith("token)"):
            return f"The model does not stand behind {answer}{how}{instead}"
        return f"The model finds {answer} only {percent(chance or 0.0)} likely{instead}"

    @property
    def others(self) -> list[str]:
        """The options besides the explained one."""
        target = self.explanation.target
        return [option for option in target.options if option != target.answer]

    def not_chosen(self, answer: str, chance: float) -> str:
        """What is said of an option that is less likely than the others together."""
        behaviour, others = self.rule.full.behaviour, self.others
        if len(others) > 1 and (behaviour is None or behaviour.stays is not False):
            return f"Of {len(others) + 1} options the model gives {answer} only {percent(chance)}"
        instead = f" but {quoted(others[0], _WIDTH)}" if len(others) == 1 else ""
        return f"The model would not choose {answer} ({percent(chance)}){instead}"
