"""What the command line and the page can train: a few well-known learners, by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from spexapi.errors import InputError
from spexapi.games.training.game import TrainingGame
from spexapi.games.training.table import Table

LEARNERS = {
    "logistic": "logistic regression; ridge regression for numbers",
    "knn": "5 nearest neighbours",
    "bayes": "naive Bayes with normal columns; classes only",
    "forest": "random forest of 50 trees",
    "xgboost": "50 boosted trees of depth 3",
}


def learner(name: str, *, classes: bool) -> Any:
    """An estimator of scikit-learn or xgboost, one thread, not fitted. Raises InputError."""
    if name not in LEARNERS:
        raise InputError(f"unknown learner {name!r}: use one of {', '.join(LEARNERS)}")
    kind = "Classifier" if classes else "Regressor"
    if name == "logistic":
        linear: Any = import_module("sklearn.linear_model")
        return linear.LogisticRegression(max_iter=500) if classes else linear.Ridge()
    if name == "knn":
        return getattr(import_module("sklearn.neighbors"), f"KNeighbors{kind}")(5)
    if name == "bayes":
        if not classes:
            raise InputError("bayes tells classes apart, the label is a number: use logistic, knn or forest")
        return import_module("sklearn.naive_bayes").GaussianNB(var_smoothing=1e-2)
    if name == "forest":
        return getattr(import_module("sklearn.ensemble"), f"RandomForest{kind}")(50, n_jobs=1)
    boosted = getattr(import_module("xgboost"), f"XGB{kind}")
    return boosted(n_estimators=50, max_depth=3, learning_rate=0.2, n_jobs=1)


def game_of(
    table: Table,
    name: str,
    *,
    test_share: float = 0.3,
    groups: str | int | None = None,
    seed: int = 0,
    **rest: Any,
) -> TrainingGame:
    """Rows of a table as players, a learner trained on those kept, tested on rows set apart.

    groups  "column" for those of the table, "labels", or a number of clusters; None: each row is a player
    rest    as TrainingGame.of_estimator

    Raises InputError.
    """
    train, test = table.split(test_share, seed)
    estimator = learner(name, classes=bool(table.classes))
    given: Any = groups
    if groups == "labels":
        given = [f"label {table.labels[i]}" for i in train]
    elif groups == "column" and table.groups is not None:
        given = [table.groups[i] for i in train]
    return TrainingGame.of_estimator(
        estimator,
        table.X[train],
        table.y[train],
        table.X[test],
        table.y[test],
        examples=[table.player(i) for i in train],
        groups=given,
        seed=seed,
        **rest,
    )
