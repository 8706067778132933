"""The page: what is behind the form, and the page itself in a real browser."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import spexapi

pytest.importorskip("gradio")

HERE = Path(__file__).parent
FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    " --no-first-run"
)
QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
PAIR = """\
The key is in the box.

John has the coin.

The box is in the cellar.

The lamp is in the attic.
"""


def test_blocks_between_empty_lines_are_documents():
    from spexapi.views.ui.asking import blocks

    assert blocks("\n one\r\ntwo \n \n\nthree\n") == [" one\ntwo ", "three"]
    assert blocks(" \n\n") == []


def test_a_documents_file_becomes_blocks(tmp_path):
    from spexapi.views.ui.asking import as_text, blocks

    path = tmp_path / "documents.jsonl"
    path.write_text('{"title": "T", "text": "a\\n\\nb"}\n{"text": "c"}\n', encoding="utf-8")

    assert blocks(as_text(str(path))) == ["T\na\nb", "c"]


def test_a_space_offers_only_the_models_its_owner_names():
    from spexapi.views.ui.asking import Form, allowed_here

    assert allowed_here({}) is None
    assert allowed_here({"SPACE_ID": "me/page"}) == ("embedded",)
    assert allowed_here({"SPACE_ID": "me/page", "SPEXAPI_BACKENDS": "embedded, hf:x/y"}) == (
        "embedded",
        "hf:x/y",
    )
    with pytest.raises(spexapi.InputError, match="this page runs embedded only"):
        Form("q?", PAIR, backend="hf:somebody/large").game(("embedded",))


@pytest.mark.parametrize(
    ("question", "documents", "message"), [(" ", PAIR, "no question yet"), ("q?", " \n", "no documents yet")]
)
def test_an_empty_form_is_answered_in_plain_words(question, documents, message):
    from spexapi.views.ui.asking import Form

    with pytest.raises(spexapi.InputError, match=message):
        Form(question, documents).game(None)


class Numbers:
    """A form whose game is a plain function, asked four masks at a time."""

    engine, index, seed, budget = "auto", "fbii", 0, 64

    def __init__(self, at: float = 0.0) -> None:
        self.wait, self.asked = at, 0

    def game(self, allowed: object) -> spexapi.FunctionGame:
        def value(masks):
            self.asked += len(masks)
            time.sleep(self.wait)
            return masks[:, 0] * masks[:, 1] * 1.0

        return spexapi.FunctionGame(value, players=6, batch=4)


def test_a_run_ends_with_the_final_explanation():
    from spexapi.views.ui.asking import Progress, Stops, ask

    async def run():
        return [update async for update in ask(Numbers(), Stops(), "me", None)]

    updates = asyncio.run(run())

    assert not updates[-1].stopped
    assert updates[-1].top(1)[0][0] == (0, 1)
    assert any(isinstance(update, Progress) for update in updates)


@pytest.mark.parametrize("leaves", [False, True])
def test_a_visitor_who_stops_or_leaves_ends_the_measuring(leaves):
    from spexapi.views.ui.asking import Stops, ask

    numbers, stops = Numbers(0.02), Stops()

    async def run():
        updates = ask(numbers, stops, "me", None)
        last = await anext(updates)
        if leaves:
            await updates.aclose()
            await asyncio.sleep(0.6)
        else:
            stops.ask("me")
            *_, last = [update async for update in updates]
        return last

    last = asyncio.run(run())

    assert numbers.asked < 64
    assert leaves or last.stopped


def test_one_visitor_does_not_stop_another():
    from spexapi.views.ui.asking import Stops

    stops = Stops()
    mine, yours = stops.begin("me"), stops.begin("you")
    stops.ask("me")
    stops.ask("nobody")

    assert mine.is_set()
    assert not yours.is_set()


def test_a_new_run_ends_the_older_one_of_the_same_visitor():
    from spexapi.views.ui.asking import Stops

    stops = Stops()
    older, newer = stops.begin("me"), stops.begin("me")

    assert older.is_set()
    assert not newer.is_set()


# -- in a browser


@contextmanager
def served(*command: str) -> Iterator[str]:
    """The address of a page served by a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, *command, str(port)],
        cwd=HERE.parent,
        env={**os.environ, **QUIET},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait_for(process, f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _wait_for(process: subprocess.Popen[bytes], address: str) -> None:
    for _ in range(240):
        if process.poll() is not None:
            pytest.fail(process.communicate()[0].decode(errors="replace"))
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.25)
    pytest.fail("the page did not start within a minute")


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.fail("these tests need chromium (apt-get install chromium)") if os.environ.get(
            "CI"
        ) else pytest.skip("chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS.split())
        yield running
        running.close()


@pytest.fixture(scope="module")
def address():
    with served("-m", "spexapi", "ui", "--port") as found:
        yield found


@pytest.fixture
def page(browser, address):
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.elsewhere = []
    opened.on("request", lambda r: None if "127.0.0.1" in r.url or ":" not in r.url[:5] else note(r.url))

    def note(url: str) -> None:
        if url.startswith("http"):
            opened.elsewhere.append(url)

    opened.goto(address)
    opened.wait_for_selector("#run")
    yield opened
    opened.close()


def explain(page, question: str, documents: str) -> None:
    page.get_by_label("Question").fill(question)
    page.get_by_label("Documents").first.fill(documents)
    page.click("#run")


@pytest.mark.slow
def test_the_page_finds_the_pair_and_asks_nobody_else(page):
    explain(page, "Which room is the key in?", PAIR)
    page.wait_for_selector("#report", timeout=60_000)
    result = page.inner_text("#result")

    assert "The model said “cellar” because of documents 1 and 3" in result
    assert "neither is enough alone" in result
    assert page.locator("#result .arc.and").count() >= 1
    assert page.elsewhere == []


@pytest.mark.slow
def test_the_downloads_are_the_report_and_the_data(page, tmp_path):
    explain(page, "Which room is the key in?", PAIR)
    page.wait_for_selector("#report", timeout=60_000)
    for button, name in (("#report", "report.html"), ("#data", "explanation.json")):
        with page.expect_download() as download:
            page.click(button)
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)

    assert "documents 1 and 3" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert spexapi.Explanation.from_json(tmp_path / "explanation.json").n_players == 4


