"""Boosted trees on masks, and their exact Fourier transform as flat arrays: no walk over nodes in Python."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spexapi.fourier.spectrum import Interaction
from spexapi.fourier.walsh_hadamard import walsh_hadamard
from spexapi.measurements import Bools, Floats

if TYPE_CHECKING:
    from xgboost import Booster

Ints = NDArray[np.int64]
# on busy cores the waiting of xgboost's threads for each other cost 20 times the work
_THREADS = 1


@dataclass(frozen=True, slots=True)
class BoostingParams:
    """The settings of an ensemble of boosted trees.

    depth    most splits on a path: the highest order of an interaction
    trees    how many
    rate     learning rate: the share of each tree that is added
    leaf     fewest samples of a leaf
    rows     share of the samples that each tree is fitted to
    columns  share of the players that each split may take
    """

    depth: int = 3
    trees: int = 400
    rate: float = 0.05
    leaf: int = 1
    rows: float = 1.0
    columns: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """Fourier terms as arrays, strongest first.

    players  (s, d) int, the players of each term in rising order, padded with -1 in front
    coef     (s,) float64
    """

    players: Ints
    coef: Floats

    def __len__(self) -> int:
        return len(self.coef)

    def support(self, count: int | None = None) -> list[Interaction]:
        """The first `count` terms as interactions."""
        return [tuple(i for i in row if i >= 0) for row in self.players[:count].tolist()]


def boost(
    masks: Bools, values: Floats, params: BoostingParams, *, seed: int = 0, weights: Floats | None = None
) -> Booster:
    """Boosted trees that predict values from masks; the same arguments give the same bits again.

    masks    (m, n) bool
    values   (m,) centred and of scale about 1: xgboost works in float32 and starts from 0
    weights  (m,) how much each value counts, of mean about 1; None if all count the same

    Time about O(m * n * trees * depth).
    """
    import xgboost

    data = xgboost.DMatrix(
        masks.astype(np.float32), label=values.astype(np.float32), weight=weights, nthread=_THREADS
    )
    settings = {
        "max_depth": params.depth,
        "eta": params.rate,
        "min_child_weight": params.leaf,
        "subsample": params.rows,
        "colsample_bynode": params.columns,
        "base_score": 0.0,
        "tree_method": "hist",
        "max_bin": 2,  # a mask has two values
        "seed": seed,
        "nthread": _THREADS,
        "verbosity": 0,
    }
    # xgboost.train asks for evaluations after each tree, which takes a third of its time on few masks
    booster = xgboost.Booster(settings, [data])
    for i in range(params.trees):
        booster.update(data, i)
    return booster


def fourier(booster: Booster) -> Terms:
    """The Fourier expansion of a whole ensemble, exact up to float32 leaves.

    A leaf of value v under d binary splits is v * prod over its path of (1 + e_i s_i) / 2, with e_i = +1 on
    the side of player i removed: it adds v / 2^d * prod_{i in S} e_i to each subset S of its path. As
    in the recursion F_S = (L_S + R_S) / 2, F_{S u i} = (L_S - R_S) / 2 of ProxySPEX (Butler et al., 2025),
    summed over trees. Subsets are hashed to 64-bit sums of one random number for each player: any two of a
    million collide with probability 3e-8. Time O(leaves + paths of different players * depth * 2^depth).
    """
    paths, values, base = _leaves(booster)
    width = paths.shape[1]
    depth = (paths != 0).sum(axis=1)
    n_players = int(np.abs(paths).max(initial=0))
    name = np.random.default_rng(0).integers(1, 2**63, size=n_players + 1, dtype=np.uint64)
    name[0] = 0
    keys, weights, members = [np.zeros(1, np.uint64)], [np.array([base])], [np.full((1, width), -1)]
    for d in range(width + 1):
        here = depth == d
        if not here.any():
            continue
        path, leaf = _same_players(paths[here, :d], values[here] / (1 << d), name)
        walsh_hadamard(leaf)
        chosen = (np.arange(1 << d)[:, None] >> np.arange(d)) & 1  # (2^d, d): the subsets of a path
        keys.append((name[path] @ chosen.T.astype(np.uint64)).ravel())
        weights.append(leaf.ravel())
        players = np.full((*leaf.shape, width), -1)
        players[:, :, :d] = np.where(chosen, path[:, None, :] - 1, -1)
        members.append(players.reshape(leaf.size, width))
    _, first, of = np.unique(np.concatenate(keys), return_index=True, return_inverse=True)
    coef = np.bincount(of, weights=np.concatenate(weights)).astype(np.float64)
    rows = np.sort(np.concatenate(members)[first], axis=1)
    # ties in size are ordered by players, so that nothing depends on the random names
    order = np.lexsort((*rows.T, -np.abs(coef)))
    order = order[coef[order] != 0]
    return Terms(rows[order].astype(np.int64), coef[order])


def _same_players(paths: Ints, values: Floats, name: NDArray[np.uint64]) -> tuple[Ints, Floats]:
    """Leaves of d splits, summed by their players: (g, d) players + 1, rising, and (g, 2^d) sums.

    Column x sums the leaves with these players kept: those whose bits are set in x.
    """
    d = paths.shape[1]
    paths = np.take_along_axis(paths, np.argsort(np.abs(paths), axis=1), axis=1)
    _, first, group = np.unique(name[np.abs(paths)].sum(axis=1), return_index=True, return_inverse=True)
    kept: Ints = (paths < 0) @ (1 << np.arange(d, dtype=np.int64))
    cell = (group << d) + kept
    sums = np.bincount(cell, weights=values, minlength=len(first) << d).astype(np.float64)
    return np.abs(paths[first]), sums.reshape(len(first), 1 << d)


def _leaves(booster: Booster) -> tuple[Ints, Floats, float]:
    """Paths and values of all leaves of all trees.

    paths   (leaves, depth) int: +(i + 1) for a split after which player i is removed, -(i + 1) for one after
            which it is kept; then 0
    values  (leaves,) float64
    base    what the ensemble adds to every prediction
    """
    left, right, split, cut, roots, base = _flat(booster)
    node, path = roots, np.zeros((len(roots), 0), np.int64)
    done_paths: list[Ints] = []
    done_values: list[Floats] = []
    while len(node):
        leaf = left[node] < 0
        done_paths.append(path[leaf])
        done_values.append(cut[node[leaf]])
        node, path = node[~leaf], path[~leaf]
        player = split[node] + 1
        # left is value < cut; a cut outside (0, 1] sends both values of a player the same way
        low, high = cut[node] <= 0, cut[node] > 1
        nodes: list[Ints] = []
        grown: list[Ints] = []
        for child, reached, always, side in ((left, ~low, high, player), (right, ~high, low, -player)):
            step = np.where(always, 0, side)
            seen = (np.abs(path) == player[:, None]) & (step != 0)[:, None]
            clash = (seen & (path == -step[:, None])).any(axis=1)
            step = np.where(seen.any(axis=1), 0, step)  # split before on this path: nothing new
            keep = reached & ~clash
            nodes.append(child[node][keep])
            grown.append(np.column_stack([path, step])[keep])
        node, path = np.concatenate(nodes), np.concatenate(grown)
    width = max(p.shape[1] for p in done_paths)
    padded = np.concatenate([np.pad(p, ((0, 0), (0, width - p.shape[1]))) for p in done_paths])
    # steps that told nothing are 0: move them to the end
    order = np.argsort(padded == 0, axis=1, kind="stable")
    return np.take_along_axis(padded, order, axis=1), np.concatenate(done_values), base


def _flat(booster: Booster) -> tuple[Ints, Ints, Ints, Floats, Ints, float]:
    """All nodes of all trees in one numbering: children, split players, cuts (at a leaf: its value); then the
    roots' numbers and the base score."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    trees: list[dict[str, list[float]]] = learner["gradient_booster"]["model"]["trees"]
    sizes = [len(tree["left_children"]) for tree in trees]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    shift = np.repeat(starts[:-1], sizes)

    def floats(field: str) -> Floats:
        return np.fromiter(
            chain.from_iterable(tree[field] for tree in trees), np.float64, count=int(starts[-1])
        )

    def whole(field: str) -> Ints:
        return floats(field).astype(np.int64)

    left, right = whole("left_children"), whole("right_children")
    left, right = np.where(left < 0, -1, left + shift), np.where(right < 0, -1, right + shift)
    roots = np.array([a for a, b in pairwise(starts.tolist()) if b > a], np.int64)
    base = float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    return left, right, whole("split_indices"), floats("split_conditions"), roots, base
