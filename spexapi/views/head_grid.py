"""Where each part of a model is drawn: a row a layer, the last one on top, a column a head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spexapi.backends.huggingface.components import Component
from spexapi.errors import InputError

if TYPE_CHECKING:
    from spexapi.games.base import Player
    from spexapi.views.presentation import Combination

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Grid:
    """components: of the players; columns: the heading of each; layers: of the rows, from the top."""

    components: tuple[Component, ...]
    columns: tuple[str, ...]
    layers: tuple[int, ...]

    @classmethod
    def of(cls, players: Sequence[Player]) -> Grid:
        """Raises InputError if a player is no part of a model."""
        parts = tuple(player.component for player in players if player.component is not None)
        if len(parts) < len(players):
            kinds = ", ".join(dict.fromkeys(p.kind for p in players if p.component is None))
            raise InputError(
                f"a map of heads needs players of a HeadGame: these ({kinds}) are no parts of a model"
            )
        columns = dict.fromkeys(_column(p) for p in sorted(parts, key=lambda p: (_rank(p), p.index)))
        return cls(parts, tuple(columns), tuple(sorted({p.layer for p in parts}, reverse=True)))

    def place(self, player: int) -> tuple[int, int]:
        """(column, row) of a player, from 0."""
        part = self.components[player]
        return self.columns.index(_column(part)), self.layers.index(part.layer)


def letters_of(
    found: Sequence[Combination], middle: Callable[[int], Point], apart: Point, lift: float
) -> dict[str, Point]:
    """Where the letter of each combination stands: amid its players, aside if another one is there.

    middle  of a player's cell; apart: how far two letters must be from each other
    lift    how far above its players a letter stands if all are in one row: over the cells between them
    """
    placed: dict[str, Point] = {}
    for c in found:
        ends = [middle(i) for i in c.players]
        x, y = (sum(place) / len(ends) for place in zip(*ends, strict=True))
        if len({place[1] for place in ends}) == 1:
            y -= lift
        while any(abs(x - a) < apart[0] and abs(y - b) < apart[1] for a, b in placed.values()):
            x += apart[0] / 2
        placed[c.letter] = (x, y)
    return placed


def _column(part: Component) -> str:
    return {"mlp": "MLP", "layer": "all of it"}.get(part.kind, str(part.index))


def _rank(part: Component) -> int:
    return ("head", "neuron", "mlp", "layer").index(part.kind)
