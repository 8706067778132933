"""A game whose calls in flight can be given up."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import numpy as np

from spexapi.games.base import CanHalt, Game, Target
from spexapi.measurements import Bools, Measurements, exact_values


class CancellableGame:
    """The same game; `cut` gives up the calls in flight, whose masks come back without a value."""

    def __init__(self, game: Game) -> None:
        self._game, self.preparing = game, False
        self._calls: set[asyncio.Future[Measurements]] = set()
        self._given_up = False
        if isinstance(game, CanHalt):
            self.halt = game.halt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._game, name)

    @property
    def as_game(self) -> Game:
        return cast("Game", self)  # what is not here is the game's own

    async def prepare(self) -> Target:
        self.preparing = True
        try:
            return await self._game.prepare()
        finally:
            self.preparing = False

    async def measure(self, masks: Bools) -> Measurements:
        call = asyncio.ensure_future(self._game.measure(masks))
        self._calls.add(call)
        try:
            return await call
        except asyncio.CancelledError:
            if not self._given_up:
                raise
            return exact_values(masks, np.full(len(masks), np.nan), reason=["given up"] * len(masks))
        finally:
            self._calls.discard(call)

    def cut(self) -> None:
        """Gives up what is in flight."""
        self._given_up = True
        for call in self._calls:
            call.cancel()
