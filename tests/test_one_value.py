"""The value of everything kept, and of nothing kept, is one number: measured if it was, in every view."""

import json
from dataclasses import replace

import numpy as np
import pytest
import view_samples as sample

import spexapi
from spexapi.explanation.reading import Reading
from spexapi.explanation.values import MaskValues
from spexapi.fourier.spectrum import Spectrum
from spexapi.games.base import Spent, Target
from spexapi.measurements import Measurements
from spexapi.narrative.story import tell

SPECTRUM = Spectrum(3, {(): 1.0, (0,): -0.5, (1,): -0.5, (0, 1): 0.11})  # predicts 2.11 for everything


def noisy(*rows):
    """Measurements from (kept, value, variance) or (kept, value, variance, lower, upper)."""
    masks = np.array([[i in row[0] for i in range(3)] for row in rows])
    values, variance = (np.array([float(row[k]) for row in rows]) for k in (1, 2))
    lower, upper = (np.array([float(row[k] if len(row) > 3 else row[1]) for row in rows]) for k in (3, 4))
    return Measurements(masks, values, variance, lower, upper, ("",) * len(rows))


ALL = {0, 1, 2}
# 1/1 and 1/0.25 weigh the two measurements: (3.0 + 4 * 4.0) / 5
SEEN = noisy((ALL, 3.0, 1.0), ({0}, 1.0, 0.5), (ALL, 4.0, 0.25), ({1}, 0.5, 0.5))


@pytest.fixture(scope="module")
def explanation():
    return replace(sample.function(SPECTRUM, list("abc")), observations=SEEN)


def test_the_value_is_the_mean_of_its_measurements_weighed_by_their_variance(explanation):
    assert explanation.value_of(kept=True) == pytest.approx(3.8)
    assert explanation.value_of(kept=False) == pytest.approx(0.11)
    known = MaskValues(SEEN, SPECTRUM)
    assert known.at(ALL).measured
    assert not known.at(()).measured


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([(ALL, 3.0, 1.0), (ALL, 5.0, 0.0)], 5.0),  # what has no noise decides
        ([(ALL, 3.0, 1.0, -np.inf, 3.0), (ALL, 5.0, 1.0)], 5.0),  # what is more than a bound decides
        ([(ALL, 3.0, 0.0, -np.inf, 3.0), (ALL, 5.0, 1.0)], 5.0),
        ([(ALL, np.nan, 0.0), (ALL, 5.0, 1.0)], 5.0),
        ([(ALL, np.nan, 0.0)], 2.11),
    ],
)
def test_the_surest_measurements_count(rows, value):
    assert MaskValues(noisy(*rows), SPECTRUM).at(ALL).value == pytest.approx(value)


def test_every_view_has_the_same_value(explanation, tmp_path):
    from spexapi.views.html.proof import proof
    from spexapi.views.live import live
    from spexapi.views.presentation import Presentation

    reading, steps = Reading.of(explanation), {s.label: s.ablation for s in tell(explanation).steps}
    assert (reading.ablate(ALL).value, reading.ablate(ALL).measured) == (pytest.approx(3.8), True)
    assert (steps["all 3 players"].value, steps["no players"].measured) == (pytest.approx(3.8), False)
    assert "Everything kept: 3.80; nothing kept: ≈ 0.11 (≈ +3.69)" in str(explanation)
    drawn = Presentation(explanation)
    assert ">3.80<" in proof(drawn)
    assert ">≈ 0.11<" in proof(drawn)
    sent = json.loads(live(drawn))
    assert (sent["all"], sent["none"]) == (pytest.approx(3.8), None)
    assert ">3.80<" in explanation.to_html()
    explanation.to_json(tmp_path / "e.json")
    assert spexapi.Explanation.from_json(tmp_path / "e.json").value_of(kept=True) == pytest.approx(3.8)


class Noisy:
    """A game whose every measurement is off by chance, and says so."""

    players = tuple(spexapi.Player(label) for label in "abcdefgh")
    batch, backend_name, spent = 8, "", Spent()

    def __init__(self):
        self.rng = np.random.default_rng(0)

    async def prepare(self):
        return Target()

    async def measure(self, masks):
        values = 2.0 * masks[:, :2].all(axis=1) + self.rng.normal(size=len(masks))
        return Measurements(masks, values, np.ones(len(masks)), values, values, ("",) * len(masks))

    async def close(self):
        pass


def test_a_noisy_game_is_told_by_what_was_measured():
    ex = spexapi.explain(Noisy(), engine="proxyspex", budget=60)
    rows = ex.observations.masks.all(axis=1)
    measured = float(ex.observations.values[rows].mean())
    assert ex.value_of(kept=True) == measured
    assert f"Everything kept: {measured:.2f}" in str(ex)
