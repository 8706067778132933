"""Removing the k players an explanation names: how far the value falls, beside every baseline's choice.

    python benchmarks/deletion.py [--seeds 2] [--games 5] [--most 4] [--cells ...] [--seconds 3600] [--no-run]

Games are the recorded ones and planted documents of 16 players, so that the best choice of k players is known
by trying all. Every method gets 8 n calls in all, each on its own masks but for shapiq's ProxySPEX, which has
those of `auto` at 8 n calls, and names the k players whose removal from the full input lowers its own
prediction most; with one number a player these are the k largest. `auto` keeps the calls that
`spexapi.fourier.optimize.candidates` says of its 8 n, measures so many sets of k players, those its
prediction falls most for, and names the one of them whose value falls most; `auto, unchecked` names what its
prediction at 8 n calls says. The figure is the fall as a share of the largest possible fall.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from itertools import combinations

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from faithfulness import GAMES, Held, Point, recorded
from kept import Clock, Kept, Peers, Row, markdown, write_table

from spexapi.engines.registry import find_engine
from spexapi.errors import SpexError
from spexapi.fourier.optimize import candidates, worst_masks
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import exact_values

MULTIPLE = 8
OURS = ("auto", "auto, unchecked", "loo", "lime", "contextcite", "kernelshap", "pairwise")
PEERS = ("shapiq_proxyspex", "shapiq_kernelshapiq")
TIE = 0.01


def without(n: int, k: int) -> np.ndarray:
    """(C(n, k), n) all masks that remove k players."""
    removed = np.array(list(combinations(range(n), k)))
    masks = np.ones((len(removed), n), dtype=bool)
    masks[np.arange(len(removed))[:, None], removed] = False
    return masks


def explained(engine: str, held: Held) -> Spectrum:
    design = held.plan(engine)
    seen = exact_values(design.masks, held.measure(design.masks))
    return find_engine(engine).fit(design, seen).spectrum


def checked(held: Held, most: int) -> list[np.ndarray]:
    """For each k what `auto` removes: of a few sets that it thinks worst, the one measured as worst."""
    kept_back = candidates(held.budget)
    held.budget -= kept_back
    spectrum = explained("auto", held)
    held.budget += kept_back
    chosen: list[np.ndarray] = []
    for k in range(1, most + 1):
        masks = np.stack([found.mask for found in worst_masks(spectrum, held.n - k, kept_back)])
        chosen.append(masks[held.measure(masks).argmin()])
    return chosen


def predictions(who: str, held: Held, test: np.ndarray, peers: Peers, about: Row) -> np.ndarray | str:
    if who in OURS:
        try:
            return explained(who.removesuffix(", unchecked"), held).predict(test)
        except SpexError as error:
            return str(error)
    masks = held.plan("auto").masks
    arrays = {"masks": masks, "values": held.measure(masks), "test": test}
    if held.table is not None:
        arrays["table"] = held.table
    asked = {"seed": held.point.seed, "budget": held.budget, "limit": 600, "game": held.planted}
    found = peers.ask(who, arrays, **asked)
    if isinstance(found, str):
        return found
    about["peers"] = found[1]["about"]
    return found[0]


def deletion(who: str, held: Held, most: int, peers: Peers, about: Row) -> Row:
    tests = [without(held.n, k) for k in range(1, most + 1)]
    test = np.concatenate(tests)
    if who == "auto":
        named = (test[:, None] == np.stack(checked(held, most))).all(axis=2).any(axis=1)
        predicted: np.ndarray | str = np.where(named, 0.0, 1.0)
    else:
        predicted = predictions(who, held, test, peers, about)
    if isinstance(predicted, str):
        return {"why": predicted}
    full = float(held.game.value(np.ones((1, held.n), dtype=bool))[0])
    falls = full - held.game.value(test)
    if falls[: held.n].max() <= 0:
        return {"why": "no player lowers the value"}
    row: Row = {}
    start = 0
    for k, masks in enumerate(tests, start=1):
        here = slice(start, start + len(masks))
        row[str(k)] = round(float(falls[here][predicted[here].argmin()] / falls[here].max()), 5)
        start += len(masks)
    return row


def report(kept: Kept) -> None:
    runs: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for key, row in kept.rows.items():
        cell, game, who = key.split("/")
        if "why" not in row:
            runs[cell, game][who] = row
    complete = {at: run for at, run in runs.items() if {"auto", *PEERS} <= set(run)}
    full = list(complete.values())
    if not full:
        print("no run is complete yet")
        return
    ks = sorted({k for run in full for k in run["auto"]}, key=int)
    lines: list[list[str]] = []
    for who in (*OURS, *PEERS):
        cells: list[str] = []
        for k in ks:
            pairs = [(run["auto"][k], run[who][k]) for run in full if k in run.get(who, {})]
            if not pairs:
                cells += ["", ""]
                continue
            ours, theirs = (np.array(side) for side in zip(*pairs, strict=True))
            cells.append(f"{np.median(theirs):.3f}, {theirs.mean():.3f}")
            cells.append("" if who == "auto" else f"{np.mean(ours >= theirs - TIE):.0%}")
        lines.append([who, *cells])
    head = ["choice of"]
    for k in ks:
        head += [f"k = {k}: median, mean", "auto at least as far"]
    best = [
        run["auto"][k] - max(row[k] for who, row in run.items() if not who.startswith("auto"))
        for run in full
        for k in ks
    ]
    text = (
        f"{len(full)} runs on {len({cell for cell, _ in complete})} kinds of games. Against the best of all"
        " other choices in each single run and k, the value falls at least as far with `auto` (within"
        f" {TIE:.0%} of the largest fall) in {np.mean(np.array(best) >= -TIE):.0%} of {len(best)}; median"
        f" difference {np.median(best):+.3f}, worst {min(best):+.3f}."
    )
    write_table("deletion", markdown(head, lines) + "\n\n" + text)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--games", type=int, default=5)
    parser.add_argument("--most", type=int, default=4, help="players removed at most")
    parser.add_argument("--cells", nargs="+")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--no-run", action="store_true")
    parser.add_argument("--again", action="store_true", help="fit `auto` anew: the engines have changed")
    options = parser.parse_args()
    files = sorted(path.stem for path in GAMES.glob("*.npz"))
    cells = options.cells or [*files, "documents-16"]
    counts = {cell: len(recorded(cell)) if cell in files else 1 for cell in cells}
    kept, clock, missing = Kept.open("deletion"), Clock(options.seconds), 0
    todo = [
        Point(cell, number, MULTIPLE, seed)
        for seed in range(0 if options.no_run else options.seeds)
        for number in range(options.games)
        for cell in cells
        if number < counts[cell]
    ]
    with Peers() as peers:
        for point in todo:
            held = Held(point)
            for who in (*OURS, *PEERS):
                key = f"{point.cell}/{point.number}.{point.seed}/{who}"
                if key in kept.rows and not (options.again and who.startswith("auto")):
                    continue
                if clock.over:
                    missing += 1
                    continue
                kept.put(key, deletion(who, held, options.most, peers, kept.about))
                print(key, kept.rows[key], file=sys.stderr, flush=True)
    if missing:
        print(f"the time is over: {missing} fits are missing; the same command goes on", file=sys.stderr)
    report(kept)


if __name__ == "__main__":
    main()
