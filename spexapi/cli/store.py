"""`spexapi store`: what is kept of paid replies, read and cleared."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from spexapi.cli.console import note, out, plain_errors, say
from spexapi.errors import InputError
from spexapi.narrative.wording import counted
from spexapi.sampling.store import Store, default_path

app = typer.Typer(no_args_is_help=True, help="Replies that were paid for: what is kept, all of it, or none.")

File = Annotated[
    Path | None, typer.Option("--store", help="The file; SPEXAPI_STORE or the default one if not given.")
]


@app.command()
def stats(store: File = None) -> None:
    """How many replies of which models are kept, and how large the file is."""
    with plain_errors(), _opened(store) as kept:
        table = Table("model", "replies", "failed", "tokens read", "written", "first", "last", box=None)
        for line in kept.stats():
            counts = (line.replies, line.failed, line.tokens_in, line.tokens_out)
            days = (_day(line.first), _day(line.last))
            table.add_row(line.identity, *(f"{count:,}" for count in counts), *days)
        if table.row_count:
            out.print(table, highlight=False, markup=False)
        else:
            say("nothing is kept")
        size = kept.path.stat().st_size / 1e6
        say(f"{kept.path}: {size:.1f} MB")


@app.command()
def export(
    to: Annotated[
        Path | None, typer.Option("--out", help="A .jsonl file; the terminal if not given.")
    ] = None,
    store: File = None,
) -> None:
    """Every request and its reply, a line of JSON each."""
    with plain_errors(), _opened(store) as kept:
        lines = (json.dumps(row, ensure_ascii=False) for row in kept.export())
        if to is None:
            for line in lines:
                typer.echo(line)
            return
        try:
            with to.open("w", encoding="utf-8") as file:
                count = sum(1 for line in lines if file.write(line + "\n"))
        except OSError as error:
            raise InputError(f"{to} cannot be written: {error.strerror}") from error
        say(f"wrote {counted(count, 'reply', 'replies')} to {to}")


@app.command()
def clear(
    model: Annotated[str | None, typer.Option(help="Only this one's, named as `stats` does.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only replies that failed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    store: File = None,
) -> None:
    """Forgets what is kept: it would have to be paid for again."""
    with plain_errors(), _opened(store) as kept:
        if not yes and not typer.confirm(f"forget replies in {kept.path}?"):
            note("nothing was forgotten")
            return
        gone = kept.clear(model, failed_only=failed)
        say(f"forgot {counted(gone, 'reply', 'replies')}")
        if kept.trouble:
            note(kept.trouble)


def _opened(named: Path | None) -> Store:
    path = named or default_path()
    if path is None:
        raise InputError("nothing is kept here (SPEXAPI_STORE=off, or a public Space): name a file, --store")
    if not path.exists():
        raise InputError(f"there is no store {path} yet: a run with a hosted model makes it")
    return Store(path)


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
