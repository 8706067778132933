"""Training examples as cards."""

from dataclasses import replace

import numpy as np
import pytest
from test_report import HOSTILE, Page
from test_training_game import game_of, members, planted

import spexapi
from spexapi.explanation.influence import REDUNDANT, TOGETHER, harmful, helpful, pairs
from spexapi.explanation.reading import Reading
from spexapi.games.base import Player
from spexapi.views.html.training import digit, gallery
from spexapi.views.presentation import Presentation


@pytest.fixture(scope="module")
def explanation():
    return spexapi.explain(game_of(examples=7), budget=128, max_order=2)


def test_helpful_harmful_redundant_and_needed_together_are_told_apart(explanation):
    assert [i for i, _ in harmful(Reading.of(explanation))] == [4]
    assert {i for i, _ in helpful(Reading.of(explanation))} == {0, 1, 2, 3}
    assert [s for s, _ in pairs(Reading.of(explanation), REDUNDANT)] == [(2, 3)]
    assert [s for s, _ in pairs(Reading.of(explanation), TOGETHER)] == [(0, 1)]


def test_the_report_has_the_cards_too(explanation):
    page = Page(explanation.to_html())
    assert "Needed together" in page.text
    other = spexapi.explain(spexapi.FunctionGame(lambda m: m.sum(axis=1), 3), budget=8)
    assert "Needed together" not in Page(other.to_html()).text


def test_a_noisy_pair_is_marked_as_maybe_chance():
    def measure(model):
        return planted(model[0]) + model[1]

    noisy = game_of(
        lambda kept, seed: (members(kept, seed), 0.3 * np.random.default_rng(seed).standard_normal()),
        measure, 12, noise=20,
    )  # fmt: skip
    ex = spexapi.explain(noisy, budget=60, max_order=2)
    shown = pairs(Reading.of(ex), REDUNDANT | TOGETHER)
    unsure = sum(not (ex.intervals[s][0] > 0 or ex.intervals[s][1] < 0) for s, _ in shown)
    assert gallery(Presentation(ex)).count("may be chance") >= unsure > 0


def test_hostile_examples_stay_text(explanation):
    players = tuple(Player(text, "example", text) for text in (HOSTILE * 4)[: len(explanation.players)])
    page = Page(gallery(Presentation(replace(explanation, players=players))))
    assert not page.having("script")
    assert not page.having("img")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script> ${alert(2)} {{x}} `y`" in page.text


def test_a_picture_has_a_cell_for_each_dark_pixel():
    svg = digit([[0.0, 1.0], [0.5, 0.0]])
    assert svg.count("<rect") == 3
    assert 'x="1" y="0"' in svg
    assert 'opacity="0.50"' in svg
