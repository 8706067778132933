"""What every game is: players, and the value of any mask."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

from spexapi.backends.huggingface.components import Component
from spexapi.errors import InputError
from spexapi.measurements import Bools, Measurements
from spexapi.sampling.forecast import Forecast
from spexapi.sampling.usage import Usage


@dataclass(frozen=True, slots=True)
class Player:
    """One thing that can be removed.

    label  short, for tables and plots
    kind   "document", "sentence", "word", "token", "line", "paragraph", "turn", "span", "player", ...
    text   all of it, as in the prompt; "" if the player is no text
    component  the part of the model that it is; None for all other players
    """

    label: str
    kind: str = "player"
    text: str = ""
    component: Component | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the prompt, in reading order: a player's, or pinned (player None).

    role  "system", "user", "assistant", "tool"
    """

    text: str
    player: int | None
    role: str = "user"


@dataclass(frozen=True, slots=True)
class Target:
    """What is explained, for people and for reading a saved explanation again.

    kind            "function", "prompt", "rag", ...
    score           name of the scorer; "value" for a plain function
    unit            of the values: "nats" for log-probabilities and log-odds, else as the game says
    question        the RAG question, "" if there is none
    answer          the explained answer, "" if there is none
    answer_offsets  (start, end) characters in `answer` of each scored token
    generated       True if the model itself wrote the answer
    span            characters of the answer that are explained, None for all of it
    pieces          the whole prompt in reading order; empty if the game has no text
    masking         "drop", "placeholder", "attention"; "" if it does not apply
    options         the answers to choose from, `answer` among them; empty if it is no choice
    unknown         words that the model does not know, if it can tell
    """

    kind: str = "function"
    score: str = "value"
    unit: str = ""
    question: str = ""
    answer: str = ""
    answer_offsets: tuple[tuple[int, int], ...] = ()
    generated: bool = False
    span: tuple[int, int] | None = None
    pieces: tuple[Piece, ...] = ()
    masking: str = ""
    options: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


Spent = Usage  # the older name, for games of plug-ins


@dataclass(frozen=True, slots=True)
class GameTraits:
    """How a game likes to be measured, and what it has to say.

    concurrency     calls of `measure` that may run at once
    batched         True if one call of `measure` may take a day
    calls_per_mask  budget that one mask takes: several if its value is read from several replies
    notes           sentences for the explanation
    """

    concurrency: int = 1
    batched: bool = False
    calls_per_mask: int = 1
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, number in (("concurrency", self.concurrency), ("calls_per_mask", self.calls_per_mask)):
            if number < 1:
                raise InputError(f"{name} of a game must be 1 or more, got {number}")


@runtime_checkable
class Game(Protocol):
    """Players and a way to measure masks. Knows nothing of engines.

    A run calls `prepare` once, then `measure` with batches of up to `batch` masks, then `close`. A game may
    also have `traits`, a GameTraits that is final after `prepare`, and the abilities CanHalt, CanForecast and
    CanWrite.
    """

    @property
    def players(self) -> tuple[Player, ...]:
        """The n >= 2 players, in the order of a mask's columns."""
        ...

    @property
    def batch(self) -> int:
        """Most masks in one call of `measure`: progress is shown and a stop obeyed between calls."""
        ...

    @property
    def backend_name(self) -> str:
        """Where the model runs, "" for a plain function."""
        ...

    @property
    def spent(self) -> Usage:
        """What has been used so far."""
        ...

    async def prepare(self) -> Target:
        """Everything that can fail, before the first mask is paid for.

        Opens clients, writes the answer if none was given, checks lengths. May be called again.
        """
        ...

    async def measure(self, masks: Bools) -> Measurements:
        """(m, n) bool -> one value a mask, in order.

        A mask that fails is NaN with a reason, no exception, unless no mask can work (Refused, InputError).
        """
        ...

    async def close(self) -> None:
        """Ends what `prepare` opened."""
        ...


@runtime_checkable
class CanHalt(Protocol):
    """A game that can be told to send nothing more."""

    def halt(self) -> None:
        """Makes `measure` send nothing more until the next `prepare`; calls under way end by themselves."""
        ...


@runtime_checkable
class CanForecast(Protocol):
    """A game that knows what masks would take before any is measured."""

    def forecast(self, masks: Bools, writes: int = 0) -> Forecast:
        """Calls, tokens, time and price of measuring these masks; no call is made.

        writes  answers that are written besides; only a game that CanWrite is asked about more than 0
        """
        ...


@runtime_checkable
class CanWrite(Protocol):
    """A game whose model can be asked to answer with only some of the players there."""

    async def write(self, mask: Bools) -> str:
        """The model's own answer with only mask (n,) kept; between `prepare` and `close`."""
        ...


def traits_of(game: Game) -> GameTraits:
    """The game's `traits`; a game without them may have any of their fields as attributes of its own."""
    given = getattr(game, "traits", None)
    if isinstance(given, GameTraits):
        return given
    names = [field.name for field in fields(GameTraits) if hasattr(game, field.name)]
    return GameTraits(**{name: getattr(game, name) for name in names})
