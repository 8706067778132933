"""What a visitor asks about training data, as a value: checked, and enough to build the game again."""

from __future__ import annotations

import asyncio
import csv
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from spexapi.errors import InputError
from spexapi.games.base import Player
from spexapi.games.training.game import TrainingGame
from spexapi.games.training.learners import game_of, learner
from spexapi.games.training.table import read_table
from spexapi.page.forms.requests import ExplainOptions
from spexapi.page.forms.uploads import csv_from
from spexapi.page.runs.forecast import spelled
from spexapi.page.runs.run_loop import shared_out
from spexapi.page.site import Limits, Site
from spexapi.plan import preview
from spexapi.views.html.training import digit

DIGITS, FLIPPED, TESTED = 40, 3, 160
_ROWS = 20  # times as many rows as parts: groups hold several
_MOST_PACES = 200
_paces: dict[tuple[str, str, str, str], float] = {}  # of what visitors looked at, newest last
GROUPS = {"rows": None, "labels": "labels", "clusters": 20}


@dataclass(frozen=True, slots=True)
class Study:
    """A training set and what is trained on it.

    path     an uploaded CSV file; "" for the ready example
    label    its column to predict
    learner  a name of LEARNERS
    groups   "rows", "labels" or "clusters"
    """

    path: str
    label: str
    learner: str
    groups: str
    how: ExplainOptions

    def game(self, site: Site, **rest: Any) -> TrainingGame:
        """The game, checked against the limits of the site. Raises InputError in words for the visitor."""
        limits = site.limits
        limits.check((), self.how.budget)
        rest = {"store": site.keeps} | rest
        game = self._of_file(limits, rest) if self.path else digits_game(self.learner, self.how.seed, **rest)
        limits.check_units(len(game.players))
        return game

    def _of_file(self, limits: Limits, rest: dict[str, Any]) -> TrainingGame:
        if not self.label:
            raise InputError("Which column is predicted? Choose it under Label.")
        if self.groups not in GROUPS:
            raise InputError(f"what is taken away is {', '.join(GROUPS)}, not {self.groups!r}")
        file = csv_from(self.path, limits)
        table = read_table(file, self.label, most=_ROWS * limits.units)
        return game_of(table, self.learner, groups=GROUPS[self.groups], seed=self.how.seed, **rest)

    async def forecast(self, site: Site) -> str:
        """How many models would be trained and how long that takes, from training one. Raises InputError."""
        game = await asyncio.to_thread(self.game, site, noise=1, store=None)  # the first also loads libraries
        masks, kept = shared_out(game, self.how)
        preview(game, engine=self.how.engine, budget=masks, seed=self.how.seed)
        seconds = await self._pace(game)
        parts = [f"{len(game.players):,} examples", f"{masks + kept:,} models to train"]
        if seconds:
            parts.append(f"{seconds:.2g} s each, about {spelled((masks + kept) * seconds)}")
        checks = f". {kept} of them check the strongest combinations." if kept else ""
        return " · ".join(parts) + checks

    async def _pace(self, game: TrainingGame) -> float:
        """Seconds that a training takes, tried once for the same data and learner."""
        what = (self.path, self.label, self.learner, self.groups)
        if what not in _paces:
            await game.prepare()
            await game.close()
            _paces[what] = game.seconds
            while len(_paces) > _MOST_PACES:
                del _paces[next(iter(_paces))]
        return _paces[what]


def columns_of(path: str, limits: Limits) -> list[str]:
    """The column names of an uploaded CSV file. Raises InputError."""
    file = csv_from(path, limits)
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            first = opened.readline()
        names = next(csv.reader([first], delimiter=max(",;\t", key=first.count)), list[str]())
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file.name} cannot be read as a CSV file: {error}") from error
    if len(names) < 2:
        raise InputError(f"{file.name} must begin with a line of column names, 2 or more")
    return [name.strip() for name in names]


def digits(seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Handwritten ones and sevens (scikit-learn's digits): images and labels to train and to test on.

    The labels of FLIPPED of the training images are wrong.
    """
    X, y = import_module("sklearn.datasets").load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.flatnonzero(np.isin(y, (1, 7))))
    train, test = rows[:DIGITS], rows[DIGITS : DIGITS + TESTED]
    labels = y[train].copy()
    wrong = rng.choice(DIGITS, FLIPPED, replace=False)
    labels[wrong] = 8 - labels[wrong]
    return X[train] / 16, labels, X[test] / 16, y[test]


def digits_game(name: str, seed: int = 0, **rest: Any) -> TrainingGame:
    X, y, X_test, y_test = digits(seed)
    examples = [Player(f"image {i + 1}, label {label}", "example") for i, label in enumerate(y.tolist())]
    kind = learner(name, classes=True)
    return TrainingGame.of_estimator(kind, X, y, X_test, y_test, examples=examples, seed=seed, **rest)


def picture(study: Study, player: int) -> str:
    """The image of an example of the ready example; "" for rows of a file."""
    if study.path:
        return ""
    X, *_ = digits(study.how.seed)
    return digit(X[player].reshape(8, 8).tolist())
