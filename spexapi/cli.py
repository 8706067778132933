"""The command line. Exit codes: 0 done; 2 bad input; 3 backend refused or unreachable; 4 stopped with a partial result saved."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import spexapi
from spexapi.errors import BackendError, InputError, NothingMeasured, SpexError
from spexapi.explain import Preview, explain, preview
from spexapi.explanation import Explanation
from spexapi.games.base import Game

BAD_INPUT, REFUSED, STOPPED = 2, 3, 4
PARTIAL = Path("explanation-partial.json")

app = typer.Typer(
    name="spexapi",
    help="Which combinations of documents or words made a language model say what it said.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out, err = Console(), Console(stderr=True)

Backend = Annotated[str, typer.Option(help="embedded, or hf:<id or folder>; `spexapi plugins` lists all.")]
Answer = Annotated[str | None, typer.Option(help="The answer to explain; the model writes it where none is given.")]
EngineName = Annotated[str, typer.Option("--engine", help="auto, exact, proxyspex, ...")]
Budget = Annotated[int, typer.Option(help="How many ablated prompts may be scored.")]
Index = Annotated[str, typer.Option(help="fourier moebius sii stii fsii fbii bii sv bv")]
MaxOrder = Annotated[int | None, typer.Option(help="Largest combination reported.")]
Score = Annotated[str, typer.Option(help="logprob, mean_logprob, logit or choice.")]
Options = Annotated[list[str] | None, typer.Option("--option", help="Another answer to weigh against (score choice); repeat it.")]
Masking = Annotated[str, typer.Option(help="How a part is removed: drop, placeholder or attention.")]
Placeholder = Annotated[str | None, typer.Option(help="What stands for a removed part (masking placeholder).")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same masks.")]
HeldOut = Annotated[int, typer.Option(help="Fresh masks of the budget set aside to measure R²; 0: cross-validation.")]
JsonPath = Annotated[Path | None, typer.Option("--json", help="Save the explanation here.")]
HtmlPath = Annotated[Path | None, typer.Option("--html", help="Save a report here.")]
MaxCalls = Annotated[int | None, typer.Option(help="Never score more prompts than this, whatever the budget.")]
MaxCost = Annotated[float | None, typer.Option(help="Never spend more than this, in US dollars.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be asked, and ask nothing.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no table.")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    """Explains by ablation which combinations of documents or words made a model answer as it did."""
    if version:
        out.print(f"spexapi {spexapi.__version__}", highlight=False)
        raise typer.Exit


@app.command()
def rag(
    backend: Backend,
    question: Annotated[str, typer.Option(help="The question asked of the documents.")],
    documents: Annotated[Path, typer.Option(help=".jsonl, .json, .txt or .md")],
    answer: Answer = None,
    unit: Annotated[str, typer.Option(help="What is removed: document, paragraph, sentence, line, word or token.")] = "document",
    question_unit: Annotated[str | None, typer.Option(help="Also remove parts of the question: word, token.")] = None,
    engine: EngineName = "auto",
    budget: Budget = 256,
    index: Index = "fbii",
    max_order: MaxOrder = None,
    score: Score = "logprob",
    option: Options = None,
    masking: Masking = "drop",
    placeholder: Placeholder = None,
    held_out: HeldOut = 0,
    seed: Seed = 0,
    json: JsonPath = None,
    html: HtmlPath = None,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Which documents, and which combinations of them, drove the answer to a question."""

    def build() -> Game:
        return spexapi.RagGame(
            spexapi.open_backend(backend),
            question,
            spexapi.load_documents(documents),
            answer,
            unit=unit,
            question_unit=question_unit,
            score=score,
            options=option,
            masking=masking,
            placeholder=placeholder,
        )

    _run(build, engine, budget, index, max_order, held_out, seed, json, html, max_calls, max_cost, dry_run, quiet)


