"""Scorers that compare sampled replies with the answer: how similar two texts are, and what k replies say."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from spexapi.scorers.base import Ask, Estimate, Scorer, reads_texts

_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normal(text: str) -> str:
    """Without case, punctuation, English articles and extra white space (Rajpurkar et al., 2016)."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join(" " if unicodedata.category(c)[0] in "PS" else c for c in plain)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def chrf(reply: str, answer: str, *, order: int = 6, beta: float = 2.0) -> float:
    """Character n-gram F-score in 0 to 1 (Popović, 2015): mean precision and recall over n = 1 to `order`,
    recall counting beta times as much; white space does not count, nor do orders longer than both texts."""
    given, wanted = "".join(reply.split()), "".join(answer.split())
    if not given or not wanted:
        return float(given == wanted)
    precisions: list[float] = []
    recalls: list[float] = []
    for n in range(1, order + 1):
        ours, theirs = _grams(given, n), _grams(wanted, n)
        if not ours and not theirs:
            break
        shared = (ours & theirs).total()
        precisions.append(shared / ours.total() if ours else 0.0)
        recalls.append(shared / theirs.total() if theirs else 0.0)
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    if precision + recall == 0.0:
        return 0.0
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def rouge_l(reply: str, answer: str) -> float:
    """F1 of the longest common subsequence of words in 0 to 1 (Lin, 2004); words as `normal` leaves them."""
    ours, theirs = normal(reply).split(), normal(answer).split()
    if not ours or not theirs:
        return float(ours == theirs)
    row = [0] * (len(theirs) + 1)
    for word in ours:
        before = 0
        for j, other in enumerate(theirs, 1):
            before, row[j] = row[j], before + 1 if word == other else max(row[j], row[j - 1])
    return 2 * row[-1] / (len(ours) + len(theirs))


def log_odds(agreeing: float, k: int) -> tuple[float, float]:
    """Log-odds in nats that a reply agrees with the answer, and their variance; `agreeing` of k replies do.

    Half a reply is added on either side (Haldane, 1956; variance of Gart and Zweifel, 1967), so that none
    and all of k are finite values too.
    """
    yes, no = agreeing + 0.5, k - agreeing + 0.5
    return math.log(yes / no), 1 / yes + 1 / no


def mean(values: Sequence[float]) -> tuple[float, float]:
    """The mean of k values in 0 to 1, and the variance of it.

    The largest variance that a value of about this mean can have is added to the sum of squares, so that k
    equal values are not taken to be free of noise.
    """
    k = len(values)
    found = sum(values) / k
    widest = (sum(values) + 0.5) / (k + 1)
    spread = sum((value - found) ** 2 for value in values) + widest * (1 - widest)
    return found, spread / k**2


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))


def _match(reply: str, answer: str) -> float:
    return float(normal(reply) == normal(answer))


def _exact_match(reply: str, answer: str) -> float:
    return float(reply.strip() == answer.strip())


def _odds(agreements: Sequence[float]) -> tuple[float, float]:
    return log_odds(sum(agreements), len(agreements))


def _over_replies(
    name: str,
    unit: str,
    similarity: Callable[[str, str], float],
    samples: int,
    summary: Callable[[Sequence[float]], tuple[float, float]],
) -> Scorer:
    """A scorer that compares sampled replies with the answer.

    similarity  (reply, answer) -> 0 to 1
    summary     the similarities of k replies -> value and the variance of its sampling noise
    """

    async def of_texts(texts: Sequence[str], answer: str, ask: Ask) -> Estimate:
        return Estimate(*summary([similarity(text, answer) for text in texts]))

    return Scorer(name, unit, reads_texts(name), of_texts=of_texts, samples=samples)


REPLY_SCORERS = (
    _over_replies("match", "nats", _match, 8, _odds),
    _over_replies("exact_match", "nats", _exact_match, 8, _odds),
    _over_replies("chrf", "chrF", chrf, 4, mean),
    _over_replies("rouge", "ROUGE-L", rouge_l, 4, mean),
)
