"""The terminal table, and the sentences all views share."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
import view_samples as sample
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from spexapi.explanation.claims.search import claims_of
from spexapi.explanation.reading import Meaning, Reading
from spexapi.fourier.spectrum import Spectrum
from spexapi.measurements import exact_values, join
from spexapi.narrative.meaning import said
from spexapi.narrative.story import tell
from spexapi.narrative.wording import percent, signed
from spexapi.views.html.combinations import combinations as combinations_panel
from spexapi.views.html.table import table
from spexapi.views.live import combos
from spexapi.views.presentation import Presentation
from spexapi.views.spreadsheet import to_csv
from spexapi.views.terminal import plain, show


def story(explanation):
    return tell(explanation).text


def test_two_documents_needed_together_are_told_so():
    told = story(sample.documents(sample.and_of_two))

    assert told == "The model said “cellar” because of documents 1 and 2 together: neither is enough alone."


def test_either_of_two_documents_is_told_so():
    told = tell(sample.documents(sample.or_of_two))

    assert "document 1 or 3: either one is enough" in told.text
    assert "loss of both" in told.text
    assert "together" not in told.text
    assert told.asides == ()


def test_a_document_that_hurts_is_named_with_what_its_absence_would_bring():
    explanation = sample.documents(sample.hurt_by_one)
    told = tell(explanation)

    assert "document 2: alone it does more than all documents together" in told.text
    assert told.asides == ("Document 4 pulls the other way: without it, 17% would become 74% (+1.50).",)


def test_additive_documents_are_not_called_together():
    told = story(sample.documents(lambda kept: -4.0 + 2.0 * (0 in kept) + 1.8 * (1 in kept)))

    assert "documents 1 and 2: each adds its part; neither is enough alone." in told


def test_three_needed_documents_are_all_named():
    told = story(sample.documents(lambda kept: -0.1 if {0, 2, 3} <= kept else -5.0))

    missing = "no two of them are enough."
    assert f"documents 1, 3 and 4 together: {missing}" in told


def test_one_document_with_a_spare_pair_is_not_called_needed():
    told = tell(sample.documents(lambda kept: -0.1 if 0 in kept or {1, 2} <= kept else -5.0))

    assert "document 1: it is enough alone, but so are the others." in told.text
    assert told.asides == ("Documents 2 and 3 are enough as well.",)


def test_a_needed_document_whose_partner_can_be_replaced_is_told_with_it():
    explanation = sample.documents(lambda kept: -0.1 if 0 in kept and kept & {1, 2} else -5.0)
    told = tell(explanation)

    assert "documents 1 and 2 together" in told.text
    assert told.asides == (
        "Leave out only document 2, and the answer stays: the other documents make up for it.",
    )


def test_a_quarter_of_the_probability_is_not_enough():
    nats = {frozenset({0, 1}): -0.02, frozenset({0}): -1.4, frozenset({1}): -8.0}
    told = story(sample.documents(lambda kept: nats.get(kept & {0, 1}, -8.0)))

    assert "documents 1 and 2 together: document 1 alone goes part of the way." in told


def test_a_part_that_adds_nearly_all_is_named_alone():
    coef = {(): 0.0, (0,): -0.75, (2,): -2.0}
    told = tell(sample.function(Spectrum(3, coef), ["a", "b", "c"]))

    assert (
        told.text
        == "The value comes from c above all: it alone brings 73% of the difference that all players make."
    )
    assert told.asides == ()


def test_a_long_answer_is_likely_by_the_token():
    explanation = sample.documents(lambda kept: -8.0 if {0, 1} <= kept else -40.0, answer="x y z w")
    offsets = ((0, 2), (2, 4), (4, 6), (6, 7))
    long = replace(explanation, target=replace(explanation.target, answer_offsets=offsets))

    ends = "Everything kept: 14% a token; nothing kept: <0.1% a token"
    assert ends in " ".join(plain(long).split())


def test_most_of_the_nats_is_not_most_of_the_probability():
    nats = {frozenset({0, 1}): -0.05, frozenset({1}): -2.3, frozenset({0}): -10.7}
    told = story(sample.documents(lambda kept: nats.get(kept & {0, 1}, -11.7)))

    assert "documents 1 and 2" in told
    assert "neither is enough alone" in told


def test_two_of_more_ways_are_not_called_the_only_two():
    told = story(sample.documents(lambda kept: -0.1 if kept & {0, 1} or {2, 3, 4} <= kept else -5.0))

    assert "document 1 or 2: either one is enough. Even without both the answer stays." in told


def test_an_answer_that_hangs_on_nothing_is_told_so():
    told = story(sample.documents(lambda kept: -0.3))

    assert told == "“cellar” does not depend on any of the documents: it is as likely with none of them."


def test_documents_that_cancel_out_are_told_as_a_pull():
    told = story(sample.documents(lambda kept: -3.0 + 2.0 * (0 in kept) - 2.0 * (1 in kept)))

    assert told == (
        "The model said “cellar” but does not stand behind it (5.0%). "
        "The documents pull against each other: document 1 for, document 2 against."
    )


def test_an_answer_the_documents_speak_against_is_told_so():
    told = story(sample.documents(lambda kept: -5.0 if 1 in kept else -0.5, generated=False))

    assert told == (
        "The model finds “cellar” only 0.7% likely. "
        "Together the documents make “cellar” less likely, above all document 2."
    )


def test_an_unlikely_answer_is_not_called_likely():
    told = story(sample.documents(lambda kept: -3.0 if {0, 1} <= kept else -8.0, generated=False))

    assert told.startswith(
        "The model finds “cellar” only 5.0% likely; what speaks for it is documents 1 and 2"
    )


@pytest.mark.parametrize(
    ("r2", "low", "start"),
    [(0.94, 0.88, "Probably the model said"), (0.8, 0.7, "Probably the"), (0.5, 0.3, "Perhaps the model")],
)
def test_a_story_that_the_model_was_not_asked_about_is_as_sure_as_the_evidence(r2, low, start):
    explanation = sample.unconfirmed(sample.documents(sample.and_of_two, found=sample.audit(r2, low)))

    assert story(explanation).startswith(start)


def test_what_the_model_confirmed_is_told_plainly_whatever_r2_is():
    found = sample.audit(0.3, 0.1, 0.5)

    assert story(sample.documents(sample.and_of_two, found=found)).startswith("The model said")


def test_weak_evidence_tells_no_story():
    weak = sample.documents(sample.and_of_two, found=sample.audit(0.3, 0.1, 0.5))
    explanation = sample.unconfirmed(weak)

    assert "cannot tell why (30% explained)" in story(explanation)
    assert "together" not in story(explanation)
    assert "That is little: raise the budget" in plain(explanation)


def test_a_snapshot_tells_no_story_yet():
    explanation = sample.documents(sample.and_of_two, found=sample.audit(None, method="none"))

    assert story(replace(explanation, stopped=True)) == "Too early to tell why."


def test_the_story_takes_a_measured_value_before_a_predicted_one():
    explanation = sample.unconfirmed(sample.documents(sample.and_of_two))
    seen = explanation.observations
    all_kept = np.ones((1, 10), dtype=bool)
    more = join([seen, exact_values(all_kept, np.array([-0.5]))])
    steps = {s.label: s.ablation for s in tell(replace(explanation, observations=more)).steps}

    assert (steps["all 10 documents"].value, steps["all 10 documents"].measured) == (-0.5, True)
    assert not steps["only document 1"].measured


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        (lambda k: 1.0 * ({0, 1} <= k), Meaning.TOGETHER),
        (lambda k: 1.0 * bool(k & {0, 1}), Meaning.EITHER),
        (lambda k: -1.0 * ({0, 1} <= k), Meaning.HURT_TOGETHER),
        (lambda k: -1.0 * bool(k & {0, 1}), Meaning.HURT_EITHER),
        (lambda k: 1.0 * (0 in k and 1 not in k), Meaning.AGAINST),
        (lambda k: 1.0 * (0 in k or 1 not in k), Meaning.MAKES_UP),
        (lambda k: 1.0 * (0 in k) + 1.0 * (1 in k) + 0.8 * ({0, 1} <= k), Meaning.STRONGER),
        (lambda k: 1.0 * (0 in k) + 1.0 * (1 in k) - 0.4 * ({0, 1} <= k), Meaning.OVERLAP),
    ],
)
def test_a_pair_is_read_from_its_values(value, meaning):
    assert Reading.of(sample.documents(value, active=3)).meaning((0, 1)) == meaning


def test_any_of_three_is_not_called_needed_together():
    reading = Reading.of(sample.documents(lambda k: 1.0 * bool(k & {0, 1, 2})))

    assert reading.meaning((0, 1, 2)) == Meaning.ANY
    assert reading.meaning((0, 1)) == Meaning.EITHER


def test_the_table_fits_80_columns_and_names_the_essentials():
    text = plain(sample.documents(sample.and_of_two))

    assert max(map(len, text.splitlines())) <= 80
    for part in (
        "documents 1 and 2",
        "needed together",
        "+4.98",
        "94%",
        "88–97%",
        "64 model calls",
        "R² = 0.94",
    ):
        assert part in text
    assert "\x1b" not in text


def test_labels_are_no_markup_and_no_control_characters():
    texts = ("[bold]x[/red] \x1b[31mred\r\n", "two\x00 [link=file:///]y", *sample.TEXTS[2:])
    explanation = sample.documents(sample.and_of_two, texts=texts, answer="[/] \x1b[2J")
    out = io.StringIO()
    show(explanation, Console(file=out, width=80, color_system=None))

    assert "[bold]x[/red]" in out.getvalue()
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize(
    "text", ["أين المفتاح الأحمر الآن في البيت الكبير", "钥匙 在 红色 盒子 里面 吗", "🔑 👩‍👩‍👧 ẞ x y"]
)
def test_any_script_and_narrow_terminals_work(text):
    explanation = sample.words(sample.and_of_two, text)
    out = io.StringIO()
    show(explanation, Console(file=out, width=40, color_system=None))

    assert "together" in plain(explanation)
    assert out.getvalue()


def test_a_run_cut_short_and_failures_are_said():
    explanation = sample.unconfirmed(sample.documents(sample.and_of_two))
    cut = replace(explanation, stopped=True, audit=replace(explanation.audit, n_failed=3))

    assert "Stopped early: 64 of 64 selections" in plain(cut)
    assert "3 measurements failed" in plain(cut)


def test_a_function_game_without_values_is_told_without_a_model():
    text = plain(
        sample.function(Spectrum(3, {(): 1.0, (0,): -0.5, (1,): -0.5, (0, 1): 0.5}), ["a", "b", "c"])
    )

    assert "The value comes from a and b together" in text
    assert "%;" not in text


def test_a_thousand_players_stay_a_short_table():
    rng = np.random.default_rng(0)
    coef = {(i,): float(v) for i, v in enumerate(rng.normal(size=1000))}
    text = plain(sample.function(Spectrum(1000, coef), [f"p{i}" for i in range(1000)]))

    assert "988 more with no larger effect are not shown." in text
    assert len(text.splitlines()) < 40


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.0, ">99.9%"),
        (0.997, "99.7%"),
        (0.98, "98%"),
        (0.5, "50%"),
        (0.0123, "1.2%"),
        (0.0002, "<0.1%"),
    ],
)
def test_probabilities_have_the_digits_they_deserve(p, text):
    assert percent(p) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (-0.0, "0.00"),
        (1.234, "+1.23"),
        (-5.0, "−5.00"),
        (0.001, "+0.001"),
        (-1e-12, "−1e−12"),
        (1.1e-16, "0.00"),
    ],
)
def test_numbers_carry_their_sign(value, text):
    assert signed(value) == text


def test_the_table_has_the_interval_of_a_combination_and_says_how_steady_the_fit_is():
    steady = replace(sample.audit(), stability=0.8)
    explanation = replace(
        sample.documents(sample.and_of_two, found=steady), intervals={(0, 1): (4.51, 5.3), (0,): (0.0, 0.0)}
    )
    text = plain(explanation)

    assert max(map(len, text.splitlines())) <= 80
    assert "90% interval" in text
    assert "+4.51 to +5.30" in text
    assert "80% of its strongest effects" in " ".join(text.split())
    assert "90% interval" not in plain(replace(explanation, intervals={})).replace("(90% interval", "")


# -- words beside numbers

INDICES = ("fourier", "moebius", "sii", "stii", "fsii", "fbii", "bii")


def mean_derivative(value, players: tuple[int, ...], n: int) -> float:
    """More or less than the sum of their parts, the mean over every selection of the others."""
    others = [i for i in range(n) if i not in players]
    total = 0.0
    for bits in product((False, True), repeat=len(others)):
        base = frozenset(i for i, bit in zip(others, bits, strict=True) if bit)
        for size in range(len(players) + 1):
            for inside in combinations(players, size):
                total += (-1.0) ** (len(players) - size) * value(base | set(inside))
    return total / 2 ** len(others)


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 3), st.sampled_from(INDICES), st.integers(0, 2**32 - 1))
def test_no_number_contradicts_the_words_beside_it(n, index, seed):
    levels = np.random.default_rng(seed).integers(-5, 6, 2**n).astype(float)

    def value(kept):
        return levels[sum(2**i for i in kept if i < n)]

    ex = sample.documents(value, n=n, active=n).in_index(index)
    reading = Reading.of(ex)
    for players, shown in ex.interactions.items():
        average = mean_derivative(value, players, n)
        if len(players) not in (1, 2) or abs(shown) < reading.floor or abs(average) < 1e-9:
            continue
        if claims_of(reading).meaning(players) is not None:  # the headline's words, which weigh no others
            continue
        number = -shown if index == "fourier" and len(players) == 1 else shown
        words, _, own = said(reading, claims_of(reading), players, shown).partition("; on average, ")
        assert words
        assert bool(own) == (number * average < 0)
        if own:
            assert own.startswith(("helps", "more") if number > 0 else ("hurts", "less"))
            assert own.endswith(f" ({index.upper()})")


def test_a_pair_that_larger_combinations_make_strong_is_told_both_ways():
    def value(kept):  # two that overlap, but with a third are strong
        return 1.0 * (0 in kept) + 1.0 * (1 in kept) - 0.5 * ({0, 1} <= kept) + 2.0 * ({0, 1, 2} <= kept)

    ex = sample.documents(value, n=3, active=3)
    assert ex.interactions[0, 1] == pytest.approx(-0.5)
    assert "on average" in plain(ex)
    for words in (to_csv(ex), combinations_panel(Presentation(ex)), str(combos(Presentation(ex)))):
        assert "stronger together; on average, less than the sum of their parts (FBII)" in words


def test_the_signs_of_fourier_are_explained_where_they_look_odd():
    ex = sample.documents(sample.and_of_two).in_index("fourier")
    assert ex.interactions[0,] < 0
    reading = Reading.of(ex)
    assert said(reading, claims_of(reading), (0,), ex.interactions[0,]) == "helps"
    assert "for one part, or three, a negative number raises the value" in table(ex)
    assert "Fourier counts" not in table(ex.in_index("fbii"))
