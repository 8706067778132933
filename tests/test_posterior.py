"""Of terms that were reported because chance made them large, little is believed; of sure ones, all."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spexapi.fourier.spectrum import Spectrum
from spexapi.trust.estimates import Estimates
from spexapi.trust.intervals import intervals
from spexapi.trust.shrinkage import limit_translation, shrink

N = 24
TRIPLES = list(combinations(range(N), 3))
NOISE = 0.04  # variance of an estimate


def luckiest(seed: int, real: int = 40, reported: int = 400) -> tuple[dict, dict]:
    """True values of all triples, few of them not 0; estimates of those where these are largest."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(len(TRIPLES))
    truth[rng.choice(len(TRIPLES), real, replace=False)] = rng.normal(size=real)
    estimated = truth + rng.normal(size=len(TRIPLES)) * NOISE**0.5
    chosen = np.argsort(-np.abs(estimated))[:reported].tolist()
    return {TRIPLES[j]: truth[j] for j in chosen}, {TRIPLES[j]: float(estimated[j]) for j in chosen}


def errors(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    truth, estimated = luckiest(seed)
    evenly = Spectrum(N, {(i,): 1.0 for i in range(N)})  # no player matters more than another
    found = shrink(estimated, NOISE, evenly)
    near = limit_translation(found, estimated, NOISE)
    true = np.array(list(truth.values()))
    parts = (list(estimated.values()), list(found.mean.values()), list(near.mean.values()))
    plain, believed, between = (np.array(part) - true for part in parts)
    forecast = np.array([list(found.variance.values()), list(near.variance.values())])
    return plain, believed, between, forecast


def test_luck_inflates_estimates_and_not_what_is_believed():
    runs = [errors(seed) for seed in range(20)]
    plain, believed, between = (np.mean([run[j] ** 2 for run in runs]) for j in range(3))
    forecast = np.mean([run[3] for run in runs], axis=(0, 2))

    assert plain > 3 * NOISE
    assert believed < between < plain
    assert between == pytest.approx(forecast[1], rel=0.1)
    # of the terms that are there, only those large enough to be reported are seen
    assert believed == pytest.approx(forecast[0], rel=0.4)


def test_sure_terms_stand_as_estimated():
    estimated = {(): 3.0, (0,): 2.0, (1, 2): -1.0, (3, 4): 0.8, (0, 1, 2): 1.5}
    found = shrink(estimated, 1e-4, Spectrum(N, estimated))

    assert found.mean == pytest.approx(estimated, rel=1e-6)
    assert found.variance == pytest.approx(dict.fromkeys(estimated, 1e-4), rel=1e-3)


def test_what_is_known_without_error_is_believed():
    estimated = {(0,): 1e-3, (1, 2): 5.0}
    found = shrink(estimated, 0.0, Spectrum(N, {}))

    assert found.mean == estimated
    assert found.variance == {(0,): 0.0, (1, 2): 0.0}


def test_a_set_of_players_that_matter_is_believed_sooner():
    """Pairs at the same distance from 0; the energy of single players says which are likely."""
    matters = Spectrum(N, {(i,): 1.0 if i < 4 else 0.01 for i in range(N)})
    estimated = {s: 0.05 for s in combinations(range(N), 2)} | {(0, 1): 3.0, (0, 2): 2.0, (10, 11): 2.0}
    found = shrink(estimated, 0.3, matters)

    assert found.mean[(0, 1)] > 2.5
    assert found.mean[(0, 2)] > 5 * found.mean[(10, 11)]


def test_shapley_values_that_sum_lucky_triples_hold_the_truth():
    """Right for each triple alone, the estimates' variance is too small for the sum of the largest."""
    inside: list[bool] = []
    for seed in range(12):
        truth, estimated = luckiest(seed, real=10)
        singles = {(i,): 1.0 for i in range(N)}
        found = Estimates(Spectrum(N, estimated | singles), NOISE)
        ranges = intervals(found, Spectrum(N, estimated | singles), "sv")
        for i in range(N):
            value = -2 * (1.0 + sum(v / 3 for s, v in truth.items() if i in s))
            inside.append(ranges[(i,)][0] <= value <= ranges[(i,)][1])

    assert np.mean(inside) >= 0.85


@given(
    values=st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=8),
    variance=st.floats(0, 1e100),
    energy=st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=6),
)
def test_any_numbers_give_finite_beliefs_between_0_and_the_estimate(values, variance, energy):
    sets = list(combinations(range(6), 2))
    estimated = dict(zip(sets, values, strict=False))
    reported = Spectrum(6, {(i,): e for i, e in enumerate(energy)})
    found = shrink(estimated, variance, reported)
    near = limit_translation(found, estimated, variance)

    for s, value in estimated.items():
        assert min(0.0, value) <= found.mean[s] <= max(0.0, value)
        assert abs(near.mean[s] - value) <= variance**0.5 * (1 + 1e-9) + 1e-9 * abs(value)
        assert np.isfinite(found.variance[s])
        assert np.isfinite(near.variance[s])
