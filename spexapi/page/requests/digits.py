"""The ready example of training data: handwritten ones and sevens, three with a wrong label."""

from __future__ import annotations

from importlib import import_module
from typing import cast

import numpy as np
from numpy.typing import NDArray

from spexapi.games.base import Player
from spexapi.games.training.game import TrainingGame
from spexapi.games.training.learners import learner
from spexapi.measurements import Floats
from spexapi.views.html.training import digit

Labels = NDArray[np.int64]
DIGITS, FLIPPED, TESTED = 40, 3, 160


def digits(seed: int = 0) -> tuple[Floats, Labels, Floats, Labels]:
    """Images and labels to train on, and to test on (scikit-learn's digits).

    The labels of FLIPPED of the training images are wrong.
    """
    load_digits = import_module("sklearn.datasets").load_digits
    X, y = cast("tuple[Floats, Labels]", load_digits(return_X_y=True))
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.flatnonzero(np.isin(y, (1, 7))))
    train, test = rows[:DIGITS], rows[DIGITS : DIGITS + TESTED]
    labels = y[train].copy()
    wrong = rng.choice(DIGITS, FLIPPED, replace=False)
    labels[wrong] = 8 - labels[wrong]
    return X[train] / 16, labels, X[test] / 16, y[test]


def digits_game(
    name: str, seed: int = 0, *, noise: int | None = None, store: bool | None = False
) -> TrainingGame:
    """The learner of that name on the digits. noise, store: as for TrainingGame."""
    X, y, X_test, y_test = digits(seed)
    examples = [Player(f"image {i + 1}, label {label}", "example") for i, label in enumerate(y.tolist())]
    kind = learner(name, classes=True)
    return TrainingGame.of_estimator(
        kind, X, y, X_test, y_test, examples=examples, seed=seed, store=store, noise=noise
    )


def digit_picture(player: int, seed: int = 0) -> str:
    """The image of one of the training examples."""
    X, *_ = digits(seed)
    return digit(X[player].reshape(8, 8).tolist())
