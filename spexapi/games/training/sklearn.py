"""Scikit-learn's estimators, and all that look like them (xgboost's), as something to train again."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol, TypeGuard, Unpack, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spexapi.errors import InputError
from spexapi.games.base import Player
from spexapi.games.training.options import Groups, TrainingOptions, TrainingParts, is_kept
from spexapi.games.training.retraining import Ints, Measure
from spexapi.prompts.given import column_of, is_missing

Labels = NDArray[np.generic]
PROBABILITY = "probability"


class Rows(Protocol):
    """Examples of which some can be taken: an array, a sparse matrix, a DataFrame."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, kept: Ints, /) -> Rows: ...


@runtime_checkable
class _Frame(Protocol):
    """A DataFrame, whose own [] takes columns."""

    @property
    def iloc(self) -> Rows: ...


class Estimator(Protocol):
    """A learner of scikit-learn, or one that looks like it."""

    def fit(self, X: Rows, y: Labels, /) -> Estimator: ...

    def predict(self, X: Rows, /) -> object: ...

    def get_params(self) -> Mapping[str, object]: ...

    def set_params(self, **params: object) -> object: ...


class Classifier(Protocol):
    """A fitted learner of classes that says how probable each is."""

    @property
    def classes_(self) -> Labels: ...

    def predict_proba(self, X: Rows, /) -> NDArray[np.floating]: ...


@dataclass(frozen=True, slots=True, eq=False)
class FitOn:
    """A copy of the estimator fitted on some of the rows; a training that can be sent to processes."""

    estimator: Estimator
    X: Rows
    y: Labels

    def __call__(self, kept: Ints, seed: int) -> Estimator:
        copy: Estimator = import_module("sklearn.base").clone(self.estimator)
        copy.set_params(**dict.fromkeys(_seeds(copy), seed))
        return copy.fit(_take(self.X, kept), self.y[kept])


@dataclass(frozen=True, slots=True, eq=False)
class MeanProbability:
    """The mean probability that a fitted classifier gives the right class of each test example.

    A class that the training set lacked has probability 0. The utility of KNN-Shapley (Jia et al., 2019).
    """

    X: Rows
    y: Labels

    def __call__(self, model: Classifier) -> float:
        found = np.asarray(model.predict_proba(self.X))
        right = np.asarray(model.classes_)[None, :] == self.y[:, None]
        return float((found * right).sum(axis=1).mean())


@dataclass(frozen=True, slots=True, eq=False)
class ByScorer:
    """A score of sklearn.metrics on test examples."""

    score: str
    X: Rows
    y: Labels

    def __call__(self, model: Estimator) -> float:
        return float(import_module("sklearn.metrics").get_scorer(self.score)(model, self.X, self.y))


def of_estimator(
    estimator: object,
    train: tuple[object, object],
    test: tuple[object, object],
    score: str | Measure | None,
    groups: Groups,
    examples: Sequence[str | Player] | None,
    **options: Unpack[TrainingOptions],
) -> TrainingParts:
    """What TrainingGame.of_estimator is made of. train, test: (X, y). Raises InputError."""
    if not _is_estimator(estimator):
        raise InputError(f"{type(estimator).__name__} is no scikit-learn estimator: it needs fit and predict")
    known, tested = table(*train, "training"), table(*test, "test")
    score = _default_score(estimator) if score is None else score
    if isinstance(score, str):
        options.setdefault("empty", _of_a_guess(score, known[1]))
        if is_kept(options):
            options.setdefault("name", name_of(estimator, known, tested, score))
    if options.get("noise") is None and _draws_nothing(estimator):
        options["noise"] = 0
    return {
        "train": FitOn(estimator, *known),
        "measure": _measure(score, *tested) if isinstance(score, str) else score,
        "examples": len(known[1]) if examples is None else examples,
        "groups": groups_of(groups, *known),
        "score": score if isinstance(score, str) else getattr(score, "__name__", "value"),
        **options,
    }


