"""Training examples as cards, and what the page's tab asks."""

import asyncio
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from test_report import HOSTILE, Page
from test_training_cli import flowers, write
from test_training_game import game_of, members, planted

import spexapi
from spexapi.errors import InputError
from spexapi.games.base import Player
from spexapi.views.html.training import REDUNDANT, TOGETHER, digit, gallery, harmful, helpful, pairs

pytest.importorskip("gradio")

from spexapi.page.requests.digits import digits, digits_game
from spexapi.page.requests.request import ExplainOptions
from spexapi.page.requests.training import TrainingRequest, columns_of
from spexapi.page.runs.forecast import forecast_of
from spexapi.page.site import PUBLIC, Limits, Site


@pytest.fixture(scope="module")
def explanation():
    return spexapi.explain(game_of(examples=7), budget=128, max_order=2)


def test_helpful_harmful_redundant_and_needed_together_are_told_apart(explanation):
    assert [i for i, _ in harmful(explanation)] == [4]
    assert {i for i, _ in helpful(explanation)} == {0, 1, 2, 3}
    assert [s for s, _ in pairs(explanation, REDUNDANT)] == [(2, 3)]
    assert [s for s, _ in pairs(explanation, TOGETHER)] == [(0, 1)]


def test_the_report_has_the_cards_too(explanation):
    page = Page(explanation.to_html())
    assert "Needed together" in page.text
    other = spexapi.explain(spexapi.FunctionGame(lambda m: m.sum(axis=1), 3), budget=8)
    assert "Needed together" not in Page(other.to_html()).text


def test_a_noisy_pair_is_marked_as_maybe_chance():
    def measure(model):
        return planted(model[0]) + model[1]

    noisy = game_of(
        lambda kept, seed: (members(kept, seed), 0.3 * np.random.default_rng(seed).standard_normal()),
        measure, 12, noise=20,
    )  # fmt: skip
    ex = spexapi.explain(noisy, budget=60, max_order=2)
    shown = pairs(ex, REDUNDANT | TOGETHER)
    unsure = sum(not (ex.intervals[s][0] > 0 or ex.intervals[s][1] < 0) for s, _ in shown)
    assert gallery(ex).count("may be chance") >= unsure > 0


def test_hostile_examples_stay_text(explanation):
    players = tuple(Player(text, "example", text) for text in (HOSTILE * 4)[: len(explanation.players)])
    page = Page(gallery(replace(explanation, players=players)))
    assert not page.having("script")
    assert not page.having("img")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script> ${alert(2)} {{x}} `y`" in page.text


def test_a_picture_has_a_cell_for_each_dark_pixel():
    svg = digit([[0.0, 1.0], [0.5, 0.0]])
    assert svg.count("<rect") == 3
    assert 'x="1" y="0"' in svg
    assert 'opacity="0.50"' in svg


def study(**given):
    options = ExplainOptions("example", 100, "auto", "fbii", 0)
    return TrainingRequest(
        **{"path": "", "label": "", "learner": "knn", "groups": "rows", "options": options, **given}
    )


def test_the_ready_example_has_three_wrong_labels_and_finds_them():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    images, labels, _, _ = digits()
    true = [y[np.flatnonzero((image == X / 16).all(axis=1))[0]] for image in images]
    wrong = set(np.flatnonzero(labels != true).tolist())
    assert len(wrong) == 3
    ex = spexapi.explain(digits_game("knn"), budget=400, max_order=2)
    assert {i for i, _ in harmful(ex, 3)} == wrong
    assert study().picture(0).startswith("<svg")
    assert study(path="rows.csv").picture(0) == ""


def test_a_file_is_checked_before_it_is_read(tmp_path):
    path = write(tmp_path / "flowers.csv", flowers())
    assert columns_of(str(path), Limits()) == ["size", "colour", "kind"]
    site = Site()
    game = study(path=str(path), label="kind", learner="logistic").game(site)
    assert len(game.players) == 28
    assert len(study(path=str(path), label="kind", groups="labels").game(site).players) == 2
    for given, said in (
        ({"path": str(path)}, "Which column"),
        ({"path": str(path), "label": "kind", "groups": "all"}, "taken away"),
        ({"path": str(tmp_path / "x.exe"), "label": "kind"}, "files here are"),
        ({"learner": "oracle"}, "unknown learner"),
        ({"options": ExplainOptions("example", 10**6)}, "than this page takes"),
    ):
        with pytest.raises(InputError, match=said):
            study(**given).game(site)
    with pytest.raises(InputError, match="MB"):
        study(path=str(path), label="kind").game(Site(limits=replace(PUBLIC, upload_bytes=100)))
    with pytest.raises(InputError, match="parts to take away"):
        study(path=str(path), label="kind").game(Site(limits=replace(PUBLIC, units=20)))


def test_a_forecast_says_how_many_models_and_how_long():
    said = asyncio.run(forecast_of(study(), Site(), ""))
    assert "40 examples · 100 models to train" in said
    assert " s each, about " in said
    with patch("spexapi.games.training.sklearn.FitOn.__call__", side_effect=AssertionError):
        assert "200 models" in asyncio.run(
            forecast_of(study(options=ExplainOptions("example", 200)), Site(), "")
        )


def test_retrainings_of_a_page_at_home_are_kept_too(tmp_path, monkeypatch):
    monkeypatch.setenv("SPEXAPI_STORE", str(tmp_path / "replies.sqlite"))
    path = tmp_path / "rows.csv"
    rows = [f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(24)]
    path.write_text("\n".join(["x,y,kind", *rows]))
    form = study(path=str(path), label="kind")

    def trained(site: Site) -> int:
        return spexapi.explain(form.game(site), engine="loo", budget=32).cost.calls

    first = trained(Site(keeps=True))
    assert first > 0
    assert trained(Site(keeps=True)) == 0
    assert trained(Site()) == first
