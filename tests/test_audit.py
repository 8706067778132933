"""The audit's R² is the R² of fresh masks, and says so when there is none."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spexapi
from spexapi.engines.base import Design, Fit
from spexapi.engines.exact import Exact
from spexapi.engines.proxyspex import ProxySPEX
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import Bools, Measurements, exact_values
from spexapi.trust.audit import Audit, audit, stability
from spexapi.trust.cross_fitting import CrossFits

WEIGHTS = np.array([1.0, -0.7, 0.5, 0.3, -0.2, 0.1])


class LeastSquares:
    """A small honest engine without out-of-fold predictions: ordinary least squares on single players."""

    name = "least-squares"

    def plan(self, n_players: int, budget: int, rng: np.random.Generator) -> Design:
        masks = rng.random((budget, n_players)) < 0.5
        masks[0], masks[1] = True, False
        return Design(n_players, budget, masks)

    def propose(self, design: Design, seen: Measurements, remaining: int) -> Bools:
        return design.masks[len(seen) : len(seen) + remaining]

    def fit(self, design: Design, seen: Measurements) -> Fit:
        sign = np.where(seen.masks[seen.ok], -1.0, 1.0)
        columns = np.column_stack([np.ones(len(sign)), sign])
        found = np.linalg.lstsq(columns, seen.values[seen.ok], rcond=None)[0].tolist()
        keys = [(), *((i,) for i in range(design.n_players))]
        return Fit(Spectrum(design.n_players, dict(zip(keys, found, strict=True))))


class Memory(LeastSquares):
    """Overfits as much as can be: it remembers every value, with more parities than masks."""

    name = "memory"

    def fit(self, design: Design, seen: Measurements) -> Fit:
        rng = np.random.default_rng(1)
        drawn = rng.random((400, design.n_players)) < 0.5
        support = list(dict.fromkeys([(), *(tuple(np.flatnonzero(row).tolist()) for row in drawn)]))
        sign = np.where(seen.masks[seen.ok], -1.0, 1.0)
        columns = np.column_stack([np.prod(sign[:, list(s)], axis=1) for s in support])
        found = np.linalg.lstsq(columns, seen.values[seen.ok], rcond=None)[0].tolist()
        return Fit(Spectrum(design.n_players, dict(zip(support, found, strict=True))))


def audited(engine, values_of, budget: int, seed: int = 0, n: int = 6, **more) -> Audit:
    rng = np.random.default_rng(seed)
    design = engine.plan(n, budget, rng)
    seen = exact_values(design.masks, values_of(design.masks, rng))
    return audit(engine, design, seen, engine.fit(design, seen), rng=rng, **more)


def noisy(masks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of the variance is noise: no fit can reach an R² above 0.5."""
    return masks @ WEIGHTS + rng.normal(size=len(masks)) * np.sqrt((WEIGHTS**2).sum() / 4)


def test_the_out_of_fold_figure_is_the_truth_and_its_interval_covers_it():
    """100 games of which the true R² is 0.5 less what estimation costs (n + 1 coefficients of 120 masks)."""
    found = [audited(LeastSquares(), noisy, 120, seed) for seed in range(100)]
    truth = 0.5 - 0.5 * 7 / 96
    covered = [a.r2_interval is not None and a.r2_interval[0] <= truth <= a.r2_interval[1] for a in found]

    assert all(a.method == "out-of-fold" and a.n_held_out >= 105 for a in found)
    assert np.mean([a.r2 for a in found if a.r2 is not None]) == pytest.approx(truth, abs=0.03)
    assert 0.8 <= np.mean(covered) <= 0.98


def test_a_fit_that_only_remembers_is_found_out():
    found = audited(Memory(), lambda masks, rng: rng.normal(size=len(masks)), 200, n=12)

    assert found.r2 is not None
    assert found.r2 <= 0.05
    assert found.verdict.startswith("Do not trust it")


@pytest.mark.parametrize("seed", range(3))
def test_proxyspex_on_pure_noise_has_no_r2_to_speak_of(seed: int):
    found = audited(ProxySPEX(), lambda masks, rng: rng.normal(size=len(masks)), 120, seed, n=12)

    assert found.r2 is not None
    assert found.r2 < 0.1


def test_fresh_masks_are_used_where_there_are_any():
    rng = np.random.default_rng(5)
    fresh = rng.random((400, 6)) < 0.5
    values = fresh @ WEIGHTS
    values[:7] = np.nan
    found = audited(LeastSquares(), lambda m, _: m @ WEIGHTS, 60, held_out=exact_values(fresh, values))

    assert found.method == "held-out"
    assert (found.n_held_out, found.n_failed) == (393, 7)
    assert found.r2 == pytest.approx(1.0)
    assert found.verdict.startswith("Trust it: it explains 100% of the change in value on masks it never saw")


