"""The page served by a process of its own, and a browser to visit it with: what its tests share."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

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
LONG = 120_000  # milliseconds: a busy machine loads a model slowly


def free_port() -> int:
    """A port that no one uses, below those that the system gives to connections: a page starts slowly."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


@contextmanager
def served(*command: str, log: Path | None = None, **env: str) -> Iterator[str]:
    """The address of a page served by a process of its own. log: where its output goes, to look at later."""
    port = free_port()
    with tempfile.TemporaryFile() if log is None else log.open("w+b") as output:
        process = subprocess.Popen(
            [sys.executable, *command, str(port)],
            cwd=HERE.parent,
            env={**os.environ, **QUIET, **env},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(process, f"http://127.0.0.1:{port}/", output)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(timeout=20)


def wait_for(process: subprocess.Popen[bytes], address: str, output: IO[bytes]) -> None:
    for _ in range(480):
        if process.poll() is not None:
            output.seek(0)
            pytest.fail(output.read().decode(errors="replace"))
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.25)
    pytest.fail("the page did not start within two minutes")


@pytest.fixture(scope="module")  # not longer: while it is open, asyncio.run() refuses to run
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


@pytest.fixture(scope="session")
def address():
    """Of one page for all tests of a process."""
    if running := os.environ.get("SPEXAPI_PAGE"):  # a page that is up already, while one works on it
        yield running
        return
    with served("-m", "spexapi", "ui", "--port") as found:
        yield found


@pytest.fixture
def page(browser, address):
    with visit(browser, address) as opened:
        yield opened


@contextmanager
def visit(browser, address, width=1280, dark=False):
    """A page that must ask no one else and log no error."""
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
