"""The game that was explained, measured again in the value that was explained."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from spexapi.errors import InputError
from spexapi.explanation.explanation import Explanation
from spexapi.games.base import Game, Target
from spexapi.measure import collect
from spexapi.measurements import Bools, Measurements
from spexapi.scorers.logprobs import span_values
from spexapi.scorers.registry import find_scorer

Measure = Callable[[Bools], Awaitable[Measurements]]


@asynccontextmanager
async def measuring(
    game: Game, ex: Explanation, known: Measurements | None = None
) -> AsyncGenerator[Measure]:
    """Opens the game; gives masks (m, n) -> m measurements of what the explanation explains.

    known  measured before: masks in it are not asked again

    Raises InputError if the game has another answer or score than the explanation.
    """

    async def measure(masks: Bools) -> Measurements:
        seen = await collect(game, masks, known=known)
        return seen if ex.target.span is None else _of_span(seen, ex.target)

    try:
        _check_target(await game.prepare(), ex.target)
        yield measure
    finally:
        await game.close()


def check_players(game: Game, ex: Explanation) -> None:
    """Raises InputError if the game has other players than the explanation."""
    if tuple(p.label for p in game.players) != tuple(p.label for p in ex.players):
        raise InputError(
            f"the explanation is of {ex.n_players} players, the game has {len(game.players)} or others: give"
            " a game of the same ones"
        )


def _check_target(target: Target, explained: Target) -> None:
    for what, now, then in (
        ("answer", target.answer, explained.answer),
        ("score", target.score, explained.score),
    ):
        if now != then:
            raise InputError(f"the game's {what} is {now!r}, the explanation's {then!r}: give the same one")


def _of_span(seen: Measurements, target: Target) -> Measurements:
    if seen.token_values is None or target.span is None:
        raise InputError("the game gave no log-probability for each token, which explaining a span needs")
    values = span_values(find_scorer(target.score), seen.token_values, target.answer_offsets, target.span)
    return seen.with_values(values)
