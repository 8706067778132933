"""The page in a real browser: the five journeys, and what a page owes everyone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import view_samples as sample
from openai_server import start
from test_report import HOSTILE

import spexapi
from spexapi.indices import to_index
from spexapi.spectrum import Spectrum

pytest.importorskip("gradio")
pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"
    " --no-first-run"
)
QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
PICTURES = Path(os.environ.get("SPEXAPI_PICTURES", HERE.parent / "pictures"))
PAIR = (
    "The key is in the box.",
    "John has the coin.",
    "The box is in the cellar.",
    "The lamp is in the attic.",
)
LONG = 60_000  # milliseconds: a busy machine loads a model slowly


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
    for _ in range(480):
        if process.poll() is not None:
            pytest.fail(process.communicate()[0].decode(errors="replace"))
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.25)
    pytest.fail("the page did not start within two minutes")


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
    if running := os.environ.get("SPEXAPI_PAGE"):  # a page that is up already, while one works on it
        yield running
        return
    with served("-m", "spexapi", "ui", "--port") as found:
        yield found


@contextmanager
def visit(browser, address, width=1280, dark=False):
    """A page that must ask nobody else and log no error."""
    page = browser.new_page(viewport={"width": width, "height": 900}, accept_downloads=True)
    page.set_default_timeout(LONG)
    elsewhere, errors = [], []
    page.on(
        "request", lambda r: None if "127.0.0.1" in r.url or r.url[:4] != "http" else elsewhere.append(r.url)
    )
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(address + ("?__theme=dark" if dark else ""))
    page.wait_for_selector("#run")
    page.wait_for_selector("#documents textarea")
    yield page
    assert elsewhere == []
    assert errors == []
    page.close()


@pytest.fixture
def page(browser, address):
    with visit(browser, address) as opened:
        yield opened


def keep(page, name: str) -> None:
    """A picture to look at."""
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def write(page, question: str, documents) -> None:
    page.get_by_label("Question", exact=True).fill(question)
    for _ in range(page.locator("#documents .box").count() - 1):
        page.locator("#documents .remove").first.click()
    for i, text in enumerate(documents):
        if i:
            page.get_by_role("button", name="Add a document").click()
        page.locator("#documents textarea").nth(i).fill(text)


def explain(page) -> None:
    page.click("#run")
    page.wait_for_selector("#data")
    page.wait_for_selector("#run:not([disabled])")


def choose(page, path: Path) -> None:
    """Opens a saved explanation."""
    with page.expect_file_chooser() as chooser:
        page.click("#o-open")
    chooser.value.set_files(path)


def chance(text: str) -> float:
    return float(text.replace("≈", "").replace("<", "").replace(">", "").strip().removesuffix("%"))


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
    assert told[2] != "cellar"
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
        time.sleep(2)
        asked = len(server.log())
        page.wait_for_selector("#run:not([disabled])")
        keep(page, "journey-5")
        time.sleep(2)

        assert len(server.log()) == asked
        assert asked < 1024
        assert "Stopped early" in page.inner_text("#result")
        assert "sk-not-kept" not in page.content()


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
    assert "B less A" in page.inner_text("#c-table")


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


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_it_fits_and_axe_finds_nothing_serious(browser, address, axe, width, dark):
    with visit(browser, address, width, dark) as page:
        explain(page)
        page.click("#mathematics >> text=The mathematics")
        page.click("#drawings >> text=All combinations")
        page.wait_for_selector("#drawings .upset")
        keep(page, f"axe-{width}-{'dark' if dark else 'light'}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.add_script_tag(path=axe)
        found = page.evaluate("async () => (await axe.run()).violations")
        bad = [
            (v["id"], [n["html"][:160] for n in v["nodes"]][:4])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert bad == []


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    subprocess.run(
        [npm, "install", "--no-save", "--silent", "--prefix", folder, "axe-core@4"], check=True, timeout=300
    )
    return folder / "node_modules" / "axe-core" / "axe.min.js"


def test_the_keyboard_alone_is_enough(page):
    page.focus("#run")
    page.keyboard.press("Enter")
    page.wait_for_selector("#data")
    page.wait_for_selector("#run:not([disabled])")
    page.locator("#result .player").nth(1).focus()
    assert "document 2" in page.inner_text(".card")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # the first button of the card: take it away
    assert page.locator(".ticks input").nth(1).is_checked() is False
    page.locator("#result .combo").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#result .combo").first.get_attribute("aria-current") == "true"


def test_three_hundred_units_draw_quickly(browser, address, tmp_path):
    rng = np.random.default_rng(0)
    terms = {
        tuple(sorted(rng.choice(300, size=rng.integers(2, 4), replace=False).tolist())) for _ in range(520)
    }
    spectrum = Spectrum(300, {(): -3.0} | {s: float(rng.normal()) for s in sorted(terms)[:500]})
    ex = sample.documents(sample.and_of_two, n=300)
    ex = replace(ex, spectrum=spectrum, interactions=to_index(spectrum, "fbii", 3))
    ex.to_json(tmp_path / "large.json")
    with visit(browser, address) as page:
        page.get_by_role("tab", name="Open").click()
        began = time.monotonic()
        choose(page, tmp_path / "large.json")
        page.wait_for_selector("#o-whatif .ticks")
        drawn = time.monotonic() - began
        print(f"300 units, 500 interactions: {drawn:.2f} s")
        frame = page.evaluate(
            """async () => {
              const rows = [...document.querySelectorAll('#o-result .player')], spans = [];
              for (const row of rows) {
                const at = performance.now();
                row.dispatchEvent(new PointerEvent('pointerover', { bubbles: true }));
                row.getBoundingClientRect();
                spans.push(performance.now() - at);
              }
              return Math.max(...spans);
            }"""
        )
        keep(page, "large")
    assert drawn < float(os.environ.get("SPEXAPI_DRAWN", "2"))
    assert frame < 50


def test_ten_sessions_at_once_get_their_own_results(address):
    from gradio_client import Client

    rooms = ("cellar", "attic", "kitchen", "garden", "office") * 2

    def ask(room: str) -> tuple[str, str]:
        client = Client(address, verbose=False)
        documents = ["The key is in the box.", f"The box is in the {room}.", "John has the coin."]
        found = client.predict("Which room is the key in?", documents, budget=16, api_name="/explain_rag")
        return found["answer"], found["explanation"]["players"][1]["text"]

    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(ask, rooms))

    assert [text for _, text in found] == [f"The box is in the {room}." for room in rooms]
    assert sum(answer == room for (answer, _), room in zip(found, rooms, strict=True)) >= 8
