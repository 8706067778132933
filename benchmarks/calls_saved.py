"""Calls that the adaptive engine saves at its target, beside the fixed design that spends its whole budget.

    python benchmarks/calls_saved.py [--games 3] [--seeds 1] [--budget 256] [--target 0.9] [--fixed]

A run is a recorded game (../shared/data/games) or a planted one. Both designs draw the same kind of masks
and fit the same ProxySPEX; the fixed one spends the budget, the adaptive one ends at its target and pays
max(16, 10%) of the budget for its audit. R² is the true one: over all masks of a recorded game, over 4,000
fresh masks of a planted one. "Too early" counts runs that said their target was reached and
whose true R² is below it by more than 0.02. `first` is the smallest look with the target truly reached:
nobody can know it, so it bounds what can be saved. The JSON grows with every run; none in it is repeated.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from spexapi.engines.adaptive import Adaptive, interim_sizes
from spexapi.engines.proxyspex import ProxySPEX
from spexapi.fourier.masks import all_masks, codes
from spexapi.measurements import exact_values

HERE = Path(__file__).resolve().parent
GAMES = HERE.parent.parent / "shared" / "data" / "games"
Function = Callable[[np.ndarray], np.ndarray]
Job = tuple[str, int, int, Function, np.ndarray, np.ndarray]  # family, number, n, values, masks, truth


def recorded(path: Path, count: int) -> Iterator[Job]:
    every = np.load(path)["values"].astype(np.float64)
    for number, values in enumerate(every[:count]):
        if path.name.startswith("sentiment"):  # the score jumps where the label turns; its log-odds do not
            p = np.clip(np.where(values > 0, values, 1 + values), 1e-7, 1 - 1e-7)
            values = np.log(p / (1 - p))
        n = len(values).bit_length() - 1
        yield path.stem, number, n, lambda masks, v=values: v[codes(masks)], all_masks(n), values


def planted(kind: str, n: int, count: int) -> Iterator[Job]:
    for seed in range(count):
        function = {"documents": documents, "hierarchical": hierarchical, "sparse": sparse}[kind](n, seed)
        fresh = np.random.default_rng(99).random((4000, n)) < 0.5
        yield f"{kind} n={n}", seed, n, function, fresh, function(fresh)


def documents(n: int, seed: int) -> Function:
    """Sets that are needed together and sets of which one is enough, seen through a sigmoid."""
    rng = np.random.default_rng([seed, n, 1])
    sets = [rng.choice(n, int(rng.integers(1, 4)), replace=False) for _ in range(5)]
    sizes, either = rng.uniform(1, 3, 5), rng.random(5) < 0.4

    def value(masks: np.ndarray) -> np.ndarray:
        total = np.full(len(masks), -4.0)
        for s, size, one in zip(sets, sizes, either, strict=True):
            total += size * (masks[:, s].any(axis=1) if one else masks[:, s].all(axis=1))
        return -np.log1p(np.exp(-total))

    return value


def hierarchical(n: int, seed: int) -> Function:
    """Some sets of up to 4 players with all their subsets."""
    rng, terms = np.random.default_rng([seed, n, 2]), dict[tuple[int, ...], float]()
    for _ in range(5):
        top = rng.choice(n, int(rng.integers(2, 5)), replace=False).tolist()
        for bits in range(1, 2 ** len(top)):
            s = tuple(sorted(p for j, p in enumerate(top) if bits >> j & 1))
            terms[s] = terms.get(s, 0.0) + float(rng.normal())
    return lambda masks: _parities(masks, terms)


def sparse(n: int, seed: int) -> Function:
    """Eight sets of up to 4 players without their subsets."""
    rng = np.random.default_rng([seed, n, 3])
    sets = [tuple(rng.choice(n, int(rng.integers(1, 5)), replace=False).tolist()) for _ in range(8)]
    terms = {tuple(sorted(s)): float(rng.normal()) for s in sets}
    return lambda masks: _parities(masks, terms)


def _parities(masks: np.ndarray, terms: dict[tuple[int, ...], float]) -> np.ndarray:
    sign = np.where(masks, -1.0, 1.0)
    return sum((c * sign[:, list(s)].prod(axis=1) for s, c in terms.items()), np.zeros(len(masks)))


def r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def run(job: Job, seed: int, budget: int, target: float, fixed: bool) -> dict[str, Any]:
    family, number, n, value, masks, truth = job
    engine = Adaptive(target_r2=target)
    design = engine.plan(n, budget, np.random.default_rng([seed, number, n]))
    first, true, enough = None, 1.0, False
    for end in interim_sizes(design):
        asked = design.masks[:end]
        seen = exact_values(asked, value(asked))
        if design.exact and end == len(design.masks):
            true = 1.0  # every mask is measured: nothing is estimated
            break
        fit = ProxySPEX().fit(design, seen)
        true = r2(truth, fit.spectrum.predict(masks))
        if true >= target and first is None:
            first = end
        enough, said = engine.verdict(design, seen, fit)
        if enough:
            break
    whole = design.exact and len(seen) == len(design.masks)
    calls = len(seen) + (0 if whole else min(design.reserve, budget - len(seen)))
    row = {"family": family, "game": number, "seed": seed, "n": n, "budget": budget, "target": target,
           "calls": calls, "saved": 1 - calls / min(budget, 2**n), "first": first, "r2": true,
           "enough": enough and said.startswith("enough")}  # fmt: skip
    if fixed:
        plan = ProxySPEX().plan(n, budget, np.random.default_rng([seed, number, n]))
        spectrum = ProxySPEX().fit(plan, exact_values(plan.masks, value(plan.masks))).spectrum
        row["r2_fixed"] = r2(truth, spectrum.predict(masks))
    return row


def table(rows: list[dict[str, Any]]) -> None:
    print(f"{'family':32} {'runs':>4} {'at target':>9} {'calls':>6} {'saved':>6} {'mean':>6} "
          f"{'too early':>9} {'R²':>6} {'first':>6}")  # fmt: skip
    for family in [*dict.fromkeys(row["family"] for row in rows), "all"]:
        here = [row for row in rows if family in (row["family"], "all")]
        done = [row for row in here if row["enough"]]
        early = sum(row["r2"] < row["target"] - 0.02 for row in done)
        first = [row["first"] for row in here if row["first"] is not None]
        print(f"{family:32} {len(here):4} {len(done):9} {np.median([r['calls'] for r in here]):6.0f} "
              f"{np.median([r['saved'] for r in here]):6.0%} {np.mean([r['saved'] for r in here]):6.0%} "
              f"{early:6}/{len(done):<2} {np.median([r['r2'] for r in here]):6.3f} "
              f"{np.median(first) if first else float('nan'):6.0f}")  # fmt: skip


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--games", type=int, default=3, help="of each family")
    parser.add_argument("--seeds", type=int, default=1, help="draws of masks for each game")
    parser.add_argument("--budget", type=int, default=256)
    parser.add_argument("--target", type=float, default=0.9)
    parser.add_argument("--fixed", action="store_true", help="also the R² of the whole budget: one fit more")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "calls_saved.json")
    options = parser.parse_args()
    families = [list(recorded(path, options.games)) for path in sorted(GAMES.glob("*.npz"))]
    families += [
        list(planted(k, n, options.games)) for k in ("documents", "hierarchical", "sparse") for n in (10, 20)
    ]
    rows = json.loads(options.out.read_text())["runs"] if options.out.exists() else []
    known = {(r["family"], r["game"], r["seed"], r["budget"], r["target"]) for r in rows}
    options.out.parent.mkdir(exist_ok=True)
    families.sort(key=lambda jobs: jobs[0][2])
    for seed in range(options.seeds):
        # a game of each family in turn: a benchmark that is cut short has seen all of them
        for job in (job for turn in zip_longest(*families) for job in turn if job is not None):
            if (job[0], job[1], seed, options.budget, options.target) not in known:
                rows.append(run(job, seed, options.budget, options.target, options.fixed))
                options.out.write_text(json.dumps({"runs": rows}, indent=1) + "\n")
    table([r for r in rows if r["budget"] == options.budget and r["target"] == options.target])


if __name__ == "__main__":
    main()
