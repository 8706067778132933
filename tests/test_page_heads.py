"""The Heads tab: what it asks, the map it draws, and the tab in a real browser."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from threading import Event

import pytest
from page_server import keep, visit

import spexapi
from spexapi.backends.huggingface.components import Component
from spexapi.errors import InputError
from spexapi.page.requests.heads import UNITS, HeadsRequest, ready_questions
from spexapi.page.requests.model import Model
from spexapi.page.requests.request import ExplainOptions
from spexapi.page.result.downloads import command, python
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.runs.stop_flags import StopFlags
from spexapi.page.site import PUBLIC, Site
from spexapi.page.tabs.pruning import pruning
from spexapi.views.html.heads import head_map
from spexapi.views.html.pruned import pruned_table
from spexapi.views.presentation import Presentation

PROMPT = (
    "Documents:\n\nThe key is in the box.\n\nThe box is in the cellar.\n\nQuestion: Which room is the key in?"
)
LAYERS = ExplainOptions("layer", budget=16)


@pytest.fixture(scope="module")
def layers():
    return spexapi.explain(HeadsRequest(PROMPT, "", options=LAYERS).game(Site()), budget=16)


def cells(html: str) -> list[str]:
    return re.findall(r'<rect class="(cell [^"]*)"', html)


def test_the_map_has_a_cell_for_each_part_and_frames_what_is_kept(layers):
    assert len(cells(head_map(Presentation(layers)))) == 4
    assert [c.split()[-1] for c in cells(head_map(Presentation(layers), kept=[0, 2]))] == [
        "kept",
        "out",
        "kept",
        "out",
    ]


def test_the_last_layer_stands_on_top(layers):
    heights = dict(re.findall(r'y="([\d.]+)">layer (\d)</text>', head_map(Presentation(layers))))
    assert [heights[y] for y in sorted(heights, key=float)] == ["3", "2", "1", "0"]


def test_reports_have_the_map(layers):
    assert 'class="headmap"' in layers.to_html()
    odd = replace(layers, players=tuple(replace(p, component=None) for p in layers.players))
    assert 'class="headmap"' not in odd.to_html()


def test_links_are_told_in_words(layers):
    found = head_map(Presentation(layers))
    first = max((s for s in layers.interactions if len(s) > 1), key=lambda s: abs(layers.interactions[s]))
    assert all(layers.players[i].label in found.split("<ul")[1] for i in first)


def test_hostile_labels_stay_text():
    players = [spexapi.Player("<script>", "head", component=Component(0, "head", i)) for i in range(2)]
    ex = spexapi.explain(spexapi.FunctionGame(lambda m: m.sum(axis=1), players), budget=4)
    found = head_map(Presentation(ex))
    assert "&lt;script" in found
    assert "<script" not in found
    with pytest.raises(InputError, match="no parts of a model"):
        head_map(Presentation(replace(ex, players=tuple(map(spexapi.Player, ["layer 0", "b"])))))


def test_pruned_sizes_stand_in_a_table(layers):
    game = HeadsRequest(PROMPT, "cellar", options=LAYERS).game(Site())
    kept = spexapi.prune(game, layers, [4, 1])
    found = pruned_table(Presentation(layers).reading, kept, 0, chosen=1)
    assert ("4 of 4" in found, "1 of 4" in found.split('class="on"')[1]) == (True, True)
    assert "other questions" not in found


def test_the_ready_questions_are_answered_by_the_whole_model():
    game, asked = HeadsRequest(PROMPT, "", options=LAYERS).other_questions(Site())
    assert asked == len(ready_questions()) == 8
    (whole,) = spexapi.explain(game, budget=16 * asked).observations.values[-1:]
    assert 0.0 <= whole <= 1.0
    assert spexapi.explain(game, budget=16 * asked).value_of(kept=True) == 1.0


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (HeadsRequest("  ", "", options=LAYERS), "no prompt yet"),
        (HeadsRequest(PROMPT, "", options=ExplainOptions("word")), "what is taken out is"),
        (HeadsRequest(PROMPT, "", options=LAYERS, model=Model("openai", "gpt")), "lets no one inside"),
        (HeadsRequest(PROMPT, "", options=LAYERS, model=Model("hf", "")), "Which model"),
        (
            HeadsRequest(PROMPT, "", options=ExplainOptions("layer", budget=5_000)),
            "more than this page takes",
        ),
        (HeadsRequest("x" * 70_000, "", options=LAYERS), "characters of text"),
    ],
)
def test_what_cannot_be_asked_is_told_to_the_visitor(form, said):
    with pytest.raises(InputError, match=said):
        form.game(Site(limits=PUBLIC))


@pytest.mark.parametrize("unit", UNITS)
def test_the_code_does_the_same_run(unit):
    form = HeadsRequest(PROMPT, "cellar", options=ExplainOptions(unit, budget=64))
    told: dict[str, object] = {}
    exec(python(form).partition("explanation = ")[0], told)
    assert [p.label for p in told["game"].players] == [p.label for p in form.game(Site()).players]
    flags = command(form)
    assert flags.startswith("spexapi heads")
    assert flags.count("--unit") == len(UNITS[unit])


def test_pruning_that_is_stopped_at_once_says_so(layers, monkeypatch):
    import gradio as gr

    flag = Event()
    flag.set()
    stops = StopFlags()
    monkeypatch.setattr(StopFlags, "begin", lambda self, session: flag)
    result = SessionResult(HeadsRequest(PROMPT, options=LAYERS), layers, layers)

    async def run():
        with gr.Blocks():
            parts, heads = pruning(), gr.HTML()
        return [changes async for changes in parts.run(heads, result, None, Site(), stops)][-1][parts.status]

    assert "Stopped before anything was measured" in asyncio.run(run())


# --- in a browser


def open_tab(page):
    page.get_by_role("tab", name="Heads").click()
    page.wait_for_selector("#h-prompt textarea")


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
def test_heads_are_explained_and_pruned_in_a_browser(browser, address, dark):
    with visit(browser, address, dark=dark) as page:
        open_tab(page)
        page.wait_for_function(
            "() => /32 heads/.test(document.querySelector('#h-forecast').innerText)"
        )  # before Explain
        page.click("#h-run")
        page.wait_for_selector("#h-map svg")
        page.wait_for_selector("#h-run:not([disabled])")
        assert page.locator("#h-map .cell").count() == 32
        assert "layer 0 head" in page.inner_text("#h-map .links")
        assert "cellar" in page.inner_text("#h-result .answer")
        page.click("#h-prune")
        page.wait_for_selector("#h-kept")
        assert page.locator("#h-pruned tbody tr").count() == 12
        assert "8 of 8" in page.inner_text("#h-pruned tbody tr >> nth=0")
        page.locator("#h-kept input[type=number]").fill("32")
        page.locator("#h-kept input[type=number]").blur()
        page.wait_for_function("() => document.querySelectorAll('#h-map .cell.kept').length == 32")
        keep(page, f"heads-{'dark' if dark else 'light'}")
        page.set_viewport_size({"width": 400, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.slow
def test_a_prompt_is_shown_as_text_and_errors_as_a_banner(page):
    open_tab(page)
    page.locator("#h-prompt textarea").fill("<img src=x onerror=alert(1)> ${1} is in the box. Where?")
    page.get_by_label("Layers", exact=True).check()
    page.click("#h-run")
    page.wait_for_selector("#h-map svg")
    page.wait_for_selector("#h-run:not([disabled])")
    assert "<img src=x onerror=alert(1)> ${1}" in page.inner_text("#h-details")
    assert page.locator("#h-details img").count() == 0
    page.locator("#h-prompt textarea").fill(" ")
    page.click("#h-run")
    page.wait_for_selector("#h-status .banner")
    assert "no prompt yet" in page.inner_text("#h-status")


@pytest.mark.slow
def test_a_run_is_stopped_and_what_is_known_is_shown(page):
    open_tab(page)
    page.locator("#h-prompt textarea").fill("The key is in the box. " * 60 + "Where is the key?")
    budget = page.locator("input[type=number]:visible").first
    budget.fill("1024")
    budget.blur()
    page.click("#h-run")
    page.wait_for_function("() => /asked [1-9]/.test(document.querySelector('#h-status').innerText)")
    page.click("#h-stop")
    page.wait_for_selector("#h-run:not([disabled])")
    assert "Stopped early" in page.inner_text("#h-result")