@pytest.mark.slow
def test_empty_documents_are_answered_with_a_banner(page):
    explain(page, "Which room is the key in?", "")
    page.wait_for_selector(".banner", timeout=20_000)

    assert "There are no documents yet" in page.inner_text(".banner")
    assert "Traceback" not in page.inner_text("body")
    page.wait_for_selector("#run:not([disabled])", timeout=20_000)


@pytest.mark.slow
def test_hostile_documents_stay_text(page):
    hostile = "The key is <img src=x onerror=\"document.title='owned'\"> ${document.title='owned'} {{title}}"
    explain(page, "Which room is the key in?", PAIR + "\n\n" + hostile)
    page.wait_for_selector("#report", timeout=60_000)

    assert page.locator("#result img").count() == 0
    assert page.title() == "spexapi"
    assert "${document.title='owned'} {{title}}" in page.inner_text("#result")


@pytest.mark.slow
def test_an_example_runs_at_a_press(page):
    page.get_by_role("button", name="Either of two").click()
    page.wait_for_selector("#report", timeout=60_000)

    assert "either one is enough" in page.inner_text("#result .story")


@pytest.mark.slow
def test_it_fits_a_phone(browser, address):
    phone = browser.new_page(viewport={"width": 400, "height": 800})
    phone.goto(address)
    phone.wait_for_selector("#run")
    phone.click("#run")
    phone.wait_for_selector("#report", timeout=60_000)

    assert phone.evaluate("document.documentElement.scrollWidth") <= 400
    phone.close()


@pytest.mark.slow
def test_stop_ends_the_run_and_shows_what_is_known(browser):
    with served(str(HERE / "slow_page.py")) as address:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("#run")
        documents = "\n\n".join(f"Document number {i}{' more' * i}." for i in range(12))
        explain(page, "Which room is the key in?", documents)
        page.wait_for_selector("#stop:not([disabled])", timeout=20_000)
        page.wait_for_function("() => /asked [1-9][0-9]+ of/.test(document.body.innerText)", timeout=30_000)
        page.click("#stop")
        page.wait_for_selector("#report", timeout=20_000)
        result = page.inner_text("#result")
        page.close()

    stopped = re.search(r"Stopped early: (\d+) of 128 masks", result)
    assert stopped
    assert int(stopped[1]) < 128
