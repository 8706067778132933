"""Held-out R² against calls on recorded and planted games, beside the peers on the same masks, one run.

    python benchmarks/faithfulness.py recorded|planted [--cells image_vit_n9] [--budgets 2 4 8 16] [--seeds 3]
                              [--games 15] [--who auto ...] [--seconds 3600] [--again] [--no-run]

recorded   ../shared/data/games, all 2^n values known: R² on every mask that was not paid for
planted    planted.py, kinds at n of 10 to 1,000: R² on 4,000 fresh masks, without noise
budgets    in multiples of n

`auto` is what a user gets who names no engine; `spex` stands beside it where the budget is enough. Peers that
draw their own masks (shapiq_spex, shapiq_kernelshap, shapiq_kernelshapiq) get as many calls. Each fit of each
is a row of results/faithfulness_<source>.json; what is there is not computed again. A run counts where ours
and the peers that take masks had the same ones, which a check sum of the masks tells.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# one thread each: on busy cores, threads that wait for each other would be counted as work
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from faithfulness_table import report
from kept import HERE, Clock, Kept, Peers, Row
from planted import Game, held_out, plant, r2

from spexapi.engines.registry import find_engine
from spexapi.engines.spex import SPEX
from spexapi.fourier.masks import all_masks, codes
from spexapi.measurements import exact_values

GAMES = HERE.parent.parent / "shared" / "data" / "games"
SIZES = (10, 20, 32, 50, 100, 200, 500, 1000)
OURS = ("auto", "spex")
PEERS = (
    "shapiq_proxyspex", "shapiq_proxyshap", "shapiq_fbii", "contextcite", "shapiq_spex", "shapiq_kernelshap",
    "shapiq_kernelshapiq",
)  # fmt: skip
OWN_MASKS = ("spex", "shapiq_spex", "shapiq_kernelshap", "shapiq_kernelshapiq")
MOST_PLAYERS = {"shapiq_fbii": 60, "shapiq_kernelshapiq": 60}  # all pairs as dense columns beyond


@dataclass(frozen=True)
class Point:
    cell: str  # a file, or kind-n
    number: int  # which game of the file; a planted cell has one a seed
    multiple: int
    seed: int

    def key(self, who: str) -> str:
        return f"{self.cell}/{self.multiple}/{self.number}.{self.seed}/{who}"


@lru_cache(maxsize=8)
def recorded(cell: str) -> np.ndarray:
    return read_recorded(GAMES / f"{cell}.npz")


def read_recorded(path: Path) -> np.ndarray:
    """(games, 2^n). Sentiment is recorded as the score of the label with its sign, which jumps where the
    label turns; the log-odds of "positive" do not."""
    values = np.load(path)["values"].astype(np.float64)
    if path.stem.startswith("sentiment"):
        positive = np.clip(np.where(values > 0, values, 1 + values), 1e-7, 1 - 1e-7)
        values = np.log(positive / (1 - positive))
    return values


class Held:
    """One point's game: its measurements, and the masks R² is on."""

    def __init__(self, point: Point) -> None:
        self.point = point
        kind, _, n = point.cell.rpartition("-")
        self.planted = [kind, int(n), point.seed] if kind else None
        self.table = None if kind else recorded(point.cell)[point.number]
        if self.planted is not None:
            self.game: Game = plant(kind, int(n), point.seed)
            self.n = int(n)
        else:
            self.n = len(self.table).bit_length() - 1
            self.game = Game(self.n, lambda masks: self.table[codes(masks)])
        self.budget = point.multiple * self.n

    def plan(self, engine: str):
        seeds = [self.point.seed, self.point.number, self.point.multiple]
        return find_engine(engine).plan(self.n, self.budget, np.random.default_rng(seeds))

    def measure(self, masks: np.ndarray) -> np.ndarray:
        return self.game.measure(masks, np.random.default_rng([self.point.seed, 2, self.point.multiple]))

    def test(self, paid: np.ndarray) -> np.ndarray:
        if self.table is None:
            return held_out(self.n, self.point.seed)
        rest = np.ones(len(self.table), dtype=bool)
        rest[codes(paid)] = False
        return all_masks(self.n)[rest]


def possible(who: str, held: Held) -> bool:
    """The smallest budget of both SPEX is the same, that of 8 bins for sets of 2."""
    if who.endswith("spex") and "proxy" not in who:
        return held.budget >= SPEX().smallest_budget(held.n)
    return held.n <= MOST_PLAYERS.get(who, held.n)


