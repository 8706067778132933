"""SPEX's sparse transform: groups of masks hash the spectrum into bins, which are decoded and peeled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spexapi.engines.codes.bch import Code, Ints
from spexapi.fourier.ebic import NO_RESIDUAL, ebic_price, jittered, select_by_ebic
from spexapi.fourier.masks import all_masks
from spexapi.fourier.ranking import EQUAL, largest_first, ranks
from spexapi.fourier.spectrum import Interaction, parities
from spexapi.fourier.walsh_hadamard import walsh_hadamard
from spexapi.measurements import Bools, Floats

_ROUNDS = 60
# words decoded in a round, and their word-position pairs
_MOST_WORDS, _MOST_PAIRS = 1 << 15, 1 << 25


@dataclass(frozen=True, slots=True, eq=False)
class Hashing:
    """The masks that are asked, and with them the hashing of the spectrum into bins.

    matrices  (C, b, n) bool, M_c of each group
    shift     (n,) bool, added to every mask so that each is uniform
    code      its parity rows, after a row of zeros, are the offsets of the blocks of a group

    The mask of group c, offset p and number l is M_c^T l + p + shift (mod 2). The transform over l of the
    values of a block holds in bin j the sum of (-1)^<p + shift, k> F_k over the sets k with M_c k = j.
    """

    matrices: Bools
    shift: Bools
    code: Code

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, R, 2^b): groups, offsets and bins, R = P + 1."""
        return len(self.matrices), self.code.n_checks + 1, 1 << self.matrices.shape[1]

    def masks(self) -> Bools:
        """(C R 2^b, n), group after group, block after block."""
        inside = all_masks(self.matrices.shape[1]).astype(np.float32)
        spans = (inside @ self.matrices.astype(np.float32)).astype(np.int64) % 2 == 1  # (C, 2^b, n)
        offsets = np.vstack([np.zeros_like(self.shift), self.code.parity]) ^ self.shift
        return (spans[:, None] ^ offsets[None, :, None]).reshape(-1, len(self.shift))

    def bins(self, values: Floats) -> Floats:
        """(C, 2^b, R) the transform of each block, from (C R 2^b,) values; terms keep their amplitude."""
        blocks = values.reshape(self.shape).copy()
        walsh_hadamard(blocks)
        return np.ascontiguousarray(blocks.transpose(0, 2, 1)) / self.shape[2]

    def places(self, players: Ints) -> NDArray[np.intp]:
        """(s, C) the bin of each set in each group; players (s, t) padded with n."""
        weight = 1 << np.arange(self.matrices.shape[1], dtype=np.int64)
        numbers = (self.matrices * weight[:, None]).sum(axis=1)  # (C, n) the bin of each single player
        padded = np.pad(numbers, ((0, 0), (0, 1)))
        return np.bitwise_xor.reduce(padded[:, players], axis=2).T.astype(np.intp)

    def signs(self, players: Ints) -> Floats:
        """(s, R) the sign of each set's coefficient in the rows of its bin, apart from that of the shift."""
        odd = np.pad(self.code.parity.T, ((0, 1), (1, 0)))  # (n + 1, R)
        return 1.0 - 2.0 * np.bitwise_xor.reduce(odd[players], axis=1)


def peel(hashing: Hashing, values: Floats, most: int) -> tuple[list[Interaction], Floats]:
    """The sets whose coefficients stand out of the noise, and their least-squares coefficients.

    values  (C R 2^b,) of the masks of `hashing`, NaN if there is none; of variance about 1
    most    terms

    Each round decodes all bins, adds the sets that explain all their bins best, fits all coefficients again
    and continues with the residuals. The residual of a missing value counts as 0: its value is what the fit
    so far predicts, the mean at first. Kang et al. (2025), section 4, with the extended BIC of Chen & Chen
    (2008) in place of a threshold. Time about O(rounds (words (n + P) t + m s²)).
    """
    masks, known = hashing.masks(), np.isfinite(values)
    columns = np.ones((int(known.sum()), 1))
    support: list[Interaction] = [()]
    target = values[known]
    gram, pull = columns.T @ columns, columns.T @ target
    for _ in range(_ROUNDS):
        coef = np.linalg.solve(jittered(gram, len(target)), pull)
        residual = np.zeros(len(values))
        residual[known] = target - columns @ coef
        if residual @ residual <= NO_RESIDUAL * len(target) or len(support) >= most:
            break
        fresh = _detect(hashing, hashing.bins(residual), support)[: most - len(support)]
        if not fresh:
            break
        support += fresh
        more = parities(masks[known], fresh, np.float64)
        columns = np.hstack([columns, more])
        gram, pull = columns.T @ columns, columns.T @ target
    return select_by_ebic(support, gram, pull, target, hashing.code.n)


