"""Takes page.png and report.png again, with the embedded model: python docs/pictures.py (needs chromium)."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import spexapi
from spexapi.page.app import build, launch
from spexapi.page.tabs.examples import EXAMPLES

HERE = Path(__file__).parent
PORT = 7869


def main() -> None:
    from playwright.sync_api import sync_playwright

    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    example = EXAMPLES[0]
    game = spexapi.RagGame(spexapi.open_backend("embedded"), example.question, example.documents)
    explanation = spexapi.explain(game)
    demo = build()
    launch(PORT, demo=demo, block=False)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(f"http://127.0.0.1:{PORT}/")
        page.get_by_role("button", name=example.name).click()
        page.click("#run")
        page.wait_for_selector("#data", timeout=120_000)
        page.wait_for_timeout(500)
        page.screenshot(path=HERE / "page.png")
        report = Path(folder, "report.html")
        explanation.to_html(report)
        page.set_viewport_size({"width": 900, "height": 1000})
        page.goto(report.as_uri())
        page.screenshot(path=HERE / "report.png", full_page=True)
        browser.close()
    demo.close()


if __name__ == "__main__":
    main()
