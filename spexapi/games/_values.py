"""Replies -> measurements: values, what they leave open, and why some are missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spexapi.backends.base import Reply
from spexapi.measurements import Bools, Floats, Ints, Measurements, exact_values
from spexapi.scorers.base import Ask, Estimate, Scorer


def of_scores(scorer: Scorer, masks: Bools, replies: Sequence[Reply]) -> Measurements:
    """(m, n) bool and a reply each -> values. A failed reply is NaN with its reason.

    A token outside what the endpoint lists has a bound for a log-probability: such a value is a bound too,
    `lower` or `upper` says of which side.
    """
    values = np.full(len(masks), np.nan)
    reasons = [reply.error for reply in replies]
    for i, reply in enumerate(replies):
        if not reply.error:
            values[i] = scorer.of_reply(reply)
            if not np.isfinite(values[i]):
                reasons[i] = f"score {scorer.name} is {values[i]}"
    found = exact_values(masks, values, reason=reasons, token_values=_token_values(replies))
    found = found.with_behaviour(_ranks(replies), _choices(replies))
    open_ended = [(i, *_open_sides(scorer, reply)) for i, reply in enumerate(replies) if _bounded(reply)]
    if not open_ended:
        return found
    lower, upper = found.lower.copy(), found.upper.copy()
    for i, below, above in open_ended:
        if found.ok[i]:
            lower[i] = -np.inf if below else lower[i]
            upper[i] = np.inf if above else upper[i]
    return replace(found, lower=lower, upper=upper)


async def of_texts(
    scorer: Scorer, masks: Bools, groups: Sequence[Sequence[Reply]], answer: str, ask: Ask
) -> Measurements:
    """(m, n) bool and the sampled replies of each -> values with the variance of their sampling noise.

    Replies that failed are left out; a mask with none left is NaN with the reason.
    """
    weigh = scorer.of_texts
    assert weigh is not None

    async def one(replies: Sequence[Reply]) -> Estimate | str:
        texts = [reply.text for reply in replies if not reply.error]
        if not texts:
            return replies[0].error
        return await weigh(texts, answer, ask)

    found = await asyncio.gather(*(one(replies) for replies in groups))
    values = np.array([np.nan if isinstance(each, str) else each.value for each in found])
    noise = np.array([0.0 if isinstance(each, str) else each.variance for each in found])
    reasons = [each if isinstance(each, str) else "" for each in found]
    for i in np.flatnonzero(~np.isfinite(values)):
        reasons[i] = reasons[i] or f"score {scorer.name} is {values[i]}"
    return replace(exact_values(masks, values, reason=reasons), variance=noise)


def averaged(masks: Bools, found: Sequence[Measurements]) -> Measurements:
    """The mean over questions; NaN with the first reason if one of them failed."""
    values = np.mean([each.values for each in found], axis=0)
    reasons = [
        next((f"question {q}: {why}" for q, why in enumerate(whys, 1) if why), "")
        for whys in zip(*(each.reason for each in found), strict=True)
    ]
    noise = np.sum([each.variance for each in found], axis=0) / len(found) ** 2
    return replace(exact_values(masks, values, reason=reasons), variance=noise)


def _bounded(reply: Reply) -> bool:
    return any(any(score.bounded) for score in reply.scores)


def _open_sides(scorer: Scorer, reply: Reply) -> tuple[bool, bool]:
    """Whether the true value may lie below, and above. The true log-probability lies below its bound."""
    answer = any(reply.scores[0].bounded)
    others = any(any(score.bounded) for score in reply.scores[1:])
    if scorer.options:
        return answer, others
    if scorer.of_tokens is None:
        return True, True  # which way a scorer of the user turns is not known
    return answer, False


def _token_values(replies: Sequence[Reply]) -> Floats | None:
    """(m, t), None if no reply came or they differ in length.

    NaN for failed replies, and for a token of which only a bound is known: a span with it has no value.
    """
    lengths = {len(reply.scores[0].logprobs) for reply in replies if reply.scores}
    if len(lengths) != 1:
        return None
    table = np.full((len(replies), lengths.pop()), np.nan)
    for i, reply in enumerate(replies):
        if reply.scores:
            bounded = reply.scores[0].bounded
            table[i] = (
                np.where(bounded, np.nan, reply.scores[0].logprobs) if bounded else reply.scores[0].logprobs
            )
    return table


def _ranks(replies: Sequence[Reply]) -> Ints | None:
    """(m, t) ranks of the first answer's tokens, 0 if unknown; None if none is known or lengths differ."""
    rows = [reply.scores[0].ranks if reply.scores else () for reply in replies]
    lengths = {len(reply.scores[0].logprobs) for reply in replies if reply.scores}
    if len(lengths) != 1 or not any(rows):
        return None
    none = (0,) * lengths.pop()
    return np.array([row or none for row in rows], dtype=np.int64)


def _choices(replies: Sequence[Reply]) -> tuple[tuple[str, ...], ...] | None:
    """For each reply what the model would write in each place of the first answer; None if none says."""
    rows = tuple(reply.scores[0].choices if reply.scores else () for reply in replies)
    return rows if any(rows) else None
