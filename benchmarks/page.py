"""How quickly the page answers in a browser: first paint, a large result, a run of fifty documents.

    python benchmarks/page.py [--runs 5] [--out benchmarks/results/page.json]

Needs chromium. Nothing else should run meanwhile: every figure is the time a person would wait.

first_paint    seconds from opening the address to the first paint and to the form that can be used
large          300 units and 500 interactions, opened from a file: seconds from choosing it to the last part
               drawn; milliseconds of the slowest of 300 pointings; matrix and network: seconds to draw
fifty          fifty documents of two sentences, budget 256: seconds; the longest block of the main thread
               and the longest gap between two beats of a 50 ms clock, in milliseconds, while the run goes on
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from page_server import FLAGS, served  # noqa: E402
from test_page_looks import large  # noqa: E402

BEAT = """() => {
  window.beats = { last: performance.now(), gap: 0, blocks: [] };
  window.clock = setInterval(() => {
    const now = performance.now();
    beats.gap = Math.max(beats.gap, now - beats.last);
    beats.last = now;
  }, 50);
  new PerformanceObserver((list) => list.getEntries().forEach((e) => beats.blocks.push(e.duration)))
    .observe({ type: 'longtask' });
}"""
POINT = """() => {
  const spans = [];
  for (const row of document.querySelectorAll('#o-result .player, #o-result mark')) {
    const at = performance.now();
    row.dispatchEvent(new PointerEvent('pointerover', { bubbles: true }));
    row.getBoundingClientRect();
    spans.push(performance.now() - at);
  }
  return Math.max(...spans);
}"""


def opened(browser: Any, address: str) -> tuple[Any, dict[str, float]]:
    """A fresh page, as somebody who was never there sees it."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("#run:not([disabled])")
    page.wait_for_selector("#documents textarea")
    usable = time.perf_counter() - began
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
    return page, {"paint": paint, "usable": usable}


def of_large(browser: Any, address: str, file: Path) -> dict[str, float]:
    page, _ = opened(browser, address)
    page.get_by_role("tab", name="Open").click()
    with page.expect_file_chooser() as chooser:
        page.click("#o-open")
    began = time.perf_counter()
    chooser.value.set_files(file)
    page.wait_for_selector("#o-whatif .ticks")
    found = {"drawn": time.perf_counter() - began, "slowest_pointing_ms": page.evaluate(POINT)}
    page.click("#o-drawings >> text=All combinations")
    for kind in ("Matrix", "Network"):
        began = time.perf_counter()
        page.click(f"#o-drawings label:has-text('{kind}')")
        page.wait_for_selector("#o-plot .main-svg >> nth=0")
        found[kind.lower()] = time.perf_counter() - began
        page.wait_for_timeout(500)
    page.context.close()
    return found


def of_fifty(browser: Any, address: str, folder: Path) -> dict[str, float]:
    things, rooms = ("key", "lamp", "ring", "coin", "map"), ("cellar", "attic", "kitchen", "garden", "hall")
    texts = [
        f"The {things[i % 5]} is in the {rooms[i // 5 % 5]}. It is old and quiet there." for i in range(50)
    ]
    file = folder / "fifty.txt"
    file.write_text("\n\n".join(texts), encoding="utf-8")
    page, _ = opened(browser, address)
    with page.expect_file_chooser() as chooser:
        page.click("#upload")
    chooser.value.set_files(file)
    page.wait_for_function("() => document.querySelectorAll('#documents .box').length === 50")
    page.get_by_label("Question", exact=True).fill("Where is the key?")
    page.locator("input[type=number]").first.fill("256")
    page.evaluate(BEAT)
    began = time.perf_counter()
    page.click("#run")
    page.wait_for_selector("#data", timeout=300_000)
    page.wait_for_selector("#run:not([disabled])", timeout=300_000)
    seconds = time.perf_counter() - began
    beats = page.evaluate("beats")
    page.context.close()
    return {
        "seconds": seconds,
        "longest_block_ms": max([0.0, *beats["blocks"]]),
        "longest_gap_ms": beats["gap"],
    }


def summary(runs: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Median and worst of each figure."""
    return {
        key: {
            "median": round(statistics.median(run[key] for run in runs), 3),
            "worst": round(max(run[key] for run in runs), 3),
        }
        for key in runs[0]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "page.json")
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    load = round(os.getloadavg()[0], 2)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with (
        tempfile.TemporaryDirectory() as folder,
        served("-m", "spexapi", "ui", "--port") as address,
        sync_playwright() as playwright,
    ):
        file = Path(folder) / "large.json"
        large(300, 500).to_json(file)
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS.split())
        first: list[dict[str, float]] = []
        for _ in range(given.runs):
            page, found = opened(browser, address)
            first.append(found)
            page.context.close()
        found = {
            "first_paint": summary(first),
            "large": summary([of_large(browser, address, file) for _ in range(given.runs)]),
            "fifty": summary(
                [of_fifty(browser, address, Path(folder)) for _ in range(max(1, given.runs // 2))]
            ),
        }
        version = browser.version
    found["runs"] = given.runs
    found["machine"] = f"{os.cpu_count()} cores, {platform.machine()}, chromium {version}"
    found["load"] = {"before": load, "after": round(os.getloadavg()[0], 2)}  # what else the machine did
    given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
