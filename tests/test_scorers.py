"""What number a reply becomes."""

import math

import numpy as np
import pytest

from spexapi.backends.base import AnswerScore, Reply
from spexapi.errors import InputError
from spexapi.scorers.base import Scorer
from spexapi.scorers.logprobs import choice, logit, logprob, mean_logprob, span_values
from spexapi.scorers.registry import find_scorer, known_scorers


def reply(*answers):
    return Reply(tuple(AnswerScore(np.array(a), tuple((i, i + 1) for i in range(len(a)))) for a in answers))


def test_logprob_mean_and_logit_of_a_known_probability():
    half_and_fifth = reply([math.log(0.5), math.log(0.2)])
    assert logprob(half_and_fifth) == pytest.approx(math.log(0.1))
    assert mean_logprob(half_and_fifth) == pytest.approx(math.log(0.1) / 2)
    assert logit(half_and_fifth) == pytest.approx(math.log(0.1 / 0.9))


@pytest.mark.parametrize(
    ("log_p", "wanted"),
    [(-1e-12, 27.631021115928548), (-800.0, -800.0), (-math.log(2), 0.0), (-1e-300, 36.7368005696771)],
)
def test_logit_is_right_where_probabilities_run_out_of_digits(log_p, wanted):
    assert logit(reply([log_p])) == pytest.approx(wanted, abs=1e-9)
    assert math.isfinite(logit(reply([0.0])))


def test_choice_weighs_the_first_option_against_all_others():
    odds = choice(reply([math.log(0.5)], [math.log(0.2)], [math.log(0.05)]))
    assert odds == pytest.approx(math.log(0.5 / 0.25))
    assert choice(reply([-2000.0], [-2001.0])) == pytest.approx(1.0)
    with pytest.raises(InputError, match="options"):
        choice(reply([-1.0]))


def test_a_span_counts_the_tokens_it_touches():
    tokens = np.array([[-1.0, -2.0, -4.0], [np.nan] * 3])
    offsets = [(0, 3), (3, 6), (6, 9)]
    values = span_values(find_scorer("logprob"), tokens, offsets, (4, 7))
    assert values[0] == -6.0
    assert np.isnan(values[1])
    assert span_values(find_scorer("mean_logprob"), tokens, offsets, (0, 9))[0] == pytest.approx(-7 / 3)
    with pytest.raises(InputError, match="9 characters"):
        span_values(find_scorer("logprob"), tokens, offsets, (9, 12))
    with pytest.raises(InputError, match="choice"):
        span_values(find_scorer("choice"), tokens, offsets, (0, 3))


def test_scorers_are_found_by_name_and_functions_taken_as_they_are(monkeypatch):
    assert find_scorer("logit").unit == "nats"
    assert find_scorer(logprob).of_reply is logprob
    mine = Scorer("mine", "points", logprob)
    assert find_scorer(mine) is mine
    with pytest.raises(InputError, match=r"'loglik'.*logprob, mean_logprob, logit, choice"):
        find_scorer("loglik")

    class Point:
        name, value = "length", "a:b"

        def load(self):
            return lambda found: float(len(found.scores))

    monkeypatch.setattr("spexapi.scorers.registry.entry_points", lambda **_: (Point(),))
    assert find_scorer("length").of_reply(reply([0.0])) == 1.0
    assert known_scorers()["length"] == "a:b"


def test_plug_ins_find_what_they_need_in_one_place():
    import spexapi.scorers as scorers

    assert scorers.Scorer is Scorer
    assert scorers.find_scorer("logit").of_reply is scorers.logit
    assert {"Ask", "Estimate", "choice", "logprob", "mean_logprob", "span_values"} <= set(scorers.__all__)
