"""Games with a known truth, for every benchmark and for the peers' own Python: numpy alone, nothing of
spexapi.

sparse        a sum of parities of 1 to 5 players, drawn without hierarchy, of size 0.5 to 1.5 and random sign
hierarchical  sets of 2 to 4 players whose every subset counts too, a player on average 1, a set of r players
              0.6^(r - 1) of it
documents     facts, each there where one of two groups of 1 to 3 documents is kept whole (AND in OR), one
              more where all facts are there (AND), and faint effects of single documents

Noise is normal, 10 dB below the sparse games and 20 dB below the hierarchical ones; documents have none. R²
is on values without noise. A mask is a row of bools, True = kept; a parity is -1 for each kept player.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np

KINDS = ("sparse", "hierarchical", "documents")

Terms = dict[tuple[int, ...], float]
Value = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Game:
    """`value` of masks (m, n) without noise; `terms` its parities where they were planted as such."""

    n: int
    value: Value
    noise: float = 0.0
    terms: Terms | None = None

    def measure(self, masks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What an engine is given."""
        return self.value(masks) + self.noise * rng.normal(size=len(masks))


def plant(kind: str, n: int, seed: int, count: int | None = None) -> Game:
    """The same arguments give the same game. count: parities of a sparse game, min(n, 20) if not given."""
    rng = np.random.default_rng([seed, n, KINDS.index(kind)])
    if kind == "documents":
        return Game(n, _documents(n, rng))
    if kind == "sparse":
        terms, decibel = _sparse(n, count or min(n, 20), rng), 10
    else:
        terms, decibel = _hierarchical(n, rng), 20
    noise = float(np.sqrt(sum(size**2 for size in terms.values()) / 10 ** (decibel / 10)))
    return Game(n, lambda masks: parity_sum(masks, terms), noise, terms)


def parity_sum(masks: np.ndarray, terms: Terms) -> np.ndarray:
    """(m,) the sum of size * product of signs over terms; () is the constant."""
    sign = np.where(masks, -1.0, 1.0)
    total = np.zeros(len(masks))
    for players, size in terms.items():
        total += size * sign[:, list(players)].prod(axis=1)
    return total


def _sparse(n: int, count: int, rng: np.random.Generator) -> Terms:
    terms: Terms = {}
    while len(terms) < count:
        players = rng.choice(n, int(rng.integers(1, 6)), replace=False)
        terms[tuple(sorted(players.tolist()))] = float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.5))
    return terms


def _hierarchical(n: int, rng: np.random.Generator) -> Terms:
    terms: Terms = {}
    for _ in range(max(3, min(n // 8, 40))):
        whole = sorted(rng.choice(n, int(rng.integers(2, 5)), replace=False).tolist())
        for part in chain.from_iterable(combinations(whole, r) for r in range(1, len(whole) + 1)):
            terms[part] = terms.get(part, 0.0) + float(rng.normal()) * 0.6 ** (len(part) - 1)
    return terms


def _documents(n: int, rng: np.random.Generator) -> Value:
    facts = [
        [rng.choice(n, int(rng.integers(1, 4)), replace=False) for _ in range(2)]
        for _ in range(max(2, min(n // 10, 5)))
    ]
    weights = rng.uniform(1.0, 3.0, size=len(facts))
    faint = rng.normal(size=n) * 0.3 / np.sqrt(n)

    def value(masks: np.ndarray) -> np.ndarray:
        there = np.stack([np.any([masks[:, group].all(axis=1) for group in fact], axis=0) for fact in facts])
        return weights @ there + 2.0 * there.all(axis=0) + masks @ faint

    return value


def held_out(n: int, seed: int, count: int = 4_000) -> np.ndarray:
    """(count, n) fresh uniform masks, on which R² is measured."""
    return np.random.default_rng([seed, n, 99]).random((count, n)) < 0.5


def r2(values: np.ndarray, predicted: np.ndarray) -> float:
    return float(1 - ((values - predicted) ** 2).sum() / ((values - values.mean()) ** 2).sum())
