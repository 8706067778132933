"""Few masks far from the rest neither bend the fit nor hide from its R²."""

from __future__ import annotations

import numpy as np
import pytest

import spexapi
from spexapi.engines.base import Design, Fit
from spexapi.engines.proxyspex import ProxySPEX
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import exact_values
from spexapi.trust.anchors import outlying_anchors
from spexapi.trust.assess import judge
from spexapi.trust.no_worse import no_worse_than_mean
from spexapi.trust.tails import heavy_tail

EVERY = (np.arange(256)[:, None] >> np.arange(8) & 1).astype(bool)
WEIGHTS = np.array([3.0, -2.0, 1.5, 1.0, 0.8, 0.5, -0.4, 0.2])


def ordinary(masks: np.ndarray) -> np.ndarray:
    return -12.0 + masks @ WEIGHTS + 4.0 * (masks[:, 0] & masks[:, 2])


def nothing_far(masks: np.ndarray) -> np.ndarray:
    return np.where(masks.any(axis=1), ordinary(masks), -52.6)


def everything_far(masks: np.ndarray) -> np.ndarray:
    return np.where(masks.all(axis=1), 60.0, ordinary(masks))


def any_of_four(masks: np.ndarray) -> np.ndarray:
    """Any of four documents is enough; without all of them, one mask in 16, the value collapses."""
    return np.where(masks[:, :4].any(axis=1), -0.2, -9.0) + 0.3 * masks[:, 4] - 0.2 * masks[:, 5]


def explained(value, budget: int, engine: str = "auto", seed: int = 0) -> spexapi.Explanation:
    game = spexapi.FunctionGame(value, players=8, batch=256)
    return spexapi.explain(game, engine=engine, budget=budget, seed=seed)


def unseen_r2(ex: spexapi.Explanation, value) -> float:
    """By definition, over the masks that were not measured and keep neither all nor nothing."""
    asked = {tuple(row) for row in ex.observations.masks.tolist()}
    unseen = np.array([row for row in EVERY if tuple(row.tolist()) not in asked and 0 < row.sum() < 8])
    missed = value(unseen) - ex.spectrum.predict(unseen)
    return float(1 - (missed**2).sum() / ((value(unseen) - value(unseen).mean()) ** 2).sum())


def plain_r2(value, budget: int, seed: int = 0) -> float:
    """As unseen_r2, of the engine's fit to all that was measured."""
    ex = explained(value, budget, seed=seed)
    design = ProxySPEX().plan(8, budget, np.random.default_rng(seed))
    found = ProxySPEX().fit(design, ex.observations).spectrum
    unseen = EVERY[~(EVERY[:, None] == ex.observations.masks).all(axis=2).any(axis=1)]
    missed = value(unseen) - found.predict(unseen)
    return float(1 - (missed**2).sum() / ((value(unseen) - value(unseen).mean()) ** 2).sum())


@pytest.mark.parametrize(("value", "kept"), [(nothing_far, "nothing"), (everything_far, "everything")])
@pytest.mark.parametrize("budget", [24, 40])
def test_a_far_anchor_is_shown_and_does_not_bend_the_fit(value, kept: str, budget: int):
    ex = explained(value, budget)

    assert plain_r2(value, budget) < unseen_r2(ex, value) - 0.2
    assert unseen_r2(ex, value) > 0.85
    assert ex.value_of(kept=kept == "everything") == (60.0 if kept == "everything" else -52.6)
    assert len(ex.observations) == budget
    assert f"the fit leaves out {kept} kept" in " ".join(ex.notes)


@pytest.mark.parametrize("engine", ["contextcite", "gp", "pairwise", "proxyspex"])
def test_every_engine_of_uniform_masks_gets_the_choice(engine: str):
    plain = explained(ordinary, 60, "auto")
    bent = explained(nothing_far, 60, "auto")
    kept = bent.with_engine(engine)

    assert unseen_r2(kept, ordinary) > unseen_r2(plain.with_engine(engine), ordinary) - 0.05


@pytest.mark.parametrize("engine", ["kernelshap", "loo"])
def test_engines_that_are_defined_by_the_anchors_keep_them(engine: str):
    ex = explained(nothing_far, 60, "auto").with_engine(engine)

    assert "leaves out" not in " ".join(ex.notes)


def test_the_exact_spectrum_keeps_every_mask():
    ex = explained(nothing_far, 256)

    assert ex.spectrum.predict(EVERY) == pytest.approx(nothing_far(EVERY))


