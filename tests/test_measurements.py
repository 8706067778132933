"""Measurements: checked when built, joined without loss."""

from dataclasses import replace

import numpy as np
import pytest

import spexapi
from spexapi import InputError
from spexapi.backends.base import AnswerScore, Reply
from spexapi.games._values import of_scores
from spexapi.measurements import Measurements, exact_values, join, nothing
from spexapi.scorers.registry import find_scorer


def some(m=3, tokens=None, n=4):
    rng = np.random.default_rng(m)
    return exact_values(rng.random((m, n)) < 0.5, rng.random(m), token_values=tokens)


def test_values_that_are_not_finite_become_nan_with_a_reason():
    seen = exact_values(np.ones((3, 2), bool), np.array([1.0, np.inf, np.nan]))
    assert seen.n_failed == 2
    assert np.isnan(seen.values[1:]).all()
    assert seen.reason == ("", "the value is inf", "the value is nan")


def test_arrays_are_read_only_and_not_the_callers():
    masks, values = np.ones((2, 3), bool), np.array([1.0, 2.0])
    seen = exact_values(masks, values)
    values[0] = 9.0
    assert seen.values[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        seen.values[0] = 5.0


def test_joining_keeps_order_and_empty_parts_change_nothing():
    first, second = some(3, np.ones((3, 2))), some(2, np.zeros((2, 2)))
    both = join([nothing(4), first, second, nothing(4)])
    assert len(both) == 5
    assert both.token_values is not None
    assert both.token_values.tolist() == [[1, 1]] * 3 + [[0, 0]] * 2
    assert both.values.tolist() == [*first.values, *second.values]


def test_a_part_where_all_failed_has_nan_token_values():
    failed = exact_values(np.ones((2, 4), bool), np.full(2, np.nan), reason=["down", "down"])
    both = join([some(3, np.ones((3, 2))), failed])
    assert both.token_values is not None
    assert np.isnan(both.token_values[3:]).all()


def test_token_values_are_dropped_where_a_part_that_worked_has_none():
    assert join([some(3, np.ones((3, 2))), some(2)]).token_values is None


@pytest.mark.parametrize(
    "change",
    [
        {"values": np.zeros(2)},
        {"masks": np.zeros((3, 4))},
        {"reason": ("",)},
        {"token_values": np.zeros((2, 2))},
    ],
)
def test_parts_that_do_not_fit_are_refused(change):
    good = some(3)
    parts = {
        name: getattr(good, name) for name in ("masks", "values", "variance", "lower", "upper", "reason")
    }
    with pytest.raises(InputError):
        Measurements(**{**parts, **change})


def test_taking_rows_by_number_and_by_mask_agrees():
    seen = some(4, np.arange(8.0).reshape(4, 2))
    by_mask = seen.take(np.array([True, False, True, False]))
    by_number = seen.take(np.array([0, 2]))
    assert by_mask.values.tolist() == by_number.values.tolist() == seen.values[[0, 2]].tolist()
    assert by_number.token_values is not None
    assert by_number.token_values.tolist() == [[0, 1], [4, 5]]


def test_a_bound_survives_json_and_never_becomes_a_value(tmp_path):
    masks = np.array([[a, b] for a in (True, False) for b in (True, False)])
    measured = exact_values(masks, np.array([-1.0, -2.0, -3.0, np.nan]))
    censored = replace(measured, lower=np.array([-1.0, -np.inf, -3.0, np.nan]))

    class Censored(spexapi.FunctionGame):
        async def measure(self, asked):
            return censored.take(np.array([np.flatnonzero((masks == row).all(axis=1))[0] for row in asked]))

    ex = spexapi.explain(Censored(lambda rows: rows.sum(axis=1), 2), budget=4)
    ex.to_json(tmp_path / "ex.json")
    seen = spexapi.Explanation.from_json(tmp_path / "ex.json").observations

    bound = np.flatnonzero(seen.values == -2.0)[0]
    assert seen.lower[bound] == -np.inf
    assert seen.upper[bound] == -2.0
    assert np.isnan(seen.lower[np.isnan(seen.values)]).all()


def test_a_span_with_a_token_that_is_only_bounded_has_no_value():
    score = AnswerScore(np.array([-1.0, -9.0]), ((0, 3), (3, 6)), bounded=(False, True))
    found = of_scores(find_scorer("logprob"), np.ones((1, 2), dtype=bool), [Reply((score,))])

    first, second = (found.with_values(found.token_values[:, i]) for i in (0, 1))
    assert (found.values[0], found.lower[0], found.upper[0]) == (-10.0, -np.inf, -10.0)
    assert (first.values[0], first.reason[0]) == (-1.0, "")
    assert np.isnan(second.values[0])
    assert "bounded" in second.reason[0]


def test_minus_infinity_is_told_from_no_number_also_after_json(tmp_path):
    def value(masks):
        return np.where(masks[:, 0], masks.sum(axis=1), np.where(masks[:, 1], -np.inf, np.nan))

    ex = spexapi.explain(spexapi.FunctionGame(value, 3), budget=8)
    ex.to_json(tmp_path / "ex.json")
    saved = spexapi.Explanation.from_json(tmp_path / "ex.json").observations

    lost = ~ex.observations.masks[:, 0]
    for seen in (ex.observations, saved, join([nothing(3), saved])):
        assert np.isnan(seen.values[lost]).all()
        assert seen.infinite.tolist() == np.where(lost & seen.masks[:, 1], -np.inf, 0.0).tolist()


def test_an_infinite_token_leaves_the_other_tokens_a_value():
    score = AnswerScore(np.array([-1.0, -np.inf]), ((0, 3), (3, 6)))
    found = of_scores(find_scorer("logprob"), np.ones((1, 2), dtype=bool), [Reply((score,))])

    first, second = (found.with_values(found.token_values[:, i]) for i in (0, 1))
    assert found.infinite.tolist() == second.infinite.tolist() == [-np.inf]
    assert (first.values[0], first.infinite[0], first.reason[0]) == (-1.0, 0.0, "")
