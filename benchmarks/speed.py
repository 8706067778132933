"""Seconds and peak memory of every engine against players and samples, beside the peers.

    python benchmarks/speed.py [--cells 1000-20000 ...] [--who proxyspex ...] [--limit 600] [--seconds 3600]
    python benchmarks/speed.py --one ENGINE N M            one fit, as JSON

Each fit has a process of its own, two threads where it takes them, and no other of ours beside it. Measured
are the fit's wall and CPU seconds (no import, no plan, no value) and the peak memory of the process, in which
the interpreter and the imports are about 150 MiB. The game is the hierarchical one of planted.py; SPEX has
the masks of its codes. The load of the machine before each fit is kept with it: wall seconds on a loaded
machine are not those of an idle one, CPU seconds nearly are. A fit past --limit is ended and noted as such.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")

import numpy as np
from kept import HERE, PEER_PYTHON, Clock, Kept, Row, markdown, write_table
from planted import plant

OURS = (
    "auto", "proxyspex", "spex", "gp", "pairwise", "contextcite", "lime", "kernelshap", "loo", "adaptive",
    "exact",
)  # fmt: skip
PEERS = ("shapiq_proxyspex", "shapiq_spex", "shapiq_proxyshap", "shapiq_kernelshap", "contextcite")
CELLS = (
    "1000-20000", "1000-2000", "100-2000", "10-64", "100-512", "4000-20000", "1000-50000", "100-20000",
    "500-20000", "2000-20000", "4000-8064",
)  # fmt: skip
TARGET = 60  # seconds at n = 1,000 and 20,000 samples


def one(engine: str, n: int, m: int) -> Row:
    from spexapi.engines.registry import find_engine
    from spexapi.measurements import exact_values

    game = plant("hierarchical", n, 0)
    found = find_engine(engine)
    design = found.plan(n, m, np.random.default_rng(0))
    seen = exact_values(design.masks, game.measure(design.masks, np.random.default_rng(1)))
    start, cpu = time.perf_counter(), time.process_time()
    found.fit(design, seen)
    took = {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    took["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {key: round(value, 2) for key, value in took.items()} | {"calls": len(seen)}


def alone(who: str, cell: str, limit: float) -> Row:
    """The figures of one fit in a fresh process; or why there are none."""
    n, m = cell.split("-")
    if who.startswith("peer:"):
        command = [str(PEER_PYTHON), str(HERE / "peer_runner.py"), "--one", who[5:], n, m]
    else:
        command = [sys.executable, str(HERE / "speed.py"), "--one", who, n, m]
    load = round(os.getloadavg()[0], 1)
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"why": f"over {limit:.0f} s", "load": load}
    if told.returncode:
        lines = told.stderr.strip().splitlines() or [f"ended with {told.returncode}"]
        return {"why": lines[-1][:200], "load": load}
    return json.loads(told.stdout.strip().splitlines()[-1]) | {"load": load}


def order(key: str) -> tuple[str, int, int]:
    who, cell = key.split("/")
    n, m = map(int, cell.split("-"))
    return who, n, m


def report(kept: Kept) -> None:
    lines: list[list[str]] = []
    for key in sorted(kept.rows, key=order):
        row = kept.rows[key]
        who, (n, m) = key.split("/")[0], key.split("/")[1].split("-")
        figures = ("wall", "cpu", "peak_mib")
        shown = [row["why"], "", ""] if "why" in row else [f"{row[name]:.1f}" for name in figures]
        lines.append([who.replace("peer:", "peer "), n, m, *shown, str(row["load"])])
    head = ["engine", "n", "samples", "wall s", "CPU s", "peak MiB", "load"]
    goal = [
        f"{key.split('/')[0]} {row['wall']:.0f} s"
        for key, row in kept.rows.items()
        if key.endswith("/1000-20000") and "wall" in row and not key.startswith("peer")
    ]
    text = f"At n = 1,000 and 20,000 samples (goal: {TARGET} s of wall time): {', '.join(goal) or 'none'}."
    write_table("speed", markdown(head, lines) + "\n\n" + text)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--one", nargs=3, metavar=("ENGINE", "N", "M"))
    parser.add_argument("--cells", nargs="+", default=list(CELLS), help="n-samples")
    parser.add_argument("--who", nargs="+", default=[*OURS, *(f"peer:{peer}" for peer in PEERS)])
    parser.add_argument("--limit", type=float, default=600, help="seconds a fit may take")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--no-run", action="store_true")
    parser.add_argument("--again", action="store_true", help="measure what is there anew")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one[0], int(options.one[1]), int(options.one[2]))))
        return
    kept, clock, missing = Kept.open("speed"), Clock(options.seconds), 0
    for cell in [] if options.no_run else options.cells:
        for who in options.who:
            key = f"{who}/{cell}"
            if key in kept.rows and not options.again:
                continue
            if clock.over:
                missing += 1
                continue
            kept.put(key, alone(who, cell, options.limit))
            print(key, kept.rows[key], file=sys.stderr, flush=True)
    if missing:
        print(f"the time is over: {missing} fits are missing; the same command goes on", file=sys.stderr)
    report(kept)


if __name__ == "__main__":
    main()