def _detect(hashing: Hashing, bins: Floats, support: list[Interaction]) -> list[Interaction]:
    """New sets that explain each of their bins better than any other candidate, the strongest first."""
    players = _without(_candidates(hashing, bins), support, hashing.code.n)
    if not len(players):
        return []
    groups, rows, size = hashing.shape
    home = hashing.places(players) + size * np.arange(groups)  # (s, C), all bins numbered
    seen = bins.reshape(-1, rows)
    energy = (seen**2).sum(axis=1)
    match = np.einsum("scr,sr->sc", seen[home], hashing.signs(players))
    noise = max(float(np.median(energy)) / rows, NO_RESIDUAL)
    alone = np.maximum(energy[home] - match**2 / rows, 0.0) / rows
    weight = 1.0 / (alone + 0.1 * noise)
    amplitude = (match * weight).sum(axis=1) / (rows * weight.sum(axis=1))
    after = np.maximum(energy[home] - 2 * amplitude[:, None] * match + rows * amplitude[:, None] ** 2, 0.0)
    floor = 0.1 * noise * rows
    gain = rows * np.log((energy[home] + floor) / (after + floor)).sum(axis=1)
    gain -= ebic_price((players < hashing.code.n).sum(axis=1), hashing.code.n)
    best = np.full(groups * size, -np.inf)
    np.maximum.at(best, home, np.repeat(gain[:, None], groups, axis=1))
    # two sets of one bin that explain it equally well are both taken
    nearly = best - EQUAL * np.where(np.isfinite(best), np.abs(best), 0.0)
    taken = np.flatnonzero((gain > 0) & (gain[:, None] >= nearly[home]).all(axis=1))
    taken = taken[largest_first(gain[taken])]
    return [tuple(p for p in row if p < hashing.code.n) for row in players[taken].tolist()]


def _candidates(hashing: Hashing, bins: Floats) -> Ints:
    """(s, t) the different sets that some bin decodes to and that hash to that bin.

    Chase (1972): the signs of the least reliable rows of each bin are flipped in all combinations, and each
    word is decoded. The row of offset 0 may be one of them: it flips all others.
    """
    code = hashing.code
    _, rows, size = hashing.shape
    seen = bins.reshape(-1, rows)
    seen = np.where(np.abs(seen) > EQUAL * np.abs(seen).max(initial=0.0), seen, 0.0)  # no sign of rounding
    words = min(_MOST_WORDS, _MOST_PAIRS // (code.n + code.n_checks))
    flips = max(0, min(2 * code.t, rows, int(np.log2(max(1, words // len(seen))))))
    each = np.vstack([np.bitwise_xor.reduce(code.syndrome, axis=0), code.syndrome])  # (R, t)
    syndromes = np.bitwise_xor.reduce(np.where((seen < 0)[:, :, None], each, 0), axis=1)[:, None]
    weakest = np.argsort(ranks(np.abs(seen)), axis=1, kind="stable")[:, :flips]
    for i in range(flips):
        syndromes = np.concatenate([syndromes, syndromes ^ each[weakest[:, i]][:, None]], axis=1)
    origin = np.repeat(np.arange(len(seen)), syndromes.shape[1])
    players, found = code.decode(syndromes.reshape(-1, code.t).astype(np.int32))
    players, origin = players[found], origin[found]
    home = hashing.places(players)[np.arange(len(players)), origin // size] if len(players) else origin
    return np.unique(players[home == origin % size], axis=0)


def _without(players: Ints, support: list[Interaction], n: int) -> Ints:
    """The rows that are not in the support: what rounding leaves of a known term must not hide others."""
    width = players.shape[1]
    old = np.array([[*s, *[n] * (width - len(s))] for s in support], dtype=np.int32)
    _, first, count = np.unique(np.vstack([old, players]), axis=0, return_index=True, return_counts=True)
    return players[np.sort(first[(count == 1) & (first >= len(old))]) - len(old)]
