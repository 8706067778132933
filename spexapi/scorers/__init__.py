"""Scorers: from a reply to the value of a mask."""

from spexapi.scorers.base import Ask, Estimate, Scorer
from spexapi.scorers.logprobs import accuracy, choice, logit, logprob, mean_logprob, span_values
from spexapi.scorers.registry import find_scorer, known_scorers

__all__ = [
    "Ask",
    "Estimate",
    "Scorer",
    "accuracy",
    "choice",
    "find_scorer",
    "known_scorers",
    "logit",
    "logprob",
    "mean_logprob",
    "span_values",
]
