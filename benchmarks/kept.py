"""What every benchmark shares beside its games: results kept row by row, tables in README.md, and a process
of peers that answers one job after the other.
"""

from __future__ import annotations

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
        if kept.path.exists():
            old = json.loads(kept.path.read_text())
            kept.rows, kept.about = old["rows"], old["about"]
        kept.about |= {"ours": versions(), "cores": os.cpu_count()}
        return kept

    @property
    def path(self) -> Path:
        return HERE / "results" / f"{self.name}.json"

    def put(self, key: str, row: Row) -> None:
        self.rows[key] = row
        self.path.parent.mkdir(exist_ok=True)
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, row in sorted(self.rows.items()))
        text = f'{{"about": {json.dumps(self.about)},\n"rows": {{\n{lines}\n}}}}\n'
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.path)


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
    """Answers of peer_runner.py, which runs in the peers' own Python until this is closed."""

    def __init__(self) -> None:
        if not PEER_PYTHON.exists():
            raise SystemExit("the peers are not installed: make .env-peers/bin/python")
        self.folder = tempfile.TemporaryDirectory()
        command = [str(PEER_PYTHON), str(HERE / "peer_runner.py")]
        one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | one
        )

    def ask(self, peer: str, arrays: Mapping[str, np.ndarray], **asked: Any) -> tuple[np.ndarray, Row] | str:
        """Its predictions at arrays["test"] and what it tells; or why there are none, in words."""
        job, answer = Path(self.folder.name) / "job.npz", Path(self.folder.name) / "answer.npz"
        np.savez(job, **arrays)
        line = {"job": str(job), "answer": str(answer), "peer": peer, **asked}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
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
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()
