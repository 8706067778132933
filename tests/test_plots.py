"""Pictures for many players: what a figure holds, and that its labels are text."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from dataclasses import replace
from importlib.resources import files

import pytest
import view_samples as sample
from test_report import HOSTILE, Page

import spexapi
from spexapi.backends.huggingface.components import Component
from spexapi.fourier.spectrum import Spectrum
from spexapi.views.colours import DARK, LIGHT
from spexapi.views.plots.kinds import KINDS, plot
from spexapi.views.presentation import Presentation
from spexapi.views.spreadsheet import to_csv
from spexapi.views.svg.upset import upset

go = pytest.importorskip("plotly.graph_objects")

TRIPLE = Spectrum(4, {(): 0.0, (0,): -0.5, (0, 2, 3): -0.25})


def heads_of(labels=None):
    """Two layers of two heads; head 1 of layer 0 and head 0 of layer 1 act together."""
    spectrum = Spectrum(4, {(): 0.0, (1,): -0.5, (2,): -0.5, (1, 2): 0.5, (3,): 0.25})
    parts = [Component(layer, "head", head) for layer in (0, 1) for head in (0, 1)]
    ex = sample.function(spectrum, [part.label for part in parts])
    names = labels or [part.label for part in parts]
    players = [spexapi.Player(name, "head", component=part) for name, part in zip(names, parts, strict=True)]
    return replace(ex, players=tuple(players))


@pytest.fixture(scope="module")
def documents():
    return sample.documents(sample.hurt_by_one)


def strings(node) -> list[str]:
    """All texts of a figure as a browser gets them."""
    if isinstance(node, dict):
        return [text for value in node.values() for text in strings(value)]
    if isinstance(node, list):
        return [text for value in node for text in strings(value)]
    return [node] if isinstance(node, str) else []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dark", [False, True])
def test_every_kind_is_a_plotly_figure_with_a_title(kind, dark, documents):
    figure = (heads_of() if kind == "heads" else documents).plot(kind, dark=dark)

    assert isinstance(figure, go.Figure)
    assert figure.layout.title.text.startswith("<b>")
    assert figure.layout.font.color == (DARK if dark else LIGHT).ink


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_text_in_every_kind(kind):
    labels = [HOSTILE[0], "<b>$x$</b> %{x} &amp;", "same", "same"]
    ex = heads_of(labels) if kind == "heads" else sample.function(TRIPLE, labels)
    texts = strings(json.loads(ex.plot(kind).to_json()))

    assert any("&lt;script&gt;" in text for text in texts)
    for text in texts:
        assert set(re.findall(r"</?(\w+)", text)) <= {"b", "br", "span"}, text
        assert "$" not in text
        assert not re.search(r"<(?!/?(b|br|span)[ >])", text), text


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "heads"])
def test_nothing_to_show_is_a_figure_too(kind):
    for ex in (sample.function(Spectrum(2, {(): 0.0}), ["a", "b"]), sample.function(TRIPLE, list("abcd"))):
        assert isinstance(ex.plot(kind), go.Figure)


def test_an_unknown_kind_is_refused_with_the_known_ones(documents):
    with pytest.raises(spexapi.InputError, match="text, network, matrix, upset, heads"):
        documents.plot("pie")


def test_heads_are_refused_of_an_explanation_that_has_none(documents):
    with pytest.raises(spexapi.InputError, match=r"HeadGame.*is a document.*text, network, matrix, upset"):
        documents.plot("heads")


def test_without_plotly_the_way_to_install_it_is_named(documents, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(spexapi.InputError, match=r'pip install "spexapi\[ui\]"'):
        documents.plot("text")


def test_the_text_has_a_bar_a_player_in_reading_order_and_an_arc_a_combination():
    ex = sample.documents(sample.and_of_two)
    figure = ex.plot("text")
    bars = next(trace for trace in figure.data if trace.type == "bar")
    named = [trace.name for trace in figure.data if trace.showlegend is None and trace.name]

    assert list(bars.x) == pytest.approx(list(Presentation(ex).reading.shares))
    assert figure.layout.yaxis.ticktext[1].startswith("<b>document 2</b>")
    assert "because of documents 1 and 2 together" in figure.layout.title.text.replace("<br>", " ")
    assert "share (nats)" in figure.layout.xaxis.title.text
    assert named == ["<b>A</b>  documents 1 and 2: both needed (+4.98)"]


def test_what_helps_is_blue_and_what_hurts_is_orange(documents):
    bars = next(trace for trace in documents.plot("text").data if trace.type == "bar")

    assert bars.marker.color[1] == LIGHT.help
    assert bars.marker.color[3] == LIGHT.hurt


def test_the_style_sheet_has_the_same_colours():
    css = files("spexapi.views.html").joinpath("fragment.css").read_text(encoding="utf-8")
    for name in ("help", "hurt", "either", "mix", "ink", "soft", "line", "paper"):
        pair = f"light-dark({getattr(LIGHT, name)}, {getattr(DARK, name)})"
        assert f"--{name}: {pair};" in css


def test_a_cell_holds_all_that_two_players_are_in():
    ex = sample.function(TRIPLE, list("abcd"))
    cells = ex.plot("matrix").data[0].z

    expected = sum(v for s, v in ex.interactions.items() if {0, 2} <= set(s))
    assert cells[0][2] == pytest.approx(expected)
    assert cells[2][0] == pytest.approx(expected)
    assert cells[1][3] == 0
    assert cells[0][0] == pytest.approx(ex.interactions[(0,)])


def test_players_with_one_label_stay_apart_and_labels_are_text():
    ex = sample.function(TRIPLE, [HOSTILE[0], "same", "same", "$x$"])
    labels = ex.plot("matrix").data[0].x
    written = ex.plot("network").to_json()

    assert len(set(labels)) == 4
    assert "<script" not in written
    assert not any("$" in label or "<" in label for label in labels)


def test_three_hundred_players_are_few_traces():
    terms = {(i, i + 1): 0.1 * (i % 7 - 3) for i in range(299)}
    ex = sample.function(Spectrum(300, {(): 0.0} | terms), [f"p{i}" for i in range(300)])
    figure = ex.plot("network")

    assert len(figure.data) <= 10
    assert "The 150 strongest of 256 are drawn." in figure.layout.title.text.replace("<br>", " ")


def test_a_column_of_the_sets_has_its_value_and_joins_its_players():
    ex = sample.function(TRIPLE, list("abcd"))
    figure = ex.plot("upset")
    first = max(s for s, _ in Presentation(ex).ranked if len(s) == 3)
    bar = next(t for t in figure.data if t.type == "bar" and 0 in t.x)
    dots = next(t for t in figure.data if t.type == "scatter" and t.mode == "lines+markers" and 0 in t.x)

    assert (bar.y[0], bar.text[0]) == (pytest.approx(abs(ex[first])), "+2.00")
    assert [y for x, y in zip(dots.x, dots.y, strict=True) if x == 0] == [0, 1, 2]
    assert list(figure.layout.yaxis2.ticktext) == ["a", "c", "d"]


def test_a_head_is_in_the_row_of_its_layer_the_last_one_on_top():
    ex = heads_of()
    figure = ex.plot("heads")
    heat = next(trace for trace in figure.data if trace.type == "heatmap")
    shares = Presentation(ex).reading.shares

    assert [list(row) for row in heat.z] == [[shares[2], shares[3]], [shares[0], shares[1]]]
    assert list(figure.layout.yaxis.ticktext) == ["layer 1", "layer 0"]
    assert "layer 0 head 1 and layer 1 head 0: both needed (+2.00)" in str(figure.data)


def test_a_page_with_its_own_words_leaves_the_title_out(documents):
    whole, bare = documents.plot("network"), plot(documents, "network", titled=False)

    assert bare.layout.title.text is None
    assert bare.layout.height - bare.layout.margin.t == whole.layout.height - whole.layout.margin.t


def test_a_column_of_the_drawn_sets_joins_the_players_of_one_combination():
    page = Page(upset(sample.function(TRIPLE, list("abcd"))))
    columns = [a["data-players"] for t, a in page.elements if t == "g"]

    assert columns[0] == "0 2 3"
    assert "b" not in page.text.split()


def test_the_picture_stands_alone(tmp_path):
    ex = sample.documents(sample.and_of_two)
    page = Page(ex.svg(tmp_path / "picture.svg"))

    assert (tmp_path / "picture.svg").read_text(encoding="utf-8") == ex.svg()
    assert page.elements[0][0] == "svg"
    assert "documents 1 and 2: both needed" in page.text
    assert not [a for _, a in page.elements if {"href", "src", "style"} & set(a)]


def test_a_row_of_the_table_is_one_interaction():
    ex = sample.function(TRIPLE, ["=a", "b", "c", "d"])
    rows = list(csv.DictReader(io.StringIO(to_csv(ex))))

    assert len(rows) == len([s for s in ex.interactions if s])
    assert {row["labels"] for row in rows if row["order"] == "3"} == {"'=a + c + d"}
