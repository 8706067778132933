"""auto chooses, and engines are found by name."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest

import spexapi
from spexapi.engines import auto, registry
from spexapi.engines.adaptive import Adaptive
from spexapi.engines.auto import Auto
from spexapi.engines.base import Design, Fit
from spexapi.engines.exact import Exact
from spexapi.engines.proxyspex import ProxySPEX
from spexapi.errors import BudgetError, InputError
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import exact_values


def planned(n: int, budget: int) -> Design:
    return Auto().plan(n, budget, np.random.default_rng(0))


def pair(masks: np.ndarray) -> np.ndarray:
    s = np.where(masks, -1.0, 1.0)
    return 2.0 + s[:, 0] * s[:, 3] - 0.5 * s[:, 1]


def test_all_masks_are_measured_where_the_budget_holds_them():
    design = planned(6, 64)
    fit = Auto().fit(design, exact_values(design.masks, pair(design.masks)))

    assert design.exact
    assert design.settings["engine"] == "exact"
    assert any("auto took exact" in note for note in design.notes)
    assert {s: v for s, v in fit.spectrum.coef.items() if abs(v) > 1e-9} == pytest.approx(
        {(): 2.0, (0, 3): 1.0, (1,): -0.5}
    )


def test_one_mask_short_of_all_is_proxyspex():
    design = planned(6, 63)

    assert not design.exact
    assert design.settings["engine"] == "proxyspex"
    assert any("auto took proxyspex" in note for note in design.notes)
    assert len(Auto().propose(design, exact_values(design.masks[:60], np.zeros(60)), 10)) == 3


def test_auto_gives_what_the_engine_it_chose_gives_and_says_which_fits_carried_the_weight():
    design = planned(9, 60)
    seen = exact_values(design.masks, pair(design.masks))
    fit = Auto().fit(design, seen)
    notes = [*design.notes, *fit.notes]

    assert dict(fit.spectrum.coef) == dict(ProxySPEX().fit(design, seen).spectrum.coef)
    assert any("auto took proxyspex: a budget of 60 is less than the 2^9 masks" in note for note in notes)
    assert any("weighed by what each predicts" in note and "% " in note for note in notes)


def test_with_a_target_auto_ends_where_adaptive_does():
    game = spexapi.FunctionGame(pair, 10)
    ex = spexapi.explain(game, engine=Auto(target_r2=0.9), budget=400)
    other = spexapi.explain(game, engine=Adaptive(0.9), budget=400)

    assert ex.cost.calls == other.cost.calls < 300
    assert dict(ex.spectrum.coef) == dict(other.spectrum.coef)
    assert any("auto took adaptive, to end at an R² of 0.9" in note for note in ex.notes)
    with pytest.raises(InputError, match=r"target_r2 is 1\.5"):
        Auto(target_r2=1.5)


def test_many_players_and_calls_get_the_masks_that_find_large_sets():
    assert planned(100, 1000).settings["engine"] == "spex"
    assert any("auto took spex's masks" in note for note in planned(100, 1000).notes)
    for n, budget in ((100, 900), (32, 672), (1000, 2000), (200, 4000)):  # too few, no need, not tried
        assert planned(n, budget).settings["engine"] == "proxyspex"


def test_of_two_fits_to_the_same_masks_auto_takes_the_one_that_predicts_better():
    rng = np.random.default_rng(0)
    masks, values = rng.random((40, 5)) < 0.5, rng.normal(size=40)
    apart = np.arange(40) < 20  # SPEX is judged on some masks only
    good, bad = values + 0.1 * rng.normal(size=40), 0.3 * values
    seen = exact_values(masks, values)
    spectra = [Spectrum(5, {(): 1.0}), Spectrum(5, {(): 2.0})]

    def taken(coded: np.ndarray, stacked: np.ndarray) -> tuple[float, str]:
        fits = (
            Fit(spectra[0], out_of_fold=np.where(apart, coded, np.nan)),
            Fit(spectra[1], out_of_fold=stacked),
        )
        found = auto.better_fit(*fits, seen)
        return found.spectrum.constant, found.notes[-1]

    assert taken(good, bad)[0] == 1.0
    assert "auto took SPEX: on 20 masks that neither saw R² is 0.9" in taken(good, bad)[1]
    assert taken(bad, good)[0] == 2.0
    assert taken(good, good)[0] == 2.0  # no better: the fit that is judged on all masks
    assert auto.better_fit(Fit(spectra[0]), Fit(spectra[1]), seen).spectrum is spectra[1]


@pytest.mark.slow
def test_parities_of_many_players_are_found_by_auto():
    sets = [(3, 17, 40, 71, 90), (5, 8, 33, 60, 77), (1, 2, 50), (9,), (20, 21, 22, 23)]

    def value(masks: np.ndarray) -> np.ndarray:
        s = np.where(masks, -1.0, 1.0)
        return sum(s[:, list(t)].prod(axis=1) for t in sets) + 0.0

    design = planned(100, 1000)
    fit = Auto().fit(design, exact_values(design.masks, value(design.masks)))

    assert {s for s, size in fit.spectrum.coef.items() if s and abs(size) > 0.5} == set(sets)
    assert any("auto took SPEX: on " in note for note in fit.notes)


def test_a_game_of_thousands_of_players_and_a_tiny_budget_is_refused_with_the_number():
    with pytest.raises(BudgetError, match="5002 or more"):
        planned(5000, 100)


def test_a_design_of_another_engine_is_refused():
    design = Exact().plan(4, 16, np.random.default_rng(0))

    with pytest.raises(InputError, match="not made by auto"):
        Auto().propose(design, exact_values(design.masks[:2], np.zeros(2)), 1)


@pytest.mark.parametrize("name", ["auto", "exact", "gp", "proxyspex", "spex"])
def test_engines_are_found_by_name(name: str):
    assert registry.find_engine(name).name == name
    assert name in registry.known_engines()


def test_an_engine_object_is_taken_as_it_is():
    engine = ProxySPEX(published=True)

    assert registry.find_engine(engine) is engine


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match=r"'proxy-spex'; known are .*auto, .*exact, gp, .*proxyspex"):
        registry.find_engine("proxy-spex")
    with pytest.raises(InputError, match="got int"):
        registry.find_engine(3)  # type: ignore[arg-type]


def plug_in(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: list(points))


def test_the_built_in_engines_are_there_without_package_metadata(monkeypatch: pytest.MonkeyPatch):
    plug_in(monkeypatch)

    assert {"auto", "exact", "proxyspex", "loo", "lime", "kernelshap"} <= set(registry.known_engines())
    assert registry.find_engine("exact").name == "exact"


def test_a_plug_of_another_package_is_found_and_a_broken_one_named(monkeypatch: pytest.MonkeyPatch):
    group = "spexapi.engines"
    plug_in(
        monkeypatch,
        EntryPoint("other", "spexapi.engines.exact:Exact", group),
        EntryPoint("gone", "no_such_module:Engine", group),
        EntryPoint("wrong", "builtins:dict", group),
    )

    assert registry.find_engine("other").name == "exact"
    with pytest.raises(InputError, match="'gone' at no_such_module:Engine cannot be loaded"):
        registry.find_engine("gone")
    with pytest.raises(InputError, match="lacks name, plan, propose or fit"):
        registry.find_engine("wrong")
