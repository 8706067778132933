"""What was once said wrongly, and what is right."""

import json
from dataclasses import replace

import numpy as np
import pytest
import view_samples as sample
from fake_backend import FakeBackend

import spexapi
from spexapi.explanation.claims.claims import Kind, meaning_of
from spexapi.explanation.claims.search import claims_of
from spexapi.explanation.reading import Meaning, Reading
from spexapi.measurements import exact_values
from spexapi.narrative.story import tell
from spexapi.narrative.wording import valued
from spexapi.views.live import live
from spexapi.views.presentation import Presentation
from spexapi.views.terminal import plain


def claims(explanation):
    return claims_of(Reading.of(explanation))


def needs_two(masks):
    return 6.0 * masks[:, :2].all(axis=1) + 0.3 * masks[:, 2]


def planted(engine="auto", budget=64, **options):
    return spexapi.explain(spexapi.FunctionGame(needs_two, 6), engine=engine, budget=budget, **options)


@pytest.mark.parametrize("options", [{"index": "sv"}, {"index": "bv"}, {"max_order": 1}])
def test_an_index_of_single_players_does_not_say_that_no_combination_stands_out(options):
    ex = planted(**options)

    for said in (plain(ex), ex.to_html(), str(ex.plot("network").layout), str(ex.plot("upset").layout)):
        assert "acts on its own" not in said
    assert "of single players knows no combinations" in " ".join(plain(ex).split())


@pytest.mark.parametrize("engine", ["loo", "lime", "contextcite", "kernelshap"])
def test_an_engine_of_single_players_does_not_say_so_either(engine):
    ex = planted(engine, budget=48)

    assert f"The engine {engine} knows no combinations" in plain(ex)
    assert "acts on its own" not in ex.to_html()
    assert "acts on its own" in plain(spexapi.explain(spexapi.FunctionGame(lambda m: 1.0 * m[:, 0], 4)))


@pytest.mark.parametrize("engine", ["loo", "lime"])
def test_an_engine_without_an_audit_speaks_without_a_check(engine):
    ex = planted(engine, budget=40)

    assert ex.audit.r2 is None
    assert "without a check" in " ".join(plain(ex).split()).lower()


@pytest.mark.parametrize("engine", ["pairwise", "contextcite"])
def test_everything_kept_is_what_the_model_said_of_it(engine):
    ex = planted(engine, budget=40)

    assert "Everything kept: 6.30; nothing kept: 0.00" in plain(ex)
    assert "≈" not in plain(ex).splitlines()[2]


def test_an_interaction_that_may_be_nothing_has_no_meaning():
    ex = sample.documents(lambda kept: -1.0 * (0 not in kept) - 0.4 * ({1, 2} <= kept))
    unsure = replace(ex, intervals={(1, 2): (-0.9, 0.2), (0,): (0.5, 1.2)})

    reading = Reading.of(unsure)
    assert meaning_of(reading, claims(unsure), (1, 2)) is Meaning.UNCLEAR
    assert unsure.meaning((1, 2)) == "not told apart from nothing"
    assert (1, 2) not in [c.players for c in Presentation(unsure).drawn]
    assert reading.meaning((0,)) is Meaning.HELPS


def test_what_is_under_a_quarter_of_the_strongest_is_not_drawn():
    ex = sample.documents(lambda kept: -13.0 * (not {0, 1} <= kept) - 2.0 * (not kept & {2, 3}))

    drawn = [set(c.players) for c in Presentation(ex).drawn]
    assert {0, 1} in drawn
    assert {2, 3} not in drawn


