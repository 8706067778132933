"""How often the 90% intervals hold the truth: of interactions, and of R².

    python benchmarks/coverage.py [--engine proxyspex] [--players 10 30] [--times 4 10] [--name coverage]
    python benchmarks/coverage.py --table     the tables in README.md of what results/coverage*.json hold

Planted games of four kinds, the truth known for every one of the 2^n masks:

    documents     log-probability that saturates: a pair needed together, two that stand in for each other,
                  distractors; a sigmoid of them has a term for every subset
    hierarchical  triples and pairs with all their subsets
    sparse        parities without hierarchy
    and           a sum of ANDs: planted Möbius terms

measured exactly, and with sampling noise 10 dB below the signal whose variance is known. Coverage is counted
for the planted terms (those of at least 5% of the standard deviation of the values; those not reported too,
whose value stands as 0), for those of them that are reported, and for the ten strongest reported ones.
Intervals without width, of games found exactly, hold the truth always and
are not counted. R² is that of the reported spectrum on all masks, noise included. Counted beside: the
intervals that take the reported value for unbiased and the residual for noise (`naive`), and R² by resampling
masks alone.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from kept import markdown, versions, write_table

from spexapi.engines.registry import find_engine
from spexapi.errors import BudgetError
from spexapi.fourier.indices import to_index
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import Measurements
from spexapi.trust.audit import audit
from spexapi.trust.cross_fitting import cross_fit, cross_fit_selected_terms
from spexapi.trust.estimates import Estimates, estimate
from spexapi.trust.intervals import intervals

HERE = Path(__file__).resolve().parent
INDICES = ("fourier", "fbii", "sv", "moebius")
GROUPS = ("planted", "ten strongest")
ABOUT = ("game", "n", "times", "noise", "seed")
FOUND_EXACTLY = 1e-6  # of the standard deviation of the values
Coef = dict[tuple[int, ...], float]


def by_definition(value: Callable[[np.ndarray], np.ndarray], players: list[int]) -> Coef:
    """Fourier coefficients of a function of few players: means over all their masks."""
    kept = (np.arange(2 ** len(players))[:, None] >> np.arange(len(players)) & 1).astype(bool)
    values, sign = value(kept), np.where(kept, -1.0, 1.0)
    coef = {
        tuple(players[j] for j in s): float((values * sign[:, list(s)].prod(axis=1)).mean())
        for k in range(len(players) + 1)
        for s in combinations(range(len(players)), k)
    }
    return {s: c for s, c in coef.items() if abs(c) > 1e-12}


def documents(n: int, rng: np.random.Generator) -> Coef:
    order = rng.permutation(7)
    both, either, third, one = rng.uniform(2, 5), rng.uniform(2, 4), rng.uniform(-3, 3), rng.uniform(-2, 2)

    def value(kept: np.ndarray) -> np.ndarray:
        a, b, c, d, e, f, g = kept[:, order].T
        return -np.logaddexp(0, 4 - both * (a & b) - either * (c | d) - third * (e & f) - one * g)

    return by_definition(value, sorted(rng.choice(n, 7, replace=False).tolist()))


def hierarchical(n: int, rng: np.random.Generator) -> Coef:
    coef: Coef = {(): float(rng.normal())}
    for _ in range(max(3, n // 6)):
        top = sorted(rng.choice(n, int(rng.integers(2, 4)), replace=False).tolist())
        for k in range(1, len(top) + 1):
            for s in combinations(top, k):
                coef[s] = coef.get(s, 0.0) + float(rng.normal() * 0.8 ** (k - 1))
    for i in rng.choice(n, max(2, n // 4), replace=False).tolist():
        coef[(i,)] = coef.get((i,), 0.0) + float(rng.normal() / 2)
    return coef


def sparse(n: int, rng: np.random.Generator) -> Coef:
    coef: Coef = {(): float(rng.normal())}
    while len(coef) < 1 + max(6, n // 3):
        s = tuple(sorted(rng.choice(n, int(rng.choice([1, 1, 1, 2, 2, 3])), replace=False).tolist()))
        coef[s] = float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.5))
    return coef


def ands(n: int, rng: np.random.Generator) -> Coef:
    coef: Coef = {}
    for _ in range(max(4, n // 4)):
        top = sorted(rng.choice(n, int(rng.choice([1, 2, 2, 3])), replace=False).tolist())
        size = float(rng.choice([-1, 1]) * rng.uniform(0.5, 2))
        for k in range(len(top) + 1):
            for s in combinations(top, k):
                coef[s] = coef.get(s, 0.0) + (-1.0) ** k * 0.5 ** len(top) * size
    return {s: c for s, c in coef.items() if abs(c) > 1e-12}


GAMES = {"documents": documents, "hierarchical": hierarchical, "sparse": sparse, "and": ands}


def value_of(coef: Coef, masks: np.ndarray) -> np.ndarray:
    sign = np.where(masks, -1.0, 1.0)
    return sum((c * sign[:, list(s)].prod(axis=1) for s, c in coef.items()), np.zeros(len(masks)))


def run(engine_name: str, kind: str, n: int, times: int, noisy: bool, seed: int) -> list[dict[str, Any]]:
    """One game, measured and explained: a row for each interval looked at."""
    rng = np.random.default_rng([seed, n, times, noisy, list(GAMES).index(kind)])
    truth = Spectrum(n, GAMES[kind](n, rng))
    engine = find_engine(engine_name)
    try:
        design = engine.plan(n, times * n, rng)
    except BudgetError:
        return []
    m, deviation = len(design.masks), float(np.sqrt(truth.variance))
    noise = np.full(m, noisy * truth.variance / 10)
    values = value_of(dict(truth.coef), design.masks) + rng.normal(size=m) * np.sqrt(noise)
    seen = Measurements(design.masks, values, noise, values.copy(), values.copy(), ("",) * m)
    fit = engine.fit(design, seen)
    start = time.process_time()
    again = cross_fit(engine, design, seen, fit, rng)
    coded = again is None  # as in spexapi.trust.assess
    again = cross_fit_selected_terms(seen, fit.spectrum, rng) if again is None else again
    plain = None if again is None else estimate(seen, fit.spectrum, again, selected=coded)
    if plain is None:
        return []
    about = {"game": kind, "n": n, "times": times, "noise": int(noisy), "seed": seed}
    spread = plain.missed + float(noise.mean())
    naive = Estimates(fit.spectrum, spread / m, 0.0, plain.freedom)
    found: list[dict[str, Any]] = []
    for index in INDICES:
        true, reported = to_index(truth, index), to_index(fit.spectrum, index)
        planted = [s for s, v in true.items() if s and abs(v) >= 0.05 * deviation]
        top = sorted((s for s in reported if s), key=lambda s: -abs(reported[s]))[:10]
        ranges = intervals(plain, fit.spectrum, index)
        wide = estimate(seen, fit.spectrum, again, planted, selected=coded)
        asked = intervals(wide, fit.spectrum, index, also=planted)
        plainly = intervals(naive, fit.spectrum, index)
        groups = (
            ("planted", planted, asked),
            ("planted, reported", [s for s in planted if s in reported], ranges),
            ("ten strongest", top, ranges),
            ("ten strongest, naive", top, plainly),
        )
        for group, sets, ends in groups:
            for s in sets:
                low, high = ends[s]
                slack, here = 1e-9 * deviation, true.get(s, 0.0)
                inside = low - slack <= here <= high + slack
                if (width := (high - low) / deviation) > FOUND_EXACTLY:
                    found.append({**about, "index": index, "group": group, "inside": inside, "width": width})
    seconds = time.process_time() - start
    again = None if coded else again
    found += [{**about, **row} for row in r2_rows(engine, design, seen, fit, again, truth, rng)]
    return [{**row, "seconds": seconds} for row in found]


def r2_rows(
    engine: Any, design: Any, seen: Measurements, fit: Any, again: Any, truth: Spectrum, rng: Any
) -> list[dict[str, Any]]:
    terms = {*truth.coef, *fit.spectrum.coef}
    missed = sum((truth.coef.get(s, 0.0) - fit.spectrum.coef.get(s, 0.0)) ** 2 for s in terms)
    noise = float(seen.variance.mean())
    true = 1 - (missed + noise) / (truth.variance + noise)
    rows: list[dict[str, Any]] = []
    for group, moved in (("R²", again), ("R², masks resampled only", None)):
        if fit.out_of_fold is None and moved is None:
            continue
        found = audit(engine, design, seen, fit, cross_fits=moved, rng=rng)
        if found.r2 is None or found.r2_interval is None:
            continue
        low, high = found.r2_interval
        inside = low - 1e-9 <= true <= high + 1e-9
        rows.append({"index": "", "group": group, "inside": inside, "width": high - low,
                     "off": found.r2 - true, "stability": found.stability})  # fmt: skip
    return rows


def table(rows: list[dict[str, Any]], by: tuple[str, ...]) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in by)].append(row)
    return [
        {
            **dict(zip(by, key, strict=True)),
            "inside": round(float(np.mean([row["inside"] for row in part])), 4),
            "width": round(float(np.median([row["width"] for row in part])), 4),
            "intervals": len(part),
        }
        for key, part in sorted(groups.items(), key=lambda item: str(item[0]))
    ]


def measured(jobs: list[Any], workers: int, minutes: float) -> list[dict[str, Any]]:
    """The rows of the games that are done in time."""
    rows: list[dict[str, Any]] = []
    end = time.monotonic() + 60 * minutes
    np.random.default_rng(0).shuffle(jobs)  # where time runs out, no kind of game is left out
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(run, *job) for job in jobs]
        try:
            for done in as_completed(waiting, timeout=max(1.0, end - time.monotonic())):
                rows += done.result()
        except TimeoutError:
            pool.shutdown(wait=False, cancel_futures=True)
    return rows


def keep(name: str, engine: str, rows: list[dict[str, Any]]) -> None:
    result = {
        "engine": engine,
        "kinds": list(GAMES),
        **{key: sorted({row[key] for row in rows}) for key in ("n", "times", "seed")},
        "versions": versions(),
        "games": len({tuple(row[key] for key in ABOUT) for row in rows}),
        "cpu_seconds_each": round(float(np.median([row["seconds"] for row in rows])), 4),
        "overall": table(rows, ("group", "index")),
        **{f"by_{key}": table(rows, ("group", "index", key)) for key in ABOUT[:-1]},
    }
    path = HERE / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def report() -> None:
    """The tables of README.md: every file of results, then its cells by players and by masks a player."""
    files = sorted((HERE / "results").glob("coverage*.json"))
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    lines: list[list[str]] = []
    for result in kept:
        for group in (*GROUPS, "planted, reported", "ten strongest, naive"):
            shown = [share(result["overall"], group, index) for index in INDICES]
            r2 = share(result["overall"], "R²", "") if group == "planted" else ""
            lines.append([result["engine"], str(result["games"]), group, *shown, r2])
    cells = [
        [
            result["engine"],
            said.format(value),
            f"{sum(row['intervals'] for row in rows if row['group'] in GROUPS):,}",
            *(share(rows, g, i) for g in GROUPS for i in INDICES),
        ]
        for result in kept
        for key, said in (("n", "{} players"), ("times", "{} masks a player"))
        for value in sorted({row[key] for row in result[f"by_{key}"]})
        for rows in ([row for row in result[f"by_{key}"] if row[key] == value],)
    ]
    names = [f"{group}, {index}" for group in GROUPS for index in INDICES]
    overall = markdown(["engine", "games", "intervals of", *INDICES, "R²"], lines)
    by_cell = markdown(["engine", "games with", "intervals", *names], cells)
    write_table("coverage", f"{overall}\n\n{by_cell}")


def share(rows: list[dict[str, Any]], group: str, index: str) -> str:
    found = [row["inside"] for row in rows if row["group"] == group and row["index"] == index]
    return f"{found[0]:.3f}" if found else ""


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--engine", default="proxyspex")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--players", type=int, nargs="+", default=[8, 10, 16, 30, 50])
    parser.add_argument("--times", type=int, nargs="+", default=[3, 5, 10, 20, 40], help="budgets, times n")
    parser.add_argument("--most", type=int, default=2000, help="measurements of a game at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60.0, help="games not done by then do not count")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--name", default="coverage", help="of the file in results")
    parser.add_argument("--table", action="store_true", help="measure nothing, write the table")
    options = parser.parse_args()
    if options.table:
        report()
        return
    jobs = [
        (options.engine, kind, n, times, noisy, seed)
        for seed in range(options.first, options.first + options.seeds)
        for n in options.players
        for times in options.times
        for kind in GAMES
        for noisy in (False, True)
        if times * n < min(0.9 * 2**n, options.most + 1)
    ]
    keep(options.name, options.engine, measured(jobs, options.workers, options.minutes))
    report()


if __name__ == "__main__":
    main()
