"""Scikit-learn's estimators, and all that look like them (xgboost's), as something to train again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from spexapi.errors import InputError
from spexapi.games.base import Player

Ints = NDArray[np.intp]
Groups = Sequence[Hashable | None] | str | int | None
PROBABILITY = "probability"


@dataclass(frozen=True, slots=True, eq=False)
class FitOn:
    """A copy of the estimator fitted on some of the rows; a training, which processes can be sent."""

    estimator: Any
    X: Any
    y: Any

    def __call__(self, kept: Ints, seed: int) -> Any:
        copy = import_module("sklearn.base").clone(self.estimator)
        copy.set_params(**dict.fromkeys(_seeds(copy), seed))
        return copy.fit(rows(self.X, kept), self.y[kept])


@dataclass(frozen=True, slots=True, eq=False)
class MeanProbability:
    """How probable a fitted classifier finds the right class of each test example, in the mean.

    A class the training set lacked has probability 0. The utility of KNN-Shapley (Jia et al., 2019).
    """

    X: Any
    y: Any

    def __call__(self, model: Any) -> float:
        found = np.asarray(model.predict_proba(self.X))
        classes = np.asarray(model.classes_)
        right = classes[None, :] == self.y[:, None]
        return float((found * right).sum(axis=1).mean())


@dataclass(frozen=True, slots=True, eq=False)
class ByScorer:
    """A score of sklearn.metrics on test examples."""

    score: str
    X: Any
    y: Any

    def __call__(self, model: Any) -> float:
        return float(import_module("sklearn.metrics").get_scorer(self.score)(model, self.X, self.y))


def arguments(
    estimator: Any,
    X: Any,
    y: Any,
    X_test: Any,
    y_test: Any,
    *,
    score: str | Callable[[Any], float] | None = None,
    groups: Groups = None,
    examples: Sequence[str | Player] | None = None,
    **rest: Any,
) -> dict[str, Any]:
    """What TrainingGame is made of. Raises InputError."""
    if not all(hasattr(estimator, name) for name in ("fit", "predict", "get_params")):
        raise InputError(f"{type(estimator).__name__} is no scikit-learn estimator: it needs fit and predict")
    train, test = (table(X), np.asarray(y)), (table(X_test), np.asarray(y_test))
    check_table(*train, "training")
    check_table(*test, "test")
    classifier = bool(import_module("sklearn.base").is_classifier(estimator))
    if score is None:
        sure = PROBABILITY if hasattr(estimator, "predict_proba") else "accuracy"
        score = sure if classifier else "r2"
    if not callable(score):
        rest.setdefault("empty", _of_a_guess(score, train[1]))
    if _draws_nothing(estimator):
        rest.setdefault("noise", 0)
    if rest.get("store") not in (None, False, "off") and isinstance(score, str):
        rest.setdefault("name", name_of(estimator, train, test, score))
    return {
        "train": FitOn(estimator, *train),
        "measure": score if callable(score) else _measure(score, *test),
        "examples": len(train[1]) if examples is None else examples,
        "groups": groups_of(groups, *train),
        "score": score if isinstance(score, str) else getattr(score, "__name__", "value"),
        **rest,
    }


def table(X: Any) -> Any:
    """What rows can be taken from: a DataFrame or a sparse matrix as it is, else an array."""
    return X if hasattr(X, "iloc") or hasattr(X, "tocsr") else np.asarray(X)


def rows(X: Any, kept: Ints) -> Any:
    return X.iloc[kept] if hasattr(X, "iloc") else X[kept]


def check_table(X: Any, y: Any, what: str) -> None:
    """Raises InputError unless there is a label for each of at least one row."""
    if y.ndim != 1 or X.shape[0] != len(y):
        raise InputError(f"the {what} data has {X.shape[0]} rows and labels of shape {y.shape}: one a row")
    if not len(y):
        raise InputError(f"the {what} set is empty: give at least {2 if what == 'training' else 1} examples")


def groups_of(groups: Groups, X: Any, y: Any) -> Sequence[Hashable | None] | None:
    """The group of each example: as given, one for each label, or k-means clusters of scaled columns."""
    if isinstance(groups, str):
        if groups != "labels":
            raise InputError(f"groups is {groups!r}: give 'labels', a number of clusters, or a list")
        return [f"label {label}" for label in y.tolist()]
    if isinstance(groups, (int, np.integer)):
        if not 2 <= groups <= len(y):
            raise InputError(f"{groups} clusters of {len(y)} examples: give 2 to {len(y)}")
        scaled = import_module("sklearn.preprocessing").StandardScaler(with_mean=False).fit_transform(X)
        found = import_module("sklearn.cluster").KMeans(groups, n_init=3, random_state=0).fit_predict(scaled)
        return [f"cluster {k + 1}" for k in found.tolist()]
    return groups


def name_of(*parts: Any) -> str:
    """A hash of estimator, data and score, with the versions that fit: another training, another name."""
    made = type(parts[0]).__module__.split(".")[0]
    try:
        by = f"{made} {version('scikit-learn' if made == 'sklearn' else made)}"
    except PackageNotFoundError:
        by = made
    return f"{type(parts[0]).__name__} of {by}, {import_module('joblib').hash(parts)}"


def _seeds(estimator: Any) -> list[str]:
    """The names of all its parameters that are seeds, those of parts of a pipeline too."""
    return [name for name in estimator.get_params() if name.rpartition("__")[2] == "random_state"]


def _draws_nothing(estimator: Any) -> bool:
    """Whether it is known that fitting it again gives the same model."""
    parts = [estimator, *estimator.get_params().values()]
    return not _seeds(estimator) and all(map(_is_known, parts))


def _is_known(part: Any) -> bool:
    """Whether it is known to draw at random only where it has a `random_state` among its parameters.

    True for numbers, words and scikit-learn's own estimators. Not for an estimator of the user's own, a
    function, or a splitter: its random_state is no parameter of the estimator.
    """
    if isinstance(part, (list, tuple)):
        return all(map(_is_known, cast("Sequence[Any]", part)))
    if isinstance(part, dict):
        return all(map(_is_known, cast("dict[Any, Any]", part).values()))
    if part is None or isinstance(part, (bool, int, float, str, np.generic, np.ndarray)):
        return True
    return hasattr(part, "get_params") and type(part).__module__.partition(".")[0] == "sklearn"


def _measure(score: str, X_test: Any, y_test: Any) -> Callable[[Any], float]:
    if score == PROBABILITY:
        return MeanProbability(X_test, y_test)
    try:
        import_module("sklearn.metrics").get_scorer(score)
    except ValueError as error:
        raise InputError(
            f"unknown score {score!r}: give 'probability', a name of sklearn.metrics.get_scorer_names() such"
            " as 'accuracy' or 'r2', or a function model -> float"
        ) from error
    return ByScorer(score, X_test, y_test)


def _of_a_guess(score: str, y: Any) -> float | None:
    if score in (PROBABILITY, "accuracy"):
        return 1 / len(np.unique(y))
    return 0.0 if score == "r2" else None
