"""Name -> scorer: the built-in ones and whatever entry point group "spexapi.scorers" adds."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import cast

from spexapi.backends.base import Reply
from spexapi.errors import InputError
from spexapi.scorers.base import Scorer
from spexapi.scorers.logprobs import LOGPROB_SCORERS
from spexapi.scorers.similarity import REPLY_SCORERS

_BUILT_IN = {scorer.name: scorer for scorer in (*LOGPROB_SCORERS, *REPLY_SCORERS)}
_JUDGED = ("embedding", "judge")  # their names go on with ":<model>"


def find_scorer(score: str | Scorer | Callable[[Reply], float]) -> Scorer:
    """The scorer of that name, built in or from entry point group "spexapi.scorers"; a function is taken as
    it is.

    Raises InputError naming the known ones.
    """
    if isinstance(score, Scorer):
        return score
    if callable(score):
        return Scorer(getattr(score, "__name__", "custom"), "", score)
    if score in _BUILT_IN:
        return _BUILT_IN[score]
    name, _, model = score.partition(":")
    if name in _JUDGED:
        return _judged(name, model)
    for point in entry_points(group="spexapi.scorers"):
        if point.name == score:
            found = cast("Scorer | Callable[[Reply], float]", point.load())
            return found if isinstance(found, Scorer) else Scorer(score, "", found)
    raise InputError(f"unknown score {score!r}: known are {', '.join(known_scorers())}")


def known_scorers() -> dict[str, str]:
    """Name -> "module:name" of every scorer found, the built-in ones first."""
    found = {scorer.name: f"spexapi.scorers.logprobs:{scorer.name}" for scorer in LOGPROB_SCORERS}
    found |= {scorer.name: f"spexapi.scorers.similarity:{scorer.name}" for scorer in REPLY_SCORERS}
    found |= {f"{name}:<model>": f"spexapi.scorers.judged:{name}" for name in _JUDGED}
    for point in entry_points(group="spexapi.scorers"):
        found.setdefault(point.name, point.value)
    return found


def _judged(name: str, model: str) -> Scorer:
    """The scorer "embedding:<model>" or "judge:<backend>", such as "judge:openai:gpt-4o-mini"."""
    if not model:
        raise InputError(
            f"score {name!r} needs a model: write '{name}:openai:<model>' or '{name}:hf:<id or folder>'"
        )
    from spexapi.scorers.judged import embedding, judge  # loads clients of other models

    return embedding(model) if name == "embedding" else judge(model)
