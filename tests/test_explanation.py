"""The result: JSON both ways, spans, other indices and engines, other packages' values."""

import asyncio
import json

import numpy as np
import pytest

import spexapi
from spexapi.games.base import Spent, Target
from spexapi.measurements import exact_values


def planted(masks):
    return 2.0 * (masks[:, 0] & masks[:, 1]) - 1.0 * masks[:, 2]


class TwoTokens:
    """A game whose answer has two tokens: the first needs players 0 and 1, the second player 2."""

    players = tuple(spexapi.Player(label) for label in "abcdef")
    batch = 16
    backend_name = "planted"
    spent = Spent()

    async def prepare(self):
        return Target(
            kind="prompt", score="logprob", unit="nats", answer="ab cd", answer_offsets=((0, 2), (2, 5))
        )

    async def measure(self, masks):
        first = np.where(masks[:, 0] & masks[:, 1], -0.5, -4.0)
        second = np.where(masks[:, 2], -1.0, -3.0)
        tokens = np.stack([first, second], axis=1)
        return exact_values(masks, tokens.sum(axis=1), token_values=tokens)

    async def close(self):
        pass


@pytest.fixture(scope="module")
def explanation():
    return spexapi.explain(spexapi.FunctionGame(planted, players=list("abcdef")), budget=64, index="moebius")


def test_json_keeps_everything(explanation, tmp_path):
    explanation.to_json(tmp_path / "e.json")
    back = spexapi.Explanation.from_json(tmp_path / "e.json")
    assert back.to_json() == explanation.to_json()
    assert dict(back.values("fsii", 2)) == dict(explanation.values("fsii", 2))
    assert (back.observations.masks == explanation.observations.masks).all()


def test_json_is_strict_even_with_failed_values(tmp_path):
    def fails(masks):
        return np.where(masks[:, 3] & masks[:, 4], np.nan, planted(masks))

    ex = spexapi.explain(spexapi.FunctionGame(fails, players=6), engine="proxyspex", budget=50)
    text = ex.to_json(tmp_path / "e.json")
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    back = spexapi.Explanation.from_json(tmp_path / "e.json")
    assert np.array_equal(back.observations.values, ex.observations.values, equal_nan=True)
    assert back.observations.reason == ex.observations.reason


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema_version": 99}'])
def test_what_is_no_explanation_is_refused_in_words(text, tmp_path):
    path = tmp_path / "e.json"
    path.write_text(text)
    with pytest.raises(spexapi.InputError, match=r"e\.json"):
        spexapi.Explanation.from_json(path)
    with pytest.raises(spexapi.InputError, match="cannot be read"):
        spexapi.Explanation.from_json(tmp_path / "none.json")


def test_a_span_of_the_answer_is_explained_without_a_new_call(tmp_path):
    ex = spexapi.explain(TwoTokens(), budget=64, index="moebius")
    assert {s for s, _ in ex.top(2)} == {(0, 1), (2,)}
    ex.to_json(tmp_path / "e.json")
    for opened in (ex, spexapi.Explanation.from_json(tmp_path / "e.json")):
        first, second = opened.span(0, 2), opened.span(3, 5)
        assert first.top(1)[0] == ((0, 1), pytest.approx(3.5))
        assert second.top(1)[0] == ((2,), pytest.approx(2.0))
        assert first.target.span == (0, 2)
        assert second.cost == opened.cost


def test_a_span_needs_token_values_and_a_token(explanation):
    with pytest.raises(spexapi.InputError, match="log-probability for each token"):
        explanation.span(0, 1)
    with pytest.raises(spexapi.InputError, match="no token"):
        spexapi.explain(TwoTokens(), budget=64).span(40, 50)


def test_another_engine_reads_the_same_observations():
    ex = spexapi.explain(TwoTokens(), engine="exact", budget=64, index="moebius")
    again = ex.with_engine("proxyspex")
    assert again.engine == "proxyspex"
    assert again.cost == ex.cost
    assert {s for s, _ in again.top(2)} == {(0, 1), (2,)}


def test_shapiq_reads_the_values(explanation):
    values = explanation.in_index("fsii", 2).to_shapiq()
    assert values[(0, 1)] == pytest.approx(2.0)
    assert values.index == "FSII"
    with pytest.raises(spexapi.InputError, match="fourier"):
        explanation.in_index("fourier").to_shapiq()


def test_a_dataframe_has_a_row_an_interaction(explanation):
    frame = explanation.to_dataframe()
    assert frame.iloc[0]["labels"] == "a + b"
    assert frame.iloc[0]["value"] == pytest.approx(2.0)


def test_value_of_everything_and_of_nothing(explanation):
    assert explanation.value_of(kept=True) == pytest.approx(1.0)
    assert explanation.value_of(kept=False) == pytest.approx(0.0)


def test_two_runs_of_one_game_agree():
    game = TwoTokens()
    first = spexapi.explain(game, engine="proxyspex", budget=40, seed=5)
    second = asyncio.run(spexapi.aexplain(game, engine="proxyspex", budget=40, seed=5))
    assert dict(first.interactions) == dict(second.interactions)
