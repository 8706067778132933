"""The HTML report: safe with any text, complete without a network, readable with a thousand players."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import view_samples as sample

from spexapi.explanation.reading import Meaning
from spexapi.fourier.spectrum import Spectrum
from spexapi.views.colours import tone
from spexapi.views.html.report import report, snippet
from spexapi.views.presentation import Combination
from spexapi.views.safe import safe
from spexapi.views.svg.arcs import curves

HOSTILE = (
    "<script>alert(1)</script> ${alert(2)} {{x}} `y`",
    "\" onmouseover='alert(3)' x=\" </style></mark><img src=x onerror=alert(4)>",
)
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """The elements and the text of a page; fails on elements that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def having(self, tag: str, part: str = "") -> list[dict[str, str | None]]:
        return [a for t, a in self.elements if t == tag and part in (a.get("class") or "")]


def test_hostile_text_stays_text():
    explanation = sample.documents(
        sample.and_of_two, texts=(*HOSTILE, *sample.TEXTS[2:]), answer=HOSTILE[1], question=HOSTILE[0]
    )
    written = report(explanation)
    page = Page(written)

    assert not {"script", "img", "iframe", "object", "embed", "a", "link", "base", "form"} & {
        t for t, _ in page.elements
    }
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    assert HOSTILE[0] in page.text
    body = written.split("</style>", 1)[1]
    assert "${" not in body
    assert "{{" not in body


def test_a_label_of_a_function_game_is_text_too():
    explanation = sample.function(Spectrum(2, {(): 0.0, (0,): -1.0, (0, 1): 1.0}), list(HOSTILE))

    assert not Page(report(explanation)).having("img")


def test_a_quote_does_not_end_an_attribute():
    page = Page(report(sample.words(sample.and_of_two, "x\"onclick=\"alert(1) y'onclick='alert(2) z")))

    assert page.having("mark")
    assert not [a for _, a in page.elements if "onclick" in a]


def test_the_report_needs_nothing_from_elsewhere():
    written = report(sample.documents(sample.and_of_two))
    page = Page(written)

    addressed = {"src", "href", "srcset", "action", "data", "poster", "style"}
    assert not [a for _, a in page.elements if addressed & set(a)]
    assert "url(" not in written
    assert "@import" not in written
    assert "http:" not in written
    assert "https:" not in written
    policy = next(
        a["content"] for a in page.having("meta") if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'")


def test_the_story_the_proof_and_the_trust_are_in_it():
    page = Page(report(sample.documents(sample.and_of_two)))

    assert "because of documents 1 and 2 together: neither is enough alone." in page.text
    assert "both needed" in page.text
    assert "only document 1" in page.text
    assert "predicts 94% (90% interval 88–97%) of how the answer’s log-probability changes" in page.text
    assert "64 model calls" in page.text
    assert len(page.having("g", "arc and")) == 1


def test_either_is_drawn_unlike_together():
    page = Page(report(sample.documents(sample.or_of_two)))

    assert len(page.having("g", "arc or")) == 1
    assert not page.having("g", "arc and")
    assert "document 1 or 3 either will do" in page.text


def test_helping_and_hurting_documents_have_other_colours():
    page = Page(report(sample.documents(sample.hurt_by_one)))
    tones = [a["class"] for a in page.having("mark")]

    assert tones[:4] == ["h0", "h5", "h0", "x2"]


def test_the_prompt_keeps_its_order_its_breaks_and_its_direction():
    explanation = sample.documents(sample.and_of_two, texts=("first\n\nline", "ثانيا", *sample.TEXTS[2:]))
    written = report(explanation)
    page = Page(written)

    assert "first\n\nline" in page.text
    assert (
        page.text.index("first\n\nline")
        < page.text.rindex("ثانيا")
        < page.text.rindex("Question: Which room")
    )
    assert all(a.get("dir") == "auto" for a in page.having("div", "turn"))


def test_turns_of_a_chat_are_told_apart():
    explanation = sample.documents(sample.and_of_two)
    pieces = tuple(replace(p, role="tool" if p.player == 1 else "user") for p in explanation.target.pieces)
    page = Page(report(replace(explanation, target=replace(explanation.target, pieces=pieces))))

    assert len(page.having("div", "role")) == 3
    assert "Tool result" in page.text


def test_weak_evidence_is_said_first():
    weak = sample.documents(sample.and_of_two, found=sample.audit(0.3, 0.1, 0.5))
    page = Page(report(sample.unconfirmed(weak)))

    assert "cannot tell why" in page.text
    assert "too weak to rely on" in page.text
    assert "together: neither" not in page.text


def test_the_span_explained_is_marked_in_the_answer():
    explanation = sample.documents(sample.and_of_two, answer="In the cellar.")
    page = Page(report(replace(explanation, target=replace(explanation.target, span=(7, 13)))))

    assert page.having("u")
    assert "The model said “cellar” because" in page.text


def test_a_thousand_players_render_with_the_strongest_arcs_only():
    rng = np.random.default_rng(0)
    coef = {(i,): float(v) for i, v in enumerate(rng.normal(size=1000))}
    for _ in range(300):
        pair = sorted(rng.choice(1000, 2, replace=False).tolist())
        coef[pair[0], pair[1]] = float(rng.normal())
    written = report(sample.function(Spectrum(1000, coef), [f"player {i}" for i in range(1000)]))
    page = Page(written)

    assert len(page.having("li", "player")) == 30
    assert "970 players with no larger effect are not drawn" in page.text
    assert 1 <= len(page.having("g", "arc")) <= 6
    assert "weaker combinations are not drawn" in page.text
    assert len(written) < 200_000


def test_two_players_and_no_effect_render():
    page = Page(report(sample.function(Spectrum(2, {(): 0.0}), ["a", "b"])))

    assert "The value does not depend on any of the players" in page.text
    assert "each part acts on its own" in page.text


def test_the_notebook_snippet_is_the_report_without_a_page():
    cell = snippet(sample.documents(sample.and_of_two))

    assert cell.startswith("<style>")
    assert "<body" not in cell


def test_arcs_that_cross_lie_in_lanes_of_their_own():
    crossing = [
        Combination("A", (0, 2), 1.0, Meaning.TOGETHER),
        Combination("B", (1, 3), 1.0, Meaning.EITHER),
    ]
    apart = [Combination("A", (0, 1), 1.0, Meaning.TOGETHER), Combination("B", (2, 3), 1.0, Meaning.EITHER)]

    assert len(_letters(crossing)) == 2
    assert len(_letters(apart)) == 1


def _letters(found: list[Combination]) -> set[float]:
    """How far out the letters of the arcs are."""
    rows = {i: i for i in range(4)}
    return {curve.tip[0] for _, curve in curves(rows, found, 100.0, first=20.0)}


def test_small_shares_are_not_coloured():
    assert tone(0.01, 1.0) == "h0"
    assert tone(-1.0, 1.0) == "x5"
    assert tone(0.0, 0.0) == "h0"


def test_lone_surrogates_and_controls_can_be_written():
    assert safe("a\ud800\x00b").encode("utf-8") == "a��b".encode()
