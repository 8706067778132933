"""Every index shapiq knows, on one random game, against shapiq's own computation over all masks."""

import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    # shapiq's own dependencies warn while they are imported; nothing of ours is running then
    warnings.simplefilter("ignore")
    import shapiq
    from shapiq.game_theory.moebius_converter import MoebiusConverter

from spexapi.fourier.indices import to_index
from spexapi.fourier.spectrum import Spectrum

N = 6


@pytest.fixture(scope="module")
def spectrum():
    rng = np.random.default_rng(11)
    coef = {(): 0.7}
    for _ in range(25):
        s = rng.choice(N, int(rng.integers(1, N + 1)), replace=False)
        coef[tuple(sorted(s.tolist()))] = float(rng.normal())
    return Spectrum(N, coef)


@pytest.fixture(scope="module")
def computer(spectrum):
    def value(coalitions):
        sign = np.where(np.atleast_2d(coalitions).astype(bool), -1.0, 1.0)
        return sum(c * sign[:, list(s)].prod(axis=1) for s, c in spectrum.coef.items())

    return shapiq.ExactComputer(value, n_players=N)


@pytest.mark.parametrize(
    ("index", "theirs", "order"),
    [
        ("moebius", "Moebius", N),
        ("sii", "SII", 1),
        ("sii", "SII", 2),
        ("sii", "SII", 3),
        ("stii", "STII", 1),
        ("stii", "STII", 2),
        ("stii", "STII", 3),
        ("fsii", "FSII", 1),
        ("fsii", "FSII", 2),
        ("fsii", "FSII", 3),
        ("fbii", "FBII", 1),
        ("fbii", "FBII", 2),
        ("fbii", "FBII", 3),
        ("bii", "BII", 2),
        ("bii", "BII", 3),
        ("sv", "SV", 1),
        ("bv", "BV", 1),
    ],
)
def test_shapiq_agrees(spectrum, computer, index, theirs, order):
    reference = computer(theirs, order).dict_values

    found = to_index(spectrum, index, order)

    # in shapiq the empty set has the value for nobody in every index; for SII, BII and BV it is a mean here
    expected = {s: float(v) for s, v in reference.items() if s or index not in ("sii", "bii", "bv")}
    # shapiq fits FSII with a large weight in place of its two constraints, which costs it digits
    digits = 1e-6 if index == "fsii" else 1e-9
    assert len(expected) >= N
    assert {s: found.get(s, 0.0) for s in expected} == pytest.approx(expected, abs=digits)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_shapiq_agrees_on_fsii_to_all_digits_where_it_converts_moebius_terms(spectrum, computer, order):
    reference = MoebiusConverter(computer("Moebius", N))("FSII", order).dict_values

    found = to_index(spectrum, "fsii", order)

    expected = {s: float(v) for s, v in reference.items() if s}
    assert len(expected) >= N
    assert {s: found.get(s, 0.0) for s in expected} == pytest.approx(expected, abs=1e-9)
