"""`spexapi heads`: which attention heads, MLP blocks or layers of a local model made it answer as it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

import spexapi
from spexapi.backends.base import Message
from spexapi.cli.console import plain_errors
from spexapi.cli.options import RunOptions, with_options
from spexapi.cli.pruning import Pruning
from spexapi.cli.run import run
from spexapi.errors import InputError
from spexapi.games.questions import load_questions


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOptions:
    """What is asked of the model, and which of its parts are taken out."""

    text: Annotated[str | None, typer.Option(help="The prompt.")] = None
    file: Annotated[
        Path | None, typer.Option(help="The prompt, from a text file or a .json list of chat messages.")
    ] = None
    questions: Annotated[
        Path | None,
        typer.Option(help='A set in place of one prompt: .jsonl of {"prompt", "answer", "options"}.'),
    ] = None
    unit: Annotated[
        list[str] | None, typer.Option(help="What is taken out: head, mlp, layer or neuron; repeat it.")
    ] = None
    layers: Annotated[str | None, typer.Option(help="Only these layers, from 0: 0-3,7.")] = None
    part: Annotated[
        list[str] | None, typer.Option(help="A part by name, such as 'layer 2 head 5'; repeat it.")
    ] = None
    ablation: Annotated[str | None, typer.Option(help="The older name of --masking.")] = None
    reference: Annotated[
        list[str] | None, typer.Option(help="A prompt to take the mean over, or to resample from; repeat it.")
    ] = None
    prune: Annotated[
        list[str] | None,
        typer.Option(
            help="How many of the best parts to keep, such as 4,8,16: what the explanation predicts and what"
            " the model does with them alone; a quarter of the budget goes into the search."
        ),
    ] = None

    def game(self, ask: RunOptions) -> spexapi.HeadGame:
        """The game, built. Raises InputError for options that do not go together."""
        if ask.placeholder is not None:
            raise InputError("nothing of the text is removed here: --masking says what stands in for a part")
        return spexapi.HeadGame(
            ask.backend if ask.backend.startswith("openai:") else ask.open(),
            self._asked(),
            unit=tuple(self.unit or ["head"]),
            layers=None if self.layers is None else _numbers("--layers", self.layers),
            parts=self.part or None,
            masking=self.ablation or ("zero" if ask.masking in (None, "drop") else ask.masking),
            reference=self.reference or (),
            **ask.of_answer(),
        )

    def sizes(self) -> tuple[int, ...]:
        """How many parts to keep, one size or several. Raises InputError."""
        return tuple(dict.fromkeys(size for given in self.prune or () for size in _numbers("--prune", given)))

    def _asked(self) -> Sequence[Message] | Sequence[spexapi.Question]:
        if self.questions is None:
            return spexapi.load_prompt(self.text, self.file)
        if self.text is not None or self.file is not None:
            raise InputError("give either a prompt or --questions, not both")
        return load_questions(self.questions)


@with_options
def heads(parts: HeadOptions, ask: RunOptions) -> None:
    """Which heads of a local model, and which combinations of them, made it answer as it did."""
    with plain_errors():
        sizes = parts.sizes()
    run(lambda: parts.game(ask), ask, then=Pruning(sizes) if sizes else None)


def _numbers(option: str, text: str) -> list[int]:
    """ "0-3,7" -> 0, 1, 2, 3, 7. Raises InputError."""
    found: list[int] = []
    for piece in text.split(","):
        first, dash, last = piece.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"{option} {text!r} is not understood: write 0-3,7")
        found += range(int(first), int(last or first) + 1)
    return found
