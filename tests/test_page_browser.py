"""The page in a real browser: the five journeys, and what a page owes everyone."""

from __future__ import annotations

import time

import pytest
from openai_server import start
from page_server import (
    HERE,
    PAIR,
    chance,
    choose,
    explain,
    keep,
    served,
    visit,
    write,
)
from test_report import HOSTILE

import spexapi

pytest.importorskip("gradio")
pytestmark = pytest.mark.slow

# -- the five journeys


def test_the_first_example_says_that_both_are_needed(page):
    explain(page)
    keep(page, "journey-1")

    assert "both needed" in page.inner_text("#result .combo >> nth=0")
    assert "documents 2 and 4" in page.inner_text("#result .story")
    assert page.locator("#result .arc.and").count() >= 1


def test_ones_own_documents_and_question(page):
    write(page, "Which room is the key in?", PAIR)
    explain(page)
    keep(page, "journey-2")

    result = page.inner_text("#result")
    assert "because of documents 1 and 3" in result
    assert "neither is enough alone" in result


def test_a_span_of_the_answer_is_explained_at_once(browser):
    with served(str(HERE / "slow_page.py")) as address, visit(browser, address) as page:
        explain(page)
        assert page.inner_text("#result .answer") == "the cellar"
        before = page.inner_text("#details .facts")
        page.locator("#result .word", has_text="cellar").click()
        page.wait_for_selector(".crumbs")
        keep(page, "journey-3")
        assert "“cellar”" in page.inner_text("#result .story")
        assert page.locator("#result .answer u, #result .word.on").inner_text().strip() == "cellar"
        assert model_calls(before) == model_calls(page.inner_text("#details .facts"))
        page.get_by_role("button", name="the whole answer").click()
        page.wait_for_selector(".crumbs", state="detached")


def model_calls(facts: str) -> str:
    return next(line for line in facts.splitlines() if "model calls" in line).split(" model calls")[0]


def test_two_documents_off_predicted_and_true(page):
    write(page, "Which room is the key in?", PAIR)
    explain(page)
    ticks = page.locator(".ticks input")
    assert chance(page.inner_text(".guess .num")) > 80
    ticks.nth(1).uncheck()
    assert chance(page.inner_text(".guess .num")) > 80
    ticks.nth(2).uncheck()
    predicted = chance(page.inner_text(".guess .num"))
    page.get_by_role("button", name="Ask the model itself").click()
    page.wait_for_selector("#outcome .told")
    keep(page, "journey-4")
    told = page.locator("#outcome dd").all_inner_texts()

    assert predicted < 20
    assert chance(told[1]) == pytest.approx(predicted, abs=10)
    assert "The model now answers" in page.inner_text("#outcome .says")
    assert "cellar" not in page.inner_text("#outcome .says")
    page.get_by_role("button", name="Smallest set").click()
    page.wait_for_selector("text=Enough to keep the answer: documents 1 and 3")
    assert ticks.evaluate_all("boxes => boxes.map(box => box.checked)") == [True, False, True, False]


def test_a_cancelled_run_asks_a_slow_server_nothing_more(browser, address):
    with start(faults={"slow": 1.0}, slow=1.0) as server, visit(browser, address) as page:
        write(page, "Where is the key?", [f"Document number {i}{' more' * i}." for i in range(12)])
        page.get_by_label("Answer to explain").first.fill("the cellar")
        page.locator("input[type=number]").first.fill("1024")
        page.get_by_label("Hosted model (API)").first.check()
        page.get_by_label("Model name").first.fill("table")
        page.get_by_label("Address").first.fill(server.base_url)
        page.get_by_label("Key").first.fill("sk-not-kept-anywhere")
        page.click("#run")
        page.wait_for_function("() => /asked [1-9]/.test(document.querySelector('#status').innerText)")
        page.click("#stop")
        page.wait_for_selector("#run:not([disabled])")
        time.sleep(2)  # a busy machine hears of it late
        asked = len(server.log())
        keep(page, "journey-5")
        time.sleep(2)

        assert len(server.log()) == asked
        assert asked < 1024
        assert "Stopped early" in page.inner_text("#result")
        assert "sk-not-kept" not in page.content()


# -- an endpoint that ends a run on the way

MORE = (*PAIR, "Mary is in the garden.", "The ring is in the bag.", "Anna is here.", "Tom has the map.")