def test_an_ordinary_fit_is_what_the_engine_made_of_all_masks():
    ex = explained(ordinary, 40)
    found = ProxySPEX().fit(ProxySPEX().plan(8, 40, np.random.default_rng(0)), ex.observations)

    assert ex.spectrum == found.spectrum
    assert not outlying_anchors(ex.observations).any()
    assert "heavy tail" not in " ".join(ex.notes)


def test_the_r2_of_the_choice_is_that_of_unseen_masks():
    """Were the choice made once, with the fold, R² would be too high on average."""
    runs = [explained(nothing_far, 32, seed=seed) for seed in range(12)]
    off = [ex.audit.r2 - unseen_r2(ex, nothing_far) for ex in runs if ex.audit.r2 is not None]

    assert len(off) == 12
    assert np.median(off) < 0.05


def test_a_fit_that_predicts_worse_than_the_mean_is_shrunk_to_what_it_is_worth():
    rng = np.random.default_rng(0)
    masks = rng.random((80, 8)) < 0.5
    seen = exact_values(masks, masks[:, 0] + 0.2 * rng.normal(size=80) + 7.0)
    wild = Spectrum(8, {(): 0.0, (0,): -3.0, (1, 2): 2.0})
    fit = Fit(wild, out_of_fold=wild.predict(masks), fold=np.arange(80) % 5, fold_spectra=(wild,) * 5)

    found = judge(ProxySPEX(), Design(8, 80, masks), seen, fit, seen.take(np.arange(0)), 0)

    assert found.fit.spectrum.coef[()] == pytest.approx(seen.values.mean())
    assert found.fit.spectrum.coef[0,] / -3.0 == pytest.approx(found.fit.spectrum.coef[1, 2] / 2.0)
    assert 0 < found.fit.spectrum.coef[0,] / -3.0 < 0.3
    assert found.audit.r2 is not None
    assert found.audit.r2 > 0


def test_a_fit_that_predicts_the_opposite_becomes_the_mean():
    masks = np.random.default_rng(0).random((60, 8)) < 0.5
    seen = exact_values(masks, masks @ WEIGHTS)
    opposite = Spectrum(8, {(i,): float(w) / 2 for i, w in enumerate(WEIGHTS)})
    fit, _ = no_worse_than_mean(seen, Fit(opposite, out_of_fold=opposite.predict(masks)), None)

    assert fit.spectrum.coef == {(): pytest.approx(seen.values.mean())}
    assert "shrunk to 0%" in fit.notes[-1]


@pytest.mark.parametrize("seed", [2, 3, 7])
def test_four_of_which_any_is_enough_get_no_fit_worse_than_the_mean_and_an_honest_interval(seed: int):
    every = (np.arange(1024)[:, None] >> np.arange(10) & 1).astype(bool)
    game = spexapi.FunctionGame(any_of_four, players=10, batch=512)
    ex = spexapi.explain(game, budget=40, seed=seed, claims=0)
    unseen = every[~(every[:, None] == ex.observations.masks).all(axis=2).any(axis=1)]
    values = any_of_four(unseen)
    r2 = 1 - ((values - ex.spectrum.predict(unseen)) ** 2).sum() / ((values - values.mean()) ** 2).sum()

    assert r2 > 0
    assert "are shrunk to" in " ".join(ex.notes)
    assert "the values have a heavy tail" in " ".join(ex.notes)
    assert ex.audit.r2_interval is not None
    assert ex.audit.r2_interval[0] <= r2 <= ex.audit.r2_interval[1]


def test_a_heavy_tail_lowers_the_interval_by_the_masks_it_may_hide():
    values = np.array([0.0] * 20 + [1.0] * 19 + [30.0])
    squares = np.full(40, 0.01)
    tail = heavy_tail(values, squares)
    d2 = 2.302585 * (30.0 - values.mean()) ** 2
    total = ((values - values.mean()) ** 2).sum()

    assert tail is not None
    assert tail.r2 == pytest.approx(1 - (0.4 + d2) / (total + d2), rel=1e-4)
    assert (1 - tail.share) ** 40 == pytest.approx(0.1)


@pytest.mark.parametrize("draw", ["normal", "uniform", "binomial"])
def test_normal_flat_and_two_valued_games_have_no_heavy_tail(draw: str):
    rng = np.random.default_rng(1)
    samples = {
        "normal": lambda: rng.normal(size=60),
        "uniform": lambda: rng.random(60),
        "binomial": lambda: (rng.random(60) < 0.3) * 1.0,
    }
    heavy = [heavy_tail(samples[draw](), np.zeros(60)) is not None for _ in range(300)]

    assert np.mean(heavy) <= 0.02
