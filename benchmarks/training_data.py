"""Planted pairs of training examples, found again: redundant ones and ones that are both needed.

    python benchmarks/training_data.py [--seeds 3] [--budgets 1500 2500 5000] [--no-run] [--again]

1,000 examples of two classes in 8 noisy columns, among them 20 redundant pairs and 20 pairs that are both
needed. Each pair carries a rare feature, a column of its own that is 0 elsewhere: a redundant pair the same
one twice (near-duplicates), the two of a needed pair one each, and the test examples of that pair have half
of both. In their other columns those test examples look like the other class, so that without the pair, or
with one of two needed ones, they are told wrong. The learner is scikit-learn's logistic regression (C = 10),
the value the number of test examples told right, each counted by its probability. That the pairs matter is
measured: the second difference of each, retrained with 16 random halves of the others.

Ours are the pairs of `auto` (FBII, order 2): negative ones redundant, positive ones both needed. The others
rank pairs from first-order effects, as none of them has an effect of a pair; a kind is the top 20.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from kept import Kept, Row, markdown, write_table
from sklearn.linear_model import LogisticRegression, RidgeCV

import spexapi

N, PAIRS, TESTS, COLUMNS = 1000, 20, 4, 8
BACKGROUNDS = 16
KINDS = ("redundant", "both needed")
Pair = tuple[int, int]


@dataclass(eq=False)
class Data:
    """Training examples, test examples, and which pair is of which kind."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    pairs: dict[Pair, str]
    outputs: dict[bytes, np.ndarray] = field(default_factory=dict)

    @classmethod
    def planted(cls, seed: int) -> Data:
        rng = np.random.default_rng(seed)
        rare = np.eye(3 * PAIRS)
        ahead = np.ones(COLUMNS) / np.sqrt(COLUMNS)
        label = rng.choice([-1, 1], 2 * PAIRS)
        rows: list[np.ndarray] = []
        labels: list[int] = []
        test: list[np.ndarray] = []
        test_labels: list[int] = []
        for g in range(2 * PAIRS):
            first, second = (
                (rare[g], rare[g]) if g < PAIRS else (rare[2 * g - PAIRS], rare[2 * g - PAIRS + 1])
            )
            plain = 0.3 * rng.standard_normal((2, COLUMNS))
            if g < PAIRS:  # near-duplicates also in what is common
                plain[1] = plain[0] + 0.05 * rng.standard_normal(COLUMNS)
            rows += [_row(plain[0], 4 * first, rng), _row(plain[1], 4 * second, rng)]
            labels += [label[g]] * 2
            far, mixed = (1.0, 4 * first) if g < PAIRS else (2.0, 2.4 * (first + second))
            for _ in range(TESTS):
                common = -far * label[g] * ahead + 0.1 * rng.standard_normal(COLUMNS)
                test.append(_row(common, mixed, rng))
                test_labels.append(label[g])
        plain_y, plain_test_y = rng.choice([-1, 1], N - len(rows)), rng.choice([-1, 1], 200)
        X = np.vstack([_plain(plain_y, ahead, rng), rows])
        y = np.concatenate([plain_y, labels])
        place = rng.permutation(N)  # where each example goes
        X[place], y[place] = X.copy(), y.copy()
        last = place[-len(rows) :].reshape(-1, 2)
        pairs = {(min(p), max(p)): KINDS[g >= PAIRS] for g, p in enumerate(last.tolist())}
        X_test = np.vstack([_plain(plain_test_y, ahead, rng), test])
        return cls(X, y, X_test, np.concatenate([plain_test_y, test_labels]), pairs)

    def train(self, kept: np.ndarray, seed: int = 0) -> LogisticRegression:
        return LogisticRegression(C=10.0, max_iter=500).fit(self.X[kept], self.y[kept])

    def told(self, model: LogisticRegression) -> np.ndarray:
        """The probability of the right class of each test example."""
        right = (self.y_test[:, None] == model.classes_).argmax(axis=1)
        return model.predict_proba(self.X_test)[np.arange(len(right)), right]

    def measure(self, model: LogisticRegression) -> float:
        return float(self.told(model).sum())

    def output(self, mask: np.ndarray) -> np.ndarray:
        """told() after training on a mask, remembered: what the methods that see every test example get."""
        key = np.packbits(mask).tobytes()
        if key not in self.outputs:
            kept = np.flatnonzero(mask)
            nothing = np.full(len(self.y_test), 0.5)
            self.outputs[key] = self.told(self.train(kept)) if len(kept) else nothing
        return self.outputs[key]


