"""The options that every run on the command line has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, TypedDict, get_type_hints

import typer

from spexapi.backends.base import Backend
from spexapi.backends.registry import open_backend
from spexapi.errors import InputError
from spexapi.sampling.policy import RequestPolicy


class AnswerOptions(TypedDict):
    answer: str | None
    score: str | None
    options: list[str] | None
    samples: int | None
    max_new_tokens: int
    terms: RequestPolicy


class MaskingOptions(TypedDict):
    masking: str
    placeholder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What every run can be asked for; the fields are the options of `rag` and `prompt`."""

    backend: Annotated[str, typer.Option(help="embedded, or hf:<id or folder>; `spexapi plugins` lists all.")]
    answer: Annotated[
        str | None, typer.Option(help="The answer to explain; the model writes it if none is given.")
    ] = None
    engine: Annotated[str, typer.Option(help="auto, exact, proxyspex, ...")] = "auto"
    budget: Annotated[int, typer.Option(help="How many ablated prompts may be scored.")] = 256
    index: Annotated[str, typer.Option(help="fourier moebius sii stii fsii fbii bii sv bv")] = "fbii"
    max_order: Annotated[int | None, typer.Option(help="Largest combination reported.")] = None
    score: Annotated[
        str | None,
        typer.Option(
            help="logprob, mean_logprob, logit, choice, match, chrf, ...; by default the best it can."
        ),
    ] = None
    samples: Annotated[
        int | None, typer.Option(min=1, help="Replies of one prompt, for scores that read them.")
    ] = None
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="Most tokens of a reply; models that think first need some thousands.")
    ] = 64
    option: Annotated[
        list[str] | None, typer.Option(help="Another answer to weigh against (score choice); repeat it.")
    ] = None
    masking: Annotated[
        str | None,
        typer.Option(
            help="How a part is removed: drop (default), placeholder or attention; a part of the model: zero"
            " (default), mean or resample."
        ),
    ] = None
    placeholder: Annotated[
        str | None, typer.Option(help="What stands for a removed part (masking placeholder).")
    ] = None
    held_out: Annotated[
        int, typer.Option(help="Fresh masks of the budget set aside to measure R²; 0: cross-validation.")
    ] = 0
    claims: Annotated[
        int | None,
        typer.Option(
            help="Masks of the budget kept to ask the model what the story says; if not given, up to 12."
        ),
    ] = None
    writes: Annotated[
        int,
        typer.Option(help="Most answers that the model writes for the story, to show what it says; 0: none."),
    ] = 6
    verify: Annotated[
        int,
        typer.Option(
            min=0, help="Measure this many of the strongest combinations directly, out of the budget."
        ),
    ] = 0
    seed: Annotated[int, typer.Option(help="The same seed gives the same masks.")] = 0
    json: Annotated[Path | None, typer.Option(help="Save the explanation here.")] = None
    html: Annotated[Path | None, typer.Option(help="Save a report here.")] = None
    max_calls: Annotated[
        int | None, typer.Option(min=1, help="Never score more prompts than this, whatever the budget.")
    ] = None
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Never use more tokens than this, read and written.")
    ] = None
    max_cost: Annotated[float | None, typer.Option(help="Never spend more than this, in US dollars.")] = None
    rpm: Annotated[
        float | None, typer.Option(help="Most requests a minute; the endpoint's limits hold too.")
    ] = None
    tpm: Annotated[float | None, typer.Option(help="Most tokens a minute, likewise.")] = None
    timeout: Annotated[float, typer.Option(help="Seconds one call may take.")] = 120.0
    store: Annotated[
        str | None,
        typer.Option(help="Where paid replies are kept: a file, or off. SPEXAPI_STORE says so for all runs."),
    ] = None
    device_map: Annotated[
        str | None, typer.Option(help="A local model over several devices: auto, balanced, ... (accelerate).")
    ] = None
    quantization: Annotated[
        str | None, typer.Option(help="4bit or 8bit, for a local model (bitsandbytes).")
    ] = None
    adapter: Annotated[
        str | None, typer.Option(help="A PEFT adapter for a local model: a folder or an id on the Hub.")
    ] = None
    base_url: Annotated[str | None, typer.Option(help="Address of an OpenAI-shaped endpoint, up to /v1.")] = (
        None
    )
    key_env: Annotated[
        str | None, typer.Option(help="Environment variable that holds the key; OPENAI_API_KEY if not given.")
    ] = None
    form: Annotated[str | None, typer.Option(help="chat, completions or responses.")] = None
    way: Annotated[str | None, typer.Option(help="Way to score, see `spexapi probe`.")] = None
    chat_template: Annotated[
        Path | None, typer.Option(help="Jinja file that writes the turns for form completions.")
    ] = None
    bos_token: Annotated[str | None, typer.Option(help="What bos_token stands for in it.")] = None
    batch: Annotated[
        bool, typer.Option("--batch", help="Through the Batch API: half the price, within a day.")
    ] = False
    price_in: Annotated[float | None, typer.Option(help="US dollars for a million tokens read.")] = None
    price_out: Annotated[float | None, typer.Option(help="US dollars for a million tokens written.")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked, and ask nothing.")] = (
        False
    )
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no table.")] = False

    def open(self) -> Backend:
        """The backend, not called yet. Raises InputError if it takes no such option."""
        names = ("base_url", "key_env", "form", "way", "bos_token", "price_in", "price_out")
        names = (*names, "device_map", "quantization", "adapter")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.chat_template is not None:
            given["chat_template"] = read_template(self.chat_template)
        if self.batch:
            given["batch"] = True
        if self.backend.startswith("openai:"):
            given["timeout"] = self.timeout
        return open_backend(self.backend, **given)

    def terms(self) -> RequestPolicy:
        """Caps, limits, and the store: the default one, unless the user names another or none."""
        return RequestPolicy(
            max_calls=self.max_calls,
            max_tokens=self.max_tokens,
            max_cost=self.max_cost,
            requests_per_minute=self.rpm,
            tokens_per_minute=self.tpm,
            timeout=self.timeout,
            store=True if self.store is None else self.store,
        )

    def of_answer(self) -> AnswerOptions:
        """The arguments of every game that asks a model for an answer."""
        return {
            "answer": self.answer,
            "score": self.score,
            "options": self.option,
            "samples": self.samples,
            "max_new_tokens": self.max_new_tokens,
            "terms": self.terms(),
        }

    def of_masking(self) -> MaskingOptions:
        """The arguments of a game that takes text away."""
        return {"masking": self.masking or "drop", "placeholder": self.placeholder}


def read_template(path: Path) -> str:
    """A chat template's text. Raises InputError if the file cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the chat template {path} cannot be read: {error}") from error


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each field of those of its parameters that are dataclasses."""
    types: dict[str, Any] = get_type_hints(command, include_extras=True)
    groups: dict[str, type[Any]] = {
        name: kind for name, kind in types.items() if isinstance(kind, type) and is_dataclass(kind)
    }
    own = [p for p in signature(command).parameters.values() if p.name not in groups]
    parameters = [p.replace(annotation=types[p.name], kind=Parameter.KEYWORD_ONLY) for p in own]
    for group in groups.values():
        parameters += _options(group)

    def run(**given: object) -> None:
        built = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **built)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _options(group: type[Any]) -> list[Parameter]:
    types = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=types[field.name],
        )
        for field in fields(group)
    ]
