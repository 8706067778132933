"""Precision and recall on planted sparse functions in noise, SPEX beside shapiq's SPEX at equal samples.

    python benchmarks/recovery.py [--seeds 3] [--no-peer] [--peer-python .env-peers/bin/python]

A function is a sum of `terms` parities of 1 to 5 players drawn without hierarchy, sizes 0.5 to 1.5 with
random signs, measured with noise 10 dB below it. A term counts as found where its size is 0.2 or more. R² is
on 2,000 fresh masks without noise. Figures are means over seeds. Needs shapiq's Python: see README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from spexapi.engines.spex import SPEX
from spexapi.measurements import exact_values

HERE = Path(__file__).resolve().parent
# n, terms, budget: shapiq's exact prices for 8 or 16 bins a group, sets of up to 5
CELLS = [
    (20, 10, 672),
    (32, 8, 672),
    (32, 16, 672),
    (32, 24, 1344),
    (100, 10, 984),
    (100, 20, 1968),
]
STRONG = 0.2

Terms = list[tuple[list[int], float]]


def job(cell: tuple[int, int, int], seed: int) -> dict[str, Any]:
    n, count, budget = cell
    rng = np.random.default_rng([seed, n, count])
    terms: dict[tuple[int, ...], float] = {}
    while len(terms) < count:
        players = rng.choice(n, int(rng.integers(1, 6)), replace=False)
        terms[tuple(sorted(players.tolist()))] = float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.5))
    noise = float(np.sqrt(sum(size**2 for size in terms.values()) / 10))
    listed = [(list(players), size) for players, size in terms.items()]
    return {"n": n, "budget": budget, "seed": seed, "noise": noise, "terms": listed}


def value(masks: np.ndarray, terms: Terms) -> np.ndarray:
    sign = np.where(masks, -1.0, 1.0)
    return sum((size * sign[:, players].prod(axis=1) for players, size in terms), np.zeros(len(masks)))


def ours(todo: dict[str, Any], engine: SPEX) -> dict[str, Any]:
    rng = np.random.default_rng([todo["seed"], 1])
    design = engine.plan(todo["n"], todo["budget"], rng)
    values = value(design.masks, todo["terms"]) + rng.normal(size=len(design.masks)) * todo["noise"]
    start = time.process_time()
    fit = engine.fit(design, exact_values(design.masks, values))
    cpu = time.process_time() - start
    terms = [(list(players), size) for players, size in fit.spectrum.coef.items()]
    return {"terms": terms, "calls": len(design.masks), "cpu": cpu}


def score(todo: dict[str, Any], answer: dict[str, Any]) -> dict[str, float]:
    truth = {tuple(players) for players, _ in todo["terms"]}
    found = {tuple(players) for players, size in answer["terms"] if players and abs(size) >= STRONG}
    hit = len(truth & found)
    fresh = np.random.default_rng([todo["seed"], 3]).random((2000, todo["n"])) < 0.5
    values = value(fresh, todo["terms"])
    left = values - value(fresh, answer["terms"])
    return {
        "precision": hit / len(found) if found else 1.0,
        "recall": hit / len(truth),
        "r2": float(1 - (left**2).sum() / ((values - values.mean()) ** 2).sum()),
        "calls": answer["calls"],
        "cpu": answer["cpu"],
    }


def ask_peer(python: str, jobs: list[dict[str, Any]]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        given, answers = Path(folder) / "jobs.json", Path(folder) / "answers.json"
        given.write_text(json.dumps(jobs))
        subprocess.run(
            [python, str(HERE / "peer_spex.py"), str(given), str(answers)], check=True, stdout=sys.stderr
        )
        return json.loads(answers.read_text())


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peer-python", default=str(HERE.parent / ".env-peers" / "bin" / "python"))
    parser.add_argument("--cells", type=int, nargs="+", default=list(range(len(CELLS))), help="which rows")
    parser.add_argument("--no-peer", action="store_true", help="our figures only")
    parser.add_argument(
        "--combined", action="store_true", help="let ours weigh trees in, as its default does"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results" / "recovery.json")
    options = parser.parse_args()
    cells_asked = [CELLS[i] for i in options.cells]
    jobs = [job(cell, seed) for cell in cells_asked for seed in range(options.seeds)]
    engine = SPEX(combined=options.combined)
    runs = {"ours": [score(todo, ours(todo, engine)) for todo in jobs]}
    about: dict[str, str] = {}
    if not options.no_peer:
        peer = ask_peer(options.peer_python, jobs)
        runs["shapiq"] = [score(todo, answer) for todo, answer in zip(jobs, peer["answers"], strict=True)]
        about = peer["about"]
    print(f"{'n':>4} {'terms':>5} {'engine':8} {'calls':>6} {'precision':>9} {'recall':>7} {'R²':>7} "
          f"{'CPU s':>7}")  # fmt: skip
    cells: list[dict[str, Any]] = []
    for i, (n, count, budget) in enumerate(cells_asked):
        for name, rows in runs.items():
            here = rows[i * options.seeds : (i + 1) * options.seeds]
            mean = {key: float(np.mean([row[key] for row in here])) for key in here[0]}
            cells.append({"n": n, "terms": count, "budget": budget, "engine": name, **mean})
            print(f"{n:4} {count:5} {name:8} {mean['calls']:6.0f} {mean['precision']:9.2f} "
                  f"{mean['recall']:7.2f} {mean['r2']:7.3f} {mean['cpu']:7.2f}")  # fmt: skip
    options.out.parent.mkdir(exist_ok=True)
    result = {
        "seeds": options.seeds,
        "combined": options.combined,
        "peer": about,
        "cells": cells,
        "runs": runs,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
