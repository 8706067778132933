"""The files of a run: checked before it, written after it, and what is saved if it ends early."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from spexapi.cli.console import note, out, say
from spexapi.cli.options import RunOptions
from spexapi.errors import BackendError, InputError
from spexapi.explanation.explanation import Explanation

PARTIAL = Path("explanation-partial.json")


def check_writable(*paths: Path | None) -> None:
    """Raises InputError for a file whose folder is not there."""
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path} cannot be written: there is no folder {path.parent}; make it first")


def present(ex: Explanation, json: Path | None, html: Path | None, quiet: bool) -> None:
    """Saves the explanation in the files that are given, and prints it unless quiet."""
    if json is not None:
        ex.to_json(json)
    if html is not None:
        ex.to_html(html)
    if quiet:
        return
    from spexapi.views.terminal import show

    show(ex, out)
    for path in (html, json):
        if path is not None:
            say(f"wrote {path}")


@contextmanager
def saving_partial(ask: RunOptions) -> Generator[None]:
    """Saves what was measured before the model's side failed; the error goes on."""
    try:
        yield
    except BackendError as error:
        if error.partial is not None:
            path = ask.json or PARTIAL
            present(error.partial, path, ask.html, ask.quiet)
            _say_saved("before the plan was measured", error.partial, path)
        raise


def say_stopped(ex: Explanation, ask: RunOptions, allowed: int, saved: Path | None) -> None:
    """Prints why there is a partial result, and where it is. allowed: calls that --max-calls leaves."""
    why = f"at --max-calls {allowed} of the {ask.budget} asked for"
    if ex.stopped:
        why = f"before the plan was measured{': ' * bool(ex.stopped_by)}{ex.stopped_by}"
    _say_saved(why, ex, saved)


def _say_saved(why: str, ex: Explanation, path: Path | None) -> None:
    note(f"stopped {why}; {len(ex.observations)} measurements are saved in {path}")
