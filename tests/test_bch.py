"""BCH codes: their sizes, their distance, and decoding, against searches of all words."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spexapi.engines.codes.bch import bch, field
from spexapi.errors import InputError


def sets(n: int, most: int) -> list[tuple[int, ...]]:
    return [s for d in range(most + 1) for s in combinations(range(n), d)]


def parity_of(parity: np.ndarray, chosen: tuple[int, ...]) -> np.ndarray:
    """Written out: the sum mod 2 of the columns of the chosen message bits."""
    word = np.zeros(len(parity), dtype=int)
    for i in chosen:
        word = (word + parity[:, i]) % 2
    return word.astype(bool)


@pytest.mark.parametrize(
    ("n", "t", "checks"),
    # tables of primitive BCH codes: (63, 36, 5), (255, 215, 5), (1023, 973, 5), (2047, 1992, 5),...
    [
        (32, 5, 27),
        (100, 5, 40),
        (500, 5, 50),
        (1000, 5, 55),
        (32, 2, 12),
        (1000, 2, 20),
        (7, 2, 8),
        (5, 3, 10),
    ],
)
def test_the_codes_are_those_of_the_tables(n: int, t: int, checks: int):
    code = bch(n, t)

    assert code.parity.shape == (checks, n)
    assert code.n_checks == checks


@pytest.mark.parametrize(("n", "t"), [(4, 1), (7, 2), (5, 3), (10, 2), (11, 5)])
def test_all_codewords_differ_in_more_than_twice_as_many_places_as_are_corrected(n: int, t: int):
    parity = bch(n, t).parity
    lightest = min(len(s) + int(parity_of(parity, s).sum()) for s in sets(n, n) if s)

    assert lightest >= 2 * t + 1


@pytest.mark.parametrize(("n", "t"), [(4, 1), (7, 2), (6, 3), (5, 4)])
def test_every_set_is_decoded_from_its_parity_in_spite_of_errors(n: int, t: int):
    """All sets of d players with all errors of t - d parity bits or fewer."""
    code = bch(n, t)
    words, truth = [], []
    for chosen in sets(n, t):
        for flipped in sets(code.n_checks, min(2, t - len(chosen))):
            word = parity_of(code.parity, chosen)
            word[list(flipped)] ^= True
            words.append(word)
            truth.append([*chosen, *[n] * (t - len(chosen))])
    players, found = code.decode(code.syndromes(np.array(words)))

    assert found.all()
    assert players.tolist() == truth


def test_what_no_few_errors_explain_is_not_decoded():
    """Every parity of 8 bits, against the nearest set by search."""
    code = bch(6, 2)
    words = (np.arange(256)[:, None] >> np.arange(8)) % 2 == 1
    players, found = code.decode(code.syndromes(words))
    for word, got, ok in zip(words, players.tolist(), found.tolist(), strict=True):
        near = [s for s in sets(6, 2) if len(s) + (parity_of(code.parity, s) != word).sum() <= 2]
        assert ok == bool(near)
        assert [p for p in got if p < 6] == list(near[0] if near else ())
    assert 0 < found.sum() < 256


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 300), t=st.integers(1, 6), seed=st.integers(0, 2**16))
def test_up_to_t_errors_are_corrected_in_codes_of_any_size(n: int, t: int, seed: int):
    rng, code = np.random.default_rng(seed), bch(n, t)
    words, truth = [], []
    for _ in range(20):
        size = int(rng.integers(0, min(t, n) + 1))
        chosen = tuple(sorted(rng.choice(n, size, replace=False).tolist()))
        word = parity_of(code.parity, chosen)
        word[rng.choice(code.n_checks, int(rng.integers(0, t - size + 1)), replace=False)] ^= True
        words.append(word)
        truth.append([*chosen, *[n] * (t - size)])
    players, found = code.decode(code.syndromes(np.array(words)))

    assert found.all()
    assert players.tolist() == truth


def test_the_field_multiplies_as_polynomials_do():
    f = field(4)
    for a in range(16):
        for b in range(16):
            product = 0
            for i in range(4):
                product ^= (a << i) * (b >> i & 1)
            for i in (6, 5, 4):
                product ^= (0b10011 << (i - 4)) * (product >> i & 1)
            assert f.multiply(np.array([a]), np.array([b]))[0] == product
            if b:
                assert f.divide(np.array([product]), np.array([b]))[0] == a


def test_a_code_nobody_can_build_is_refused():
    with pytest.raises(InputError, match="70000 message bits"):
        bch(70_000, 5)
