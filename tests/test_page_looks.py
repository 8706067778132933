"""The page for everyone: wide and narrow, light and dark, by keyboard alone, large results; axe looks on."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import view_samples as sample
from page_server import choose, explain, keep, visit

pytest.importorskip("gradio")

from spexapi.fourier.indices import to_index
from spexapi.fourier.spectrum import Spectrum

pytestmark = pytest.mark.slow


LOOKS = [(1280, False), (1280, True), (390, False), (390, True)]


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        missing = "axe-core comes with npm, which is not installed (apt-get install npm)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    subprocess.run(
        [npm, "install", "--no-save", "--silent", "--prefix", folder, "axe-core@4"], check=True, timeout=300
    )
    return folder / "node_modules" / "axe-core" / "axe.min.js"


def serious(page) -> list[tuple[str, list[str]]]:
    """What axe calls serious or critical on the page as it is now, with the first elements."""
    found = page.evaluate("async () => (await axe.run()).violations")
    return [
        (v["id"], [n["html"][:160] for n in v["nodes"]][:4])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_every_tab_fits_and_axe_finds_nothing_serious(browser, address, axe, tmp_path, width, dark):
    sample.documents(sample.and_of_two).to_json(tmp_path / "kept.json")
    with visit(browser, address, width, dark) as page:
        page.add_script_tag(path=axe)
        tabs = page.locator(".tab-container.visually-hidden button").all_text_contents()
        assert {"Documents", "Prompt", "Compare", "Open"} <= set(tabs)
        for tab in tabs:
            open_tab(page, tab)
            looked_at(page, f"{tab}-empty", width, dark)
            if tab in RESULTS:
                RESULTS[tab](page, tmp_path)
                looked_at(page, f"{tab}-result", width, dark)


def open_tab(page, name: str) -> None:
    """On a phone some tabs stand in a menu."""
    tab = page.get_by_role("tab", name=name, exact=True)
    if not tab.is_visible():
        page.get_by_role("button", name="More tabs").click()
        tab = page.locator(".overflow-dropdown button", has_text=name)
    tab.click()
    page.wait_for_selector(f"[role=tab][aria-selected=true]:has-text('{name}')")


def looked_at(page, name: str, width: int, dark: bool) -> None:
    keep(page, f"{name}-{width}-{'dark' if dark else 'light'}".lower().replace(" ", "-"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    assert serious(page) == [], name


def on_documents(page, folder: Path) -> None:
    explain(page)
    page.click("#mathematics >> text=The mathematics")
    page.click("#drawings >> text=All combinations")
    page.wait_for_selector("#drawings .upset")
    page.get_by_role("button", name="Smallest set").click()
    page.wait_for_selector("#outcome .told")


def on_prompt(page, folder: Path) -> None:
    page.click("#p-run")
    page.wait_for_selector("#p-data")
    page.wait_for_selector("#p-run:not([disabled])")


def on_compare(page, folder: Path) -> None:
    page.get_by_label("Question of B").fill("Where is the lamp?")
    page.click("#c-run")
    page.wait_for_selector("#c-table table")
    page.wait_for_selector("#c-run:not([disabled])")


def on_open(page, folder: Path) -> None:
    choose(page, folder / "kept.json")
    page.wait_for_selector("#o-result .story")


RESULTS = {"Documents": on_documents, "Prompt": on_prompt, "Compare": on_compare, "Open": on_open}


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


def test_tab_alone_reaches_every_control_of_the_form_and_the_run(page):
    """No mouse and no focus() from outside: from the top of the page to a result."""
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        here = page.evaluate(
            "() => { const e = document.activeElement;"
            " return e.id || e.getAttribute('aria-label') || e.textContent.trim().slice(0, 30) }"
        )
        reached.append(here)
        if here == "run":
            break
    assert "Documents" in " ".join(reached)
    assert "Needs both documents" in reached
    assert any(name.startswith("Document 5") for name in reached)
    assert reached[-1] == "run"
    page.keyboard.press("Enter")
    page.wait_for_selector("#result .story")


def large(n: int, count: int):
    """An explanation of n units and so many interactions of two and three."""
    rng = np.random.default_rng(0)
    terms: dict[tuple[int, ...], float] = {(): -3.0}
    while len(terms) <= count:
        size = int(rng.integers(2, 4))
        terms[tuple(sorted(rng.choice(n, size=size, replace=False).tolist()))] = float(rng.normal())
    spectrum = Spectrum(n, terms)
    ex = sample.documents(sample.and_of_two, n=n)
    return replace(ex, spectrum=spectrum, interactions=to_index(spectrum, "fbii", 3))


def test_three_hundred_units_and_five_hundred_interactions_are_all_there(browser, address, tmp_path):
    large(300, 500).to_json(tmp_path / "large.json")
    with visit(browser, address) as page:
        open_tab(page, "Open")
        choose(page, tmp_path / "large.json")
        page.wait_for_selector("#o-whatif .ticks")
        keep(page, "large")
        assert page.locator("#o-whatif .ticks input").count() == 60
        page.click("#o-drawings >> text=All combinations")
        for kind in ("Matrix", "Network"):
            page.click(f"#o-drawings label:has-text('{kind}')")
            page.wait_for_selector("#o-plot .main-svg >> nth=0")
            keep(page, f"large-{kind.lower()}")