def table(X: object, y: object, what: str) -> tuple[Rows, Labels]:
    """Rows, as an array unless some of them can be taken as they are, and their labels. Raises InputError."""
    rows = cast("Rows", X) if hasattr(X, "iloc") or hasattr(X, "tocsr") else np.asarray(_listed(X, what))
    labels = _labels(y, what)
    found = rows.shape[0] if rows.shape else 0
    if labels.ndim != 1 or found != len(labels):
        raise InputError(
            f"the {what} data has {found} rows and labels of shape {labels.shape}: give one a row"
        )
    if not len(labels):
        raise InputError(f"the {what} set is empty: give at least {2 if what == 'training' else 1} examples")
    return rows, labels


def _listed(given: object, what: str) -> object:
    """Itself if numpy reads it, an iterator as a list. Raises InputError for a dict and the like."""
    if hasattr(given, "__array__") or isinstance(given, (list, tuple)):
        return cast("object", given)
    return column_of(given, f"the {what} data must be rows, and one label a row")


def _labels(y: object, what: str) -> Labels:
    """One a row. Raises InputError for a missing one, which numpy would write as "nan" among texts."""
    given = _listed(y, what)
    labels = np.asarray(given)
    each = labels.tolist() if hasattr(given, "__array__") else cast("list[object]", given)
    if (
        labels.ndim == 1
        and (gap := next((k for k, one in enumerate(each) if is_missing(one)), None)) is not None
    ):
        raise InputError(f"row {gap + 1} of the {what} data has no label")
    return labels


def groups_of(groups: Groups, X: Rows, y: Labels) -> Sequence[Hashable | None] | None:
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


def name_of(*parts: object) -> str:
    """A hash of estimator, data and score, with the versions that fit: another training, another name."""
    made = type(parts[0]).__module__.split(".")[0]
    try:
        by = f"{made} {version('scikit-learn' if made == 'sklearn' else made)}"
    except PackageNotFoundError:
        by = made
    return f"{type(parts[0]).__name__} of {by}, {import_module('joblib').hash(parts)}"


def _is_estimator(given: object) -> TypeGuard[Estimator]:
    return all(hasattr(given, name) for name in ("fit", "predict", "get_params"))


def _take(X: Rows, kept: Ints) -> Rows:
    return X.iloc[kept] if isinstance(X, _Frame) else X[kept]


def _default_score(estimator: Estimator) -> str:
    if not import_module("sklearn.base").is_classifier(estimator):
        return "r2"
    return PROBABILITY if hasattr(estimator, "predict_proba") else "accuracy"


def _seeds(estimator: Estimator) -> list[str]:
    """The names of all its parameters that are seeds, those of parts of a pipeline too."""
    return [name for name in estimator.get_params() if name.rpartition("__")[2] == "random_state"]


def _draws_nothing(estimator: Estimator) -> bool:
    """Whether it is known that fitting it again gives the same model."""
    parts = [estimator, *estimator.get_params().values()]
    return not _seeds(estimator) and all(map(_is_known, parts))


def _is_known(part: object) -> bool:
    """Whether it is known to draw at random only if it has a `random_state` among its parameters.

    True for numbers, words and scikit-learn's own estimators. Not for an estimator of the user's own, a
    function, or a splitter: its random_state is no parameter of the estimator.
    """
    if isinstance(part, (list, tuple)):
        return all(map(_is_known, cast("Sequence[object]", part)))
    if isinstance(part, dict):
        return all(map(_is_known, cast("dict[object, object]", part).values()))
    if part is None or isinstance(part, (bool, int, float, str, np.generic, np.ndarray)):
        return True
    return hasattr(part, "get_params") and type(part).__module__.partition(".")[0] == "sklearn"


def _measure(score: str, X_test: Rows, y_test: Labels) -> Measure:
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


def _of_a_guess(score: str, y: Labels) -> float | None:
    if score in (PROBABILITY, "accuracy"):
        return 1 / len(np.unique(y))
    return 0.0 if score == "r2" else None