def _plain(y: np.ndarray, ahead: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    common = np.outer(y, ahead) + rng.standard_normal((len(y), COLUMNS))
    return np.hstack([common, np.zeros((len(y), 3 * PAIRS))])


def _row(common: np.ndarray, rare: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([common, rare + 0.02 * rng.standard_normal(len(rare))])


def second_difference(data: Data, pair: Pair, seed: int) -> np.ndarray:
    """(backgrounds, 2) the value with both less that of each alone, plus that of neither; and one alone."""
    rng = np.random.default_rng([seed, *pair])
    found = np.empty((BACKGROUNDS, 2))
    for row in found:
        mask = rng.random(N) < 0.5
        value = {}
        for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
            mask[list(pair)] = a, b
            value[a, b] = data.measure(data.train(np.flatnonzero(mask)))
        row[:] = value[1, 1] - value[1, 0] - value[0, 1] + value[0, 0], value[1, 0] - value[0, 0]
    return found


def truth(data: Data, seed: int) -> Row:
    """Do the planted pairs do what they were planted for?"""
    row: Row = {}
    for kind, sign in zip(KINDS, (-1, 1), strict=True):
        found = np.array([second_difference(data, p, seed) for p, k in data.pairs.items() if k == kind])
        mean = found.mean(axis=1)
        error = found[..., 0].std(axis=1, ddof=1) / np.sqrt(BACKGROUNDS)
        row[kind] = {
            "second difference": round(float(mean[:, 0].mean()), 3),
            "weakest": round(float(sign * (sign * mean[:, 0]).min()), 3),
            "one alone": round(float(mean[:, 1].mean()), 3),
            "of the right sign": int((sign * mean[:, 0] > 2 * error).sum()),
            "pairs": len(found),
        }
    return row


def ours(data: Data, seed: int, budget: int) -> Row:
    """The pairs of `auto`: by their interval, and the strongest 20 of each sign."""
    game = spexapi.TrainingGame(data.train, data.measure, N, empty=0.5 * len(data.y_test), noise=0)
    started = time.process_time()
    ex = spexapi.explain(game, budget=budget, index="fbii", max_order=2, seed=seed)
    cpu = time.process_time() - started
    found = [(s, v) for s, v in ex.top(len(ex.interactions)) if len(s) == 2]
    row: Row = {"r2": ex.audit.r2, "cpu": round(cpu, 1), "calls": ex.cost.calls + ex.cost.setup_calls}
    real = 0
    strangers: set[Pair] = set()
    for kind, sign in zip(KINDS, (-1, 1), strict=True):
        ranked = [s for s, v in found if v * sign > 0]
        sure = [s for s in ranked if min(sign * end for end in ex.intervals[s]) > 0]
        row[kind] = counted(data, kind, ranked[:PAIRS], sure)
        strangers |= {s for s in {*ranked[:PAIRS], *sure} if s not in data.pairs}
    for pair in sorted(strangers)[:20]:  # reported and not planted: is there something all the same?
        there = second_difference(data, pair, seed)[:, 0]
        real += abs(there.mean()) > 3 * there.std(ddof=1) / np.sqrt(BACKGROUNDS)
    return row | {"not planted": len(strangers), "of 20 of them real": int(real)}


def counted(data: Data, kind: str, ranked: list[Pair], sure: list[Pair] | None = None) -> Row:
    """How many of the ranked pairs are planted ones of this kind, and of the sure ones."""
    planted = {p for p, k in data.pairs.items() if k == kind}
    row: Row = {"hits of 20": len(planted & set(ranked))}
    if sure is not None:
        row |= {"reported": len(sure), "reported and planted": len(planted & set(sure))}
    return row


def by_effects(data: Data, name: str, effects: np.ndarray, value: np.ndarray) -> dict[str, Row]:
    """Three ways to rank pairs from first-order effects.

    effects  (n, tests) of each example on each test example; value (n,) on the value
    """
    size = np.linalg.norm(effects, axis=1, keepdims=True)
    ways = {
        "product of effects": np.abs(np.outer(value, value)),
        "inner product over tests": effects @ effects.T,
        "cosine over tests": (effects / size) @ (effects / size).T * (np.minimum(size, size.T) > 1e-9),
    }
    return {f"{name}, {way}": ranking(data, scores) for way, scores in ways.items()}


def ranking(data: Data, scores: np.ndarray) -> Row:
    """The 20 highest pairs for each kind, the 40 highest for any: the same order for both kinds."""
    a, b = np.triu_indices(N, 1)
    best = np.argsort(-scores[a, b], kind="stable")[: 2 * PAIRS]
    top = [(int(a[k]), int(b[k])) for k in best]
    row: Row = {kind: counted(data, kind, top[:PAIRS]) for kind in KINDS}
    return row | {"any of 40": len(set(top) & set(data.pairs))}


def leave_one_out(data: Data) -> dict[str, Row]:
    whole = data.output(np.ones(N, dtype=bool))
    without = np.array([data.output(np.arange(N) != i) for i in range(N)])
    effects = whole - without
    rows = by_effects(data, "leave-one-out", effects, effects.sum(axis=1))
    return {name: row | {"calls": N + 1} for name, row in rows.items()}


def datamodels(data: Data, seed: int, budget: int) -> dict[str, Row]:
    """Linear datamodels (Ilyas et al., 2022) on uniform halves: ridge, its penalty by leave-one-out."""
    masks = np.random.default_rng([seed, 9]).random((budget, N)) < 0.5
    told = np.array([data.output(mask) for mask in masks])
    fit = RidgeCV(np.geomspace(1, 1e4, 9)).fit(masks.astype(float), np.column_stack([told, told.sum(axis=1)]))
    effects = fit.coef_.T
    rows = by_effects(data, "datamodels", effects[:, :-1], effects[:, -1])
    return {name: row | {"calls": budget} for name, row in rows.items()}


def trak(data: Data) -> dict[str, Row]:
    """TRAK (Park et al., 2023) without projection, as the learner has few parameters: one training.

    Attribution of training example i to a test example: its gradient times (X'X)^-1 times that of the test
    example, times 1 - p of the training example; and the similarity of gradients of two training examples.
    """
    model = data.train(np.arange(N))
    sure = model.predict_proba(data.X)[np.arange(N), (data.y > 0).astype(int)]
    ones = np.ones((N, 1))
    grad = np.hstack([data.X, ones]) * data.y[:, None]
    grad_test = np.hstack([data.X_test, np.ones((len(data.X_test), 1))]) * data.y_test[:, None]
    inverse = np.linalg.inv(grad.T @ grad + 1e-6 * np.eye(grad.shape[1]))
    effects = (grad * (1 - sure)[:, None]) @ inverse @ grad_test.T
    rows = by_effects(data, "TRAK", effects, effects.sum(axis=1))
    weighted = grad * (1 - sure)[:, None]
    rows["TRAK, similarity of gradients"] = ranking(data, weighted @ inverse @ weighted.T)
    length = np.sqrt(np.einsum("ij,jk,ik->i", grad, inverse, grad))
    rows["TRAK, cosine of gradients"] = ranking(data, grad @ inverse @ grad.T / np.outer(length, length))
    return {name: row | {"calls": 1} for name, row in rows.items()}


def run(kept: Kept, seeds: int, budgets: list[int], again: bool) -> None:
    for seed in range(seeds):
        data = Data.planted(seed)
        jobs: dict[str, Any] = {"truth": lambda d=data, s=seed: {"truth": truth(d, s)}}
        for budget in budgets:
            jobs[f"auto-{budget}"] = lambda d=data, s=seed, b=budget: {f"auto-{b}": ours(d, s, b)}
        jobs["leave-one-out"] = lambda d=data: leave_one_out(d)
        jobs["datamodels"] = lambda d=data, s=seed: datamodels(d, s, max(budgets))
        jobs["TRAK"] = lambda d=data: trak(d)
        for name, job in jobs.items():
            if not again and any(key.startswith(f"{seed}/{name}") for key in kept.rows):
                continue
            for method, row in job().items():
                kept.put(f"{seed}/{method}", row)
                print(seed, method, row, flush=True)


def report(kept: Kept) -> None:
    groups: dict[str, list[Row]] = defaultdict(list)
    for key, row in kept.rows.items():
        groups[key.partition("/")[2]].append(row)
    checks = groups.pop("truth", [])
    order = sorted(groups, key=lambda name: (not name.startswith("auto"), -groups[name][0]["calls"], name))
    lines: list[list[str]] = []
    for name in order:
        rows = groups[name]
        cells = [
            name.partition("-")[0] if name.startswith("auto") else name,
            f"{rows[0]['calls']:,}",
            str(len(rows)),
        ]
        for kind in KINDS:
            cells.append(f"{np.mean([row[kind]['hits of 20'] for row in rows]):.1f}")
            sure = [row[kind] for row in rows if "reported" in row[kind]]
            cells.append(_rates(sure))
        cells.append(f"{np.mean([row['any of 40'] for row in rows]):.1f}" if "any of 40" in rows[0] else "")
        lines.append(cells)
    head = [
        "method",
        "retrainings",
        "draws",
        *(c for k in KINDS for c in (f"{k}: of the top 20", "precision, recall of what is reported")),
        "any kind: of the top 40",
    ]
    write_table("training data", markdown(head, lines) + "\n\n" + _said(checks, groups))


def _rates(sure: list[Row]) -> str:
    if not sure:
        return ""
    reported, hit = (sum(row[key] for row in sure) for key in ("reported", "reported and planted"))
    return f"{hit / reported if reported else 1:.2f}, {hit / (PAIRS * len(sure)):.2f}"


def _said(checks: list[Row], groups: dict[str, list[Row]]) -> str:
    lines: list[str] = []
    for kind in KINDS:
        rows = [row[kind] for row in checks]
        if rows:
            right, of = sum(r["of the right sign"] for r in rows), sum(r["pairs"] for r in rows)
            mean, alone = (np.mean([r[key] for r in rows]) for key in ("second difference", "one alone"))
            lines.append(
                f"- Planted pairs that are {kind}, retrained directly: second difference {mean:+.2f} test"
                f" examples in the mean (one of the two alone {alone:+.2f}), on the right side of 0 by more"
                f" than two standard errors in {right} of {of}."
            )
    for name in sorted(n for n in groups if n.startswith("auto")):
        rows = groups[name]
        strange, real = (sum(r[key] for r in rows) for key in ("not planted", "of 20 of them real"))
        r2, cpu = (np.mean([r[key] for r in rows]) for key in ("r2", "cpu"))
        lines.append(
            f"- {name}: R² {r2:.2f}, {cpu:.0f} CPU seconds with the retrainings; {strange} of its pairs were"
            f" not planted, {real} of those have a second difference of more than three standard errors."
        )
    lines.append(
        "- The other methods rank pairs without a kind, so that both kinds are looked for in one order; they"
        " are told how many pairs there are. Those over tests see the outcome of every test example, auto the"
        " sum alone. Each pair has test examples of its own here, which similarity over tests finds best:"
        " TRAK's cosine has all 40 from one training, without saying which are redundant, which needed."
    )
    return "\n".join(lines)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budgets", type=int, nargs="+", default=[1500, 2500, 5000])
    parser.add_argument("--no-run", action="store_true", help="only the table")
    parser.add_argument("--again", action="store_true", help="also what was run before")
    given = parser.parse_args()
    kept = Kept.open("training_data")
    if not given.no_run:
        run(kept, given.seeds, given.budgets, given.again)
    report(kept)


if __name__ == "__main__":
    main()
