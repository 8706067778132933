"""What the command line and the page can train: a few well-known learners, by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Unpack

from spexapi.errors import InputError
from spexapi.games.training.game import TrainingGame
from spexapi.games.training.options import Groups, TrainingOptions
from spexapi.games.training.sklearn import Estimator
from spexapi.games.training.table import Table

LEARNERS = {
    "logistic": "logistic regression; ridge regression for numbers",
    "knn": "5 nearest neighbours",
    "bayes": "naive Bayes with normal columns; classes only",
    "forest": "random forest of 50 trees",
    "xgboost": "50 boosted trees of depth 3",
}


def learner(name: str, *, classes: bool) -> Estimator:
    """An estimator of scikit-learn or xgboost, one thread, not fitted. Raises InputError."""
    if name not in LEARNERS:
        raise InputError(f"unknown learner {name!r}: use one of {', '.join(LEARNERS)}")
    kind = "Classifier" if classes else "Regressor"
    if name == "logistic":
        linear = import_module("sklearn.linear_model")
        return linear.LogisticRegression(max_iter=500) if classes else linear.Ridge()
    if name == "knn":
        return getattr(import_module("sklearn.neighbors"), f"KNeighbors{kind}")(5)
    if name == "bayes":
        if not classes:
            raise InputError("bayes predicts classes, and the label is a number: use logistic, knn or forest")
        return import_module("sklearn.naive_bayes").GaussianNB(var_smoothing=1e-2)
    if name == "forest":
        return getattr(import_module("sklearn.ensemble"), f"RandomForest{kind}")(50, n_jobs=1)
    boosted = getattr(import_module("xgboost"), f"XGB{kind}")
    return boosted(n_estimators=50, max_depth=3, learning_rate=0.2, n_jobs=1)


def game_of(
    table: Table,
    learns: str,
    *,
    test_share: float = 0.3,
    groups: str | int | None = None,
    score: str | None = None,
    **options: Unpack[TrainingOptions],
) -> TrainingGame:
    """Rows of a table as players, a learner trained on those kept, tested on rows set apart.

    learns   one of LEARNERS
    groups   "column" for those of the table, "labels", or a number of clusters; None: each row is a player
    options  and score, as of TrainingGame.of_estimator

    Raises InputError.
    """
    train, test = table.split(test_share, options.get("seed", 0))
    estimator = learner(learns, classes=bool(table.classes))
    return TrainingGame.of_estimator(
        estimator,
        table.X[train],
        table.y[train],
        table.X[test],
        table.y[test],
        examples=[table.player(i) for i in train],
        groups=_groups(table, train.tolist(), groups),
        score=score,
        **options,
    )


def _groups(table: Table, rows: Sequence[int], groups: str | int | None) -> Groups:
    """As of_estimator takes them: labels as the file has them, not the numbers they are trained as."""
    if groups == "labels":
        return [f"label {table.labels[i]}" for i in rows]
    if groups == "column" and table.groups is not None:
        return [table.groups[i] for i in rows]
    return groups