def points(options: argparse.Namespace) -> Iterator[Point]:
    if options.source == "recorded":
        cells = sorted(path.stem for path in GAMES.glob("*.npz"))
        counts = {cell: len(recorded(cell)) for cell in cells}
    else:
        cells = [f"{kind}-{n}" for n in SIZES for kind in ("hierarchical", "documents", "sparse")]
        counts = dict.fromkeys(cells, 1)
    wanted = [cell for cell in cells if not options.cells or cell in options.cells]
    for seed in range(options.seeds):
        for number in range(min(options.games, max(counts.values()))):
            for cell in wanted:
                if number < counts[cell]:
                    for multiple in options.budgets:
                        yield Point(cell, number, multiple, seed)


def ours(held: Held, engine: str) -> Row:
    design = held.plan(engine)
    seen = exact_values(design.masks, held.measure(design.masks))
    start = time.process_time()
    fit = find_engine(engine).fit(design, seen)
    cpu = time.process_time() - start
    test = held.test(design.masks)
    found = r2(held.game.value(test), fit.spectrum.predict(test))
    row = {
        "r2": round(found, 5),
        "cpu": round(cpu, 3),
        "calls": len(design.masks),
        "terms": len(fit.spectrum),
    }
    return row if engine in OWN_MASKS else row | {"masks": zlib.crc32(design.masks.tobytes())}


def theirs(held: Held, peer: str, peers: Peers, limit: int, about: Row) -> Row:
    masks = held.plan("auto").masks
    test = held.test(masks)
    arrays = {"masks": masks, "values": held.measure(masks), "test": test}
    if held.table is not None:
        arrays["table"] = held.table
    asked = {"seed": held.point.seed, "budget": held.budget, "limit": limit, "game": held.planted}
    found = peers.ask(peer, arrays, **asked)
    if isinstance(found, str):
        return {"why": found}
    predictions, told = found
    about["peers"] = told["about"]
    score = r2(held.game.value(test), predictions)
    row = {"r2": round(score, 5), "cpu": round(told["cpu"], 3), "calls": told["calls"]}
    return row if peer in OWN_MASKS else row | {"masks": zlib.crc32(masks.tobytes())}


def run(options: argparse.Namespace, kept: Kept) -> int:
    """How many fits are missing, the time being over."""
    clock, missing = Clock(options.seconds), 0
    with Peers() as peers:
        for point in points(options):
            held = Held(point)
            for name in (name for name in options.who if possible(name, held)):
                key = point.key(name)
                if key in kept.rows and not (
                    options.again and kept.rows[key].get("at", options.revision) != options.revision
                ):
                    continue
                if clock.over:
                    missing += 1
                    continue
                if name in OURS:
                    row = ours(held, name) | {"at": options.revision}
                else:
                    row = theirs(held, name, peers, options.limit, kept.about)
                kept.put(key, row)
                print(key, row, file=sys.stderr, flush=True)
    return missing


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("source", choices=("recorded", "planted"))
    parser.add_argument("--cells", nargs="*", help="files, or kind-n; all")
    parser.add_argument("--budgets", type=int, nargs="+", default=[2, 4, 8, 16], help="multiples of n")
    parser.add_argument("--seeds", type=int, default=3, help="draws of masks, or planted games")
    parser.add_argument("--games", type=int, default=15, help="recorded games of a file at most")
    parser.add_argument("--who", nargs="+", default=[*OURS, *PEERS])
    parser.add_argument("--limit", type=int, default=600, help="CPU seconds for one fit of a peer")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="after these, start nothing more")
    parser.add_argument("--no-run", action="store_true", help="only write the table")
    parser.add_argument(
        "--again", action="store_true", help="fit anew what an earlier revision of ours fitted"
    )
    options = parser.parse_args()
    if options.source == "recorded" and not GAMES.is_dir():
        sys.exit("the recorded games are not in ../shared/data/games beside the checkout")
    kept = Kept.open(f"faithfulness_{options.source}")
    if not options.no_run:
        command = ["git", "log", "-1", "--format=%h", "--", "../spexapi/engines"]
        told = subprocess.run(command, capture_output=True, text=True, cwd=HERE)
        options.revision = told.stdout.strip()
        if missing := run(options, kept):
            print(f"the time is over: {missing} fits are missing; the same command goes on", file=sys.stderr)
    report(kept, options.source)


if __name__ == "__main__":
    main()