def test_predictions_of_the_fit_itself_are_taken_where_it_has_them():
    design = LeastSquares().plan(6, 40, np.random.default_rng(0))
    seen = exact_values(design.masks, design.masks @ WEIGHTS)
    guesses = seen.values + 0.5
    fit = Fit(Spectrum(6, {(): 0.0}), out_of_fold=guesses)
    found = audit(LeastSquares(), design, seen, fit, rng=np.random.default_rng(1))
    inner = seen.values[(seen.masks.sum(axis=1) % 6) > 0]

    assert found.r2 == pytest.approx(1 - 0.25 / inner.var())
    assert found.n_held_out == len(inner) < 40


def test_the_masks_that_keep_all_or_nothing_do_not_count():
    def value(masks: np.ndarray, _: object) -> np.ndarray:
        return masks @ WEIGHTS + 1000.0 * masks.all(axis=1)

    design = LeastSquares().plan(6, 80, np.random.default_rng(2))
    inner = ~design.masks.all(axis=1)
    seen = exact_values(design.masks, value(design.masks, None))
    guesses = np.where(inner, seen.values, 0.0)
    fit = Fit(Spectrum(6, {}), out_of_fold=guesses)
    found = audit(LeastSquares(), design, seen, fit, rng=np.random.default_rng(0))

    assert found.r2 == pytest.approx(1.0)


def test_a_mask_measured_twice_is_in_one_fold():
    """Were copies split over folds, a fit that remembers would look perfect on them."""
    rng = np.random.default_rng(6)
    masks = np.repeat(rng.random((60, 12)) < 0.5, 4, axis=0)
    seen = exact_values(masks, np.repeat(rng.normal(size=60), 4))
    design = Design(12, len(masks), masks)
    found = audit(Memory(), design, seen, Memory().fit(design, seen), rng=rng)

    assert found.r2 is not None
    assert found.r2 < 0.2


def test_exact_is_labelled_exact_and_loses_the_label_where_a_mask_failed():
    design = Exact().plan(6, 64, np.random.default_rng(0))
    values = design.masks @ WEIGHTS
    seen = exact_values(design.masks, values)
    found = audit(Exact(), design, seen, Exact().fit(design, seen), rng=np.random.default_rng(0))

    assert (found.r2, found.r2_interval, found.method) == (1.0, (1.0, 1.0), "exact")
    assert "every mask was measured" in found.verdict

    values[5] = np.nan
    seen = exact_values(design.masks, values)
    found = audit(Exact(), design, seen, Exact().fit(design, seen), rng=np.random.default_rng(0))
    assert found.method == "out-of-fold"
    assert found.n_failed == 1


def test_where_r2_means_nothing_there_is_none_and_the_reason():
    constant = audited(LeastSquares(), lambda masks, _: np.full(len(masks), 2.0), 30)
    few = audited(LeastSquares(), lambda masks, _: masks @ WEIGHTS, 9)

    assert constant.r2 is None
    assert "all 30 values are the same" in constant.verdict
    assert few.r2 is None
    assert "R² needs 8" in few.verdict
    assert constant.method == few.method == "none"


def test_sampling_noise_is_named_as_the_ceiling():
    design = LeastSquares().plan(6, 80, np.random.default_rng(0))
    values = design.masks @ WEIGHTS
    spread = np.full(80, values.var() / 2)
    seen = Measurements(design.masks, values, spread, values.copy(), values.copy(), ("",) * 80)
    fit = LeastSquares().fit(design, seen)
    found = audit(LeastSquares(), design, seen, fit, rng=np.random.default_rng(0))

    assert "no explanation can reach an R² above 0.5" in " ".join(found.notes)
    assert found.noise_share == pytest.approx(0.5, abs=0.02)


def test_the_interval_holds_what_the_fit_to_all_masks_reaches():
    """Fits without a fold are worse than the reported one: where masks are few, their R² alone is too low."""
    held, below = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        design = LeastSquares().plan(16, 40, rng)
        weights = rng.normal(size=16)
        noise = float((weights**2).sum()) / 4 / 10
        values = design.masks @ weights + rng.normal(size=40) * noise**0.5
        spread = np.full(40, noise)
        seen = Measurements(design.masks, values, spread, values.copy(), values.copy(), ("",) * 40)
        fit = LeastSquares().fit(design, seen)
        found = audit(LeastSquares(), design, seen, fit, rng=rng)
        missed = sum((fit.spectrum.coef[(i,)] + w / 2) ** 2 for i, w in enumerate(weights.tolist()))
        missed += (fit.spectrum.coef[()] - weights.sum() / 2) ** 2
        truth = 1 - (missed + noise) / (noise * 10 + noise)
        assert found.r2 is not None
        assert found.r2_interval is not None
        held.append(found.r2_interval[0] <= truth <= found.r2_interval[1])
        below.append(found.r2 < truth)

    assert np.mean(below) > 0.6
    assert 0.85 <= np.mean(held) <= 0.99


