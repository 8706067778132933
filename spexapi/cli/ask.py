"""The options that every run on the command line has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What every run can be asked for; the fields are the options of `rag` and `prompt`."""

    backend: Annotated[str, typer.Option(help="embedded, or hf:<id or folder>; `spexapi plugins` lists all.")]
    answer: Annotated[
        str | None, typer.Option(help="The answer to explain; the model writes it where none is given.")
    ] = None
    engine: Annotated[str, typer.Option(help="auto, exact, proxyspex, ...")] = "auto"
    budget: Annotated[int, typer.Option(help="How many ablated prompts may be scored.")] = 256
    index: Annotated[str, typer.Option(help="fourier moebius sii stii fsii fbii bii sv bv")] = "fbii"
    max_order: Annotated[int | None, typer.Option(help="Largest combination reported.")] = None
    score: Annotated[str, typer.Option(help="logprob, mean_logprob, logit or choice.")] = "logprob"
    option: Annotated[
        list[str] | None, typer.Option(help="Another answer to weigh against (score choice); repeat it.")
    ] = None
    masking: Annotated[str, typer.Option(help="How a part is removed: drop, placeholder or attention.")] = (
        "drop"
    )
    placeholder: Annotated[
        str | None, typer.Option(help="What stands for a removed part (masking placeholder).")
    ] = None
    held_out: Annotated[
        int, typer.Option(help="Fresh masks of the budget set aside to measure R²; 0: cross-validation.")
    ] = 0
    seed: Annotated[int, typer.Option(help="The same seed gives the same masks.")] = 0
    json: Annotated[Path | None, typer.Option(help="Save the explanation here.")] = None
    html: Annotated[Path | None, typer.Option(help="Save a report here.")] = None
    max_calls: Annotated[
        int | None, typer.Option(min=1, help="Never score more prompts than this, whatever the budget.")
    ] = None
    max_cost: Annotated[float | None, typer.Option(help="Never spend more than this, in US dollars.")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked, and ask nothing.")] = (
        False
    )
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no table.")] = False

    def of_text(self) -> dict[str, Any]:
        """The arguments of a game made of text."""
        return {
            "answer": self.answer,
            "score": self.score,
            "options": self.option,
            "masking": self.masking,
            "placeholder": self.placeholder,
        }


def asks(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of Ask beside its own; it gets them as its last argument, `ask`."""
    own = get_type_hints(command, include_extras=True)
    shared = get_type_hints(Ask, include_extras=True)
    parameters = [
        p.replace(annotation=own[p.name]) for p in signature(command).parameters.values() if p.name != "ask"
    ]
    for field in fields(Ask):
        default = Parameter.empty if field.default is MISSING else field.default
        parameters.append(
            Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=shared[field.name])
        )

    def run(**given: Any) -> None:
        ask = Ask(**{field.name: given.pop(field.name) for field in fields(Ask)})
        command(**given, ask=ask)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = Signature([p.replace(kind=Parameter.KEYWORD_ONLY) for p in parameters])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run
