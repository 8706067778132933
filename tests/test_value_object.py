"""An explanation in the hands of a programmer: one line, equal when equal, picklable, read like a mapping."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import view_samples as sample
from test_explanation import TwoTokens, planted

import spexapi
from spexapi.fourier.spectrum import Spectrum


def fails(masks):
    return np.where(masks[:, 3] & masks[:, 4], np.nan, planted(masks))


@pytest.fixture(scope="module", params=["exact", "proxyspex", "spex", "failures", "tokens", "verified"])
def explanation(request):
    if request.param == "tokens":
        return spexapi.explain(TwoTokens(), budget=64)
    if request.param == "failures":
        return spexapi.explain(spexapi.FunctionGame(fails, players=6), engine="proxyspex", budget=50)
    if request.param == "spex":
        many = spexapi.FunctionGame(planted, players=16)
        return spexapi.explain(many, engine="spex", budget=300)
    game = spexapi.FunctionGame(planted, players=list("abcdef"))
    if request.param == "verified":
        ex = spexapi.explain(game, engine="proxyspex", budget=40)
        ex = replace(ex, verification=spexapi.verify(game, ex, k=2, backgrounds=1))
        return replace(ex, pruned=spexapi.prune(game, ex, 2))
    return spexapi.explain(game, engine=request.param, budget=64)


def test_its_repr_is_one_short_line(explanation):
    assert "\n" not in repr(explanation)
    assert len(repr(explanation)) < 200
    assert repr(explanation).startswith(f"Explanation({explanation.n_players} players, fbii, ")


def test_the_repr_says_what_was_found_and_how_far_to_trust_it():
    ex = replace(sample.documents(sample.and_of_two), cost=spexapi.explanation.explanation.Cost(calls=64))
    assert repr(ex) == (
        "Explanation(10 players, fbii, R² 0.94 (0.88-0.97), proxyspex, 64 calls;"
        " strongest: document 1 + document 2 +4.98)"
    )
    exact = replace(ex, audit=sample.audit(1.0, 1.0, 1.0, "exact"), stopped=True)
    assert ", fbii, exact, proxyspex, 64 calls, stopped early; " in repr(exact)
    nothing = sample.function(Spectrum(2, {(): 0.0}), ["a\nb", "c"])
    assert repr(replace(nothing, audit=sample.audit(None, method="none"))) == (
        "Explanation(2 players, fbii, no R², proxyspex, 0 calls; no effect found)"
    )
    hostile = sample.function(Spectrum(2, {(): 0.0, (0,): -1.0}), ["a\nb\x1b[31m", "c"])
    assert repr(hostile).endswith("strongest: a b [31m +2.00)")


def test_copies_are_equal_and_changed_ones_are_not(explanation, tmp_path):
    explanation.to_json(tmp_path / "e.json")
    first, second = (spexapi.Explanation.from_json(tmp_path / "e.json") for _ in range(2))
    for other in (pickle.loads(pickle.dumps(explanation)), copy.deepcopy(explanation), first):
        assert other == explanation
        assert hash(other) == hash(explanation)
    assert first == second
    assert explanation != replace(explanation, notes=("another",))
    assert explanation != replace(explanation, interactions={**explanation.interactions, (0,): 99.0})
    longer = explanation.observations.with_values(explanation.observations.values + 1)
    assert explanation != replace(explanation, observations=longer)
    seen = explanation.observations
    tokens = None if seen.token_values is not None else np.zeros((len(seen), 1))
    other = replace(explanation, observations=replace(seen, token_values=tokens))
    assert explanation != other
    assert other != explanation
    assert explanation != "an explanation"


def test_a_pickled_explanation_works_as_before(explanation):
    back = pickle.loads(pickle.dumps(explanation))
    assert str(back) == str(explanation)
    assert dict(back.values("fsii", 2)) == dict(explanation.values("fsii", 2))


def test_an_interaction_is_read_by_its_players_in_any_order():
    game = spexapi.FunctionGame(planted, players=list("abcdef"))
    ex = spexapi.explain(game, budget=64, index="moebius")
    assert ex[0, 1] == ex[1, 0] == ex[np.int64(1), 0] == ex.interactions[0, 1] == pytest.approx(2.0)
    assert ex[2] == ex[(2,)] == pytest.approx(-1.0)
    assert ex[[1, 0]] == ex[{0, 1}] == ex[0, 1]
    assert ex[3, 4] == 0.0
    assert ex[()] == pytest.approx(0.0)
    assert len(ex) == len(list(ex)) == len(ex.interactions)
    assert set(ex) == set(ex.interactions)
    assert (1, 0) in ex
    assert (3, 4) not in ex
    assert (0, 77) not in ex
    assert "a" not in ex


@pytest.mark.parametrize("key", [(0, 6), 6, (-1,), (0, 0), "a", (0, "b"), (0.0, 1.0), None, True])
def test_what_is_no_interaction_of_the_players_is_refused(key):
    ex = sample.function(Spectrum(6, {(): 0.0, (0,): -1.0}), list("abcdef"))
    with pytest.raises(spexapi.InputError, match="players are numbered 0 to 5"):
        ex[key]


def test_an_explanation_without_any_interaction_is_still_true():
    assert replace(sample.function(Spectrum(2, {}), ["a", "b"]), interactions={})
