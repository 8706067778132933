"""Wrong labels found by the value of each training example, on scikit-learn's digits.

    python benchmarks/mislabelled.py [--seeds 3] [--budget 5000] [--learners knn] [--no-run] [--again]

1,000 images, 50 of them (5%) with another label drawn at random; 400 others, rightly labelled, measure the
mean probability of the right class. Each method gives every training example a number, and those with the
lowest are suspected: average precision, the area under the precision-recall curve, is 0.05 for a guess.

    auto            Shapley values of the spectrum that `auto` fits to `budget` retrainings
    datamodels      ridge on the same masks, its penalty by leave-one-out (Ilyas et al., 2022)
    data Banzhaf    the mean value with an example less that without, on the same masks (Wang & Jia, 2023)
    TMC-Shapley     permutations, each cut off within 1% of the value of all (Ghorbani & Zou, 2019)
    leave-one-out   1,001 retrainings
    KNN-Shapley     closed form for 5 nearest neighbours, no retraining (Jia et al., 2019)
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from kept import Kept, Row, markdown, write_table
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import average_precision_score
from sklearn.neighbors import KNeighborsClassifier

import spexapi

N, WRONG, TESTED, CLASSES, NEIGHBOURS = 1000, 50, 400, 10, 5
CUT = 0.01  # of the value of all examples
LEARNERS = {
    "knn": KNeighborsClassifier(NEIGHBOURS),
    "logistic": LogisticRegression(max_iter=200, tol=1e-3),
}
METHODS = ("auto", "datamodels", "data Banzhaf", "TMC-Shapley", "leave-one-out", "KNN-Shapley")


@dataclass(eq=False)
class Digits:
    """Images and labels, some of the training labels wrong."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    wrong: np.ndarray

    @classmethod
    def drawn(cls, seed: int) -> Digits:
        X, y = load_digits(return_X_y=True)
        rng = np.random.default_rng(seed)
        rows = rng.permutation(len(y))
        train, test = rows[:N], rows[N : N + TESTED]
        labels = y[train].copy()
        wrong = np.zeros(N, dtype=bool)
        wrong[rng.choice(N, WRONG, replace=False)] = True
        labels[wrong] = (labels[wrong] + rng.integers(1, CLASSES, WRONG)) % CLASSES
        return cls(X[train] / 16, labels, X[test] / 16, y[test], wrong)

    def game(self, learner: str, **rest: Any) -> spexapi.TrainingGame:
        data = (self.X, self.y, self.X_test, self.y_test)
        return spexapi.TrainingGame.of_estimator(LEARNERS[learner], *data, noise=0, **rest)

    def found(self, values: np.ndarray) -> float:
        """Average precision of suspecting the lowest values."""
        return float(average_precision_score(self.wrong, -values))


def on_uniform_masks(data: Digits, learner: str, seed: int, budget: int) -> dict[str, Row]:
    """The methods that share the masks of one run."""
    ex = spexapi.explain(data.game(learner), budget=budget, seed=seed, max_order=2)
    shapley = ex.values("sv", 1)
    seen = ex.observations.take(ex.observations.ok)
    masks, values = seen.masks.astype(float), seen.values
    there = masks.sum(axis=0)
    banzhaf = values @ masks / there - values @ (1 - masks) / (len(values) - there)
    ridge = RidgeCV(np.geomspace(1, 1e4, 9)).fit(masks, values)
    scores = {
        "auto": np.array([shapley.get((i,), 0.0) for i in range(N)]),
        "datamodels": ridge.coef_,
        "data Banzhaf": banzhaf,
    }
    calls = ex.cost.calls + ex.cost.setup_calls
    return {
        name: {"ap": data.found(score), "calls": calls, "r2": ex.audit.r2} for name, score in scores.items()
    }


def value_of(data: Digits, learner: str) -> Callable[[np.ndarray], float]:
    """Rows of training examples -> the value, by the game's own training and measure."""
    trainer: Any = data.game(learner)._trained.trainer
    return lambda kept: float(trainer.measure(trainer.train(np.sort(kept), 0)))


