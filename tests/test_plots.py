"""Pictures for many players: what a figure holds, and that its labels are text."""

from __future__ import annotations

import csv
import io

import pytest
import view_samples as sample
from test_report import HOSTILE, Page

from spexapi.fourier.spectrum import Spectrum
from spexapi.views.html.table import to_csv
from spexapi.views.svg.picture import picture
from spexapi.views.svg.upset import upset

pytest.importorskip("plotly")

from spexapi.views.plots import matrix, network

TRIPLE = Spectrum(4, {(): 0.0, (0,): -0.5, (0, 2, 3): -0.25})


def test_a_cell_holds_all_that_two_players_are_in():
    ex = sample.function(TRIPLE, list("abcd"))
    cells = matrix(ex).data[0].z

    expected = sum(v for s, v in ex.interactions.items() if {0, 2} <= set(s))
    assert cells[0][2] == pytest.approx(expected)
    assert cells[2][0] == pytest.approx(expected)
    assert cells[1][3] == 0
    assert cells[0][0] == pytest.approx(ex.interactions[(0,)])


def test_players_with_one_label_stay_apart_and_labels_are_text():
    ex = sample.function(TRIPLE, [HOSTILE[0], "same", "same", "$x$"])
    labels = matrix(ex).data[0].x
    written = network(ex).to_json()

    assert len(set(labels)) == 4
    assert "<script" not in written
    assert not any("$" in label or "<" in label for label in labels)


def test_three_hundred_players_are_few_traces():
    terms = {(i, i + 1): 0.1 * (i % 7 - 3) for i in range(299)}
    figure = network(sample.function(Spectrum(300, {(): 0.0} | terms), [f"p{i}" for i in range(300)]))

    assert len(figure.data) <= 10


def test_a_column_of_the_sets_joins_the_players_of_one_combination():
    page = Page(upset(sample.function(TRIPLE, list("abcd"))))
    columns = [a["data-players"] for t, a in page.elements if t == "g"]

    assert columns[0] == "0 2 3"
    assert "b" not in page.text.split()


def test_the_picture_stands_alone():
    page = Page(picture(sample.documents(sample.and_of_two)))

    assert page.elements[0][0] == "svg"
    assert "documents 1 and 2: both needed" in page.text
    assert not [a for _, a in page.elements if {"href", "src", "style"} & set(a)]


def test_a_row_of_the_table_is_one_interaction():
    ex = sample.function(TRIPLE, ["=a", "b", "c", "d"])
    rows = list(csv.DictReader(io.StringIO(to_csv(ex))))

    assert len(rows) == len([s for s in ex.interactions if s])
    assert {row["labels"] for row in rows if row["order"] == "3"} == {"'=a + c + d"}
