"""What a game of training data is made of, for the constructors that find it out themselves."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TypedDict

from spexapi.games.base import Player
from spexapi.games.training.retraining import Measure, Train, Trainer
from spexapi.sampling.store import Store

Groups = Sequence[Hashable | None] | str | int | None  # "labels", or a number of clusters


class TrainingOptions(TypedDict, total=False):
    """The options of TrainingGame that its other constructors take too; their meaning stands there."""

    empty: float | None
    noise: int | None
    seed: int
    jobs: int
    name: str
    store: Store | str | Path | bool | None
    unit: str
    batch: int | None


class TrainingParts(TrainingOptions):
    """All that TrainingGame is made of."""

    train: Train | Trainer
    measure: Measure | None
    examples: int | Sequence[str | Player]
    groups: Sequence[Hashable | None] | None
    score: str


def is_kept(options: TrainingOptions) -> bool:
    """Whether there is a store, which needs a name for the training."""
    return options.get("store") not in (None, False, "off")