def tmc_shapley(data: Digits, learner: str, seed: int, budget: int) -> Row:
    """Marginal gains along random orders, until the budget is spent; what is cut off gains nothing."""
    value, rng = value_of(data, learner), np.random.default_rng([seed, 4])
    whole = value(np.arange(N))
    calls, orders = 1, 0
    total = np.zeros(N)
    while calls < budget:
        order, before = rng.permutation(N), 1 / CLASSES
        for k in range(N):
            if calls >= budget or abs(whole - before) < CUT * whole:
                break
            kept = order[: k + 1]
            # too few to fit: 5 neighbours of fewer, or a single class
            after = before if k < NEIGHBOURS or len(set(data.y[kept])) < 2 else value(kept)
            calls += k >= NEIGHBOURS
            total[order[k]] += after - before
            before = after
        orders += 1
    return {"ap": data.found(total / orders), "calls": calls, "orders": orders}


def leave_one_out(data: Digits, learner: str) -> Row:
    value, rows = value_of(data, learner), np.arange(N)
    whole = value(rows)
    effects = np.array([whole - value(np.delete(rows, i)) for i in rows])
    return {"ap": data.found(effects), "calls": N + 1}


def knn_shapley(data: Digits) -> Row:
    """Theorem 1 of Jia et al. (2019), averaged over the test images."""
    total = np.zeros(N)
    ranks = np.arange(1, N)
    for image, label in zip(data.X_test, data.y_test, strict=True):
        order = np.argsort(((data.X - image) ** 2).sum(axis=1), kind="stable")
        right = (data.y[order] == label).astype(float)
        steps = (right[:-1] - right[1:]) / NEIGHBOURS * np.minimum(NEIGHBOURS, ranks) / ranks
        total[order] += right[-1] / N + np.append(np.cumsum(steps[::-1])[::-1], 0.0)
    return {"ap": data.found(total / TESTED), "calls": 0}


def run(kept: Kept, seeds: int, learners: list[str], budget: int, again: bool) -> None:
    for seed in range(seeds):
        for learner in learners:
            data = Digits.drawn(seed)
            jobs: dict[str, Callable[[], dict[str, Row]]] = {
                "KNN-Shapley": lambda d=data: {"KNN-Shapley": knn_shapley(d)},
                "auto": lambda d=data, n=learner, s=seed: on_uniform_masks(d, n, s, budget),
                "TMC-Shapley": lambda d=data, n=learner, s=seed: {
                    "TMC-Shapley": tmc_shapley(d, n, s, budget)
                },
                "leave-one-out": lambda d=data, n=learner: {"leave-one-out": leave_one_out(d, n)},
            }
            for name, job in jobs.items():
                if f"{learner}/{seed}/{name}" in kept.rows and not again:
                    continue
                started = time.process_time()
                for method, row in job().items():
                    cpu = {"cpu": round(time.process_time() - started, 1)}
                    kept.put(f"{learner}/{seed}/{method}", row | cpu)
                    print(learner, seed, method, row, flush=True)


def report(kept: Kept) -> None:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for key, row in kept.rows.items():
        learner, _, method = key.split("/")
        groups[learner, method].append(row)
    lines: list[list[str]] = []
    for method in METHODS:
        cells = [method]
        for learner in LEARNERS:
            found = groups[learner, method]
            aps = [row["ap"] for row in found]
            spread = f"{np.mean(aps):.3f} ({min(aps):.3f} to {max(aps):.3f})" if aps else ""
            cells += [spread, f"{found[0]['calls']:,}" if found else ""]
        lines.append(cells)
    draws = max(len(rows) for rows in groups.values())
    head = ["method", *(c for n in LEARNERS for c in (f"{n}: average precision (range)", "retrainings"))]
    shown = markdown(head, lines)
    r2 = {n: np.mean([row["r2"] for row in groups[n, "auto"]]) for n in LEARNERS if groups[n, "auto"]}
    said = ", ".join(f"{value:.2f} ({name})" for name, value in r2.items())
    notes = (
        f"{draws} draws of images and wrong labels. R² of `auto`: {said}. Only KNN-Shapley sees each"
        " test image apart, the others the mean. Wrong labels take no combinations: first order does as well."
    )
    write_table("mislabelled", f"{shown}\n\n{notes}")


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=5000)
    parser.add_argument("--learners", nargs="+", choices=list(LEARNERS), default=list(LEARNERS))
    parser.add_argument("--no-run", action="store_true", help="only the table")
    parser.add_argument("--again", action="store_true", help="also what was run before")
    given = parser.parse_args()
    kept = Kept.open("mislabelled")
    if not given.no_run:
        run(kept, given.seeds, given.learners, given.budget, given.again)
    report(kept)


if __name__ == "__main__":
    main()
