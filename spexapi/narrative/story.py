"""The sentence at the top: which players made the answer, together or each alone, as the model confirmed it.

Every sentence is a claim of explanation.claims put into words; none is made here. What was not asked of the
model is told as likely, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spexapi.explanation.claims.claims import Claims, Kind
from spexapi.explanation.claims.search import claims_of
from spexapi.explanation.confidence import level
from spexapi.explanation.reading import Reading
from spexapi.fourier.ranking import settled
from spexapi.narrative.asides import asides_of
from spexapi.narrative.failures import lead_of
from spexapi.narrative.sentences import Sentences, Words
from spexapi.narrative.steps import Step, ends, steps_of

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

# how sure a story is that the model was not asked about
_HEDGES = {"weak": "Perhaps", "poor": "Perhaps", "none": "Without a check:"}


@dataclass(frozen=True, slots=True)
class Story:
    """headline: the sentence; asides: what else the reader should hear; steps: the masks that show it;
    core: the players it names; claims: what it rests on."""

    headline: Words
    asides: tuple[str, ...]
    steps: tuple[Step, ...]
    core: tuple[int, ...] = ()
    claims: Claims | None = None

    @property
    def text(self) -> str:
        return "".join(piece for piece, _ in self.headline)


def tell(explanation: Explanation, reading: Reading | None = None) -> Story:
    """The story of an explanation; "cannot tell" if the model confirmed nothing and the audit is poor.

    reading  of this explanation, if there is one already
    """
    reading = reading or Reading.of(explanation)
    if (lead := lead_of(explanation)) is not None:
        return Story(lead.words, lead.asides, ends(reading), lead.core)
    claims, trust = claims_of(reading), level(explanation.audit)
    if explanation.stopped and trust == "none":
        return _untold(reading, (("Too early to tell why.", False),))
    if not claims.confirmed and trust == "poor":
        return _untold(reading, _cannot_tell(explanation))
    sentences = Sentences(reading, claims)
    words = sentences.headline()
    words = words if claims.confirmed else _hedged(words, _HEDGES.get(trust, "Probably"))
    headline = (*sentences.first(), *words)
    named = tuple(sorted({*claims.core, *claims.against})) if claims.kind is Kind.PULL else claims.core
    return Story(headline, asides_of(reading, claims), steps_of(reading, claims), named, claims)


def _hedged(words: Words, lead: str) -> Words:
    """ "Probably the model said ..." """
    (first, stressed), *rest = words
    lower = first[:1].lower() + first[1:] if first[:1].isalpha() else first
    return ((f"{lead} {lower}", stressed), *rest)


def _untold(reading: Reading, words: Words) -> Story:
    return Story(words, (), ends(reading))


def _cannot_tell(explanation: Explanation) -> Words:
    r2 = settled(max(explanation.audit.r2 or 0.0, 0.0))
    more = "It ended early" if explanation.stopped else "Raise the budget"
    why = f" why ({r2:.0%} explained). " if r2 >= 0.005 else " why. "
    return (
        ("This run ", False),
        ("cannot tell", True),
        (why, False),
        (f"{more}; take what follows as hints.", False),
    )
