"""Where the command line prints, how it ends, and what Ctrl-C does."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

import typer
from rich.console import Console

from spexapi.errors import InputError, NothingMeasured, SpexError

BAD_INPUT, REFUSED, STOPPED = 2, 3, 4

out, err = Console(), Console(stderr=True)


def say(text: str) -> None:
    """Prints a line of the result; nothing in it is markup."""
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def note(text: str) -> None:
    """Prints a line about the run to stderr; nothing in it is markup."""
    err.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def plain_errors() -> Generator[None]:
    """Our own errors as one line and an exit code; a traceback only for mistakes of ours."""
    try:
        yield
    except SpexError as error:
        err.print(f"spexapi: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        code = BAD_INPUT if isinstance(error, InputError) else REFUSED
        raise typer.Exit(code) from error
    except KeyboardInterrupt as error:
        note("stopped; nothing had been measured that could be saved")
        raise typer.Exit(130) from error


@contextmanager
def interruptible() -> Generator[Callable[[], bool]]:
    """Ctrl-C ends the measuring after the batch in flight and keeps what is there; a second one drops it."""
    pressed = False

    def on_press(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        note("stopping after the batch in flight; press Ctrl-C again to drop everything")

    before = signal.signal(signal.SIGINT, on_press)
    try:
        yield lambda: pressed
    except NothingMeasured:
        if pressed:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)
