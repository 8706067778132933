"""`spexapi heads`: which attention heads, MLP blocks or layers of a local model made it answer as it did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import spexapi
from spexapi.cli.options import RunOptions, asks
from spexapi.cli.pruning import Pruning
from spexapi.cli.run import plain_errors, run
from spexapi.errors import InputError
from spexapi.games.base import Game
from spexapi.games.questions import load_questions


@asks
def heads(
    ask: RunOptions,
    text: Annotated[str | None, typer.Option(help="The prompt.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="The prompt, from a text file or a .json list of chat messages.")
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(help='A set in place of one prompt: .jsonl of {"prompt", "answer", "options"}.'),
    ] = None,
    unit: Annotated[
        list[str] | None, typer.Option(help="What is taken out: head, mlp, layer or neuron; repeat it.")
    ] = None,
    layers: Annotated[str | None, typer.Option(help="Only these layers, from 0: 0-3,7.")] = None,
    part: Annotated[
        list[str] | None, typer.Option(help="A part by name, such as 'layer 2 head 5'; repeat it.")
    ] = None,
    ablation: Annotated[
        str, typer.Option(help="What stands in for a part that is out: zero, mean or resample.")
    ] = "zero",
    reference: Annotated[
        list[str] | None, typer.Option(help="A prompt to take the mean over, or to resample from; repeat it.")
    ] = None,
    prune: Annotated[
        list[str] | None,
        typer.Option(
            help="The best so many parts to keep, such as 4,8,16: what the explanation predicts and what the"
            " model does with them alone; a quarter of the budget goes into the search."
        ),
    ] = None,
) -> None:
    """Which heads of a local model, and which combinations of them, made it answer as it did."""

    def build() -> Game:
        if ask.masking != "drop" or ask.placeholder is not None:
            raise InputError("nothing of the text is removed here: --ablation says what stands in for a part")
        of_text = ask.of_text()
        kept = ("samples", "max_new_tokens", "terms", "score", "answer", "options")
        arguments: dict[str, Any] = {name: of_text[name] for name in kept}
        if questions is not None and (text is not None or file is not None):
            raise InputError("give either a prompt or --questions, not both")
        asked: Any = spexapi.load_prompt(text, file) if questions is None else load_questions(questions)
        return spexapi.HeadGame(
            ask.backend if ask.backend.startswith("openai:") else ask.open(),
            asked,
            unit=tuple(unit or ["head"]),
            layers=None if layers is None else _numbers("--layers", layers),
            parts=part or None,
            ablation=ablation,
            reference=reference or (),
            **arguments,
        )

    with plain_errors():
        sizes = tuple(dict.fromkeys(size for given in prune or () for size in _numbers("--prune", given)))
    run(build, ask, then=Pruning(sizes) if sizes else None)


def _numbers(option: str, text: str) -> list[int]:
    """ "0-3,7" -> 0, 1, 2, 3, 7. Raises InputError."""
    found: list[int] = []
    for piece in text.split(","):
        first, dash, last = piece.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"{option} {text!r} is not understood: write 0-3,7")
        found += range(int(first), int(last or first) + 1)
    return found
