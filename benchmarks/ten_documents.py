"""Ten documents and a few dozen calls: is the pair the answer needs found, and is the R² an honest one?

    python benchmarks/ten_documents.py [--games 60] [--budgets 20 40 80] [--who auto ...] [--seconds 3600]

Questions about ten documents are drawn from the training worlds, their pairs held out of training, answered
by the embedded model, and kept where all 1,024 values bear the truth out (the strongest faithful Banzhaf
interaction up to order 3 is the pair needed; for "either" the strongest pair is, and negative): judged is
the explanation, not the model. Peers have the masks of `auto`; shapiq's KernelSHAP-IQ draws its own.

Of every method the values it predicts for all 1,024 masks are read alike: its strongest pair by the
pairwise Banzhaf interaction, its two strongest documents by the Banzhaf value. R² is on all masks that were
not paid for.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from kept import HERE, Clock, Kept, Peers, Row, markdown, write_table
from planted import r2

import spexapi
from spexapi.engines.registry import find_engine
from spexapi.fourier.masks import all_masks, codes

sys.path.append(str(HERE.parent))
from training import measure, worlds

N, SEED = 10, 7
KINDS = ("two", "either")
PEERS = ("shapiq_proxyspex", "shapiq_proxyshap", "shapiq_fbii", "contextcite", "shapiq_kernelshapiq")
FIRST_ORDER = ("contextcite",)  # name no pair


def games(kind: str, count: int) -> Iterator[tuple[int, tuple[int, ...], np.ndarray]]:
    """Number, the documents needed, all 2^n log-probabilities of the answer, bit i set: document i kept."""
    backend = spexapi.open_backend("embedded")
    found = 0
    for number, asked in enumerate(worlds.questions(kind, SEED, 40 * count, n_documents=(N, N))):
        if found == count:
            return
        game = spexapi.RagGame(backend, asked.question, asked.documents, answer=asked.answer)
        measured = spexapi.explain(game, engine="exact", budget=2**N).observations
        table = np.empty(2**N)
        table[codes(measured.masks)] = measured.values
        if measure.as_the_truth_says(asked, table):
            found += 1
            yield number, asked.needed, table


def reading(table: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...], float]:
    """The strongest pair, the two strongest documents, and the pair's pairwise Banzhaf interaction."""
    sign = np.where(all_masks(N), 1.0, -1.0)
    values = table[codes(all_masks(N))]
    pair = {s: float(4 * (values * sign[:, list(s)].prod(axis=1)).mean()) for s in combinations(range(N), 2)}
    strongest = max(pair, key=lambda s: abs(pair[s]))
    single = np.abs(2 * (values @ sign) / len(values))
    two = tuple(sorted(np.argsort(-single, kind="stable")[:2].tolist()))
    return strongest, two, pair[strongest]


def row(
    kind: str, needed: tuple[int, ...], table: np.ndarray, predicted: np.ndarray, paid: np.ndarray
) -> Row:
    pair, two, size = reading(predicted)
    rest = np.ones(len(table), dtype=bool)
    rest[codes(paid)] = False
    right = pair == needed and (size > 0) == (kind == "two")
    return {"pair": right, "two": two == needed, "r2": round(r2(table[rest], predicted[rest]), 4)}


def ours(kind: str, needed: tuple[int, ...], table: np.ndarray, budget: int, seed: int) -> Row:
    game = spexapi.FunctionGame(lambda masks: table[codes(masks)], players=N)
    explained = spexapi.explain(game, budget=budget, seed=seed)
    predicted = np.empty(len(table))
    predicted[codes(all_masks(N))] = explained.spectrum.predict(all_masks(N))
    found = row(kind, needed, table, predicted, explained.observations.masks)
    audit = explained.audit
    assert audit.r2 is not None
    low, high = audit.r2_interval or (audit.r2, audit.r2)
    return found | {"said": round(audit.r2, 4), "low": round(low, 4), "high": round(high, 4)}


def theirs(
    peer: str, kind: str, needed: tuple[int, ...], table: np.ndarray, budget: int, seed: int, peers: Peers
) -> Row:
    masks = find_engine("auto").plan(N, budget, np.random.default_rng(seed)).masks
    arrays = {"masks": masks, "values": table[codes(masks)], "test": all_masks(N), "table": table}
    found = peers.ask(peer, arrays, seed=seed, budget=budget, limit=600, game=None)
    if isinstance(found, str):
        return {"why": found}
    predicted = np.empty(len(table))
    predicted[codes(all_masks(N))] = found[0]
    return row(kind, needed, table, predicted, masks)


def shown(score: float) -> str:
    """Below -1 a prediction is useless, and how far below says nothing more."""
    return f"{score:.2f}" if score >= -1 else "below -1"


def report(kept: Kept) -> None:
    groups: dict[tuple[str, int, str], list[Row]] = defaultdict(list)
    for key, found in kept.rows.items():
        kind, _, budget, who = key.split("/")
        if "why" not in found:
            groups[kind, int(budget), who].append(found)
    lines: list[list[str]] = []
    for (kind, budget, who), rows in sorted(
        groups.items(), key=lambda item: (item[0][0] != "two", *item[0][1:])
    ):
        score = np.array([each["r2"] for each in rows])
        said = ""
        if who == "auto":
            inside = np.mean([each["low"] <= each["r2"] <= each["high"] for each in rows])
            said = f"{np.median([each['said'] for each in rows]):.2f}; interval holds it {inside:.0%}"
        pair = "" if who in FIRST_ORDER else f"{np.mean([each['pair'] for each in rows]):.0%}"
        two = f"{np.mean([each['two'] for each in rows]):.0%}"
        spread = f"{shown(np.median(score))} ({shown(np.quantile(score, 0.1))})"
        lines.append([kind, str(budget), who, str(len(rows)), pair, two, spread, said])
    head = [
        "kind",
        "calls",
        "method",
        "games",
        "right pair",
        "right two documents",
        "R², median (10% quantile)",
        "R² it says",
    ]
    write_table("ten documents", markdown(head, lines))


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--games", type=int, default=60, help="of each kind")
    parser.add_argument("--budgets", type=int, nargs="+", default=[20, 40, 80])
    parser.add_argument("--who", nargs="+", default=["auto", *PEERS])
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--no-run", action="store_true")
    parser.add_argument("--again", action="store_true", help="fit `auto` anew: the engines have changed")
    options = parser.parse_args()
    kept, clock = Kept.open("ten_documents"), Clock(options.seconds)
    with Peers() as peers:
        for kind in () if options.no_run else KINDS:
            for number, needed, table in games(kind, options.games):
                for budget in options.budgets:
                    for who in options.who:
                        key = f"{kind}/{number}/{budget}/{who}"
                        if clock.over or (key in kept.rows and not (options.again and who == "auto")):
                            continue
                        asked = (kind, needed, table, budget, number)
                        kept.put(key, ours(*asked) if who == "auto" else theirs(who, *asked, peers))
                        print(key, kept.rows[key], file=sys.stderr, flush=True)
    report(kept)


if __name__ == "__main__":
    main()
