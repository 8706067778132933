"""`spexapi training`: which rows of a CSV file made a model as good as it is, and which of them together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spexapi.cli.options import RunOptions
from spexapi.cli.run import Work, err, plain_errors, run
from spexapi.games.training.learners import LEARNERS, game_of
from spexapi.games.training.table import read_table

_WORK = Work("training", "models", "trained", "training on all rows")
_FEWEST, _EACH = 256, 6  # models in all, and for each part where that is more


def training(
    data: Annotated[Path, typer.Option(help="CSV file with a line of column names.")],
    label: Annotated[str, typer.Option(help="The column that is predicted.")],
    estimator: Annotated[str, typer.Option(help="; ".join(f"{k}: {v}" for k, v in LEARNERS.items()))] = (
        "logistic"
    ),
    group: Annotated[
        str | None,
        typer.Option(
            help="What is removed as a whole: a column, 'labels', or a number of clusters; else single rows."
        ),
    ] = None,
    test_share: Annotated[float, typer.Option(help="Share of the rows that the model is tested on.")] = 0.3,
    score: Annotated[
        str | None,
        typer.Option(help="probability, accuracy, r2 or another score of scikit-learn."),
    ] = None,
    noise: Annotated[
        int | None,
        typer.Option(min=0, help="Training sets trained twice to learn the noise; 8 where there may be any."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that train side by side.")] = 1,
    engine: Annotated[str, typer.Option(help="auto, exact, proxyspex, ...")] = "auto",
    budget: Annotated[
        int | None,
        typer.Option(help="How many models may be trained; by default 256, or 6 for each part."),
    ] = None,
    index: Annotated[str, typer.Option(help="fourier moebius sii stii fsii fbii bii sv bv")] = "fbii",
    max_order: Annotated[int | None, typer.Option(help="Largest combination reported.")] = 2,
    held_out: Annotated[
        int, typer.Option(help="Fresh masks of the budget set aside to measure R²; 0: cross-validation.")
    ] = 0,
    verify: Annotated[
        int,
        typer.Option(
            min=0, help="So many of the strongest combinations are measured directly, in the budget."
        ),
    ] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same masks and trainings.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Save the explanation here.")] = None,
    html: Annotated[Path | None, typer.Option(help="Save a report here.")] = None,
    max_calls: Annotated[int | None, typer.Option(min=1, help="Never train more models than this.")] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Where trainings are kept: a file, or off. SPEXAPI_STORE says so for all runs."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained; train nothing.")] = (
        False
    ),
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no table.")] = False,
) -> None:
    """Which training examples, and which combinations of them, made a model as good as it is."""
    with plain_errors():
        column = group if group not in (None, "labels") and not str(group).isdigit() else None
        table = read_table(data, label, column)
        for note in table.notes if not quiet else ():
            err.print(note, highlight=False, markup=False)
        rest = {} if noise is None else {"noise": noise}
        game = game_of(
            table,
            estimator,
            test_share=test_share,
            groups=_groups(group),
            score=score,
            seed=seed,
            jobs=jobs,
            store=True if store is None else store,
            **rest,
        )
    ask = RunOptions(
        backend="", engine=engine, budget=budget or max(_FEWEST, _EACH * len(game.players)), index=index,
        max_order=max_order, held_out=held_out, verify=verify, seed=seed, json=json, html=html,
        max_calls=max_calls, dry_run=dry_run, quiet=quiet,
    )  # fmt: skip
    run(lambda: game, ask, _WORK)


def _groups(given: str | None) -> str | int | None:
    """A column is "column", as its values are in the table."""
    if given is None or given == "labels":
        return given
    return int(given) if given.isdigit() else "column"
