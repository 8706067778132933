"""The commands.

Exit codes: 0 done; 2 bad input; 3 backend refused or unreachable, what was measured by then saved; 4 stopped
with a partial result saved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import spexapi
from spexapi.cli.console import out, plain_errors, say
from spexapi.cli.heads import heads
from spexapi.cli.options import RunOptions, read_template, with_options
from spexapi.cli.run import run
from spexapi.cli.saving import present
from spexapi.cli.store import app as store
from spexapi.cli.training import training
from spexapi.errors import InputError
from spexapi.explanation.explanation import Explanation
from spexapi.games.base import Game

app = typer.Typer(
    name="spexapi",
    help="Which combinations of documents or words made a language model say what it said.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


app.add_typer(store, name="store")
app.command()(heads)
app.command()(training)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """Explains by ablation which combinations of documents or words made a model answer as it did."""
    if version:
        say(f"spexapi {spexapi.__version__}")
        raise typer.Exit


@app.command()
@with_options
def rag(
    question: Annotated[str, typer.Option(help="The question asked of the documents.")],
    documents: Annotated[Path, typer.Option(help=".jsonl, .json, .txt or .md")],
    ask: RunOptions,
    unit: Annotated[
        str, typer.Option(help="What is removed: document, paragraph, sentence, line, word or token.")
    ] = "document",
    question_unit: Annotated[
        str | None, typer.Option(help="Also remove parts of the question: word, token.")
    ] = None,
    fixed_first: Annotated[
        bool,
        typer.Option("--fixed-first", help="The question before the documents, for caches of prefixes."),
    ] = False,
) -> None:
    """Which documents, and which combinations of them, drove the answer to a question."""

    def build() -> Game:
        return spexapi.RagGame(
            ask.open(),
            question,
            spexapi.load_documents(documents),
            unit=unit,
            question_unit=question_unit,
            fixed_first=fixed_first,
            **ask.of_answer(),
            **ask.of_masking(),
        )

    run(build, ask)


@app.command()
@with_options
def prompt(
    ask: RunOptions,
    text: Annotated[str | None, typer.Option(help="The prompt.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="The prompt, from a text file or a .json list of chat messages.")
    ] = None,
    unit: Annotated[
        str, typer.Option(help="What is removed: word, sentence, line, paragraph, token or turn.")
    ] = "word",
) -> None:
    """Which words, sentences or chat turns of a prompt drove the answer."""

    def build() -> Game:
        messages = spexapi.load_prompt(text, file)
        return spexapi.PromptGame(ask.open(), messages, unit=unit, **ask.of_answer(), **ask.of_masking())

    run(build, ask)


DEMO_QUESTION = "Which room is the key in?"
DEMO_DOCUMENTS = (
    "The lamp is in the attic.",
    "The key is in the box.",
    "Mary is in the garden.",
    "The box is in the cellar.",
    "The ring is in the bag.",
    "John has the coin.",
    "The bag is in the kitchen.",
    "The letter is in the drawer.",
)


@app.command()
def demo(
    out_dir: Annotated[Path, typer.Option("--out", help="Where report.html and explanation.json go.")] = Path(
        "demo"
    ),
    budget: Annotated[int, typer.Option(help="How many of the 256 sets of documents are tried.")] = 96,
    seed: Annotated[int, typer.Option(help="The same seed gives the same masks.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no table.")] = False,
) -> None:
    """The embedded model answers from eight documents; spexapi says which it needed. No network, no key."""
    with plain_errors():
        try:
            out_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the folder {out_dir} cannot be made: {error.strerror}; give another --out"
            ) from error
    json, html = out_dir / "explanation.json", out_dir / "report.html"
    ask = RunOptions(backend="embedded", budget=budget, seed=seed, json=json, html=html, quiet=quiet)
    run(lambda: spexapi.RagGame(spexapi.open_backend("embedded"), DEMO_QUESTION, DEMO_DOCUMENTS), ask)


@app.command()
def show(
    explanation: Annotated[Path, typer.Argument(help="An explanation.json.")],
    index: Annotated[str | None, typer.Option(help="Read it in another index.")] = None,
    max_order: Annotated[int | None, typer.Option(help="Largest combination reported.")] = None,
    span: Annotated[
        tuple[int, int] | None, typer.Option(help="Explain only these characters of the answer.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Save a report here.")] = None,
) -> None:
    """Opens a saved explanation again: another index, another span of the answer, a report. No model call."""
    with plain_errors():
        ex = Explanation.from_json(explanation)
        if span is not None:
            ex = ex.span(*span)
        if index is not None or max_order is not None:
            ex = ex.in_index(index or ex.index, max_order)
        present(ex, None, html, quiet=False)


@app.command()
def probe(
    backend: Annotated[str, typer.Option(help="openai:<model>, or any other backend.")],
    base_url: Annotated[
        str | None, typer.Option(help="Address of an OpenAI-shaped endpoint, up to /v1.")
    ] = None,
    key_env: Annotated[
        str | None, typer.Option(help="Environment variable that holds the key; OPENAI_API_KEY if not given.")
    ] = None,
    form: Annotated[str | None, typer.Option(help="Only chat, completions or responses.")] = None,
    chat_template: Annotated[
        Path | None, typer.Option(help="Jinja file that writes the turns for form completions.")
    ] = None,
    bos_token: Annotated[str | None, typer.Option(help="What bos_token stands for in it.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds one call may take.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tries each way to score with a few tokens, checks the numbers, says what works and what each costs."""
    from spexapi.cli.probe import probe as tried

    with plain_errors():
        template = None if chat_template is None else read_template(chat_template)
        given = {
            "base_url": base_url,
            "key_env": key_env,
            "form": form,
            "timeout": timeout,
            "chat_template": template,
            "bos_token": bos_token,
        }
        wanted = {name: value for name, value in given.items() if value is not None}
        tried(spexapi.open_backend(backend, **wanted), as_json=as_json)


@app.command()
def plugins() -> None:
    """The backends, engines and scorers found here."""
    from spexapi.backends.registry import known_backends
    from spexapi.engines.registry import known_engines
    from spexapi.scorers.registry import known_scorers

    for title, known in (
        ("backends", known_backends()),
        ("engines", known_engines()),
        ("scorers", known_scorers()),
    ):
        out.print(f"[bold]{title}[/bold]")
        for name, what in known.items():
            say(f"  {name:<14} {what}")


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of the page.")] = 7860,
    mcp: Annotated[
        bool, typer.Option("--mcp", help='Also serve agents (MCP); needs "spexapi[mcp]".')
    ] = False,
) -> None:
    """Opens the page in your browser's reach, at http://127.0.0.1:<port>."""
    with plain_errors():
        try:
            from spexapi.page.app import launch
        except ModuleNotFoundError as error:
            raise InputError(f'the page needs {error.name}: pip install "spexapi[ui]"') from error
        launch(port, mcp=mcp or None)


def main() -> None:
    """Entry point of `spexapi` and `python -m spexapi`."""
    app()
