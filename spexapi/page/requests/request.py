"""What every tab hands over to be run: a request, as a value."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

from spexapi.errors import InputError
from spexapi.games.base import Game
from spexapi.page.requests.model import Model
from spexapi.page.site import Limits, Site
from spexapi.views.code import Arguments, RunCode


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """The arguments of spexapi.explain, with the unit and the score.

    score    "" for the best that the model allows
    choices  answers to choose between, for a score that compares
    """

    unit: str = "document"
    budget: int = 128
    engine: str = "auto"
    index: str = "fbii"
    seed: int = 0
    score: str = ""
    choices: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises InputError if the score needs answers to choose between and has fewer than two."""
        if self.score == "choice" and len(set(self.choices)) < 2:
            raise InputError("Write at least two answers to choose between, one a line.")

    @property
    def scoring(self) -> Arguments:
        """Score and choices as arguments of a game."""
        score: Arguments = [("score", self.score)] if self.score else []
        return [*score, *([("options", list(self.choices))] if self.choices else [])]

    @property
    def scoring_flags(self) -> Arguments:
        """Score and choices as flags of the command line."""
        return [("score", self.score), *(("option", choice) for choice in self.choices)]


@dataclass(frozen=True, slots=True)
class Words:
    """What the page says about a run before it, during it and after it.

    begins        before the first call
    asked, times  "asked 3 of 8 times", while it goes on
    checks        while the strongest combinations are measured directly
    nothing       if the run ended before anything was measured
    calls         "8 calls", in the forecast
    checking      "4 of the calls check ...", in the forecast
    """

    begins: str
    asked: str = "asked"
    times: str = "times"
    checks: str = "Checking the strongest combinations on the model itself…"
    nothing: str = "Stopped before anything was measured."
    calls: str = "calls"
    checking: str = "of the calls check the strongest combinations on the model itself."


class RunRequest(Protocol):
    """Everything a run needs except the key: checked, and enough to ask the same again.

    A tab makes one from the values of its form. Everything after that is the same for all of them: the
    forecast, the run, the result and the code.

    model     the language model that is asked; None if there is none
    speed_of  what the speed of the calls depends on: requests that share it take as long for a call
    """

    @property
    def options(self) -> ExplainOptions: ...

    @property
    def model(self) -> Model | None: ...

    @property
    def words(self) -> Words: ...

    @property
    def speed_of(self) -> Hashable: ...

    def check(self, limits: Limits) -> None:
        """Raises InputError if this is more than the page takes."""
        ...

    def game(self, site: Site, key: str = "") -> Game:
        """The game, within the limits of the site. Raises InputError in words for the visitor."""
        ...

    def answering(self, answer: str) -> RunRequest:
        """The same with the answer fixed: the model must not write another when it is asked again."""
        ...

    def within(self, player: int) -> RunRequest:
        """The same question about the inside of one player. Raises InputError."""
        ...

    def code(self) -> RunCode:
        """The game as a program and a command make it."""
        ...
