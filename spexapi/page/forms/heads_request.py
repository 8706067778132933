"""What a visitor asks about the inside of a model, as a value: checked, enough to ask the same again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import spexapi
from spexapi.errors import InputError
from spexapi.games.base import Game
from spexapi.page.forms.requests import Chat, RunRequest
from spexapi.page.runs.run_loop import CHECKED
from spexapi.page.site import Site
from spexapi.sampling.policy import RequestPolicy
from spexapi.views.code import as_command, as_python

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
class HeadsForm(RunRequest):
    """A Form whose players are parts of the model; how.unit is a name of UNITS."""

    def game(self, site: Site, key: str = "") -> Game:
        """The game, checked against the limits of the site. Raises InputError in words for the visitor."""
        site.limits.check(self.texts, self.how.budget)
        if not any(text.strip() for text in self.texts):
            raise InputError("There is no prompt yet: write what the model is to answer.")
        game = self._made(site, _prompt(self), self.asks.answer.strip() or None, None)
        site.limits.check_units(len(game.players))
        return game

    def other_questions(self, site: Site) -> tuple[Game, int] | None:
        """Held-out questions as a game, and how many; None but for the embedded model."""
        if self.model.where != "embedded":
            return None
        return self._made(site, ready_questions(), None, "accuracy"), len(_STORIES)

    def within(self, player: int) -> RunRequest:
        raise InputError("A part of the model has nothing inside that could be taken out here.")

    def python(self, kept: int) -> str:
        """The run as a program. kept: masks of the budget that checked the strongest combinations."""
        how = self.how
        arguments: list[tuple[str, object]] = [("prompt", _prompt(self))]
        if self.asks.answer.strip():
            arguments.append(("answer", self.asks.answer.strip()))
        arguments.append(("unit", UNITS[how.unit]))
        if how.score:
            arguments.append(("score", how.score))
        if how.options:
            arguments.append(("options", list(how.options)))
        run = {"engine": how.engine, "budget": how.budget - kept, "index": how.index, "seed": how.seed}
        check = {"k": CHECKED, "budget": kept} if kept else None
        return as_python("HeadGame", self.model.spec, arguments, run, None, check)

    def command(self, kept: int) -> str:
        """The run as a command."""
        how = self.how
        flags: list[tuple[str, object]] = [("backend", self.model.spec), ("text", _prompt(self))]
        flags += [("answer", self.asks.answer.strip()), *(("unit", unit) for unit in UNITS[how.unit])]
        flags += [("score", how.score), *(("option", option) for option in how.options)]
        flags += [("engine", how.engine), ("budget", how.budget), ("index", how.index), ("seed", how.seed)]
        flags.append(("verify", CHECKED if kept else None))
        return as_command("heads", flags)

    def _made(self, site: Site, prompt: Any, answer: str | None, score: str | None) -> spexapi.HeadGame:
        if self.how.unit not in UNITS:
            raise InputError(f"what is taken out is {', '.join(UNITS)}, not {self.how.unit!r}")
        if not self.model.local:
            raise InputError(
                "A hosted model lets nobody inside: choose the small one, or a Hugging Face model."
            )
        site.admit(self.model.where, self.model.spec)
        if self.model.where != "embedded" and not self.model.name.strip():
            raise InputError("Which model? Write its name, for example “Qwen/Qwen2.5-0.5B-Instruct”.")
        return spexapi.HeadGame(
            spexapi.open_backend(self.model.spec),
            prompt,
            answer,
            UNITS[self.how.unit],
            score or self.how.score or None,
            options=None if score else self.how.options or None,
            terms=RequestPolicy(store=site.keeps),
        )


def heads_form(prompt: str, answer: str, **rest: Any) -> HeadsForm:
    return HeadsForm(Chat((("user", prompt),), answer), **rest)


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


def _prompt(form: RunRequest) -> str:
    return form.texts[0]
