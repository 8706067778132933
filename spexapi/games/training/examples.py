"""Training examples as players, alone or in groups."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from spexapi.errors import InputError
from spexapi.games.base import Player
from spexapi.games.training.retraining import Ints
from spexapi.measurements import Bools
from spexapi.prompts.given import column_of, is_missing


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """The examples of each player.

    players  n
    group    (e,) the player of each example, -1 if it is always kept
    """

    players: tuple[Player, ...]
    group: Ints

    def kept(self, mask: Bools) -> Ints:
        """The numbers of the examples that a mask (n,) keeps, rising."""
        return np.flatnonzero(np.append(mask, True)[self.group])


def examples_of(
    examples: int | Sequence[str | Player], groups: Sequence[Hashable | None] | None = None
) -> Examples:
    """Players for examples, or for their groups. Raises InputError with what is missing.

    An example whose group is missing (None, NaN) is always kept.
    """
    singles = _singles(examples)
    if not singles:
        raise InputError("the training set is empty: give at least 2 examples")
    if groups is None:
        players, group = singles, np.arange(len(singles))
    else:
        players, group = _grouped(singles, groups)
    if len(players) < 2:
        what = "example" if groups is None else "group of examples"
        raise InputError(f"a game needs at least 2 players to remove, got {len(players)} {what}")
    return Examples(players, group)


def _singles(examples: int | Sequence[str | Player]) -> tuple[Player, ...]:
    if isinstance(examples, bool | str):
        raise InputError(f"examples must be a number or a list of labels, got {examples!r}")
    if isinstance(examples, (int, np.integer)):
        return tuple(Player(f"example {i + 1}", "example") for i in range(int(examples)))
    given = column_of(examples, "examples must be a number or a list of labels")
    return tuple(
        p if isinstance(p, Player) else Player(f"example {i}" if is_missing(p) else str(p), "example")
        for i, p in enumerate(given, 1)
    )


def _grouped(singles: Sequence[Player], groups: Sequence[Hashable | None]) -> tuple[tuple[Player, ...], Ints]:
    given = column_of(groups, "groups must be a list, the group of each example")
    names = [None if is_missing(name) else name for name in given]
    if len(names) != len(singles):
        raise InputError(f"groups must name a group for each of {len(singles)} examples, got {len(names)}")
    place = {name: i for i, name in enumerate(dict.fromkeys(name for name in names if name is not None))}
    group = np.array([-1 if name is None else place[name] for name in names], dtype=np.intp)
    sizes = np.bincount(group[group >= 0], minlength=len(place)).tolist()
    players = tuple(
        Player(f"{name} ({size} example{'s' * (size != 1)})", "group")
        for name, size in zip(place, sizes, strict=True)
    )
    return players, group
