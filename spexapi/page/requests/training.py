"""What a visitor asks about training data: which examples made the model as good as it is."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path

from spexapi.errors import InputError
from spexapi.games.training.game import TrainingGame
from spexapi.games.training.learners import game_of
from spexapi.games.training.table import read_table
from spexapi.page.requests.digits import digit_picture, digits_game
from spexapi.page.requests.request import ExplainOptions, Words
from spexapi.page.requests.uploads import csv_from
from spexapi.page.site import Limits, Site
from spexapi.views.code import RunCode

GROUPS = {"rows": None, "labels": "labels", "clusters": 20}
_WORDS = Words(
    begins="Training on everything…",
    asked="trained",
    times="models",
    checks="Training without the strongest combinations, to check them…",
    nothing="Stopped before anything was trained.",
    calls="models to train",
    checking="of them check the strongest combinations.",
)
_ROWS_A_PLAYER = 20  # how many rows may be read for each player: groups hold several


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """A RunRequest whose players are training examples.

    path     an uploaded CSV file; "" for the ready example
    label    its column to predict
    learner  a name of LEARNERS
    groups   "rows", "labels" or "clusters"
    """

    path: str
    label: str
    learner: str
    groups: str
    options: ExplainOptions = field(default_factory=lambda: ExplainOptions("example", 400))
    model: None = field(default=None, init=False, repr=False)
    words: Words = field(default=_WORDS, init=False, repr=False)

    @property
    def speed_of(self) -> Hashable:
        return self.path, self.label, self.learner, self.groups

    def check(self, limits: Limits) -> None:
        limits.check((), self.options.budget)

    def game(self, site: Site, key: str = "") -> TrainingGame:
        """The game, within the limits of the site. Raises InputError in words for the visitor."""
        return self._game(site, store=site.keeps)

    def answering(self, answer: str) -> TrainingRequest:
        return self

    def within(self, player: int) -> TrainingRequest:
        raise InputError("A training example has nothing inside that could be taken away.")

    async def trial(self, site: Site) -> float:
        """Seconds of one training. Raises InputError."""
        game = await asyncio.to_thread(self._game, site, noise=1, store=None)  # kept ones would take no time
        await game.prepare()
        await game.close()
        return game.seconds

    def picture(self, player: int) -> str:
        """The image of an example of the ready example; "" for rows of a file."""
        return "" if self.path else digit_picture(player, self.options.seed)

    def code(self) -> RunCode:
        """The game as a program and a command make it, as far as the data is known."""
        if not self.path:
            return training_code()
        return training_code(Path(self.path).name, self.label, self.learner, GROUPS[self.groups])

    def _game(self, site: Site, *, store: bool | None, noise: int | None = None) -> TrainingGame:
        limits = site.limits
        self.check(limits)
        if self.path:
            game = self._game_of_file(limits, store, noise)
        else:
            game = digits_game(self.learner, self.options.seed, noise=noise, store=store)
        limits.check_units(len(game.players))
        return game

    def _game_of_file(self, limits: Limits, store: bool | None, noise: int | None) -> TrainingGame:
        if not self.label:
            raise InputError("Which column is predicted? Choose it under Label.")
        if self.groups not in GROUPS:
            raise InputError(f"what is taken away is {', '.join(GROUPS)}, not {self.groups!r}")
        file = csv_from(self.path, limits)
        table = read_table(file, self.label, most=_ROWS_A_PLAYER * limits.units)
        groups = GROUPS[self.groups]
        return game_of(table, self.learner, groups=groups, seed=self.options.seed, store=store, noise=noise)


def training_code(
    file: str = "FILE.csv", label: str = "COLUMN", learner: str = "", groups: str | int | None = None
) -> RunCode:
    """A program with the names of data that it does not hold, and a command."""
    program = "game = spexapi.TrainingGame.of_estimator(estimator, X, y, X_test, y_test)\n"
    flags: list[tuple[str, object]] = [("data", file), ("label", label), ("estimator", learner)]
    return RunCode(program, "training", [*flags, ("group", groups)])


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
