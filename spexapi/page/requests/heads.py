"""What a visitor asks about the inside of a model: which of its heads, MLP blocks or layers act together."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import spexapi
from spexapi.errors import InputError
from spexapi.games.base import Game
from spexapi.page.requests.model import Model
from spexapi.page.requests.request import ExplainOptions, Words
from spexapi.page.site import Limits, Site
from spexapi.sampling.policy import RequestPolicy
from spexapi.views.code import Arguments, RunCode, game_program

_WORDS = Words("Loading the model…")
UNITS = {"head": ("head",), "MLP block": ("mlp",), "layer": ("layer",), "part": ("head", "mlp")}

# Asked of the embedded model alone: two documents that belong together, among others.
_STORIES = (
    ("ring", "bag", "kitchen", "lamp", "attic"),
    ("coin", "box", "cellar", "map", "garden"),
    ("letter", "drawer", "office", "key", "hall"),
    ("watch", "basket", "garden", "ball", "kitchen"),
    ("book", "bag", "attic", "coin", "office"),
    ("map", "box", "hall", "ring", "cellar"),
    ("lamp", "basket", "cellar", "letter", "garden"),
    ("ball", "drawer", "kitchen", "watch", "hall"),
)


@dataclass(frozen=True, slots=True)
class HeadsRequest:
    """A RunRequest whose players are parts of the model; options.unit is a name of UNITS."""

    prompt: str
    answer: str = ""
    model: Model = field(default_factory=Model)
    options: ExplainOptions = field(default_factory=lambda: ExplainOptions("head"))
    words: Words = field(default=_WORDS, init=False, repr=False)

    @property
    def speed_of(self) -> Hashable:
        return self.model.spec, self.model.address

    def check(self, limits: Limits) -> None:
        limits.check([self.prompt], self.options.budget)

    def game(self, site: Site, key: str = "") -> Game:
        """The game, within the limits of the site. Raises InputError in words for the visitor."""
        self.check(site.limits)
        if not self.prompt.strip():
            raise InputError("There is no prompt yet: write what the model is to answer.")
        self.options.check()
        score, choices = self.options.score or None, list(self.options.choices) or None
        game = self._game(site, self.prompt, self.answer.strip() or None, score, choices)
        site.limits.check_units(len(game.players))
        return game

    def other_questions(self, site: Site) -> tuple[Game, int] | None:
        """A game of held-out questions, and how many they are; None for any model but the embedded one."""
        if self.model.where != "embedded":
            return None
        return self._game(site, ready_questions(), score="accuracy"), len(_STORIES)

    def answering(self, answer: str) -> HeadsRequest:
        """The same with the answer fixed: the model must not write another when it is asked again."""
        return replace(self, answer=answer)

    def within(self, player: int) -> HeadsRequest:
        raise InputError("A part of the model has nothing inside that could be taken out here.")

    def code(self) -> RunCode:
        """The game as a program and a command make it."""
        answer, units = self.answer.strip(), UNITS[self.options.unit]
        arguments: Arguments = [("prompt", self.prompt)]
        arguments += [("answer", answer)] if answer else []
        arguments += [("unit", units), *self.options.scoring]
        flags: Arguments = [("backend", self.model.spec), ("text", self.prompt), ("answer", answer)]
        flags += [*(("unit", unit) for unit in units), *self.options.scoring_flags]
        return RunCode(game_program("HeadGame", self.model.spec, arguments), "heads", flags)

    def _game(
        self,
        site: Site,
        prompt: str | list[spexapi.Question],
        answer: str | None = None,
        score: str | None = None,
        choices: list[str] | None = None,
    ) -> spexapi.HeadGame:
        if self.options.unit not in UNITS:
            raise InputError(f"what is taken out is {', '.join(UNITS)}, not {self.options.unit!r}")
        if not self.model.local:
            raise InputError(
                "A hosted model lets no one inside: choose the built-in one, or a Hugging Face model."
            )
        site.admit(self.model.where, self.model.spec)
        self.model.check_name()
        backend, units = spexapi.open_backend(self.model.spec), UNITS[self.options.unit]
        policy = RequestPolicy(store=site.keeps)
        return spexapi.HeadGame(backend, prompt, answer, units, score, options=choices, terms=policy)


def ready_questions() -> list[spexapi.Question]:
    """Questions whose answer takes two documents, with the wrong answers that stand in the others."""
    return [
        spexapi.Question(
            f"Documents:\n\nThe {other} is in the {elsewhere}.\n\nThe {thing} is in the {holder}.\n\n"
            f"The {holder} is in the {room}.\n\nQuestion: Which room is the {thing} in?",
            room,
            (room, elsewhere, holder, "unknown"),
        )
        for thing, holder, room, other, elsewhere in _STORIES
    ]
