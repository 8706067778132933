"""The probability that a value stands for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation


def tokens_apart(explanation: Explanation) -> int:
    """Over how many tokens a likelihood is spread to be readable; 1: it is not; 0: the value is a mean.

    The probability of a whole long answer is always tiny, so its tokens' geometric mean is shown.
    """
    target = explanation.target
    if target.score == "mean_logprob":
        return 0
    if target.score != "logprob" or explanation.value_of(kept=True) > math.log(0.01):
        return 1
    start, end = target.span or (0, len(target.answer))
    return max(sum(a < end and b > start for a, b in target.answer_offsets), 1)


def probability(explanation: Explanation, value: float) -> float | None:
    """The probability a value stands for, of the answer or of a token of it; None where there is none."""
    score = explanation.target.score
    if explanation.target.unit != "nats" and score != "mean_logprob":
        return None
    if score in ("logprob", "mean_logprob"):
        return math.exp(min(value / max(tokens_apart(explanation), 1), 0.0))
    if score in ("logit", "choice"):
        return 1.0 / (1.0 + math.exp(-max(min(value, 700.0), -700.0)))
    return None
