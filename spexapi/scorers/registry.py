"""Reply -> value: what number an answer's likelihood becomes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import cast

import numpy as np

from spexapi.backends.base import Reply, Request, Scoring
from spexapi.errors import InputError
from spexapi.measurements import Floats
from spexapi.scorers.similarity import chrf, log_odds, mean, normal, rouge_l

# The nearest a probability comes to 1: closer than this, one minus it is no longer a float64.
_NEARLY_CERTAIN = -(2.0**-53)


# Sends a request to a scorer's helper, counted and kept like every other call.
Ask = Callable[[Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the variance of its sampling noise (of the value itself, not of one sample)."""

    value: float
    variance: float


@dataclass(frozen=True, slots=True)
class Scorer:
    """One way to read a reply.

    name       as on the command line
    unit       of the value, "" where the scorer does not say
    of_reply   Reply -> value, for a reply without an error
    of_tokens  (m, t) token log-probabilities -> (m,) values: lets a span of the answer be explained
               afterwards; None where the value is no function of the answer's own tokens
    options    True where the request must carry other answers to compare with
    of_texts   (replies sampled for one prompt, the answer, ask) -> value and variance, for scorers that read
               what the model writes (Request.write); then `of_reply` is not used. `ask` sends a request to
               `helper`
    samples    replies of_texts likes for one prompt; each is paid for
    helper     the model of_texts asks (embeddings, a judge), None where it asks nobody
    """

    name: str
    unit: str
    of_reply: Callable[[Reply], float]
    of_tokens: Callable[[Floats], Floats] | None = None
    options: bool = False
    of_texts: Callable[[Sequence[str], str, Ask], Awaitable[Estimate]] | None = None
    samples: int = 1
    helper: Scoring | None = None


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
    if len(reply.scores) < 2:
        raise InputError(
            "score 'choice' compares the answer with other options: give options=[...] with at least two"
        )
    totals = [float(score.logprobs.sum()) for score in reply.scores]
    return totals[0] - float(np.logaddexp.reduce(totals[1:]))


def accuracy(reply: Reply) -> float:
    """1 where the answer is likelier than each other option, else 0; over many questions the share right."""
    if len(reply.scores) < 2:
        raise InputError(
            "score 'accuracy' compares the answer with other options: give options=[...] with at least two"
        )
    first, *others = (float(score.logprobs.sum()) for score in reply.scores)
    return float(first > max(others))


def span_values(
    scorer: Scorer, token_values: Floats, offsets: Sequence[tuple[int, int]], span: tuple[int, int]
) -> Floats:
    """The values for characters start:end of the answer alone, from log-probabilities already measured.

    token_values  (m, t) nats, NaN rows where the measurement failed
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
    if score.partition(":")[0] in _HELPED:
        from spexapi.scorers.judged import helped  # it builds on this file

        return helped(score)
    for point in entry_points(group="spexapi.scorers"):
        if point.name == score:
            found = cast("Scorer | Callable[[Reply], float]", point.load())
            return found if isinstance(found, Scorer) else Scorer(score, "", found)
    raise InputError(f"unknown score {score!r}: known are {', '.join(known_scorers())}")


def known_scorers() -> dict[str, str]:
    """Name -> "module:function" of every scorer found, the built-in ones first."""
    found = {name: f"{__name__}:{name}" for name in _BUILT_IN}
    found |= {f"{name}:<model>": f"spexapi.scorers.judged:{name}" for name in _HELPED}
    for point in entry_points(group="spexapi.scorers"):
        found.setdefault(point.name, point.value)
    return found


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


def over_replies(
    name: str,
    unit: str,
    alike: Callable[[str, str], float],
    *,
    samples: int,
    total: Callable[[Sequence[float]], tuple[float, float]],
) -> Scorer:
    """A scorer that compares sampled replies with the answer.

    alike  (reply, answer) -> likeness in 0 to 1
    total  the likenesses of k replies -> value and the variance of its sampling noise
    """

    async def of_texts(texts: Sequence[str], answer: str, ask: Ask) -> Estimate:
        return Estimate(*total([alike(text, answer) for text in texts]))

    return Scorer(name, unit, no_reply(name), of_texts=of_texts, samples=samples)


def no_reply(name: str) -> Callable[[Reply], float]:
    """In the place of `of_reply`, for scorers that read replies as texts."""

    def of_reply(reply: Reply) -> float:
        raise InputError(f"score {name!r} compares sampled replies, it does not read log-probabilities")

    return of_reply


def agreeing(likenesses: Sequence[float]) -> tuple[float, float]:
    """Log-odds that a reply agrees, in nats, and its variance."""
    return log_odds(sum(likenesses), len(likenesses))


_HELPED = ("embedding", "judge")
_BUILT_IN = {
    "logprob": Scorer("logprob", "nats", logprob, _sum),
    "mean_logprob": Scorer("mean_logprob", "nats a token", mean_logprob, _mean),
    "logit": Scorer("logit", "nats", logit, _logit),
    "choice": Scorer("choice", "nats", choice, options=True),
    "accuracy": Scorer("accuracy", "right", accuracy, options=True),
    "match": over_replies(
        "match", "nats", lambda r, a: float(normal(r) == normal(a)), samples=8, total=agreeing
    ),
    "exact_match": over_replies(
        "exact_match", "nats", lambda r, a: float(r.strip() == a.strip()), samples=8, total=agreeing
    ),
    "chrf": over_replies("chrf", "chrF", chrf, samples=4, total=mean),
    "rouge": over_replies("rouge", "ROUGE-L", rouge_l, samples=4, total=mean),
}
