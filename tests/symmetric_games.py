"""Explains games with equal players and prints, as JSON, all that a floating-point tie could change.

    python tests/symmetric_games.py                        all games, engines and seeds
    python tests/symmetric_games.py --games or,sum --engines auto,gp --seeds 0,1

Run it under OPENBLAS_CORETYPE=Prescott, Haswell, SkylakeX: the output has to be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

os.environ["SPEXAPI_STORE"] = "off"

import numpy as np
from numpy.typing import NDArray

import spexapi
from spexapi.games.base import Player, Target

Masks = NDArray[np.bool_]
Values = NDArray[np.float64]

N = 10


def _sum(m: Masks) -> Values:
    return -0.1 * (~m).sum(axis=1) - 0.3


GAMES: dict[str, Callable[[Masks], Values]] = {
    "or": lambda m: np.where(m[:, :2].any(axis=1), -0.1, -5.0),
    "and": lambda m: np.where(m[:, 2] & m[:, 5], -0.1, -5.0),
    "two ands": lambda m: np.where(m[:, :2].all(axis=1) | m[:, 4:6].all(axis=1), -0.1, -5.0),
    "majority": lambda m: np.where(m[:, :5].sum(axis=1) >= 3, -0.1, -5.0),
    "sum": _sum,
    "xor": lambda m: np.where(m[:, 1] ^ m[:, 6], -0.1, -5.0),
    "either or three": lambda m: np.where(m[:, :2].any(axis=1) | m[:, 2:5].all(axis=1), -0.1, -5.0),
    "weighted or": lambda m: -5.0 + 1.7 * m[:, :2].any(axis=1) + 2.9 * m[:, 3:5].any(axis=1),
    "three pairs": lambda m: -6.0 + 1.9 * (m[:, ::2][:, :3] & m[:, 1::2][:, :3]).sum(axis=1),
    "two of four": lambda m: np.where(m[:, 2:6].sum(axis=1) >= 2, -0.1, -5.0),
    "maximum": lambda m: np.where(m, np.array([0.7, 0.7, 0.7, 0.3, 0.3] + [0.1] * 5), 0.0).max(axis=1) - 3.3,
    "for and against": lambda m: -3.0 + 2.1 * m[:, :2].any(axis=1) - 2.1 * m[:, 2:4].any(axis=1),
}
BUDGETS = {"auto": 128, "proxyspex": 48, "gp": 48, "adaptive": 160, "pairwise": 64, "spex": 400}
BUDGETS |= {"exact": 1024, "contextcite": 48, "lime": 48, "kernelshap": 64}
ENGINES = ("auto", "exact", "proxyspex", "spex", "gp", "pairwise")


class Documents(spexapi.FunctionGame):
    """The values as the log-probability of an answer from N documents, so that all sentences are tried."""

    def __init__(self, value: Callable[[Masks], Values]) -> None:
        super().__init__(value, [Player(f"d{i}", "document", f"Text {'abcdefghij'[i]}.") for i in range(N)])

    async def prepare(self) -> Target:
        return Target(kind="rag", question="Which room?", answer="cellar", unit="nats", score="logprob")


def rounded(value: float | None, largest: float = 1.0) -> str:
    """Six digits; what is rounding beside the largest is 0."""
    return "none" if value is None else "0" if abs(value) <= 1e-9 * largest else f"{value:.6g}"


def found(name: str, engine: str, seed: int) -> dict[str, Any]:
    """Words, order and numbers of one explanation."""
    ex = spexapi.explain(Documents(GAMES[name]), engine=engine, budget=BUDGETS[engine], seed=seed)
    ex = replace(ex, cost=replace(ex.cost, seconds=0.0))
    top = ex.top(len(ex.interactions))
    largest = max((abs(v) for _, v in top), default=0.0) or 1.0
    ranges = [ex.intervals.get(s, (0.0, 0.0)) for s, _ in top]
    return {
        "words": [str(ex), *ex.notes],
        "order": [list(s) for s, _ in top],
        "numbers": [rounded(v, largest) for _, v in top],
        "trust": [rounded(v) for v in (ex.audit.r2, ex.audit.stability, *(ex.audit.r2_interval or ()))]
        + [rounded(end, largest) for ends in ranges for end in ends],
        "page": ex.to_html(),
    }


def kernels() -> list[str]:
    """Which kernels each OpenBLAS of this process took."""
    import scipy.linalg.lapack  # noqa: F401 - loads scipy's own copy
    from threadpoolctl import threadpool_info

    return sorted({str(info["architecture"]) for info in threadpool_info() if info["user_api"] == "blas"})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--games", default=",".join(GAMES))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--seeds", default="0,1")
    args = parser.parse_args()
    every = {
        f"{name} | {engine} | {seed}": found(name, engine, int(seed))
        for name in args.games.split(",")
        for engine in args.engines.split(",")
        for seed in args.seeds.split(",")
    }
    json.dump({"kernels": kernels(), "found": every}, sys.stdout)


if __name__ == "__main__":
    main()
