"""What happens between Explain and the result; no component is made here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event

import spexapi
from spexapi.errors import InputError
from spexapi.prompt import Document, load_documents

UNITS = ("document", "sentence", "word")


@dataclass(frozen=True, slots=True)
class Form:
    """What the visitor filled in.

    documents  one text, an empty line between two documents
    answer     "" lets the model write it
    """

    question: str
    documents: str
    answer: str = ""
    unit: str = "document"
    budget: int = 128
    backend: str = "embedded"
    engine: str = "auto"
    index: str = "fbii"
    seed: int = 0

    def game(self, allowed: Sequence[str] | None) -> spexapi.RagGame:
        """The game, checked. Raises InputError in words for the visitor."""
        backend = self.backend.strip() or "embedded"
        if allowed is not None and backend not in allowed:
            raise InputError(
                f"this page runs {', '.join(allowed)} only; install spexapi to use {backend!r} at home"
            )
        if not self.question.strip():
            raise InputError("There is no question yet: write what the documents are to answer.")
        documents = blocks(self.documents)
        if not documents:
            raise InputError(
                "There are no documents yet: write at least two, with an empty line between them."
            )
        return spexapi.RagGame(
            spexapi.open_backend(backend),
            self.question.strip(),
            documents,
            self.answer.strip() or None,
            self.unit,
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the measuring is, in masks."""

    done: int
    planned: int


@dataclass(slots=True)
class Stops:
    """A flag for the run of each visitor, one run a visitor: raised where it shall end."""

    _flags: dict[str, Event] = field(default_factory=dict[str, Event])

    def begin(self, visitor: str) -> Event:
        """The flag of a new run; an older one of this visitor ends."""
        self.ask(visitor)
        self._flags[visitor] = Event()
        return self._flags[visitor]

    def ask(self, visitor: str) -> None:
        """Ends the run of this visitor, if there is one."""
        if flag := self._flags.pop(visitor, None):
            flag.set()


def blocks(text: str) -> list[str]:
    """The documents of a text box: blocks between empty lines."""
    found: list[list[str]] = [[]]
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.strip():
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return ["\n".join(lines) for lines in found if lines]


def as_text(path: str) -> str:
    """A documents file as the text box holds it. Raises InputError."""

    def block(document: Document) -> str:
        return "\n".join(line for line in document.written.splitlines() if line.strip())

    return "\n\n".join(block(document) for document in load_documents(path))


async def ask(
    form: Form, stops: Stops, visitor: str, allowed: Sequence[str] | None
) -> AsyncIterator[Progress | spexapi.Explanation]:
    """Progress and ever sharper explanations, the last one final.

    Ends the measuring when the visitor stops or leaves. Raises SpexError.
    """
    updates: asyncio.Queue[Progress | spexapi.Explanation | None] = asyncio.Queue()
    stop = stops.begin(visitor)

    async def work() -> None:
        game = await asyncio.to_thread(form.game, allowed)
        stream = spexapi.astream(
            game,
            engine=form.engine,
            budget=form.budget,
            index=form.index,
            seed=form.seed,
            on_progress=lambda done, planned: updates.put_nowait(Progress(done, planned)),
            should_stop=stop.is_set,
        )
        async for explanation in stream:
            updates.put_nowait(explanation)

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # looked at even where nobody waits any more, else asyncio complains
        updates.put_nowait(None)

    task = asyncio.create_task(work())
    task.add_done_callback(ended)
    try:
        while (update := await updates.get()) is not None:
            if updates.empty() or isinstance(update, spexapi.Explanation):
                yield update
        await task
    finally:
        stop.set()  # where the page went away, the sampler stops after the batch in flight


def allowed_here(environ: Mapping[str, str]) -> tuple[str, ...] | None:
    """Backends a visitor may choose: anything at home, on a public Space only what its owner names."""
    if "SPACE_ID" not in environ:
        return None
    named = environ.get("SPEXAPI_BACKENDS", "embedded").split(",")
    return tuple(name.strip() for name in named if name.strip())
