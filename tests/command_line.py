"""The command line inside this process: one of its own spends most of its seconds on loading PyTorch.

Tests of what only a process shows (a signal, `python -m`, all that is logged) start one.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from typer.testing import CliRunner

from spexapi.cli.commands import app


def spexapi(*args: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """What `spexapi ARGS` prints, and its exit code; an error that it does not catch is raised."""
    words = [str(arg) for arg in args]
    with contextlib.chdir(cwd) if cwd else contextlib.nullcontext():
        done = CliRunner().invoke(app, words, env=env, catch_exceptions=False)
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)
