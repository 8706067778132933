"""Binary BCH codes for a batch of words: parity rows, syndromes, and decoding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spexapi.errors import InputError
from spexapi.fourier.parity import blocks
from spexapi.measurements import Bools

Ints = NDArray[np.int32]
# of a field: one or an array
Elements = Ints | np.int32

# x^m + ... + 1, primitive over GF(2), bit i the coefficient of x^i; Lin & Costello (2004), table 2.7
_PRIMITIVE = {
    3: 0x0B, 4: 0x13, 5: 0x25, 6: 0x43, 7: 0x89, 8: 0x11D, 9: 0x211, 10: 0x409,
    11: 0x805, 12: 0x1053, 13: 0x201B, 14: 0x4443, 15: 0x8003, 16: 0x1100B,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """GF(2^m) as powers of a root of its primitive polynomial; an element is its bits as a number.

    size   2^m - 1, the number of elements that are not 0
    power  (2 size,) power[i] is the root to the i, twice over: it is read at sums of two logarithms
    log    (size + 1,) the exponent of each element; that of 0 has no meaning
    """

    size: int
    power: Ints
    log: Ints

    def multiply(self, a: Elements, b: Elements) -> Ints:
        """Elementwise product, shapes broadcast."""
        product = self.power[self.log[a] + self.log[b]]
        return np.where((a == 0) | (b == 0), 0, product).astype(np.int32)

    def divide(self, a: Elements, b: Elements) -> Ints:
        """Elementwise quotient, b without 0."""
        quotient = self.power[self.log[a] + self.size - self.log[b]]
        return np.where(a == 0, 0, quotient).astype(np.int32)


@lru_cache(maxsize=16)
def field(m: int) -> Field:
    """GF(2^m) for 3 <= m <= 16."""
    size = (1 << m) - 1
    power, log = np.zeros(2 * size, dtype=np.int32), np.zeros(size + 1, dtype=np.int32)
    element = 1
    for i in range(size):
        power[i], log[element] = element, i
        element <<= 1
        if element > size:
            element ^= _PRIMITIVE[m]
    power[size:] = power[:size]
    return Field(size, power, log)


@dataclass(frozen=True, slots=True, eq=False)
class Code:
    """A systematic BCH code, shortened to n message bits, that corrects any t errors.

    A codeword is (message, parity @ message mod 2). Hence a set of up to t players can be decoded from its
    parity alone: (0, parity) is up to t errors away from the codeword (message, parity).

    n          message bits, one a player
    t          errors corrected
    parity     (P, n) bool
    syndrome   (P, t) the share of each parity bit in the odd syndromes S_1, S_3, ...: elements of the field
    field      GF(2^m) of the code's length 2^m - 1
    """

    n: int
    t: int
    parity: Bools
    syndrome: Ints
    field: Field

    @property
    def n_checks(self) -> int:
        """P, the number of parity bits."""
        return len(self.parity)

    def syndromes(self, bits: Bools) -> Ints:
        """(w, t) odd syndromes of the words (0, bits), bits (w, P)."""
        terms = np.where(bits[:, :, None], self.syndrome[None], 0)
        return np.bitwise_xor.reduce(terms, axis=1).astype(np.int32)

    def decode(self, syndromes: Ints) -> tuple[Ints, Bools]:
        """The errors that explain each row of odd syndromes (w, t), if up to t errors do.

        Returns (players, found): players (w, t) message positions in error, rising, padded with n;
        found (w,) False if no t errors explain it (players is then all n). Errors in the parity bits are
        corrected and not reported. Berlekamp-Massey (Massey 1969); a test that the locator has all its
        roots, which one in t! random words passes; then a search of all positions (Chien 1964):
        O(w t^2 log(n + P) + w' (n + P) t) for w' words that pass.
        """
        distinct, inverse = _distinct(syndromes)
        locator, degree = self._locators(distinct)
        players = np.full((len(distinct), self.t), self.n, dtype=np.int32)
        found = degree == 0
        possible = np.flatnonzero(self._split(locator, degree))
        for block in blocks(len(possible), self.n + self.n_checks):
            rows = possible[block]
            roots = self._roots(locator[rows])
            whole = roots.sum(axis=1) == degree[rows]
            found[rows] = whole
            word, player = np.nonzero(roots[whole, self.n_checks :])
            starts = np.searchsorted(word, np.arange(int(whole.sum())))
            players[rows[whole][word], np.arange(len(word)) - starts[word]] = player
        return players[inverse], found[inverse]

    def _locators(self, odd: Ints) -> tuple[Ints, Ints]:
        """(w, t + 1) error locators, constant term first, and their degrees (w,), t + 1 if invalid."""
        f, t, w = self.field, self.t, len(odd)
        s = np.zeros((w, 2 * t + 1), dtype=np.int32)
        s[:, 1::2] = odd
        for j in range(1, t + 1):  # in characteristic 2, S_2j is the square of S_j
            s[:, 2 * j] = f.multiply(s[:, j], s[:, j])
        locator = np.zeros((w, t + 1), dtype=np.int32)
        locator[:, 0] = 1
        # the last locator of another length, times x^(steps since then)
        shifted = np.roll(locator, 1, axis=1)
        last, length = np.ones(w, dtype=np.int32), np.zeros(w, dtype=np.int32)
        for step in range(0, 2 * t, 2):  # the discrepancies between are 0 for a binary code
            reach = min(t, step) + 1
            terms = f.multiply(locator[:, :reach], s[:, step + 1 : step + 1 - reach : -1])
            miss = np.bitwise_xor.reduce(terms, axis=1)
            longer = (miss != 0) & (2 * length <= step)
            update = locator ^ f.multiply(f.divide(miss, last)[:, None], shifted)
            shifted = np.where(longer[:, None], locator, shifted)
            last = np.where(longer, miss, last)
            length = np.where(longer, step + 1 - length, length)
            locator = update
            # an old locator moves two places a round, a new one counts from this step; what leaves the row
            # could only belong to more than t errors
            shifted = _shift(shifted, 2)
        degree = t - np.argmax(locator[:, ::-1] != 0, axis=1)
        return locator, np.where(degree == length, degree, t + 1).astype(np.int32)

    def _split(self, locator: Ints, degree: Ints) -> Bools:
        """(w,) True if the locator of degree 1 to t is a product of different linear factors."""
        split = np.zeros(len(locator), dtype=np.bool_)
        for d in range(1, self.t + 1):
            rows = np.flatnonzero(degree == d)
            for block in blocks(len(rows), d**2):
                part = rows[block]
                split[part] = self._splits(locator[part, : d + 1])
        return split

    def _splits(self, locator: Ints) -> Bools:
        """_split() of locators (w, d + 1) of one degree d.

        A polynomial of degree d has d different roots in a field of q elements if it divides x^q - x, the
        product of x less each element; x^q modulo it takes log2(q) squarings. The test is of the reversed
        locator, which is monic and splits if the locator does. Berlekamp (1968), "Algebraic coding theory",
        section 6.1.
        """
        f, (w, d) = self.field, (len(locator), locator.shape[1] - 1)
        below = locator[:, :0:-1]  # all but its first coefficient, the constant first
        power = np.zeros((w, d), dtype=np.int32)
        power[:, 0] = 1
        powers = [power]  # of x, modulo the polynomial
        for _ in range(max(1, 2 * d - 2)):
            power = _shift(power, 1) ^ f.multiply(power[:, -1:], below)
            powers.append(power)
        even = np.stack(powers[: 2 * d - 1 : 2], axis=1)
        rest = powers[1]
        for _ in range(f.size.bit_length()):
            rest = np.bitwise_xor.reduce(f.multiply(f.multiply(rest, rest)[:, :, None], even), axis=1)
        return (rest == powers[1]).all(axis=1)

    def _roots(self, locator: Ints) -> Bools:
        """(w, P + n) True if position i is in error: the locator is 0 at the root to the -i."""
        f = self.field
        places = np.arange(self.n_checks + self.n, dtype=np.int64)
        total = np.repeat(locator[:, :1], len(places), axis=1)
        for d in range(1, self.t + 1):
            turn = ((-places * d) % f.size).astype(np.int32)
            term = f.power[f.log[locator[:, d, None]] + turn]
            total ^= np.where(locator[:, d, None] == 0, 0, term)
        return total == 0


@lru_cache(maxsize=16)
def bch(n: int, t: int) -> Code:
    """The shortest BCH code of dimension n or more that corrects t errors, shortened to n.

    Raises InputError if no code of length below 2^16 does. Bose & Ray-Chaudhuri (1960); Hocquenghem
    (1959).
    """
    for m in _PRIMITIVE:
        checks = _generator_degree(m, t)
        if checks is not None and (1 << m) - 1 - checks >= n:
            break
    else:
        raise InputError(f"no BCH code known here has {n} message bits and corrects {t} errors")
    f = field(m)
    generator = _generator(f, t)
    degree = generator.bit_length() - 1
    remainder, columns = generator ^ (1 << degree), list[int]()  # x^P mod the generator
    for _ in range(n):
        columns.append(remainder)
        remainder <<= 1
        if remainder >> degree:
            remainder ^= generator
    parity = np.array([[c >> p & 1 for c in columns] for p in range(degree)], dtype=np.bool_)
    odd = np.arange(1, 2 * t, 2, dtype=np.int64)
    syndrome = f.power[(np.arange(degree)[:, None] * odd) % f.size]
    for array in (parity, syndrome):
        array.setflags(write=False)
    return Code(n, t, parity, syndrome, f)


def _cosets(size: int, t: int) -> list[list[int]]:
    """Exponents of the conjugates of the root to the 1, 3, ... 2t - 1, each orbit once."""
    found: list[list[int]] = []
    for start in range(1, 2 * t, 2):
        orbit = [start % size]
        while (after := orbit[-1] * 2 % size) != orbit[0]:
            orbit.append(after)
        if not any(orbit[0] in other for other in found):
            found.append(orbit)
    return found


def _generator_degree(m: int, t: int) -> int | None:
    size = (1 << m) - 1
    return sum(map(len, _cosets(size, t))) if 2 * t < size else None


def _generator(f: Field, t: int) -> int:
    """The generator polynomial as bits: the product of (x - root) over all conjugates."""
    coef = np.array([1], dtype=np.int32)
    for exponent in (e for orbit in _cosets(f.size, t) for e in orbit):
        scaled = f.multiply(coef, f.power[exponent])
        coef = np.append(0, coef).astype(np.int32) ^ np.append(scaled, 0).astype(np.int32)
    return sum(1 << i for i, bit in enumerate(coef.tolist()) if bit)


def _shift(rows: Ints, places: int) -> Ints:
    """Times x^places; what leaves the row on the right is dropped."""
    moved = np.zeros_like(rows)
    moved[:, places:] = rows[:, :-places]
    return moved


def _distinct(rows: Ints) -> tuple[Ints, NDArray[np.intp]]:
    """The different rows, and which of them each row is."""
    key = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).reshape(-1)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return rows[first], inverse.reshape(-1)
