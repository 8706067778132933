"""Stories of how far to believe: budgets, engines, indices, failures, checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import view_samples as sample
from planted_reader import Kept
from stories_of_documents import ALIBI, IN_TOWN, KEY, WHERE, answered, between

import spexapi

RIVERS = (
    "The Danube flows through Vienna.",
    "Vienna is a city in Austria.",
    "The Rhine flows through Cologne.",
)
REST = (
    "Tom feeds the dog.",
    "The dog is old.",
    "The vase is blue.",
    "Anna reads a book.",
    "The tea is cold.",
)
TEN = (*KEY, *REST)


def cellar(kept: Kept) -> Mapping[str, float]:
    return between("the cellar", "the attic", 0.9375 if {1, 3} <= kept else 0.0625)


def in_the_dark(r2: float | None, low: float = 0.0, high: float = 0.0) -> spexapi.Explanation:
    """Two documents together, of which nothing was asked for the story."""
    method = "out-of-fold" if r2 is not None else "none"
    found = sample.audit(r2, low, high, method)
    if r2 is None:
        found = replace(
            found, notes=("No mask was kept aside, so nothing is known of how well this predicts.",)
        )
    return sample.unconfirmed(sample.documents(sample.and_of_two, found=found))


def probably() -> spexapi.Explanation:
    return in_the_dark(0.75, 0.625, 0.875)


def perhaps() -> spexapi.Explanation:
    return in_the_dark(0.5625, 0.375, 0.6875)


def cannot_tell() -> spexapi.Explanation:
    return in_the_dark(0.25, 0.125, 0.375)


def without_a_check() -> spexapi.Explanation:
    return in_the_dark(None)


def no_better_than_the_mean() -> spexapi.Explanation:
    return in_the_dark(-0.125, -0.5, 0.0)


def strong_with_estimates() -> spexapi.Explanation:
    return sample.documents(sample.hurt_by_one)


def many_documents_and_a_small_budget() -> spexapi.Explanation:
    return answered(TEN, cellar, WHERE, budget=48)


def too_early() -> spexapi.Explanation:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(0)
        return len(asked) > 2

    return answered(KEY, cellar, WHERE, engine="lime", budget=16, should_stop=stop)


def stopped_early() -> spexapi.Explanation:
    whole = sample.documents(sample.and_of_two)
    seen = whole.observations.take(np.arange(24))
    return replace(whole, observations=seen, stopped=True, recipe=replace(whole.recipe, fitted=24, asked=0))


def a_document_without_which_every_call_fails() -> spexapi.Explanation:
    def fails(kept: Kept) -> str:
        return "" if 1 in kept else "the reply was empty"

    return answered(KEY, cellar, WHERE, "the cellar", fails=fails)


def one_of_two_documents_must_stay() -> spexapi.Explanation:
    def fails(kept: Kept) -> str:
        return "" if kept & {0, 1} else "the reply was empty"

    return answered(KEY, cellar, WHERE, "the cellar", fails=fails)


def failures_that_follow_no_document() -> spexapi.Explanation:
    def fails(kept: Kept) -> str:
        return "the server was busy" if kept in ({0, 2, 3}, {1, 4}, {2, 3, 4}) else ""

    return answered(KEY, cellar, WHERE, "the cellar", fails=fails)


def heavy_tail() -> spexapi.Explanation:
    from test_heavy_tails import any_of_four

    game = spexapi.FunctionGame(any_of_four, [f"source {i + 1}" for i in range(10)])
    return spexapi.explain(game, budget=80)


def index_of_shapley_values() -> spexapi.Explanation:
    return answered(KEY, cellar, WHERE, index="sv")


def leave_one_out() -> spexapi.Explanation:
    return answered(KEY, cellar, WHERE, engine="loo")


def lime() -> spexapi.Explanation:
    return answered(TEN, cellar, WHERE, engine="lime", budget=40)


def pairwise() -> spexapi.Explanation:
    return answered(TEN, cellar, WHERE, engine="pairwise", budget=96)


def verified() -> spexapi.Explanation:
    from planted_reader import Reader

    game = spexapi.RagGame(Reader(KEY, cellar), WHERE, KEY, "the cellar")
    found = spexapi.explain(game, budget=32)
    return replace(found, verification=spexapi.verify(game, found, k=2, backgrounds=1))


def embedded_chain() -> spexapi.Explanation:
    texts = (
        "The lamp is in the attic.",
        "The key is in the box.",
        "The box is in the cellar.",
        "Mary sings.",
    )
    return spexapi.explain(spexapi.RagGame("embedded", WHERE, texts), budget=16)


def words_that_the_built_in_model_does_not_know() -> spexapi.Explanation:
    return spexapi.explain(spexapi.RagGame("embedded", "Which river does Vienna lie on?", RIVERS), budget=8)


def any_four_of_six_documents() -> spexapi.Explanation:
    rule = lambda kept: between("yes", "no", 0.9375 if len(kept) > 3 else 0.0625)  # noqa: E731
    return answered(ALIBI[:6], rule, IN_TOWN)
