"""A mask that was measured more than once counts once, with the best that is known of its value."""

from __future__ import annotations

import numpy as np
import pytest

from spexapi.engines.registry import find_engine
from spexapi.fourier.masks import all_masks
from spexapi.fourier.repeats import each_mask_once
from spexapi.measurements import Measurements

ONE, TWO = [True, False], [False, False]


def measured(
    masks: list[list[bool]],
    values: list[float],
    variance: list[float] | None = None,
    bounds: list[tuple[float, float]] | None = None,
) -> Measurements:
    exact = np.array(values)
    low, high = (exact, exact) if bounds is None else np.array(bounds).T
    noise = np.zeros(len(values)) if variance is None else np.array(variance)
    reason = tuple("" if np.isfinite(v) else "refused" for v in values)
    return Measurements(np.array(masks), exact, noise, low.copy(), high.copy(), reason)


def test_repeated_values_are_weighed_by_one_over_their_variance():
    once, row = each_mask_once(measured([ONE, TWO, ONE, ONE], [1.0, 5.0, 4.0, np.nan], [1.0, 0.25, 2.0, 0.0]))

    assert once.masks.tolist() == [ONE, TWO]
    assert row.tolist() == [0, 1, 0, -1]
    assert once.values.tolist() == pytest.approx([(1.0 + 4.0 / 2) / 1.5, 5.0])
    assert once.variance.tolist() == pytest.approx([1 / 1.5, 0.25])


def test_a_value_without_noise_decides():
    once, _ = each_mask_once(measured([ONE, ONE, ONE], [1.0, 9.0, 2.0], [0.0, 4.0, 0.0]))

    assert once.values.tolist() == [1.5]
    assert once.variance.tolist() == [0.0]


def test_a_bound_is_dropped_if_the_mask_was_also_measured_without():
    bounds = [(-np.inf, -3.0), (-1.0, -1.0), (-np.inf, -2.0)]
    once, row = each_mask_once(measured([ONE, ONE, TWO], [-3.0, -1.0, -2.0], bounds=bounds))

    assert row.tolist() == [-1, 0, 1]
    assert once.values.tolist() == [-1.0, -2.0]
    assert once.upper.tolist() == [-1.0, -2.0]
    assert once.lower.tolist() == [-1.0, -np.inf]


def test_without_a_value_nothing_is_left():
    once, row = each_mask_once(measured([ONE, TWO], [np.nan, np.nan]))

    assert len(once) == 0
    assert row.tolist() == [-1, -1]


@pytest.mark.parametrize(
    "name", ["exact", "loo", "lime", "contextcite", "kernelshap", "pairwise", "proxyspex", "gp"]
)
def test_no_engine_lets_noise_into_a_value_that_is_known(name: str):
    rng, every = np.random.default_rng(0), all_masks(4)
    truth = every @ np.array([3.0, -1.0, 0.5, 2.0])
    noisy = truth + rng.normal(size=16)
    known = measured(every.tolist(), truth.tolist())
    both = measured([*every.tolist(), *every.tolist()], [*truth, *noisy], [0.0] * 16 + [1.0] * 16)
    engine = find_engine(name)
    design = engine.plan(4, 16, np.random.default_rng(1))

    one, other = (engine.fit(design, seen).spectrum for seen in (known, both))

    assert other.predict(every) == pytest.approx(one.predict(every), abs=1e-9)
