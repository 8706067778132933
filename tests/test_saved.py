"""Explanations that version 0.1 saved: they open, and every view shows them."""

from pathlib import Path

import pytest

import spexapi

SAVED = Path(__file__).parent / "saved"


@pytest.fixture(scope="module", params=["rag", "heads"])
def saved(request):
    return spexapi.Explanation.from_json(SAVED / f"{request.param}.json")


def test_every_view_shows_it(saved):
    assert saved.players[0].label in saved.to_html()
    assert "Trust: " in str(saved)
    assert spexapi.Explanation.from_json(SAVED / "rag.json").to_json()


def test_a_rag_explanation_keeps_its_figures():
    ex = spexapi.Explanation.from_json(SAVED / "rag.json")
    assert ex.top(1)[0] == ((0,), pytest.approx(14.058195861192482))
    assert ex.interactions[0, 2] == pytest.approx(-3.15, abs=0.005)
    assert ex.audit.r2 == pytest.approx(0.98, abs=0.005)
    assert ex.verification.verdict((0,)) is True
    assert ex.stopped_by == "the cap of 24 calls is reached"
    assert (ex.cost.calls, ex.cost.setup_calls, ex.cost.tokens_in) == (24, 1, 959)


def test_it_still_changes_its_index_its_engine_and_its_span():
    ex = spexapi.Explanation.from_json(SAVED / "rag.json")
    assert len(ex.in_index("sv", 1).interactions) <= 6
    assert ex.with_engine("contextcite").engine == "contextcite"
    assert ex.span(0, 2).target.span == (0, 2)


def test_pruned_heads_are_read_again():
    (pruned,) = spexapi.Explanation.from_json(SAVED / "heads.json").pruned
    assert len(pruned.labels) == 2
    assert pruned.measured < 0
