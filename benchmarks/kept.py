"""What every benchmark shares beside its games: results kept row by row, tables in README.md, and a process
of peers that answers one job after the other.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
PEER_PYTHON = HERE.parent / ".env-peers" / "bin" / "python"

Row = dict[str, Any]


@dataclass(eq=False)
class Kept:
    """Rows by key in results/NAME.json, written after each: a run that was stopped goes on where it was."""

    name: str
    rows: dict[str, Row] = field(default_factory=dict[str, Row])
    about: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def open(cls, name: str) -> Kept:
        kept = cls(name)
        kept._read()
        return kept

    @property
    def path(self) -> Path:
        return HERE / "results" / f"{self.name}.json"

    def put(self, key: str, row: Row) -> None:
        """Other processes may write other rows to the same file meanwhile."""
        self.path.parent.mkdir(exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._read()
            self.rows[key] = row
            lines = ",\n".join(
                f"{json.dumps(key)}: {json.dumps(row)}" for key, row in sorted(self.rows.items())
            )
            text = f'{{"about": {json.dumps(self.about)},\n"rows": {{\n{lines}\n}}}}\n'
            new = self.path.with_suffix(".new")
            new.write_text(text)
            new.replace(self.path)

    def _read(self) -> None:
        if self.path.exists():
            old = json.loads(self.path.read_text())
            self.rows |= old["rows"]
            self.about = old["about"] | self.about
        self.about |= {"ours": versions(), "cores": os.cpu_count()}


def versions() -> dict[str, str]:
    found = {name: version(name) for name in ("numpy", "scipy", "scikit-learn")}
    return found | {"xgboost": __import__("xgboost").__version__, "python": platform.python_version()}


@dataclass(eq=False)
class Clock:
    """--seconds: after that many a benchmark starts nothing more."""

    seconds: float
    start: float = field(default_factory=time.monotonic)

    @property
    def over(self) -> bool:
        return time.monotonic() - self.start > self.seconds


def write_table(name: str, text: str) -> None:
    """Replaces what stands in README.md between the markers of that name, and prints it."""
    print(text)
    path = HERE / "README.md"
    opening, closing = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found, rest = path.read_text().partition(opening)
    if not found or closing not in rest:
        raise SystemExit(f"README.md lacks the markers {opening.strip()} and {closing}")
    after = rest.partition(closing)[2]
    new = path.with_suffix(".new")
    new.write_text(f"{before}{opening}{text.rstrip()}\n{closing}{after}")
    new.replace(path)


def markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


class Peers:
    """Answers of peer_runner.py, which runs in the peers' own Python from the first question to the end."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.process: subprocess.Popen[str] | None = None

    def _start(self) -> subprocess.Popen[str]:
        if not PEER_PYTHON.exists():
            raise SystemExit("the peers are not installed: make .env-peers/bin/python")
        command = [str(PEER_PYTHON), str(HERE / "peer_runner.py")]
        one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | one)

    def ask(self, peer: str, arrays: Mapping[str, np.ndarray], **asked: Any) -> tuple[np.ndarray, Row] | str:
        """Its predictions at arrays["test"] and what it tells; or why there are none, in words."""
        self.process = self.process or self._start()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        job, answer = Path(self.folder.name) / "job.npz", Path(self.folder.name) / "answer.npz"
        np.savez(job, **arrays)
        line = {"job": str(job), "answer": str(answer), "peer": peer, **asked}
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        for word in self.process.stdout:  # peers print too; the answer is the line that is a JSON string
            if word.startswith('"'):
                if (told := json.loads(word)) != "done":
                    return told
                with np.load(answer) as found:
                    return found["predictions"], json.loads(str(found["told"]))
        return "failed: the peer's process ended"

    def __enter__(self) -> Peers:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()
