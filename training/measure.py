"""What a reader gets right, and whether its log-probabilities move as the truth says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

import numpy as np

from training.worlds import Question

# (documents kept, question, answer) of several prompts -> for each, the log-probability of each token of its
# answer, and whether each, with the end mark, is the most likely one
Score = Callable[[Sequence[tuple[Sequence[str], str, str]]], list[tuple[np.ndarray, bool]]]


def accuracy(score: Score, asked: Iterable[Question]) -> float:
    """Share of questions whose greedy answer is exactly the truth."""
    prompts = [(q.documents, q.question, q.answer) for q in asked]
    return float(np.mean([right for _, right in score(prompts)]))


def game(score: Score, question: Question) -> np.ndarray:
    """(2^n,) log-probability of the answer for every set of kept documents; bit i set: document i kept."""
    n = len(question.documents)
    kept = [[d for i, d in enumerate(question.documents) if mask >> i & 1] for mask in range(2**n)]
    found = score([(documents, question.question, question.answer) for documents in kept])
    return np.array([logs.sum() for logs, _ in found])


def interactions(values: np.ndarray, max_order: int = 3) -> dict[tuple[int, ...], float]:
    """Faithful Banzhaf interactions: least squares over all masks, a product of kept players for each set."""
    n = int(values.size).bit_length() - 1
    kept = (np.arange(values.size)[:, None] >> np.arange(n)) & 1
    sets = [s for order in range(max_order + 1) for s in combinations(range(n), order)]
    design = np.stack([kept[:, list(s)].prod(axis=1) for s in sets], axis=1).astype(float)
    fitted = np.linalg.lstsq(design, values, rcond=None)[0]
    return dict(zip(sets, fitted.tolist(), strict=True))


def as_the_truth_says(question: Question, values: np.ndarray) -> bool:
    """The top interaction is exactly the needed set; for "either", the strongest pair is, and negative."""
    found = interactions(values)
    found.pop(())
    if question.kind == "either":
        pairs = {s: v for s, v in found.items() if len(s) == 2}
        return max(pairs, key=lambda s: abs(pairs[s])) == question.needed and pairs[question.needed] < 0
    return max(found, key=lambda s: abs(found[s])) == question.needed


def games_as_the_truth_says(score: Score, asked: Iterable[Question]) -> float:
    return float(np.mean([as_the_truth_says(q, game(score, q)) for q in asked]))
