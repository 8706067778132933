"""Precision and recall on planted sparse functions at 10 dB, SPEX beside shapiq's SPEX at equal samples.

    python benchmarks/recovery.py [--seeds 5] [--cells 32-8-672 ...] [--seconds 3600] [--no-run] [--again]

A cell is n, terms and samples: the sparse games of planted.py, parities of 1 to 5 players without hierarchy.
A term counts as found where its size is 0.2 or more, planted ones being 0.5 to 1.5. R² is on 4,000 fresh
masks without noise. ProxySPEX of both stands beside, on as many uniform masks, which are ours and the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from kept import Clock, Kept, Peers, Row, markdown, write_table
from planted import Terms, held_out, plant, r2

from spexapi.engines.registry import find_engine
from spexapi.measurements import exact_values

# shapiq's exact prices for 8 or 16 bins a group, sets of up to 5; the last two for sets of up to 2 players
CELLS = (
    "20-10-672", "32-8-672", "32-16-672", "32-24-1344", "100-10-984", "100-20-1968", "500-10-1224",
    "1000-10-1344", "32-8-312", "100-10-384",
)  # fmt: skip
STRONG = 0.2
WHO = ("spex", "shapiq_spex", "proxyspex", "shapiq_proxyspex")


def score(truth: Terms, found: Terms) -> Row:
    strong = {players for players, size in found.items() if players and abs(size) >= STRONG}
    hit = len(truth.keys() & strong)
    return {"precision": hit / len(strong) if strong else 1.0, "recall": hit / len(truth)}


def fit(who: str, cell: str, seed: int, peers: Peers, about: Row) -> Row:
    n, count, budget = map(int, cell.split("-"))
    game, test = plant("sparse", n, seed, count), held_out(n, seed)
    assert game.terms is not None
    name = "proxyspex" if who == "shapiq_proxyspex" else who
    if who == "shapiq_spex":
        masks = np.zeros((0, n), dtype=bool)
        values = np.zeros(0)
    else:
        engine = find_engine(name)
        design = engine.plan(n, budget, np.random.default_rng([seed, 1]))
        masks = design.masks
        values = game.measure(masks, np.random.default_rng([seed, 2]))
    if who in ("spex", "proxyspex"):
        start = time.process_time()
        found = engine.fit(design, exact_values(masks, values)).spectrum
        cpu, calls = time.process_time() - start, len(masks)
        terms, predicted = dict(found.coef), found.predict(test)
    else:
        arrays = {"masks": masks, "values": values, "test": test}
        asked = {"seed": seed, "budget": budget, "limit": 900, "game": ["sparse", n, seed, count]}
        answer = peers.ask(who, arrays, **asked)
        if isinstance(answer, str):
            return {"why": answer}
        predicted, told = answer
        about["peers"], cpu, calls = told["about"], told["cpu"], told["calls"]
        terms = {tuple(sorted(players)): size for players, size in told["terms"]}
    row = score(game.terms, terms) | {"r2": r2(game.value(test), predicted), "cpu": cpu}
    return {key: round(value, 4) for key, value in row.items()} | {"calls": calls}


def report(kept: Kept) -> None:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for key, row in kept.rows.items():
        cell, _, who = key.split("/")
        groups[cell, who].append(row)
    lines: list[list[str]] = []
    for cell in CELLS:
        for who in WHO:
            done = [row for row in groups[cell, who] if "r2" in row]
            failed = len(groups[cell, who]) - len(done)
            if not groups[cell, who]:
                continue
            mean = {key: float(np.mean([row[key] for row in done])) for key in (done[0] if done else {})}
            n, count, budget = cell.split("-")
            lines.append([
                n, count, budget, who, f"{len(done)}" + (f" ({failed} failed)" if failed else ""),
                *(f"{mean[key]:.2f}" if done else "" for key in ("precision", "recall")),
                *(f"{mean[key]:.3f}" if done else "" for key in ("r2",)),
                f"{mean['calls']:.0f}" if done else "", f"{mean['cpu']:.1f}" if done else "",
            ])  # fmt: skip
    head = ["n", "terms", "samples", "engine", "seeds", "precision", "recall", "R²", "calls made", "CPU s"]
    write_table("recovery", markdown(head, lines) + "\n\n" + summary(kept))


def summary(kept: Kept) -> str:
    pairs = [
        (row, other)
        for key, row in kept.rows.items()
        if key.endswith("/spex") and "r2" in row
        if "r2" in (other := kept.rows.get(key.replace("/spex", "/shapiq_spex"), {}))
    ]
    if not pairs:
        return "No run has both SPEX yet."
    said: list[str] = []
    for name in ("precision", "recall", "r2"):
        gaps = np.array([row[name] - other[name] for row, other in pairs])
        said.append(
            f"{name} {np.mean(gaps >= 0):.0%} (worst {gaps.min():+.2f}, median {np.median(gaps):+.2f})"
        )
    return f"Of {len(pairs)} runs with both, SPEX is at least shapiq's SPEX in: " + ", ".join(said) + "."


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cells", nargs="+", default=list(CELLS))
    parser.add_argument("--who", nargs="+", default=list(WHO))
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--no-run", action="store_true")
    parser.add_argument("--again", action="store_true", help="fit ours anew: the engines have changed")
    options = parser.parse_args()
    kept, clock, missing = Kept.open("recovery"), Clock(options.seconds), 0
    with Peers() as peers:
        for seed in range(0 if options.no_run else options.seeds):
            for cell in options.cells:
                for who in options.who:
                    key = f"{cell}/{seed}/{who}"
                    if key in kept.rows and not (options.again and who in ("spex", "proxyspex")):
                        continue
                    if clock.over:
                        missing += 1
                        continue
                    kept.put(key, fit(who, cell, seed, peers, kept.about))
                    print(key, kept.rows[key], file=sys.stderr, flush=True)
    if missing:
        print(f"the time is over: {missing} fits are missing; the same command goes on", file=sys.stderr)
    report(kept)


if __name__ == "__main__":
    main()
