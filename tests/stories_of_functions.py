"""Stories of functions, of training data and of prompts: no documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import view_samples as sample
from planted_reader import Reader

import spexapi

TEAM = ("Anna", "Ben", "Carla", "David", "Emma")
GROUPS = ("news", "forum", "wiki", "spam", "books")


def of(
    value: Callable[[np.ndarray], np.ndarray], players: int | Sequence[str], budget: int = 64, **rest: object
) -> spexapi.Explanation:
    return spexapi.explain(spexapi.FunctionGame(value, players), budget=budget, **rest)


def five_players() -> spexapi.Explanation:
    return of(lambda m: 4.0 * (m[:, 0] & m[:, 2]) + 0.5 * m[:, 3], TEAM)


def one_player_above_all() -> spexapi.Explanation:
    return of(lambda m: 6.0 * m[:, 0] + 2.0 * m[:, 3], TEAM)


def five_players_each_for_itself() -> spexapi.Explanation:
    return of(lambda m: m @ np.array([4.0, 2.0, 1.0, 0.5, 0.25]), TEAM)


def no_player() -> spexapi.Explanation:
    return of(lambda m: np.full(len(m), 2.5), TEAM)


def players_who_lower_the_value() -> spexapi.Explanation:
    return of(lambda m: 8.0 - 3.0 * m[:, 0] - 2.0 * (m[:, 1] & m[:, 2]), TEAM)


def players_for_and_against() -> spexapi.Explanation:
    return of(lambda m: 3.0 * m[:, 0] - 3.0 * m[:, 1], TEAM)


def forty_players() -> spexapi.Explanation:
    # 8 if both of players 3 and 17 are there, 2 more with player 30, 1 less with player 31
    signs = {(): 2.5, (3,): -2.0, (17,): -2.0, (3, 17): 2.0, (30,): -1.0, (31,): 0.5}
    return sample.function(spexapi.Spectrum(40, signs), [f"player {i}" for i in range(40)])


def forty_players_spread() -> spexapi.Explanation:
    signs = {(): 5.0} | {(i,): -0.25 for i in range(20)}
    return sample.function(spexapi.Spectrum(40, signs), [f"player {i}" for i in range(40)])


def minus_infinity_without_a_player() -> spexapi.Explanation:
    return of(lambda m: np.where(m[:, 0], 1.0 + m[:, 1], -np.inf), TEAM)


def minus_infinity_with_a_player() -> spexapi.Explanation:
    return of(lambda m: np.where(m[:, 0], -np.inf, 1.0 + m[:, 1]), TEAM)


def no_value_without_two_players() -> spexapi.Explanation:
    return of(lambda m: np.where(m[:, 0] & m[:, 1], 1.0 + m[:, 2], np.nan), TEAM)


def training_data() -> spexapi.Explanation:
    """Accuracy: news or books teach it, spam spoils some of it."""

    def train(kept: np.ndarray, seed: int) -> frozenset[int]:
        return frozenset(kept.tolist())

    def accuracy(model: frozenset[int]) -> float:
        groups = {row // 2 for row in model}
        return 0.25 + 0.5 * bool(groups & {0, 4}) - 0.25 * (3 in groups)

    game = spexapi.TrainingGame(
        train,
        accuracy,
        [f"row {i + 1}" for i in range(10)],
        groups=[GROUPS[row // 2] for row in range(10)],
        empty=0.25,
        noise=0,
        score="accuracy",
    )
    return spexapi.explain(game, budget=32)


def words_of_a_prompt() -> spexapi.Explanation:
    text = "The film was not good at all"
    sees = text.split()

    def rule(kept: frozenset[int]) -> dict[str, float]:
        if {3, 4} <= kept:
            return {"negative": 0.9375, "positive": 0.0625}
        return (
            {"positive": 0.9375, "negative": 0.0625} if 4 in kept else {"positive": 0.625, "negative": 0.375}
        )

    return spexapi.explain(spexapi.PromptGame(Reader(sees, rule), text), budget=128)
