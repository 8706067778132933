"""The Training data tab: what it asks, and the tab in a real browser."""

import asyncio
import shlex
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from page_server import keep, visit
from test_training_cli import flowers, write

import spexapi
from spexapi.errors import InputError
from spexapi.explanation.influence import harmful
from spexapi.explanation.reading import Reading

pytest.importorskip("gradio")

from spexapi.page.requests.digits import digits, digits_game
from spexapi.page.requests.request import ExplainOptions
from spexapi.page.requests.training import TrainingRequest, columns_of
from spexapi.page.result.downloads import command, python
from spexapi.page.runs.forecast import forecast_of
from spexapi.page.site import PUBLIC, Limits, Site


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
    ex = spexapi.explain(digits_game("knn"), budget=256, max_order=2)
    assert {i for i, _ in harmful(Reading.of(ex), 3)} == wrong
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


def test_the_code_names_the_file_as_far_as_it_is_known():
    ready, own = study(), study(path="some/where/flowers.csv", label="kind", groups="clusters")
    shown = "game = spexapi.TrainingGame.of_estimator(estimator, X, y, X_test, y_test)"
    assert shown in python(ready, 20)
    assert "engine='auto', budget=80, index='fbii', seed=0" in python(ready, 20)
    assert "--data FILE.csv" in command(ready)
    words = shlex.split(command(own, 20).replace("\\\n", " "))
    given = dict(zip(words[2::2], words[3::2], strict=True))
    assert words[:2] == ["spexapi", "training"]
    assert given == {
        "--data": "flowers.csv", "--label": "kind", "--estimator": "knn", "--group": "20",
        "--engine": "auto", "--budget": "100", "--index": "fbii", "--seed": "0", "--verify": "5",
    }  # fmt: skip


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


# -- in a browser


def explained(page):
    page.click("#t-run")
    page.wait_for_selector("#t-examples li")
    page.wait_for_selector("#t-run:not([disabled])")


def opened(page):
    page.get_by_role("tab", name="Training data").click()
    page.wait_for_selector("#t-forecast p")


def upload(page, path):
    with page.expect_file_chooser() as chooser:
        page.click("#t-open")
    chooser.value.set_files(str(path))


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
def test_the_ready_example_shows_digits(browser, address, dark):
    with visit(browser, address, dark=dark) as page:
        opened(page)
        assert "40 examples · 400 models to train" in page.inner_text("#t-forecast")
        explained(page)
        keep(page, f"training-{'dark' if dark else 'light'}")
        assert page.locator("#t-examples svg.digit").count() > 12
        titles = page.locator("#t-examples h3").all_inner_texts()
        assert titles == ["Most helpful", "Harmful", "Redundant", "Needed together"]
        harmful = page.locator("#t-examples section").nth(1).locator("li b").all_inner_texts()
        assert set(harmful[:3]) == {"image 27, label 7", "image 12, label 1", "image 32, label 7"}
        assert "trainings" in page.inner_text("#t-details")
        with page.expect_download() as report:
            page.click("#t-report")
        assert report.value.suggested_filename == "report.html"


@pytest.mark.slow
def test_a_csv_file_is_opened_and_its_text_stays_text(browser, address, tmp_path):
    hostile = "<img src=x onerror=\"document.title='owned'\">"
    rows = [[hostile if i == 7 else colour, size, kind] for i, (size, colour, kind) in enumerate(flowers())]
    path = write(tmp_path / "flowers.csv", rows, (f"colour {hostile}", "size", "kind"))
    with visit(browser, address) as page:
        opened(page)
        upload(page, path)
        page.wait_for_selector("#t-data >> text=Rows of flowers.csv")
        page.wait_for_selector("#t-forecast >> text=28 examples")
        explained(page)
        keep(page, "training-csv")
        assert "row " in page.inner_text("#t-examples")
        assert page.title() == "spexapi"
        assert page.locator(".results [onerror]").count() == 0


@pytest.mark.slow
def test_a_file_that_is_no_table_is_answered_with_a_banner(browser, address, tmp_path):
    path = tmp_path / "flat.csv"
    path.write_text("only one column\n1\n2\n")
    with visit(browser, address) as page:
        opened(page)
        upload(page, path)
        page.wait_for_selector("#t-progress .banner")
        assert "2 or more" in page.inner_text("#t-progress .banner")


@pytest.mark.slow
def test_a_run_that_is_stopped_keeps_what_was_trained(browser, address):
    with visit(browser, address, width=720) as page:
        opened(page)
        page.locator("#t-run").scroll_into_view_if_needed()
        page.locator("input[type=number]:visible").first.fill("4096")
        page.click("#t-run")
        page.wait_for_function("() => /trained [1-9]/.test(document.querySelector('#t-progress').innerText)")
        page.click("#t-stop")
        page.wait_for_selector("#t-run:not([disabled])")
        assert page.locator("#t-examples li").count() > 0
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
