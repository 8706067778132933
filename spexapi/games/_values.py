"""Replies -> measurements: values, what they leave open, and why some are missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spexapi.backends.base import Reply
from spexapi.games._bounds import is_unknown, known_between, why_unknown
from spexapi.measurements import Bools, Floats, Ints, Measurements, exact_values
from spexapi.scorers.base import Ask, Estimate, Scorer

_OPEN = (
    "for one question only an upper bound is known and for another only a lower one, as the endpoint does not"
    " list all options: ask each question by itself, or choose another score"
)


def of_scores(scorer: Scorer, masks: Bools, replies: Sequence[Reply]) -> Measurements:
    """(m, n) bool and a reply each -> values. A failed reply is NaN with its reason.

    A token outside what the endpoint lists has a bound for a log-probability: such a value is a bound too,
    `lower` and `upper` say between which ends it lies. If that leaves all that a score can be, nothing is
    known: the measurement failed.
    """
    values = np.full(len(masks), np.nan)
    reasons = [reply.error for reply in replies]
    ends = np.full((2, len(masks)), np.nan)
    for i, reply in enumerate(replies):
        if reply.error:
            continue
        values[i] = scorer.of_reply(reply)
        if not np.isfinite(values[i]):
            reasons[i] = f"score {scorer.name} is {values[i]}"
        elif any(any(score.bounded) for score in reply.scores):
            ends[:, i] = known_between(scorer, reply)
            if is_unknown(scorer, reply, (ends[0, i], ends[1, i])):
                values[i], reasons[i] = np.nan, why_unknown(reply)
    found = exact_values(masks, values, reason=reasons, token_values=_token_values(replies))
    return _between(found.with_behaviour(_ranks(replies), _choices(replies)), *ends)


def _between(found: Measurements, lower: Floats, upper: Floats) -> Measurements:
    """Values of which only ends are known, (m,) each, NaN if there are none: the closed end is the value."""
    ok = found.ok & ~np.isnan(lower)
    if not (lower[ok] < upper[ok]).any():
        return found
    values = found.values.copy()
    values[ok] = np.where(np.isinf(upper), lower, np.where(np.isinf(lower), upper, values))[ok]
    low, high = (np.where(ok, end, was) for end, was in ((lower, found.lower), (upper, found.upper)))
    return replace(found, values=values, lower=low, upper=high)


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
    """The mean over questions; NaN with the first reason if one of them failed.

    If some are bounds, so is the mean; one that is open on both sides is a failed measurement.
    """
    with np.errstate(invalid="ignore"):  # -inf in one question, inf in another: NaN
        values: Floats = np.mean(
            [np.where(each.infinite, each.infinite, each.values) for each in found], axis=0
        )
        lower: Floats = np.mean([each.lower for each in found], axis=0)
        upper: Floats = np.mean([each.upper for each in found], axis=0)
    reasons = [
        next((f"question {q}: {why}" for q, why in enumerate(whys, 1) if why), "")
        for whys in zip(*(each.reason for each in found), strict=True)
    ]
    for i in np.flatnonzero(np.isfinite(values) & np.isneginf(lower) & np.isposinf(upper)):
        values[i], reasons[i] = np.nan, _OPEN
    noise = np.sum([each.variance for each in found], axis=0) / len(found) ** 2
    return replace(_between(exact_values(masks, values, reason=reasons), lower, upper), variance=noise)


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
