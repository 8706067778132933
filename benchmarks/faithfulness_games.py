"""Held-out R² of ProxySPEX on recorded games of real models, beside shapiq's ProxySPEX on the very same
masks.

    python benchmarks/faithfulness_games.py [--games 8] [--seeds 1] [--budgets 2 4 8 16] [--engine proxyspex]
                                            [--peer-python .env-peers/bin/python] [--peer-answers FILE]

The games (../shared/data/games) hold the values of all 2^n masks, so R² is measured on every mask that was
not paid for, the noise of measurement being none. A cell is a file and a budget in multiples of n; its
figures are medians over games and seeds, the difference is the median of the paired differences. Needs
shapiq's Python: see README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

# one thread each: on busy cores, threads that wait for each other would be counted as work
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from spexapi.engines.base import Engine
from spexapi.engines.registry import find_engine
from spexapi.masks import all_masks, codes
from spexapi.measurements import exact_values

HERE = Path(__file__).resolve().parent
GAMES = HERE.parent.parent / "shared" / "data" / "games"


@dataclass(frozen=True, eq=False)
class Job:
    file: str
    game: int
    seed: int
    multiple: int
    values: np.ndarray  # (2^n,) every value of the game

    @property
    def n(self) -> int:
        return len(self.values).bit_length() - 1

    @property
    def cell(self) -> tuple[str, int]:
        return self.file, self.multiple


def games(path: Path) -> np.ndarray:
    """(games, 2^n). Sentiment is recorded as the score of the label with its sign, which jumps where the
    label turns; the log-odds of "positive" do not."""
    values = np.load(path)["values"].astype(np.float64)
    if path.name.startswith("sentiment"):
        positive = np.clip(np.where(values > 0, values, 1 + values), 1e-7, 1 - 1e-7)
        values = np.log(positive / (1 - positive))
    return values


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    for path in sorted(GAMES.glob("*.npz")):
        for number, values in enumerate(games(path)[: options.games]):
            for seed in range(options.seeds):
                for multiple in options.budgets:
                    yield Job(path.stem, number, seed, multiple, values)


def plan(engine: Engine, job: Job):
    return engine.plan(job.n, job.multiple * job.n, np.random.default_rng([job.seed, job.game, job.multiple]))


def ask_peer(python: str, masks: list[np.ndarray], todo: list[Job], answers: Path) -> None:
    """Runs shapiq in its own Python on the masks of every job."""
    with tempfile.TemporaryDirectory() as folder:
        given = {f"masks_{i}": drawn for i, drawn in enumerate(masks)}
        for i, (job, drawn) in enumerate(zip(todo, masks, strict=True)):
            given[f"values_{i}"] = job.values[codes(drawn)]
        np.savez(Path(folder) / "jobs.npz", **given)
        command = [python, str(HERE / "peer_shapiq.py"), str(Path(folder) / "jobs.npz"), str(answers)]
        subprocess.run(command, check=True, stdout=sys.stderr)


def r2(values: np.ndarray, predicted: np.ndarray) -> float:
    return float(1 - ((values - predicted) ** 2).sum() / ((values - values.mean()) ** 2).sum())


def compare(engine: Engine, todo: list[Job], peer: Path | None) -> list[dict[str, Any]]:
    """One row a job: both engines' R² on the masks not paid for, and what each took."""
    answers = None if peer is None else np.load(peer)
    rows: list[dict[str, Any]] = []
    for i, job in enumerate(todo):
        design = plan(engine, job)
        paid = codes(design.masks)
        rest = np.setdiff1d(np.arange(len(job.values)), paid)
        start = time.process_time()
        fit = engine.fit(design, exact_values(design.masks, job.values[paid]))
        seconds = time.process_time() - start
        row: dict[str, Any] = {
            "file": job.file, "game": job.game, "seed": job.seed, "multiple": job.multiple,
            "calls": len(paid),
            "ours": r2(job.values[rest], fit.spectrum.predict(all_masks(job.n)[rest])),
            "ours_cpu": seconds, "terms": len(fit.spectrum),
        }  # fmt: skip
        if fit.out_of_fold is not None:
            inner = design.masks.any(axis=1) & ~design.masks.all(axis=1)
            row["ours_out_of_fold"] = r2(job.values[paid][inner], fit.out_of_fold[inner])
        if answers is not None:
            row["peer"] = r2(job.values[rest], answers[f"predictions_{i}"][rest].astype(np.float64))
            row["peer_cpu"] = float(answers[f"cpu_{i}"])
        rows.append(row)
        print(f"\r{i + 1}/{len(todo)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


def table(rows: list[dict[str, Any]], todo: list[Job]) -> list[dict[str, Any]]:
    """One row a cell, printed as it is made."""
    print(f"{'game':30} {'n':>3} {'calls':>5} {'runs':>4} {'ours':>7} {'shapiq':>7} {'diff':>7} "
          f"{'ours CPU s':>10} {'shapiq CPU s':>12}")  # fmt: skip
    cells: list[dict[str, Any]] = []
    for cell in dict.fromkeys(job.cell for job in todo):
        here = [row for row, job in zip(rows, todo, strict=True) if job.cell == cell]
        middle = {
            key: float(np.median([row[key] for row in here]))
            for key in ("ours", "peer", "ours_cpu", "peer_cpu", "calls", "ours_out_of_fold")
            if key in here[0]
        }
        if "peer" in middle:
            gaps = np.array([row["ours"] - row["peer"] for row in here])
            middle |= {"difference": float(np.median(gaps)), "won": float((gaps > 0).mean())}
        n = next(job.n for job in todo if job.cell == cell)
        cells.append({"file": cell[0], "n": n, "multiple": cell[1], "runs": len(here), **middle})
        nothing = float("nan")
        print(f"{cell[0]:30} {n:3} {middle['calls']:5.0f} {len(here):4} {middle['ours']:7.3f} "
              f"{middle.get('peer', nothing):7.3f} {middle.get('difference', nothing):+7.3f} "
              f"{middle['ours_cpu']:10.2f} {middle.get('peer_cpu', nothing):12.2f}")  # fmt: skip
    return cells


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--games", type=int, default=8, help="games of each file at most")
    parser.add_argument("--seeds", type=int, default=1, help="draws of masks for each game")
    parser.add_argument("--budgets", type=int, nargs="+", default=[2, 4, 8, 16], help="multiples of n")
    parser.add_argument("--engine", default="proxyspex")
    parser.add_argument("--peer-python", default=str(HERE.parent / ".env-peers" / "bin" / "python"))
    parser.add_argument("--peer-answers", type=Path, help="keep the peer's answers here for the next time")
    parser.add_argument("--no-peer", action="store_true", help="our figures only")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "faithfulness_games.json")
    options = parser.parse_args()
    if not GAMES.is_dir():
        sys.exit("the recorded games are not in ../shared/data/games beside the checkout")
    engine, todo = find_engine(options.engine), list(jobs(options))
    with tempfile.TemporaryDirectory() as folder:
        answers = options.peer_answers or Path(folder) / "answers.npz"
        if not options.no_peer and not answers.exists():
            ask_peer(options.peer_python, [plan(engine, job).masks for job in todo], todo, answers)
        rows = compare(engine, todo, None if options.no_peer else answers)
        about = {} if options.no_peer else json.loads(str(np.load(answers)["about"]))
    cells = table(rows, todo)
    versions = {name: version(name) for name in ("numpy", "scipy", "scikit-learn")}
    versions["xgboost"] = __import__("xgboost").__version__
    versions["python"] = platform.python_version()
    known = [cell["difference"] for cell in cells if "difference" in cell]
    if known:
        print(f"smallest paired median difference of {len(known)} cells: {min(known):+.3f}")
    draws = {"games": options.games, "seeds": options.seeds}
    result = {
        "engine": options.engine,
        **draws,
        "versions": versions,
        "peer": about,
        "cells": cells,
        "runs": rows,
    }
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