def test_what_was_paid_for_before_the_quota_was_used_up_stays_on_the_page(browser, address):
    pair = {"base": -4.5, "rules": [[["key", "cellar"], 4.4]]}
    with start(quota=80, latency=0.01, table=pair) as server, visit(browser, address) as page:
        write(page, "Where is it?", MORE)
        page.get_by_label("Answer to explain").first.fill("the cellar")
        page.get_by_label("Hosted model (API)").first.check()
        page.get_by_label("Model name").first.fill("table")
        page.get_by_label("Address").first.fill(server.base_url)
        page.get_by_label("Key").first.fill("sk-not-kept-anywhere")
        page.click("#run")
        page.wait_for_selector("#data")
        page.wait_for_selector("#run:not([disabled])")
        keep(page, "broken-off")

        assert "the quota is used up: add credit, or use another key" in page.inner_text("#result .banner")
        assert "What you see is a partial result" in page.inner_text("#result .banner")
        assert "documents 1 and 3" in page.inner_text("#result .story")
        assert page.inner_text("#status").strip() == ""
        with page.expect_download() as download:
            page.click("#data")
        assert spexapi.Explanation.from_json(download.value.path()).stopped

        server.set(quota=80 + 165)  # enough for A and some of B
        page.get_by_role("tab", name="Compare").click()
        page.get_by_label("Question of B").fill("Where is the thing?")
        page.click("#c-run")
        page.wait_for_selector("#c-table table")
        page.wait_for_selector("#c-run:not([disabled])")
        keep(page, "broken-off-compare")
        assert page.locator("#c-a .banner").count() == 0
        assert "The run broke off" in page.inner_text("#c-b .banner")
        assert "B is a partial result." in page.inner_text("#c-table")


# -- the rest of the page


def test_downloads_and_a_look_again(page, tmp_path):
    explain(page)
    names = ("report.html", "explanation.json", "interactions.csv", "picture.svg", "picture.png")
    for button, name in zip(("report", "data", "csv", "svg", "png"), names, strict=True):
        with page.expect_download() as download:
            page.click(f"#{button}")
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)
    page.click("#code")
    page.wait_for_selector("text=spexapi rag")
    page.get_by_role("tab", name="Open").click()
    choose(page, tmp_path / "explanation.json")
    page.wait_for_selector("#o-result .story")

    assert "documents 2 and 4" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "picture.png").read_bytes()[:4] == b"\x89PNG"
    assert spexapi.Explanation.from_json(tmp_path / "explanation.json").n_players == 5
    assert page.inner_text("#o-result .story") == page.inner_text("#result .story")


def test_looking_inside_a_document_and_back(page):
    explain(page)
    page.locator("#result .player").nth(1).click()
    page.get_by_role("button", name="Look inside").click()
    page.wait_for_selector(".crumbs >> text=inside document 2")
    page.wait_for_selector("#run:not([disabled])")
    keep(page, "inside")
    assert page.locator("#result .player").count() == 6
    page.get_by_role("button", name="← back").click()
    page.wait_for_selector(".crumbs", state="detached")
    assert page.locator("#result .player").count() == 5


def test_pointing_and_picking_light_up_what_belongs_together(page):
    explain(page)
    page.locator("#result .player").nth(1).hover()
    assert "both needed" in page.inner_text(".card")
    page.locator("#result .combo").first.click()
    lit = page.locator("#result .player.lit").evaluate_all("rows => rows.map(row => row.dataset.player)")
    assert lit == ["1", "3"]
    page.keyboard.press("Escape")
    assert page.locator(".lit").count() == 0


def test_the_prompt_and_the_comparison(page):
    page.get_by_role("tab", name="Prompt").click()
    page.click("#p-run")
    page.wait_for_selector("#p-data")
    keep(page, "prompt")
    assert page.locator("#p-result .player").count() >= 10
    page.get_by_role("tab", name="Compare").click()
    page.get_by_label("Question of B").fill("Where is the lamp?")
    page.click("#c-run")
    page.wait_for_selector("#c-table table")
    keep(page, "compare")
    assert "Difference" in page.inner_text("#c-table")


def test_empty_documents_are_answered_with_a_banner(page):
    write(page, "Which room is the key in?", [""])
    page.click("#run")
    page.wait_for_selector(".banner")

    assert "There are no documents yet" in page.inner_text(".banner")
    assert "Traceback" not in page.inner_text("body")


def test_hostile_text_stays_text(page):
    act = "document.title='owned'"
    owned = f'<img src=x onerror="{act}"><svg onload="{act}"><script>{act}</script>'
    owned += f" ${{{act}}} {{{{title}}}} **bold** [x](javascript:{act})"
    write(page, owned + " Which room is the key in?", [*PAIR, *HOSTILE, owned])
    page.get_by_label("Answer to explain").first.fill("cellar " + owned)
    explain(page)
    for name in ("Ask the model itself", "Smallest set", "Check the strongest"):
        before = page.inner_text("#outcome")
        page.get_by_role("button", name=name).click()
        page.wait_for_function("old => document.querySelector('#outcome').innerText !== old", arg=before)
        page.wait_for_selector("#outcome .told, #outcome .banner")
    page.locator("#result .player").last.hover()
    page.click("#mathematics >> text=The mathematics")
    page.click("#drawings >> text=All combinations")
    page.click("#drawings label:has-text('Network')")
    page.wait_for_selector("#plot .main-svg >> nth=0")
    page.click("#code")
    page.wait_for_selector("text=spexapi rag")

    assert page.title() == "spexapi"
    assert page.locator(".results img, .results script, .results [onerror], .results [onload]").count() == 0
    assert "${document.title='owned'} {{title}} **bold**" in page.inner_text("#details")