def tokens(rows):
    """An explanation of an answer of several tokens: rows of (kept, log-probability of each)."""
    n = 3
    masks = np.array([[i in kept for i in range(n)] for kept, _ in rows])
    table = np.array([logprobs for _, logprobs in rows], dtype=float)
    ex = sample.documents(lambda kept: dict((k, sum(t)) for k, t in rows)[kept], n=n, active=n)
    t = table.shape[1]
    target = replace(ex.target, answer="x" * t, answer_offsets=tuple((i, i + 1) for i in range(t)))
    seen = exact_values(masks, table.sum(axis=1), token_values=table)
    recipe = replace(ex.recipe, asked=0, fitted=len(rows))
    return replace(ex, observations=seen, target=target, recipe=recipe)


def all_sets():
    return [frozenset(i for i in range(3) if k >> i & 1) for k in range(8)]


def test_an_answer_one_of_whose_tokens_is_lost_is_not_enough():
    # ten tokens: with player 0 alone the last one falls from -0.3 to -8, and all others stay
    def row(kept):
        base = -0.2 if 0 in kept else -1.5
        return [base] * 9 + [-0.3 if {0, 2} <= kept else -8.0]

    found = claims(tokens([(kept, row(kept)) for kept in all_sets()]))

    assert (found.kind, found.core, found.confirmed) == (Kind.CORE, (0, 2), True)


def test_a_long_answer_that_is_a_thousand_times_less_likely_is_not_kept():
    def row(kept):
        return [-0.1] * 20 if {0, 1} <= kept else [-0.46] * 20 if 0 in kept else [-2.0] * 20

    assert claims(tokens([(kept, row(kept)) for kept in all_sets()])).core == (0, 1)


@pytest.mark.parametrize("shift", [-0.05, 0.05, -3.0])
def test_values_that_all_move_alike_name_the_same_players(shift):
    # -4.59 nats lie at a probability of 1%
    def value(kept):
        return -4.592 if {3, 4} <= kept else -7.0 if kept & {3, 4} else -9.5

    still = claims(sample.documents(value))
    moved = claims(sample.documents(lambda kept: value(kept) + shift))

    assert still.core == moved.core == (3, 4)


@pytest.mark.parametrize("seed", range(30))
def test_values_that_move_a_little_name_the_same_players_or_it_is_said_to_be_close(seed):
    rng = np.random.default_rng(seed)
    level = rng.normal(size=16) * 2

    def value(kept):
        need = {0, 1} if seed % 3 else {0, 1, 2}
        return -1.0 - 5.0 * (not need <= kept) + 0.1 * level[sum(2**i for i in kept if i < 4)]

    noise = {frozenset(k): rng.uniform(-0.05, 0.05) for k in [()]}

    def moved(kept):
        key = frozenset(kept)
        noise.setdefault(key, rng.uniform(-0.05, 0.05))
        return value(kept) + noise[key]

    before, after = sample.documents(value), sample.documents(moved)
    if claims(before).core != claims(after).core:
        assert claims(before).is_close or claims(after).is_close
        assert any("This is close" in aside for ex in (before, after) for aside in tell(ex).asides)


def test_a_share_explained_is_never_below_nothing():
    weak = sample.unconfirmed(sample.documents(sample.and_of_two, found=sample.audit(-0.08, -0.4, 0.1)))

    assert "−8%" not in plain(weak)
    assert "-8%" not in plain(weak)


def bounded(value, score, unit="", **given):
    """Ten players of whom the first five count, of a score; what was not asked is predicted."""
    ex = sample.unconfirmed(sample.documents(value, **given))
    return replace(ex, target=replace(ex.target, score=score, unit=unit, answer="", kind="training"))


def share_right(kept):
    return 0.5 + 0.13 * len(kept & {0, 1, 2, 3})


@pytest.mark.parametrize("score", ["accuracy", "probability", "written", "f1_macro", "roc_auc"])
def test_a12_a_share_is_never_more_than_all_or_less_than_nothing(score):
    ex = bounded(share_right, score)
    part = ex.observations.values <= 1.0
    ex = replace(ex, observations=ex.observations.take(np.flatnonzero(part)))

    assert "Everything kept: ≈ 1.00; nothing kept: ≈ 0.50" in plain(ex)
    for said in (plain(ex), ex.to_html()):
        assert "1.02" not in said
    assert Reading.of(ex).value(range(10)) == 1.0