def test_stability_is_the_share_of_strong_terms_that_come_out_again():
    found = Spectrum(5, {(): 9.0, (0,): 3.0, (1, 2): -2.0, (3,): 1.0, (4,): 0.1})
    same = Spectrum(5, {(): 1.0, (0,): 2.0, (1, 2): -1.0, (3,): 0.5})
    other = Spectrum(5, {(): 1.0, (0,): 2.0, (1, 2): 1.0, (2, 4): 5.0})
    fold = np.arange(10) % 2

    assert stability(found, CrossFits(fold, (same, same))) == 1.0
    assert stability(found, CrossFits(fold, (same, other))) == pytest.approx((1 + 2 / 3) / 2)
    assert stability(Spectrum(5, {(): 1.0}), CrossFits(fold, (same, other))) is None


def test_stability_tells_a_signal_from_noise():
    steady = audited(LeastSquares(), lambda masks, _: masks @ WEIGHTS, 60)
    shaky = audited(Memory(), lambda masks, rng: rng.normal(size=len(masks)), 100, n=12)

    assert steady.stability == 1.0
    assert shaky.stability is not None
    assert shaky.stability < 0.9


def test_a_value_known_within_bounds_counts_as_predicted_between_them():
    rng = np.random.default_rng(4)
    design = LeastSquares().plan(6, 80, rng)
    values = design.masks @ WEIGHTS
    floor = float(np.quantile(values, 0.3))
    bounded = values < floor
    shown = np.where(bounded, floor, values)
    lower = np.where(bounded, floor - 9, shown)
    seen = Measurements(design.masks, shown, np.zeros(80), lower, shown.copy(), ("",) * 80)
    fit = Fit(Spectrum(6, {}), out_of_fold=values)
    found = audit(LeastSquares(), design, seen, fit, rng=rng)

    assert found.r2 == pytest.approx(1.0)
    assert "within bounds" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("r2", "words"),
    [
        (0.94, "explains 94%"),
        (0.8, "strong interactions"),
        (0.5, "as a hint"),
        (0.1, "Do not trust it"),
        (-2.0, "no better than the mean"),
    ],
)
def test_the_verdict_is_in_words(r2: float, words: str):
    assert words in Audit(r2, (r2 - 0.1, r2 + 0.05), 100, 0, "out-of-fold").verdict


@settings(max_examples=25, deadline=None)
@given(lost=st.floats(0, 1), exponent=st.integers(-12, 12), seed=st.integers(0, 99))
def test_any_share_of_failures_in_any_unit_gives_an_audit(lost: float, exponent: int, seed: int):
    """R² has no unit, every failure is counted, and nothing crashes."""
    rng = np.random.default_rng(seed)
    design = LeastSquares().plan(6, 40, rng)
    values = noisy(design.masks, rng)
    values[rng.random(40) < lost] = np.nan
    fit = LeastSquares().fit(design, exact_values(design.masks, values))

    def of(scale: float) -> Audit:
        scaled = Fit(Spectrum(6, {s: v * scale for s, v in fit.spectrum.coef.items()}))
        seen = exact_values(design.masks, values * scale)
        return audit(LeastSquares(), design, seen, scaled, rng=np.random.default_rng(1))

    plain, moved = of(1.0), of(10.0**exponent)
    assert plain.n_failed == int(np.isnan(values).sum())
    assert (plain.r2 is None) == (moved.r2 is None)
    if plain.r2 is not None:
        assert moved.r2 == pytest.approx(plain.r2, rel=1e-6, abs=1e-6)
        assert plain.r2_interval is not None
        assert plain.r2_interval[0] <= plain.r2_interval[1]


def test_a_snapshot_says_by_a_field_that_its_audit_is_pending():
    game = spexapi.FunctionGame(lambda m: m[:, 0] * 1.0 + m[:, 1], players=8, batch=8)

    async def main():
        return [ex async for ex in spexapi.astream(game, engine="lime", budget=60)]

    *snapshots, last = asyncio.run(main())
    assert snapshots
    assert all(ex.audit.pending for ex in snapshots)
    assert not last.audit.pending
