"""What the page shows of a result, which is text and nothing else, and what if some were missing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest
import view_samples as sample
from fake_backend import FakeBackend
from page_samples import HOME, PAIR, hostile
from test_report import HOSTILE, Page

import spexapi
from spexapi.explanation.verification import Check, Verification

pytest.importorskip("gradio")

from spexapi.page.requests.request import ExplainOptions, Words
from spexapi.page.requests.text import Rag, TextRequest
from spexapi.page.result import selections, what_if
from spexapi.page.result.comparison import differences
from spexapi.page.result.downloads import as_file
from spexapi.page.result.shown import rest, top
from spexapi.page.result.status import banner, progress_line, status_line
from spexapi.page.runs.run_loop import Progress
from spexapi.page.runs.session_result import SessionResult
from spexapi.views.html.gauge import gauge
from spexapi.views.html.verified import verified


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("the prompt does not fit", "The prompt does not fit."),
        ("http://a/v1: HTTP 500", "http://a/v1: HTTP 500."),
        ("other.json holds no text", "other.json holds no text."),
        ("Is it there?", "Is it there?"),
        ("HTTP 401 (the key is wrong)", "HTTP 401 (the key is wrong)."),
    ],
)
def test_a_banner_is_a_sentence(said, shown):
    assert Page(banner(said)).text == f"This did not work.{shown}"


def test_what_is_compared_is_named_by_its_text():
    ex = sample.documents(sample.and_of_two)
    assert "document 2: The red box is in the cellar." in Page(differences(ex, ex)).text


def test_progress_says_rate_and_money():
    said = Page(progress_line(Progress(60, 120, 2.0, 0.5), Words(""))).text
    assert "asked 60 of 120 times · 30 a second · about $0.5000" in said


def test_hostile_text_stays_text_in_every_part_of_the_page():
    held = hostile()
    inside = SessionResult(held.request, held.whole, held.whole, HOSTILE[1], held)
    found = selections.Answered(selections.smallest(held.whole), -0.1, True, HOSTILE[0])
    parts = {
        "top": top(inside),
        "rest": rest(held),
        "what if": what_if.form(held),
        "told": what_if.told(held, found),
        "compared": differences(held.whole, held.whole),
        "banner": banner(HOSTILE[1]),
        "status": status_line(HOSTILE[0]),
        "svg": json.loads(as_file("svg", held.whole))["text"],
    }
    from spexapi.views.html.table import table
    from spexapi.views.svg.upset import upset

    parts |= {"table": table(held.whole), "sets": upset(held.whole)}
    for name, written in parts.items():
        page = Page(written)
        assert not {"script", "img", "iframe", "a", "style", "link"} & {t for t, _ in page.elements}, name
        assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)], name
        assert "${" not in written, name
        assert "{{" not in written, name


def test_the_script_gets_what_predicts_every_selection():
    held = hostile()
    page = Page(top(held))
    data = json.loads(next(a["data-live"] for _, a in page.elements if a.get("data-live")))
    masks = np.random.default_rng(0).random((20, 10)) < 0.5

    for mask, value in zip(masks, held.whole.spectrum.predict(masks), strict=True):
        kept = set(np.flatnonzero(mask).tolist())
        mine = sum(c * (-1) ** len(kept & set(s)) for s, c in data["terms"])
        assert mine == pytest.approx(value)
    assert data["combos"][0]["words"] == "both needed"
    assert data["likely"] == "exp"


def test_the_gauge_says_how_much_is_explained_and_warns_if_it_is_little():
    good = Page(gauge(sample.documents(sample.and_of_two))).text
    poor = Page(gauge(sample.documents(sample.and_of_two, found=sample.audit(0.3, 0.1, 0.5)))).text
    assert "Explains 94% (90% interval 88–97%) of how the answer’s log-probability changes" in good
    assert "too little to rely on" in poor


def test_the_gauge_says_how_many_of_the_strongest_were_confirmed():
    def checked(*verdicts):
        checks = tuple(Check((0, i), (), 1.0, 1.0, 0.1, ok, 2) for i, ok in enumerate(verdicts, 1))
        ex = sample.documents(sample.and_of_two)
        return Page(gauge(replace(ex, verification=Verification(checks, (), 10, 0.1, 8, 0)))).text

    assert "strong evidence; 3 of the top 5 combinations confirmed by direct ablation." in checked(
        True, True, False, True, False
    )
    assert "2 of the top 2" in checked(True, None, True)
    assert "the strongest of the combinations not confirmed" in checked(False)
    assert "confirmed" not in checked(None)


def test_what_no_effect_would_pass_too_confirms_nothing():
    checks = (
        Check((0, 1), (), 0.4, 1.0, 2.0, True, 4),
        Check((0, 2), (), 0.9, 1.0, 0.3, True, 4),
        Check((1, 2), (), 0.1, 1.0, 0.3, False, 4),
    )
    found = Verification(checks, ("a", "b", "c"), 10, 0.1, 12, 0)
    assert [found.verdict(c.players) for c in checks] == [None, True, False]
    assert "too wide a margin to confirm" in found.said((0, 1))
    assert found.summary().startswith("1 of the 3 strongest")
    ex = replace(sample.documents(sample.and_of_two), verification=found)
    assert "1 of the top 3 combinations confirmed" in Page(gauge(ex)).text


def test_values_that_are_all_certain_have_a_story_too():
    ex = sample.documents(lambda kept: 5.0 + 2.0 * (0 in kept) + 1.0 * (1 in kept) + 0.9 * (2 in kept))
    assert "document" in Page(top(SessionResult(None, ex, ex))).text


def test_a_span_of_the_answer_and_back():
    held = hostile()
    part = held.of_span(0, 5)
    assert part.shown.target.span == (0, 5)
    assert part.whole is held.whole
    assert part.of_span(0, len(HOSTILE[1])).shown.target.span is None
    for start, end in ((5, 5), (-1, 3), (0, 10_000)):
        with pytest.raises(spexapi.InputError, match="not in the answer"):
            held.of_span(start, end)


def test_a_selection_is_measured_on_the_model_which_answers_again(monkeypatch):
    def log_p(prompt, answer):
        return -0.1 if "box." in prompt and "cellar" in prompt else -6.0

    backend = FakeBackend(log_p, writes="the attic")
    monkeypatch.setattr(spexapi, "open_backend", lambda name: backend)
    form = TextRequest(Rag("Where is the key?", PAIR, "the cellar"), options=ExplainOptions(budget=16))
    ex = spexapi.explain(form.game(HOME), budget=16)
    held = SessionResult(form, ex, ex)

    found = asyncio.run(selections.answer(held, selections.chosen(ex, [1, 2, 3, "x", 99]), HOME, ""))
    enough = asyncio.run(selections.answer(held, selections.smallest(ex), HOME, ""))
    fewest = selections.fewest(ex)

    assert found.measured == pytest.approx(-6.0)
    assert "The model now answers" in what_if.told(held, found)
    assert "the attic" in what_if.told(held, found)
    assert enough.optimum.players == (0, 2)
    assert enough.measured == pytest.approx(-0.1)
    assert fewest.players in ((0,), (2,))
    said = Page(verified(asyncio.run(selections.verified(held, HOME, "")))).text
    assert "documents 1 and 3" in said
    assert "The strongest interaction was confirmed" in said


def test_an_explanation_from_a_file_asks_no_model():
    held = replace(hostile(), request=None)
    assert "Ask the model" not in what_if.form(held)
    with pytest.raises(spexapi.InputError, match="came from a file"):
        held.inside(0)