@app.command()
def prompt(
    backend: Backend,
    text: Annotated[str | None, typer.Option(help="The prompt.")] = None,
    file: Annotated[Path | None, typer.Option(help="The prompt, from a text file or a .json list of chat messages.")] = None,
    answer: Answer = None,
    unit: Annotated[str, typer.Option(help="What is removed: word, sentence, line, paragraph, token or turn.")] = "word",
    engine: EngineName = "auto",
    budget: Budget = 256,
    index: Index = "fbii",
    max_order: MaxOrder = None,
    score: Score = "logprob",
    option: Options = None,
    masking: Masking = "drop",
    placeholder: Placeholder = None,
    held_out: HeldOut = 0,
    seed: Seed = 0,
    json: JsonPath = None,
    html: HtmlPath = None,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Which words, sentences or chat turns of a prompt drove the answer."""

    def build() -> Game:
        return spexapi.PromptGame(
            spexapi.open_backend(backend),
            spexapi.load_prompt(text, file),
            answer,
            unit=unit,
            score=score,
            options=option,
            masking=masking,
            placeholder=placeholder,
        )

    _run(build, engine, budget, index, max_order, held_out, seed, json, html, max_calls, max_cost, dry_run, quiet)


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
    out_dir: Annotated[Path, typer.Option("--out", help="Where report.html and explanation.json go.")] = Path("demo"),
    budget: Budget = 96,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """The embedded model answers a question from eight documents; spexapi says which it needed. No network, no key."""

    def build() -> Game:
        return spexapi.RagGame(spexapi.open_backend("embedded"), DEMO_QUESTION, DEMO_DOCUMENTS)

    out_dir.mkdir(parents=True, exist_ok=True)
    json, html = out_dir / "explanation.json", out_dir / "report.html"
    _run(build, "auto", budget, "fbii", None, 0, seed, json, html, None, None, False, quiet)


@app.command()
def show(
    explanation: Annotated[Path, typer.Argument(help="An explanation.json.")],
    index: Annotated[str | None, typer.Option(help="Read it in another index.")] = None,
    max_order: MaxOrder = None,
    span: Annotated[tuple[int, int] | None, typer.Option(help="Explain only these characters of the answer.")] = None,
    html: HtmlPath = None,
) -> None:
    """Opens a saved explanation again: another index, another span of the answer, a report. No model call."""
    with _errors():
        ex = Explanation.from_json(explanation)
        if span is not None:
            ex = ex.span(*span)
        if index is not None or max_order is not None:
            ex = ex.in_index(index or ex.index, max_order)
        _present(ex, None, html, quiet=False)


@app.command()
def plugins() -> None:
    """The backends, engines and scorers found here."""
    from spexapi.backends.registry import known_backends
    from spexapi.engines.registry import known_engines
    from spexapi.scorers import known_scorers

    for title, known in (("backends", known_backends()), ("engines", known_engines()), ("scorers", known_scorers())):
        out.print(f"[bold]{title}[/bold]")
        for name, what in known.items():
            out.print(f"  {name:<14} {what}", highlight=False, markup=False)


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port of the page.")] = 7860) -> None:
    """Opens the page in your browser's reach, at http://127.0.0.1:<port>."""
    with _errors():
        try:
            from spexapi.views.ui import launch
        except ModuleNotFoundError as error:
            raise InputError(f'the page needs {error.name}: pip install "spexapi[ui]"') from error
        launch(port)


def main() -> None:
    """Entry point of `spexapi` and `python -m spexapi`."""
    app()


def _run(
    build: Callable[[], Game],
    engine: str,
    budget: int,
    index: str,
    max_order: int | None,
    held_out: int,
    seed: int,
    json: Path | None,
    html: Path | None,
    max_calls: int | None,
    max_cost: float | None,
    dry_run: bool,
    quiet: bool,
) -> None:
    with _errors():
        _writable(json, html)
        game = build()
        allowed = budget if max_calls is None else min(budget, max_calls)
        if dry_run:
            _say_plan(preview(game, engine=engine, budget=allowed, index=index, max_order=max_order, seed=seed), max_cost)
            return
        with _interruptible() as stop, _progress(quiet) as report:
            ex = explain(
                game,
                engine=engine,
                budget=allowed,
                index=index,
                max_order=max_order,
                seed=seed,
                held_out=held_out,
                on_progress=report,
                should_stop=lambda: stop() or _over(game, max_cost),
            )
        capped = allowed < budget and not ex.audit.method == "exact"
        if (ex.stopped or capped) and json is None:
            json = PARTIAL
        _present(ex, json, html, quiet)
        if ex.stopped or capped:
            why = f"--max-calls {max_calls} of the {budget} asked for" if capped and not ex.stopped else "before the plan was measured"
            err.print(f"stopped: {why}; {len(ex.observations)} measurements are saved in {json}", highlight=False, markup=False)
            raise typer.Exit(STOPPED)


def _over(game: Game, max_cost: float | None) -> bool:
    price = game.spent.price
    return max_cost is not None and price is not None and price >= max_cost > 0


def _say_plan(plan: Preview, max_cost: float | None) -> None:
    out.print(f"{plan.n_players} players: {', '.join(plan.labels[:8])}{', ...' if plan.n_players > 8 else ''}", markup=False)
    out.print(f"engine {plan.engine}: {plan.calls} prompts would be scored", markup=False, highlight=False)
    for note in plan.notes:
        out.print(f"  {note}", markup=False, highlight=False)
    if plan.tokens is not None:
        out.print(f"about {plan.tokens:,} tokens in all (half of the parts are removed on average)", markup=False)
    if max_cost is not None:
        out.print(f"stops at {max_cost} US dollars", markup=False, highlight=False)
    out.print("nothing was asked", markup=False)


def _present(ex: Explanation, json: Path | None, html: Path | None, quiet: bool) -> None:
    if json is not None:
        ex.to_json(json)
    if html is not None:
        ex.to_html(html)
    if quiet:
        return
    from spexapi.views.text import show as show_table

    show_table(ex, out)
    for path in (html, json):
        if path is not None:
            out.print(f"wrote {path}", highlight=False, markup=False)


def _writable(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path} cannot be written: there is no folder {path.parent}; make it first")


@contextmanager
def _errors() -> Iterator[None]:
    """Our own errors as one line and an exit code; a traceback only for mistakes of ours."""
    try:
        yield
    except SpexError as error:
        err.print(f"spexapi: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        code = BAD_INPUT if isinstance(error, InputError) else REFUSED
        raise typer.Exit(code) from error
    except KeyboardInterrupt as error:
        err.print("stopped; nothing had been measured that could be saved", highlight=False)
        raise typer.Exit(130) from error


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C ends the measuring after the batch in flight and keeps what is there; a second one ends at once."""
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        err.print("stopping after the batch in flight; press Ctrl-C again to drop everything", highlight=False)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    except NothingMeasured:
        if pressed:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("loading the model", total=None)
        yield lambda done, planned: bar.update(
            task, completed=done, total=planned, description="fitting" if done >= planned else "scoring prompts"
        )
