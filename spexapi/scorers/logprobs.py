"""Scorers that read log-probabilities of given answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spexapi.backends.base import Reply
from spexapi.errors import InputError
from spexapi.measurements import Floats
from spexapi.scorers.base import Scorer

# The nearest a probability comes to 1: closer than this, one minus it is no longer a float64.
_NEARLY_CERTAIN = -(2.0**-53)


def logprob(reply: Reply) -> float:
    """Log-probability of the answer in nats: the sum over its tokens."""
    return float(_sum(reply.scores[0].logprobs[None])[0])


def mean_logprob(reply: Reply) -> float:
    """Mean log-probability of the answer's tokens, in nats a token."""
    return float(_mean(reply.scores[0].logprobs[None])[0])


def logit(reply: Reply) -> float:
    """Log-odds of the answer, log p - log(1 - p), in nats; finite however near p is to 0 or 1."""
    return float(_logit(reply.scores[0].logprobs[None])[0])


def choice(reply: Reply) -> float:
    """Log-odds of the first answer against the others together, in nats: log p_1 - log(p_2 + ... + p_k)."""
    first, *others = _totals(reply, "choice")
    return first - float(np.logaddexp.reduce(others))


def accuracy(reply: Reply) -> float:
    """1 if the answer is likelier than each other option, else 0; over many questions the share right."""
    first, *others = _totals(reply, "accuracy")
    return float(first > max(others))


def written(reply: Reply) -> float:
    """The share of the answer's characters that the model still writes (greedily) before it leaves it.

    1: every token is its first choice. NaN if the backend does not say which tokens are.
    """
    score = reply.scores[0]
    if not score.ranks or not score.offsets:
        return float("nan")
    left = next((i for i, rank in enumerate(score.ranks) if rank != 1), None)
    if left is None:
        return 1.0
    if score.ranks[left] == 0:
        return float("nan")
    return score.offsets[left][0] / score.offsets[-1][1]


def span_values(
    scorer: Scorer, token_values: Floats, offsets: Sequence[tuple[int, int]], span: tuple[int, int]
) -> Floats:
    """The values for characters start:end of the answer alone, from log-probabilities already measured.

    token_values  (m, t) nats, NaN rows for failed measurements
    offsets       t pairs (start, end) of characters of the answer; a token counts if it shares a character
                  with the span

    Returns (m,). Raises InputError for a span without tokens and for a scorer that cannot be re-applied.
    """
    if scorer.of_tokens is None:
        raise InputError(
            f"score {scorer.name!r} is no sum over tokens, so it cannot be read for a span: use 'logprob'"
        )
    chosen = [i for i, (start, end) in enumerate(offsets) if start < span[1] and span[0] < end]
    if not chosen:
        last = max((end for _, end in offsets), default=0)
        raise InputError(
            f"no token of the answer lies in {span[0]}:{span[1]}; the answer has {last} characters"
        )
    return scorer.of_tokens(token_values[:, chosen])


def _totals(reply: Reply, name: str) -> list[float]:
    """The log-probability of each answer in nats. Raises InputError if there is nothing to compare with."""
    if len(reply.scores) < 2:
        raise InputError(
            f"score {name!r} compares the answer with other options: give options=[...] with at least two"
        )
    return [float(score.logprobs.sum()) for score in reply.scores]


def _sum(tokens: Floats) -> Floats:
    return tokens.sum(axis=1)


def _mean(tokens: Floats) -> Floats:
    return tokens.mean(axis=1)


def _logit(tokens: Floats) -> Floats:
    log_p: Floats = np.minimum(tokens.sum(axis=1), _NEARLY_CERTAIN)
    # log(1 - p) without cancellation at either end (Maechler, 2012)
    near_one = log_p > -np.log(2.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_rest: Floats = np.where(near_one, np.log(-np.expm1(log_p)), np.log1p(-np.exp(log_p)))
    return log_p - log_rest


LOGPROB_SCORERS = (
    Scorer("logprob", "nats", logprob, _sum),
    Scorer("mean_logprob", "nats a token", mean_logprob, _mean),
    Scorer("logit", "nats", logit, _logit),
    Scorer("choice", "nats", choice, options=True),
    Scorer("accuracy", "right", accuracy, options=True),
    Scorer("written", "of the answer", written),
)
