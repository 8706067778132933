"""Which interaction is meant by the players that someone names."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import SupportsIndex, cast

from spexapi.errors import InputError
from spexapi.fourier.spectrum import Interaction


def interaction_of(players: object, n_players: int) -> Interaction:
    """The sorted numbers of a player or of several in any order. Raises InputError if these are none."""
    given: list[object] = [players]
    if isinstance(players, Iterable) and not isinstance(players, str | bytes):
        given = list(cast("Iterable[object]", players))
    numbers = sorted(index(i) for i in given if isinstance(i, SupportsIndex) and not isinstance(i, bool))
    if len(set(numbers)) < len(given) or not all(0 <= i < n_players for i in numbers):
        raise InputError(
            f"{players!r} is no interaction: the players are numbered 0 to {n_players - 1}, "
            "and each can be named once, such as ex[0, 1]"
        )
    return tuple(numbers)
