"""`spexapi training`: which rows of a CSV file made a model as good as it is, and which of them together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from spexapi.cli.console import note, plain_errors
from spexapi.cli.options import RunOptions, with_options
from spexapi.cli.progress import Work
from spexapi.cli.run import run
from spexapi.games.training.game import TrainingGame
from spexapi.games.training.learners import LEARNERS, game_of
from spexapi.games.training.table import read_table

_WORK = Work("training", "models", "trained", "training on all rows")
_FEWEST, _EACH = 256, 6  # models in all, and for each part if that is more


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """What is trained on what, and the options of a run that apply to it."""

    data: Annotated[Path, typer.Option(help="CSV file with a line of column names.")]
    label: Annotated[str, typer.Option(help="The column that is predicted.")]
    estimator: Annotated[str, typer.Option(help="; ".join(f"{k}: {v}" for k, v in LEARNERS.items()))] = (
        "logistic"
    )
    group: Annotated[
        str | None,
        typer.Option(
            help="What is removed as a whole: a column, 'labels', or a number of clusters; else single rows."
        ),
    ] = None
    test_share: Annotated[float, typer.Option(help="Share of the rows that the model is tested on.")] = 0.3
    score: Annotated[
        str | None,
        typer.Option(help="probability, accuracy, r2 or another score of scikit-learn."),
    ] = None
    noise: Annotated[
        int | None,
        typer.Option(min=0, help="Training sets trained twice to learn the noise; 8 if there may be any."),
    ] = None
    jobs: Annotated[int, typer.Option(min=1, help="Processes that train at the same time.")] = 1
    engine: Annotated[str, typer.Option(help="auto, exact, proxyspex, ...")] = "auto"
    budget: Annotated[
        int | None,
        typer.Option(help="How many models may be trained; by default 256, or 6 for each part."),
    ] = None
    index: Annotated[str, typer.Option(help="fourier moebius sii stii fsii fbii bii sv bv")] = "fbii"
    max_order: Annotated[int | None, typer.Option(help="Largest combination reported.")] = 2
    held_out: Annotated[
        int, typer.Option(help="Fresh masks of the budget set aside to measure R²; 0: cross-validation.")
    ] = 0
    verify: Annotated[
        int,
        typer.Option(
            min=0, help="Measure this many of the strongest combinations directly, out of the budget."
        ),
    ] = 0
    seed: Annotated[int, typer.Option(help="The same seed gives the same masks and trainings.")] = 0
    json: Annotated[Path | None, typer.Option(help="Save the explanation here.")] = None
    html: Annotated[Path | None, typer.Option(help="Save a report here.")] = None
    max_calls: Annotated[int | None, typer.Option(min=1, help="Never train more models than this.")] = None
    store: Annotated[
        str | None,
        typer.Option(help="Where trainings are kept: a file, or off. SPEXAPI_STORE says so for all runs."),
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained; train nothing.")] = (
        False
    )
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no table.")] = False

    def game(self) -> TrainingGame:
        """The game; says what of the table is left out or filled in. Raises InputError."""
        column = self.group if self._groups() == "column" else None
        table = read_table(self.data, self.label, column)
        for remark in table.notes if not self.quiet else ():
            note(remark)
        return game_of(
            table,
            self.estimator,
            test_share=self.test_share,
            groups=self._groups(),
            score=self.score,
            noise=self.noise,
            seed=self.seed,
            jobs=self.jobs,
            store=True if self.store is None else self.store,
        )

    def of_run(self, n_players: int) -> RunOptions:
        return RunOptions(
            backend="",
            engine=self.engine,
            budget=self.budget or max(_FEWEST, _EACH * n_players),
            index=self.index,
            max_order=self.max_order,
            held_out=self.held_out,
            verify=self.verify,
            seed=self.seed,
            json=self.json,
            html=self.html,
            max_calls=self.max_calls,
            dry_run=self.dry_run,
            quiet=self.quiet,
        )

    def _groups(self) -> str | int | None:
        """ "column" if `group` names one, as its values are in the table then."""
        if self.group is None or self.group == "labels":
            return self.group
        return int(self.group) if self.group.isdigit() else "column"


@with_options
def training(asked: TrainingOptions) -> None:
    """Which training examples, and which combinations of them, made a model as good as it is."""
    with plain_errors():
        game = asked.game()
    run(lambda: game, asked.of_run(len(game.players)), _WORK)
