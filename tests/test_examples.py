"""Every example runs, and prints what its docstring says."""

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def quoted(path: Path) -> list[str]:
    """The lines after `$ python ...` in the docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return lines(text.split("$ python", 1)[1].partition("\n")[2])


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_the_first_example_runs_in_a_process_of_its_own(tmp_path):
    path = EXAMPLES / "01_hello.py"
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout) == quoted(path)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.stem)
def test_example_prints_what_it_quotes(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert lines(capsys.readouterr().out) == quoted(path)
