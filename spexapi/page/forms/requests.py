"""What a visitor asks, as values: checked, without a key, enough to ask the same again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import spexapi
from spexapi.backends.base import Backend
from spexapi.errors import InputError
from spexapi.games.base import Game
from spexapi.page.site import OPENAI, PROVIDERS, Site
from spexapi.prompts.inputs import ROLES
from spexapi.prompts.segments import split
from spexapi.sampling.policy import RequestPolicy

UNITS = ("document", "sentence", "word")
CHAT_UNITS = ("turn", "sentence", "word")
NAMES = {  # for example
    "hf": "Qwen/Qwen2.5-0.5B-Instruct",
    "providers": "meta-llama/Llama-3.1-8B-Instruct",
    "openai": "gpt-4o-mini",
}
FINER = {"document": "sentence", "turn": "sentence", "sentence": "word"}


@dataclass(frozen=True, slots=True)
class Model:
    """Which model answers.

    where     "embedded", "hf", "providers" (Hugging Face Inference Providers) or "openai" (any hosted one)
    base_url  of a hosted one, "" its default
    max_cost  US dollars it may take, None for no cap
    """

    where: str = "embedded"
    name: str = ""
    base_url: str = ""
    max_cost: float | None = None

    @property
    def local(self) -> bool:
        """Whether it runs in this process: no key, no address."""
        return self.where not in ("providers", "openai")

    @property
    def spec(self) -> str:
        """As open_backend() takes it."""
        if self.where == "embedded":
            return self.where
        return f"{'openai' if self.where == 'providers' else self.where}:{self.name.strip()}"

    @property
    def address(self) -> str:
        """Where a hosted model is asked, "" for one in this process."""
        if self.local:
            return ""
        return PROVIDERS if self.where == "providers" else self.base_url or OPENAI

    @property
    def opening(self) -> dict[str, str]:
        """Options of open_backend() beside the key, which is read from the environment."""
        if self.where == "providers":
            return {"base_url": PROVIDERS, "key_env": "HF_TOKEN"}
        return {"base_url": self.base_url} if self.where == "openai" and self.base_url else {}

    def open(self, site: Site, key: str = "") -> Backend:
        """The backend, not yet called. Raises InputError in words for the visitor."""
        site.admit(self.where, self.spec)
        if self.where == "embedded":
            return spexapi.open_backend("embedded")
        if not self.name.strip():
            example = NAMES.get(self.where, NAMES["hf"])
            raise InputError(f"Which model? Write its name, for example “{example}”.")
        if self.local:
            return site.local(self.spec)
        name = self.name.strip()
        backend = (
            site.provided(name, key)
            if self.where == "providers"
            else site.hosted(name, self.base_url.strip(), key)
        )
        if self.max_cost and backend.capabilities.price is None:
            raise InputError(
                f"No price of {name} is known here, so its cost cannot be capped: leave “At most” empty. The"
                " budget still caps how often it is asked."
            )
        return backend


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """How it is explained: the arguments of spexapi.explain, the unit and the score.

    score    "": the best that the model allows
    options  answers to choose between, where the score compares
    """

    unit: str = "document"
    budget: int = 128
    engine: str = "auto"
    index: str = "fbii"
    seed: int = 0
    score: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rag:
    """A question and documents. answer: "" lets the model write it."""

    question: str
    documents: tuple[str, ...]
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Chat:
    """A prompt as turns of (role, text); one user turn is a plain prompt."""

    turns: tuple[tuple[str, str], ...]
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Inside:
    """Characters start:end of document or turn number `part`, cut into `unit`; the rest stays as it is."""

    part: int
    start: int
    end: int
    unit: str


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Everything a run needs but the key."""

    asks: Rag | Chat
    model: Model = Model()
    how: ExplainOptions = ExplainOptions()
    inside: Inside | None = None

    def game(self, site: Site, key: str = "") -> Game:
        """The game, checked against the limits of the site. Raises InputError in words for the visitor."""
        texts = self.texts
        site.limits.check(texts, self.how.budget)
        if isinstance(self.asks, Rag):
            if not self.asks.question.strip():
                raise InputError("There is no question yet: write what the documents are to answer.")
            if not self.asks.documents:
                raise InputError("There are no documents yet: write at least two.")
        elif not any(text.strip() for text in texts):
            raise InputError("There is no prompt yet: write what the model is to answer.")
        if len(self.places()) < 2:
            unit = self.inside.unit if self.inside else self.how.unit
            raise InputError(
                f"There is only one {unit} to take away, and two are needed: add another, or choose a smaller"
                " unit under “Take away”."
            )
        game = self._built(self.model.open(site, key), site.keeps)
        site.limits.check_units(len(game.players))
        return game

    @property
    def texts(self) -> tuple[str, ...]:
        """The documents, or the texts of the turns."""
        return self.asks.documents if isinstance(self.asks, Rag) else tuple(t for _, t in self.asks.turns)

    def places(self) -> list[tuple[int, int, int]]:
        """(document or turn, start, end) of each unit, in the order of the players."""
        found: list[tuple[int, int, int]] = []
        for part, text in enumerate(self.texts):
            if self.inside is None and isinstance(self.asks, Chat) and self.asks.turns[part][0] == "system":
                continue
            if self.inside is not None and part != self.inside.part:
                continue
            start, end = (self.inside.start, self.inside.end) if self.inside else (0, len(text))
            unit = self.inside.unit if self.inside else self.how.unit
            pieces = split(text[start:end], unit)
            found += [(part, start + p.core_start, start + p.core_end) for p in pieces]
        return found

    def within(self, player: int) -> RunRequest:
        """The same question about the inside of one unit, the others fixed. Raises InputError."""
        places = self.places()
        if not 0 <= player < len(places):
            raise InputError("That part is not there any more: press Explain again.")
        part, start, end = places[player]
        text = self.texts[part][start:end]
        unit = FINER.get(self.inside.unit if self.inside else self.how.unit)
        if unit == "sentence" and len(split(text, "sentence")) < 2:
            unit = "word"
        if unit is None or len(split(text, unit)) < 2:
            raise InputError("This part is a single word: there is nothing inside to take away.")
        return replace(self, inside=Inside(part, start, end, unit))

    def answering(self, answer: str) -> RunRequest:
        """The same, with the answer fixed: asking again must not let the model write another."""
        return replace(self, asks=replace(self.asks, answer=answer))

    def _built(self, backend: Backend, keeps: bool) -> Game:
        spans = self.places() if self.inside else None
        rest: dict[str, Any] = {
            "answer": self.asks.answer.strip() or None,
            "unit": None if spans else self.how.unit,
            "score": self.how.score or None,
            "options": self.how.options or None,
            "spans": spans,
            "terms": RequestPolicy(max_cost=self.model.max_cost, store=keeps),
        }
        if isinstance(self.asks, Rag):
            return spexapi.RagGame(backend, self.asks.question.strip(), self.asks.documents, **rest)
        turns = [{"role": role, "content": text} for role, text in self.asks.turns]
        return spexapi.PromptGame(backend, turns, **rest)


def documents_of(given: object) -> tuple[str, ...]:
    """The texts of the boxes, without empty ones; what a client sends is not to be trusted."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        return ()
    texts: list[Any] = list(given)  # pyright: ignore[reportUnknownArgumentType]
    return tuple(text for text in texts if isinstance(text, str) and text.strip())


def turns_of(given: object) -> tuple[tuple[str, str], ...]:
    """(role, text) of the boxes of a chat, without empty ones. Raises InputError for an unknown role."""
    found: list[tuple[str, str]] = []
    turns: list[Any] = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []  # pyright: ignore[reportUnknownArgumentType]
    for turn in turns:
        if not isinstance(turn, Mapping):
            continue
        role, text = str(turn.get("role", "user")), turn.get("text", "")  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType, reportUnknownVariableType]
        if role not in ROLES:
            raise InputError(f"a turn is {', '.join(ROLES)}, not {role!r}")
        if isinstance(text, str) and text.strip():
            found.append((role, text))
    return tuple(found)


def options_of(text: str) -> tuple[str, ...]:
    """Answers to choose between, one a line."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())