def test_a12_a_log_probability_is_never_above_zero_nor_a_bar_longer_than_all():
    ex = sample.unconfirmed(sample.documents(lambda kept: -2.0 + 0.9 * len(kept & {0, 1, 2})))
    ex = replace(ex, observations=ex.observations.take(np.flatnonzero(ex.observations.values <= 0)))

    assert Reading.of(ex).full.value == 0.0
    assert "+0.70 nats" not in ex.to_html()


def test_a12_what_a_visitor_or_a_pruning_asks_is_told_within_the_bounds_too():
    ex = bounded(share_right, "accuracy")
    ex = replace(ex, observations=ex.observations.take(np.flatnonzero(ex.observations.values <= 1.0)))
    reading = Reading.of(ex)

    assert (valued(reading, 1.02), valued(reading, -0.3), valued(reading, 0.89)) == ("1.00", "0.00", "0.89")
    told = json.loads(live(Presentation(ex)))
    assert (told["low"], told["high"]) == (0.0, 1.0)


def test_a_score_of_the_users_own_that_goes_beyond_has_no_such_bounds():
    percent = bounded(lambda kept: 50.0 + 13.0 * len(kept & {0, 1, 2, 3}), "accuracy")
    free = bounded(share_right, "value")

    assert Reading.of(percent).value(range(10)) == pytest.approx(102.0)
    assert Reading.of(free).value(range(10)) == pytest.approx(1.02)
    assert json.loads(live(Presentation(free)))["high"] is None


def test_r2_has_an_upper_end_alone():
    ex = bounded(lambda kept: -3.0 + 1.02 * len(kept & {0, 1, 2, 3}), "r2")
    ex = replace(ex, observations=ex.observations.take(np.flatnonzero(ex.observations.values <= 1.0)))

    assert (Reading.of(ex).value(range(10)), Reading.of(ex).value(())) == (1.0, pytest.approx(-3.0))


def given(answer, likely, **options):
    """A run on an answer that was given; the model itself would write "the cellar"."""
    documents = ["The key is in the box.", "The box is in the cellar.", "Anna sleeps."]
    backend = FakeBackend(lambda prompt, said: likely(prompt) * len(said.split()))
    game = spexapi.RagGame(backend, "Where is the key?", documents, answer=answer)
    return spexapi.explain(game, budget=16, seed=0, **options)


def half_a_percent(prompt):
    return -5.8 if "box." in prompt else -9.0


@pytest.mark.parametrize(
    ("answer", "doubt"),
    [
        ("zebra", "The model finds “zebra” only 0.3% likely and would say “the cellar”"),
        (
            "Black Sea",
            "The model does not stand behind “Black Sea” (0.3% a token) and would say “the cellar”",
        ),
    ],
)
def test_a11_a_given_answer_that_is_unlikely_is_said_to_be_so_first(answer, doubt):
    told = tell(given(answer, half_a_percent)).text

    assert told.startswith(f"{doubt}; what speaks for it is document 1")
    assert tell(given(answer, half_a_percent, writes=0)).text.startswith(
        doubt.removesuffix(" and would say “the cellar”")
    )


def test_an_unlikely_answer_that_needs_no_document_is_said_to_be_unlikely_too():
    told = tell(given("zebra", lambda prompt: -5.8)).text

    assert told.startswith("The model finds “zebra” only 0.3% likely and would say “the cellar”. ")
    assert "does not depend" in told


def test_a_given_answer_that_the_model_finds_likely_has_no_doubt():
    assert tell(given("zebra", lambda prompt: -0.1 if "box." in prompt else -9.0)).text.startswith(
        "The model finds “zebra” likely because of document 1"
    )
