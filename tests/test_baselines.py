"""The baselines recover what a first-order or pairwise model can, and never claim more than they measured."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from itertools import combinations, permutations
from math import comb, factorial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spexapi
from spexapi.engines import registry
from spexapi.engines.base import Engine
from spexapi.engines.first_order import ContextCite, LeaveOneOut, Lime
from spexapi.engines.kernel_shap import KernelShap
from spexapi.engines.pairwise import Pairwise
from spexapi.errors import BudgetError, InputError, NothingMeasured
from spexapi.measurements import exact_values

EFFECTS = np.array([2.0, -1.0, 0.0, 0.5, 3.0, -0.25])
ENGINES: list[Engine] = [LeaveOneOut(), Lime(), ContextCite(), KernelShap(), Pairwise()]
FIRST_ORDER = ENGINES[:4]
NOT_UNIFORM = [LeaveOneOut(), Lime(), KernelShap()]
every_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.name)
Value = Callable[[np.ndarray], np.ndarray]


def linear(masks: np.ndarray) -> np.ndarray:
    return 1.0 + masks @ EFFECTS


def crossed(masks: np.ndarray) -> np.ndarray:
    """Single players and two pairs."""
    return linear(masks) + 2.0 * (masks[:, 0] & masks[:, 4]) - 1.5 * (masks[:, 1] & masks[:, 2])


def bent(masks: np.ndarray) -> np.ndarray:
    """Nothing about it is linear."""
    return np.sin(masks @ (EFFECTS * 3)) + 2.0 * (masks[:, 0] & masks[:, 1] & masks[:, 5])


def fitted(engine: Engine, value: Value, n: int = 6, budget: int = 40, seed: int = 0):
    design = engine.plan(n, budget, np.random.default_rng(seed))
    return engine.fit(design, exact_values(design.masks, value(design.masks)))


def effects_of(fit) -> np.ndarray:
    """What keeping each player adds in a fit of first order: minus two times its coefficient."""
    return np.array([-2 * fit.spectrum.coef.get((i,), 0.0) for i in range(fit.spectrum.n_players)])


@pytest.mark.parametrize(
    ("engine", "within"), [(FIRST_ORDER[0], 1e-9), (FIRST_ORDER[1], 0.7), (FIRST_ORDER[2], 0.05)]
)
def test_effects_of_a_linear_game_are_recovered(engine: Engine, within: float):
    fit = fitted(engine, linear)

    assert effects_of(fit) == pytest.approx(EFFECTS, abs=within)
    assert fit.spectrum.order <= 1


def test_kernelshap_recovers_a_linear_game_from_2n_masks():
    assert effects_of(fitted(KernelShap(), linear, budget=14)) == pytest.approx(EFFECTS, abs=1e-9)


def shapley(value: Value, n: int) -> np.ndarray:
    """By all orders of arrival."""
    found = np.zeros(n)
    for order in permutations(range(n)):
        kept = np.zeros((n + 1, n), dtype=bool)
        for step, i in enumerate(order):
            kept[step + 1] = kept[step]
            kept[step + 1, i] = True
        found[list(order)] += np.diff(value(kept))
    return found / factorial(n)


def test_kernelshap_on_all_masks_is_the_shapley_value():
    """Theorem 2 of Lundberg & Lee (2017)."""
    fit = fitted(KernelShap(), bent, budget=64)

    assert effects_of(fit) == pytest.approx(shapley(bent, 6), abs=1e-9)


def test_kernelshap_is_close_to_the_shapley_value_from_part_of_the_masks():
    fits = [effects_of(fitted(KernelShap(), crossed, budget=30, seed=seed)) for seed in range(60)]

    assert np.mean(fits, axis=0) == pytest.approx(shapley(crossed, 6), abs=0.1)
    assert np.std(fits, axis=0).max() < 0.6


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 9), extra=st.integers(0, 80), seed=st.integers(0, 99))
def test_kernelshap_always_adds_up(n: int, extra: int, seed: int):
    table = np.random.default_rng(seed).normal(size=2**n)

    def value(masks: np.ndarray) -> np.ndarray:
        return table[masks @ (1 << np.arange(n))]

    fit = fitted(KernelShap(), value, n, 2 * n + extra, seed)

    assert effects_of(fit).sum() == pytest.approx(table[-1] - table[0], abs=1e-8)
    assert fit.spectrum.predict(np.zeros((1, n), dtype=bool))[0] == pytest.approx(table[0], abs=1e-8)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(3, 14), extra=st.integers(0, 120), seed=st.integers(0, 99))
def test_kernelshap_masks_come_in_pairs_with_the_weights_of_the_kernel(n: int, extra: int, seed: int):
    design = KernelShap().plan(n, 2 * n + extra, np.random.default_rng(seed))
    rows = {tuple(row) for row in design.masks.tolist()}
    weights = np.asarray(design.settings["weights"])
    kept = design.masks.sum(axis=1)

    assert len(rows) == len(design.masks) <= 2 * n + extra
    assert all(tuple(not kept for kept in row) in rows for row in rows)
    if len(design.masks) == 2**n:
        wanted = [1 / (comb(n, k) * k * (n - k)) if 0 < k < n else 0.0 for k in kept.tolist()]
        assert weights / weights.max() == pytest.approx(np.array(wanted) / max(wanted))


def test_sizes_taken_whole_and_sizes_drawn_have_the_weights_of_the_kernel():
    """Of 12 players and 400 masks, sizes 1, 2, 10 and 11 are whole; the others are drawn."""
    kept, weights = [], []
    for seed in range(20):
        design = KernelShap().plan(12, 400, np.random.default_rng(seed))
        kept.append(design.masks.sum(axis=1))
        weights.append(np.asarray(design.settings["weights"]))
    by_size = np.bincount(np.concatenate(kept), np.concatenate(weights), minlength=13)

    wanted = np.array([1 / (k * (12 - k)) for k in range(1, 12)])
    assert by_size[1:12] / by_size.sum() == pytest.approx(wanted / wanted.sum(), rel=0.1)


def test_kernelshap_weighs_masks_of_another_design_by_the_kernel():
    masks = np.array([[bool(c >> i & 1) for i in range(6)] for c in range(64)])
    design = KernelShap().plan(6, 30, np.random.default_rng(0))
    fit = KernelShap().fit(design, exact_values(masks, bent(masks)))

    assert effects_of(fit) == pytest.approx(shapley(bent, 6), abs=1e-9)


def test_lime_is_the_weighted_ridge_of_its_paper():
    """Solved again here by the normal equations on zeros and ones."""
    design = Lime().plan(6, 40, np.random.default_rng(3))
    values = bent(design.masks)
    found = Lime().fit(design, exact_values(design.masks, values))

    x = design.masks.astype(float)
    cosine = x.sum(axis=1) / np.sqrt(np.maximum(x.sum(axis=1), 1) * 6)
    w = np.exp(-((100 * (1 - cosine)) ** 2) / 25**2) ** 0.5 * np.asarray(design.settings["weights"])
    centred, target = x - w @ x / w.sum(), values - w @ values / w.sum()
    wanted = np.linalg.solve((centred.T * w) @ centred + np.eye(6), (centred.T * w) @ target)
    assert effects_of(found) == pytest.approx(wanted, abs=1e-9)
    constant = (w @ values - w @ x @ wanted) / w.sum()
    assert found.spectrum.predict(np.zeros((1, 6), dtype=bool))[0] == pytest.approx(constant, abs=1e-9)


def test_lime_removes_as_many_players_as_its_text_explainer():
    """A uniform number, 1 to n; with what was drawn twice in the weights."""
    design = Lime().plan(30, 4000, np.random.default_rng(0))
    weights = np.asarray(design.settings["weights"])
    removed = 30 - design.masks.sum(axis=1)

    share = np.bincount(removed[1:], weights[1:], minlength=31)[1:] / weights[1:].sum()
    assert removed[0] == 0
    assert share == pytest.approx(np.full(30, 1 / 30), abs=0.012)


def test_contextcite_is_the_lasso_of_its_paper():
    """Its optimality conditions, written out: the pull of each standardised column is at most the penalty."""
    design = ContextCite().plan(6, 48, np.random.default_rng(1))
    values = bent(design.masks)
    fit = ContextCite(penalty=0.1).fit(design, exact_values(design.masks, values))

    x = (design.masks - design.masks.mean(axis=0)) / design.masks.std(axis=0)
    residual = (values - fit.spectrum.predict(design.masks)) / values.std()
    pull, effects = x.T @ residual / 48, effects_of(fit)
    assert 0 < np.count_nonzero(effects) < 6
    assert pull[effects != 0] == pytest.approx(0.1 * np.sign(effects[effects != 0]), abs=1e-4)
    assert (np.abs(pull) <= 0.1 + 1e-4).all()
    assert residual.mean() == pytest.approx(0, abs=1e-9)


def test_pairwise_recovers_planted_pairs_from_fewer_masks_than_terms():
    n, rng = 16, np.random.default_rng(5)

    def value(masks: np.ndarray) -> np.ndarray:
        return masks[:, 3] + 4.0 * (masks[:, 2] & masks[:, 9]) - 3.0 * (masks[:, 0] & masks[:, 15])

    fit = fitted(Pairwise(), value, n, 90)

    fresh = rng.random((500, n)) < 0.5
    assert 1 - np.var(value(fresh) - fit.spectrum.predict(fresh)) / np.var(value(fresh)) > 0.97
    pairs = sorted((s for s in fit.spectrum.coef if len(s) == 2), key=lambda s: -abs(fit.spectrum.coef[s]))
    assert set(pairs[:2]) == {(2, 9), (0, 15)}
    assert fit.spectrum.coef[(2, 9)] == pytest.approx(1.0, abs=0.1)


def test_pairwise_on_all_masks_is_the_spectrum_cut_at_order_2():
    """Faith-Banzhaf of order 2 is the projection; the coefficients by their definition."""
    masks = np.array([[bool(c >> i & 1) for i in range(6)] for c in range(64)])
    fit = Pairwise().fit(
        Pairwise().plan(6, 64, np.random.default_rng(0)), exact_values(masks, crossed(masks))
    )

    sign = np.where(masks, -1.0, 1.0)
    for s in [(), *((i,) for i in range(6)), *combinations(range(6), 2)]:
        wanted = (crossed(masks) * np.prod(sign[:, list(s)], axis=1)).mean()
        assert fit.spectrum.coef.get(s, 0.0) == pytest.approx(wanted, abs=1e-3)


@every_engine
def test_a_smaller_budget_than_can_work_is_refused_with_the_number_that_can(engine: Engine):
    with pytest.raises(BudgetError) as refused:
        engine.plan(12, 3, np.random.default_rng(0))
    least = int(str(refused.value).split("raise it to ")[1].split()[0])

    assert 0 < len(engine.plan(12, least, np.random.default_rng(0)).masks) <= least
    with pytest.raises(BudgetError):
        engine.plan(12, least - 1, np.random.default_rng(0))
    with pytest.raises(InputError):
        engine.plan(1, 10, np.random.default_rng(0))


@every_engine
@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 10), budget=st.integers(22, 400), seed=st.integers(0, 99))
def test_plans_are_within_the_budget_and_the_same_again(engine: Engine, n: int, budget: int, seed: int):
    design = engine.plan(n, budget, np.random.default_rng(seed))
    again = engine.plan(n, budget, np.random.default_rng(seed))

    assert len(np.unique(design.masks, axis=0)) == len(design.masks) <= budget
    assert np.array_equal(design.masks, again.masks)
    proposed = engine.propose(design, exact_values(design.masks[:3], np.zeros(3)), 5)
    assert np.array_equal(proposed, design.masks[3:8])
    assert len(engine.propose(design, exact_values(design.masks, np.zeros(len(design.masks))), 5)) == 0


@every_engine
def test_failed_values_are_left_out_and_counted(engine: Engine):
    design = engine.plan(6, 40, np.random.default_rng(0))
    values = linear(design.masks)
    values[[3, 5]] = np.nan
    fit = engine.fit(design, exact_values(design.masks, values))

    assert any(f"2 of {len(values)} measurements failed" in note for note in fit.notes)
    unknown = (~design.masks[[3, 5]]).argmax(axis=1) if engine.name == "loo" else []
    known = np.setdiff1d(np.arange(6), unknown)
    assert effects_of(fit)[known] == pytest.approx(EFFECTS[known], abs=0.7)


@every_engine
def test_nothing_measured_and_a_constant_game(engine: Engine):
    design = engine.plan(6, 40, np.random.default_rng(0))
    failed = exact_values(design.masks, np.full(len(design.masks), np.nan))
    with pytest.raises(NothingMeasured, match="most often: the value is nan"):
        engine.fit(design, failed)
    same = engine.fit(design, exact_values(design.masks, np.full(len(design.masks), 0.1)))

    assert dict(same.spectrum.coef) == pytest.approx({(): 0.1})
    assert any("nothing to explain" in note for note in same.notes)


@every_engine
@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_unit_of_the_values_does_not_matter(engine: Engine, scale: float):
    plain, scaled = fitted(engine, crossed), fitted(engine, lambda masks: scale * crossed(masks))

    assert effects_of(scaled) / scale == pytest.approx(effects_of(plain), abs=1e-6)


@every_engine
@settings(max_examples=15, deadline=None)
@given(rows=st.integers(1, 40), seed=st.integers(0, 50))
def test_a_run_stopped_early_still_gives_a_finite_answer(engine: Engine, rows: int, seed: int):
    design = engine.plan(6, 40, np.random.default_rng(seed))
    masks = design.masks[:rows]
    fit = engine.fit(design, exact_values(masks, crossed(masks)))

    assert np.isfinite(fit.spectrum.predict(masks)).all()


def test_leave_one_out_needs_the_mask_that_keeps_all():
    design = LeaveOneOut().plan(6, 40, np.random.default_rng(0))
    with pytest.raises(NothingMeasured, match="keeps all players has no value"):
        LeaveOneOut().fit(design, exact_values(design.masks[1:], linear(design.masks[1:])))
    part = LeaveOneOut().fit(design, exact_values(design.masks[:5], linear(design.masks[:5])))

    assert effects_of(part) == pytest.approx([2.0, -1.0, 0.0, 0.5, 0.0, 0.0])
    assert any("2 of 6 players were not measured" in note for note in part.notes)


def test_kernelshap_without_an_end_leaves_the_sum_free_and_says_so():
    design = KernelShap().plan(6, 40, np.random.default_rng(0))
    values = linear(design.masks)
    values[1] = np.nan
    fit = KernelShap().fit(design, exact_values(design.masks, values))

    assert effects_of(fit) == pytest.approx(EFFECTS, abs=0.01)
    assert any("do not add up" in note for note in fit.notes)


@pytest.mark.parametrize("engine", [*FIRST_ORDER[1:], ENGINES[4]], ids=lambda e: e.name)
def test_the_same_observations_fitted_by_another_engine(engine: Engine):
    ex = spexapi.explain(spexapi.FunctionGame(linear, players=6), engine="contextcite", budget=48)
    again = ex.with_engine(engine)

    assert effects_of(again) == pytest.approx(EFFECTS, abs=0.7)
    assert again.audit.method == "out-of-fold"
    assert again.audit.r2 is not None
    assert again.audit.r2 > 0.9


@pytest.mark.parametrize("engine", NOT_UNIFORM, ids=lambda e: e.name)
def test_masks_that_are_not_uniform_give_no_r2_without_fresh_ones(engine: Engine, tmp_path: Path):
    game = spexapi.FunctionGame(crossed, players=6)
    ex = spexapi.explain(game, engine=engine, budget=40)
    ex.to_json(tmp_path / "saved.json")
    for one in (ex, ex.with_engine("contextcite"), spexapi.Explanation.from_json(tmp_path / "saved.json")):
        assert (one.audit.r2, one.audit.method) == (None, "none")
        assert "not uniform draws" in one.audit.verdict
        assert "held_out" in one.audit.verdict
    assert spexapi.Explanation.from_json(tmp_path / "saved.json").with_engine("pairwise").audit.r2 is None


@pytest.mark.parametrize("engine", NOT_UNIFORM, ids=lambda e: e.name)
def test_fresh_masks_give_every_engine_its_r2(engine: Engine):
    """Twelve players: linear, but for a product that only uniform masks see in its right weight."""

    def value(masks: np.ndarray) -> np.ndarray:
        return masks[:, :6] @ EFFECTS + 4.0 * (masks[:, 6] & masks[:, 7])

    game = spexapi.FunctionGame(value, players=12)
    ex = spexapi.explain(game, engine=engine, budget=200, held_out=100)
    fresh = np.random.default_rng(7).random((4000, 12)) < 0.5
    truth = 1 - ((value(fresh) - ex.spectrum.predict(fresh)) ** 2).mean() / value(fresh).var()

    assert ex.audit.method == "held-out"
    assert ex.audit.r2 is not None
    assert ex.audit.r2 == pytest.approx(truth, abs=0.15)


def test_the_built_in_names_are_the_entry_points(monkeypatch):
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    monkeypatch.setattr(registry, "entry_points", lambda group: [])  # a checkout that is not installed

    assert project["entry-points"]["spexapi.engines"] == registry.known_engines()
    for engine in ENGINES:
        assert registry.find_engine(engine.name) == engine


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(InputError, match="width"):
        Lime(width=0)
    with pytest.raises(InputError, match="penalty"):
        ContextCite(penalty=-1)
    with pytest.raises(InputError, match="up to 200 players"):
        Pairwise().plan(300, 1000, np.random.default_rng(0))
