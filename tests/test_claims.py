"""Claims: the spectrum proposes which players are enough, and the story says what the model did."""

import numpy as np
import pytest
from openai_server import Server

import spexapi
from spexapi.explanation.claims.claims import Kind
from spexapi.explanation.claims.search import claims_of
from spexapi.explanation.reading import Reading
from spexapi.narrative.story import tell

N = 12


class Counting:
    def __init__(self, value):
        self.value, self.asked = value, []

    def __call__(self, masks):
        self.asked += [frozenset(np.flatnonzero(row).tolist()) for row in masks]
        return np.array([self.value(kept) for kept in self.asked[-len(masks) :]], dtype=float)


def pair_or_triple(kept):
    """Players 2 and 5 together, or 0, 7 and 9 together, and a player that hurts a little."""
    return 8.0 * ({2, 5} <= kept or {0, 7, 9} <= kept) - 0.5 * (3 in kept)


def explained(value, engine="auto", budget=96, **options):
    counting = Counting(value)
    return spexapi.explain(
        spexapi.FunctionGame(counting, N), engine=engine, budget=budget, **options
    ), counting


def claims(explanation):
    return claims_of(Reading.of(explanation))


@pytest.mark.parametrize(("budget", "most"), [(20, 5), (40, 10), (64, 12), (400, 12)])
def test_the_claims_take_few_of_the_budget_which_is_never_passed(budget, most):
    ex, counting = explained(pair_or_triple, budget=budget)

    assert 0 < ex.recipe.asked <= ex.recipe.claims <= most
    assert len(counting.asked) == len(set(counting.asked)) <= budget
    assert ex.cost.calls == len(counting.asked)


def test_every_set_that_is_named_was_asked():
    ex, counting = explained(pair_or_triple)
    found = claims(ex)

    assert (found.kind, found.core, found.confirmed) == (Kind.CORE, (2, 5), True)
    asked = set(counting.asked)
    everyone = frozenset(range(N))
    assert {everyone, frozenset(), frozenset({2, 5}), everyone - {2, 5}, frozenset({2})} <= asked
    assert found.others == ((0, 7, 9),)
    assert {frozenset({0, 7, 9}), frozenset({0, 7}), everyone - {0, 2, 5, 7, 9}} <= asked
    assert all(step.ablation.measured for step in tell(ex).steps)


def test_what_the_fit_believes_and_the_model_refutes_is_not_said():
    # the pair is believed enough by a fit of first order and pairs; alone it is not
    def value(kept):
        return 10.0 * (len(kept & {1, 2, 3}) == 3) + 2.0 * len(kept & {1, 2}) * (4 in kept)

    for engine in ("contextcite", "pairwise", "auto"):
        ex, _ = explained(value, engine, budget=64)
        found = claims(ex)
        if found.confirmed and found.core:
            full, none = value(frozenset(range(N))), value(frozenset())
            assert value(frozenset(found.core)) >= full - 0.2 * (full - none), engine


@pytest.mark.parametrize("engine", ["pairwise", "contextcite", "lime", "gp", "spex"])
def test_everything_and_nothing_kept_are_measured_whatever_the_engine(engine):
    ex, counting = explained(pair_or_triple, engine, budget=400 if engine == "spex" else 80)

    assert {frozenset(range(N)), frozenset()} <= set(counting.asked)
    assert (ex.value_of(kept=True), ex.value_of(kept=False)) == (7.5, 0.0)


def test_without_claims_the_story_is_told_as_likely():
    ex, _ = explained(pair_or_triple, budget=64, claims=0)

    assert ex.recipe.asked == 0
    assert tell(ex).text.startswith(("Probably ", "Perhaps ", "This run "))


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_unit_of_the_values_changes_no_claim(scale):
    plain, one = explained(pair_or_triple, "pairwise", budget=64)
    scaled, other = explained(lambda kept: scale * pair_or_triple(kept), "pairwise", budget=64)

    assert one.asked[-plain.recipe.asked :] == other.asked[-scaled.recipe.asked :]
    assert tell(plain).text == tell(scaled).text


def test_what_the_claims_leave_the_engine_gets():
    ex, _ = explained(lambda kept: 5.0 * (1 in kept), budget=64)

    assert ex.recipe.asked < ex.recipe.claims == 12
    assert len(ex.observations) == 64


def test_the_model_writes_what_it_says_instead(tmp_path):
    documents = [
        "The lamp is in the attic.",
        "The key is in the box.",
        "The box is in the cellar.",
        "Mary sings.",
    ]
    game = spexapi.RagGame("embedded", "Which room is the key in?", documents)
    ex = spexapi.explain(game, budget=16)
    written = dict(ex.written)

    assert 0 < len(written) <= 6
    assert written[()] != "cellar"
    assert (1, 2) not in written, "it still says the answer: nothing to write"
    assert any(f"it says “{written[1,]}”" in aside for aside in tell(ex).asides)
    ex.to_json(tmp_path / "e.json")
    assert spexapi.Explanation.from_json(tmp_path / "e.json") == ex
    assert "instead" in ex.to_html()
    none = spexapi.explain(game, budget=16, writes=0)
    assert none.written == ()


def test_answers_of_a_day_are_not_waited_for(openai_server: Server):
    backend = spexapi.open_backend("openai:table", base_url=openai_server.url, api_key="any", batch=True)
    plan = spexapi.preview(spexapi.PromptGame(backend, "a b c d e f", "yes"), budget=40)

    assert (plan.claims, plan.writes) == (0, 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_run_that_ends_before_its_claims_tells_the_pair_as_likely(seed):
    def value(masks):
        asked.append(len(masks))
        return np.where(masks[:, 0] & masks[:, 2], -0.1, -4.5)

    asked = []
    game = spexapi.FunctionGame(value, 8)
    found = spexapi.explain(game, budget=128, seed=seed, should_stop=lambda: sum(asked) >= 80)

    assert "the value comes from player 0 and player 2 together" in tell(found).text.lower()
