"""What a score can be if the endpoint does not list some tokens: between which ends, or nothing at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spexapi.backends.base import AnswerScore, Reply
from spexapi.scorers.base import Scorer

Ends = tuple[float, float]
_ANYTHING = (-np.inf, np.inf)
_REWORD = "word the question so that the answer begins with an option, or choose another score"


def known_between(scorer: Scorer, reply: Reply) -> Ends:
    """The least and the largest that the score can be: an unlisted token lies anywhere below its bound."""
    first, *others = reply.scores
    if scorer.options:
        return _ends(scorer, reply, (_lowest(first), *others), (first, *map(_lowest, others)))
    return _ends(scorer, reply, reply.scores, (_lowest(first), *others))


def is_unknown(scorer: Scorer, reply: Reply, ends: Ends) -> bool:
    """Whether the score may be anything that it ever is between those ends."""
    if ends == _ANYTHING:
        return True
    if not scorer.options:
        return False
    first, *others = reply.scores
    never, surely = (_all_at(first, -np.inf), _all_at(first, 0.0))
    worst = (never, *(_all_at(score, 0.0) for score in others))
    best = (surely, *(_all_at(score, -np.inf) for score in others))
    least, most = _ends(scorer, reply, worst, best)
    return ends[0] <= least < most <= ends[1]


def why_unknown(reply: Reply) -> str:
    """The reason of a measurement from which nothing is known, and what to do."""
    options = len(reply.scores)
    listed = sum(not any(score.bounded) for score in reply.scores)
    if options < 2:
        return "a token of the answer is not among those the endpoint lists: choose another score"
    if listed:
        few = f"only {listed} of the {options} options {'is' if listed == 1 else 'are'}"
        return f"{few} among the tokens the endpoint lists: {_REWORD}"
    none = "neither option is" if options == 2 else f"none of the {options} options is"
    return f"{none} among the tokens the endpoint lists: {_REWORD}"


def _ends(scorer: Scorer, reply: Reply, one: tuple[AnswerScore, ...], other: tuple[AnswerScore, ...]) -> Ends:
    """The scores of two replies, the smaller first; everything is possible if one of them is no number."""
    try:
        with np.errstate(all="ignore"):
            found = [float(scorer.of_reply(replace(reply, scores=scores))) for scores in (one, other)]
    except (ArithmeticError, ValueError):  # a scorer of the user that takes no logarithm of 0
        return _ANYTHING
    return _ANYTHING if np.isnan(found).any() else (min(found), max(found))


def _lowest(score: AnswerScore) -> AnswerScore:
    """With every token that is not listed as unlikely as can be."""
    if not any(score.bounded):
        return score
    return replace(score, logprobs=np.where(score.bounded, -np.inf, score.logprobs))


def _all_at(score: AnswerScore, logprob: float) -> AnswerScore:
    return replace(score, logprobs=np.full(len(score.logprobs), logprob))
