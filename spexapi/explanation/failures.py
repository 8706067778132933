"""Which players the failed measurements follow: without them, or with them, there is no value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from spexapi.fourier.masks import unique_rows
from spexapi.measurements import Bools, Measurements

# a pattern of failures that is likelier by chance than this is none: one of single players, one of a set
_CHANCE, _CHANCE_OF_SET = 0.05, 0.001
# players of which every small set is tried, and the largest set
_MOST_TRIED, _MOST_TOGETHER = 12, 4


@dataclass(frozen=True, slots=True)
class Cause:
    """No mask has a value in which all `players` are kept, or in which all of them are removed.

    kept    which of the two
    failed  masks of that kind without a value, and `masks`, how many there are: they differ only if a value
            was given for nothing kept
    """

    players: tuple[int, ...]
    kept: bool
    failed: int
    masks: int

    def holds(self, masks: Bools) -> Bools:
        """(m, n) bool -> (m,), True for masks of that kind."""
        return (masks[:, list(self.players)] == self.kept).all(axis=1)


@dataclass(frozen=True, slots=True)
class Failures:
    """The distinct masks that were asked and have no value.

    failed    how many, `masks` of how many
    causes    the players that they follow beyond chance, those that explain most first; may be empty
    infinite  -inf or inf if that was the value in all of them, else 0
    reason    the most frequent one
    """

    failed: int
    masks: int
    causes: tuple[Cause, ...]
    infinite: float
    reason: str

    @property
    def players(self) -> tuple[int, ...]:
        """All that a cause names, rising."""
        return tuple(sorted({i for cause in self.causes for i in cause.players}))


def failures_of(seen: Measurements) -> Failures | None:
    """What the failed masks have in common; None if none failed.

    A player is a cause if all masks without it failed, or all with it; a set of up to four players if all
    masks did that lack all of them, or have all of them, as when a class of examples is empty. Chance is
    ruled out by Fisher's exact test, corrected for the number of such players or sets (Bonferroni), or by
    the number of ways in which causes could explain every failure. It plays no part in a function whose
    every mask was asked and whose failures are infinite values.
    """
    ok = seen.ok
    first, group = unique_rows(seen.masks)
    has_value: Bools = np.bincount(group, weights=ok, minlength=len(first)) > 0
    masks, failed = seen.masks[first], ~has_value
    if not failed.any():
        return None
    infinite = np.unique(seen.infinite[first][failed])
    end = float(infinite[0]) if len(infinite) == 1 else 0.0
    reasons = [seen.reason[i] for i in np.flatnonzero(~ok)]
    why = max(sorted(set(reasons)), key=reasons.count)
    certain = bool(end) and len(first) == 2**seen.n_players
    causes = _causes(masks, failed, certain=certain) if has_value.any() else ()
    return Failures(int(failed.sum()), len(masks), causes, end, why)


def _causes(masks: Bools, failed: Bools, *, certain: bool) -> tuple[Cause, ...]:
    """Single players first; then, if failures are left, sets of two and more."""
    n, f = masks.shape[1], int(failed.sum())
    masks = np.asfortranarray(masks)
    candidates = [c for i in range(n) for kept in (False, True) if (c := _cause(masks, failed, (i,), kept))]
    sure = [c for c in candidates if certain or 2 * n * _by_chance(c, len(masks), f) < _CHANCE]
    left, found = _explained_by(sure, masks, failed)
    if not left.any():
        return found
    if not found:
        left, all_single = _explained_by(candidates, masks, failed)
        ways = comb(2 * n, len(all_single))
        if all_single and not left.any() and ways < _CHANCE * comb(len(masks), f):
            return all_single
        left = failed
    return found + _explained_by(list(_sets(masks, failed, left, certain=certain)), masks, left)[1]


def _sets(masks: Bools, failed: Bools, left: Bools, *, certain: bool) -> Iterator[Cause]:
    """The sets of two and more that fail beyond chance among the masks that nothing explains yet.

    Smaller ones first, and none that contains another.
    """
    n, f = masks.shape[1], int(left.sum())
    rest = left | ~failed
    part, lost = np.asfortranarray(masks[rest]), failed[rest]
    smaller: list[set[int]] = []
    for size in range(2, min(_MOST_TOGETHER, n - 1) + 1):
        for kept in (False, True):
            often = (masks[left] == kept).mean(axis=0) - (masks[~failed] == kept).mean(axis=0)
            likeliest = np.sort(np.argsort(-often, kind="stable")[:_MOST_TRIED])
            for players in combinations(likeliest.tolist(), size):
                if any(known <= {*players} for known in smaller):
                    continue
                cause = _cause(part, lost, players, kept)
                if cause is None:
                    continue
                if certain or 2 * comb(n, size) * _by_chance(cause, int(rest.sum()), f) < _CHANCE_OF_SET:
                    smaller.append({*players})
                    yield cause


def _cause(masks: Bools, failed: Bools, players: Sequence[int], kept: bool) -> Cause | None:
    """The cause, if all masks of that kind failed; nothing kept may have a value, as one can be given."""
    inside = (masks[:, list(players)] == kept).all(axis=1)
    within, lost = int(inside.sum()), int(failed[inside].sum())
    given = not kept and lost == within - 1 and not masks[inside & ~failed].any()
    return Cause(tuple(players), kept, lost, within) if lost and (lost == within or given) else None


def _by_chance(cause: Cause, masks: int, failed: int) -> float:
    """How likely that many of these masks failed if failures fell on any mask alike (Fisher's exact test)."""
    a, f = cause.masks, cause.failed
    ways = sum(comb(a, k) * comb(masks - a, failed - k) for k in range(f, min(a, failed) + 1))
    return ways / comb(masks, failed)


def _explained_by(
    candidates: Sequence[Cause], masks: Bools, failed: Bools
) -> tuple[Bools, tuple[Cause, ...]]:
    """The failures that are left, and the fewest causes (greedily) that explain the others."""
    left, found = failed.copy(), list[Cause]()
    while left.any() and candidates:
        gains = [int((left & cause.holds(masks)).sum()) for cause in candidates]
        best = int(np.argmax(gains))
        if not gains[best]:
            break
        found.append(candidates[best])
        left &= ~candidates[best].holds(masks)
    return left, tuple(found)
