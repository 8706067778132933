"""What a visitor asks about an answer to a text: a question with documents, or a prompt."""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import TypedDict

import spexapi
from spexapi.backends.base import Backend
from spexapi.errors import InputError
from spexapi.games.base import Game
from spexapi.page.requests.model import Model
from spexapi.page.requests.request import ExplainOptions, Words
from spexapi.page.site import Limits, Site
from spexapi.prompts.segments import split
from spexapi.sampling.policy import RequestPolicy
from spexapi.views.code import Arguments, Made, RunCode, game_program

UNITS = ("document", "sentence", "word")
CHAT_UNITS = ("turn", "sentence", "word")
FINER = {"document": "sentence", "turn": "sentence", "sentence": "word"}


class GameOptions(TypedDict):
    """What RagGame and PromptGame take alike."""

    answer: str | None
    unit: str | None
    score: str | None
    options: list[str] | None
    spans: list[tuple[int, int, int]] | None
    terms: RequestPolicy


@dataclass(frozen=True, slots=True)
class Rag:
    """A question and documents. answer: "" lets the model write it."""

    question: str
    documents: tuple[str, ...]
    answer: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        return self.documents

    def fixed(self, part: int) -> bool:
        """Whether this document is never taken away."""
        return False

    def check(self) -> None:
        """Raises InputError if something is missing."""
        if not self.question.strip():
            raise InputError("There is no question yet: write what the documents are to answer.")
        if not self.documents:
            raise InputError("There are no documents yet: write at least two.")

    def game(self, backend: Backend, options: GameOptions) -> Game:
        return spexapi.RagGame(backend, self.question.strip(), self.documents, **options)

    def code(self, model: Model, arguments: Arguments, flags: Arguments, note: str) -> RunCode:
        """arguments and flags: those that a prompt has too."""
        own: Arguments = [("question", self.question), ("documents", list(self.documents))]
        program = game_program("RagGame", model.spec, own + arguments, model.opening)
        lines = [json.dumps({"text": text}, ensure_ascii=False) for text in self.documents]
        file = "documents.jsonl"
        own_flags: Arguments = [("question", self.question), ("documents", file)]
        return RunCode(program, "rag", own_flags + flags, (file, lines), note)


@dataclass(frozen=True, slots=True)
class Chat:
    """A prompt as turns of (role, text); one user turn is a plain prompt."""

    turns: tuple[tuple[str, str], ...]
    answer: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(text for _, text in self.turns)

    def fixed(self, part: int) -> bool:
        """Whether this turn is never taken away."""
        return self.turns[part][0] == "system"

    def check(self) -> None:
        """Raises InputError if there is no text."""
        if not any(text.strip() for text in self.texts):
            raise InputError("There is no prompt yet: write what the model is to answer.")

    def game(self, backend: Backend, options: GameOptions) -> Game:
        return spexapi.PromptGame(backend, self._messages, **options)

    @property
    def _messages(self) -> list[dict[str, str]]:
        return [{"role": role, "content": text} for role, text in self.turns]

    def code(self, model: Model, arguments: Arguments, flags: Arguments, note: str) -> RunCode:
        """arguments and flags: those that a question with documents has too."""
        own: Arguments = [("prompt", self._messages)]
        program = game_program("PromptGame", model.spec, own + arguments, model.opening)
        file, lines = "prompt.json", [json.dumps(self._messages, ensure_ascii=False)]
        return RunCode(program, "prompt", [("file", file), *flags], (file, lines), note)


@dataclass(frozen=True, slots=True)
class Inside:
    """Characters start:end of document or turn number `part`, split into `unit`; the rest stays as it is."""

    part: int
    start: int
    end: int
    unit: str


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A RunRequest whose players are parts of a text."""

    prompt: Rag | Chat
    model: Model = field(default_factory=Model)
    options: ExplainOptions = field(default_factory=ExplainOptions)
    inside: Inside | None = None

    @property
    def words(self) -> Words:
        return Words("Loading the model…" if self.model.local else "Connecting to the model…")

    @property
    def speed_of(self) -> Hashable:
        return self.model.spec, self.model.address

    def check(self, limits: Limits) -> None:
        limits.check(self.prompt.texts, self.options.budget)

    def game(self, site: Site, key: str = "") -> Game:
        """The game, within the limits of the site. Raises InputError in words for the visitor."""
        self.check(site.limits)
        self.prompt.check()
        self.options.check()
        if len(self.places()) < 2:
            raise InputError(
                f"There is only one {self._unit} to take away, and two are needed: add another, or choose a"
                " smaller unit under “Explain by”."
            )
        game = self.prompt.game(self.model.open(site, key), self._game_options(site.keeps))
        site.limits.check_units(len(game.players))
        return game

    def answering(self, answer: str) -> TextRequest:
        """The same with the answer fixed: the model must not write another when it is asked again."""
        return replace(self, prompt=replace(self.prompt, answer=answer))

    def within(self, player: int) -> TextRequest:
        """The same question about the inside of one player, the others fixed. Raises InputError."""
        places = self.places()
        if not 0 <= player < len(places):
            raise InputError("That part is not there any more: press Explain again.")
        part, start, end = places[player]
        text = self.prompt.texts[part][start:end]
        unit = FINER.get(self._unit)
        if unit == "sentence" and len(split(text, "sentence")) < 2:
            unit = "word"
        if unit is None or len(split(text, unit)) < 2:
            raise InputError("This part is a single word: there is nothing inside to take away.")
        return replace(self, inside=Inside(part, start, end, unit))

    def code(self) -> RunCode:
        """The game as a program and a command make it."""
        answer, cost = self.prompt.answer.strip(), self.model.max_cost
        arguments: Arguments = [("answer", answer)] if answer else []
        arguments.append(("unit", None if self.inside else self.options.unit))
        arguments += [("spans", self.places())] if self.inside else []
        arguments += self.options.scoring
        arguments += [("terms", Made("Terms", {"max_cost": cost}))] if cost else []
        flags: Arguments = [("backend", self.model.spec)]
        flags += [(name.replace("_", "-"), value) for name, value in self.model.opening.items()]
        flags += [("answer", answer), ("unit", self.options.unit), *self.options.scoring_flags]
        note = "looking inside one part needs the Python program" if self.inside else ""
        return self.prompt.code(self.model, arguments, [*flags, ("max-cost", cost)], note)

    def places(self) -> list[tuple[int, int, int]]:
        """(document or turn, start, end) of each player, in order."""
        found: list[tuple[int, int, int]] = []
        for part, text in enumerate(self.prompt.texts):
            start, end = 0, len(text)
            if self.inside is not None:
                if part != self.inside.part:
                    continue
                start, end = self.inside.start, self.inside.end
            elif self.prompt.fixed(part):
                continue
            pieces = split(text[start:end], self._unit)
            found += [(part, start + p.core_start, start + p.core_end) for p in pieces]
        return found

    @property
    def _unit(self) -> str:
        return self.inside.unit if self.inside else self.options.unit

    def _game_options(self, keeps: bool) -> GameOptions:
        return {
            "answer": self.prompt.answer.strip() or None,
            "unit": None if self.inside else self.options.unit,
            "score": self.options.score or None,
            "options": list(self.options.choices) or None,
            "spans": self.places() if self.inside else None,
            "terms": RequestPolicy(max_cost=self.model.max_cost, store=keeps),
        }
