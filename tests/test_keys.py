"""A key is in the environment and on the wire, and nowhere else."""

import copy
import json
import os
import pickle
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
from openai_server import Server

import spexapi
from spexapi.backends.openai.open import open_openai
from spexapi.errors import SpexError

KEY = "sk-proj-Zq7_very-secret-0123456789"
PARTS = (KEY, KEY[8:24], KEY[-12:])
ROOT = Path(__file__).parent.parent


def shows(text: str | bytes) -> bool:
    data = text.encode() if isinstance(text, str) else text
    return any(part.encode() in data for part in PARTS)


def prompt(server: Server, folder: Path, *more: str) -> list[str]:
    out = ["--json", str(folder / "e.json"), "--html", str(folder / "e.html")]
    asked = ["--backend", "openai:table", "--base-url", server.base_url, "--key-env", "MY_KEY"]
    text = ["--text", "lamp key cellar where", "--answer", "the cellar", "--engine", "exact"]
    kept = ["--store", str(folder / "store.sqlite")]
    return ["prompt", *text, *asked, *out, *kept, *more]


def begin(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """A process of its own, with everything it logs."""
    env = {**os.environ, "MY_KEY": KEY, "PYTHONPATH": str(ROOT), "OPENAI_LOG": "debug"}
    return subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=folder
    )


def processes_when_it_calls(server: Server) -> bytes:
    """The process list after the first call."""
    deadline = time.monotonic() + 60
    while not server.counts()["calls"] and time.monotonic() < deadline:
        time.sleep(0.05)
    return subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, check=True).stdout


def test_no_file_no_line_of_a_run_and_no_process_list_shows_the_key(openai_server: Server, tmp_path: Path):
    openai_server.set(key=KEY, latency=0.2)
    with begin(["-m", "spexapi", *prompt(openai_server, tmp_path)], tmp_path) as run:
        listed = processes_when_it_calls(openai_server)
        said, logged = run.communicate(timeout=120)
    assert run.returncode == 0, logged
    assert openai_server.counts()["unkeyed"] == 0
    written = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert {"e.html", "e.json", "store.sqlite"} <= set(written)
    assert not shows(said + logged)
    for path in tmp_path.rglob("*"):
        assert not (path.is_file() and shows(path.read_bytes())), f"{path.name} holds the key"
    assert b"openai:table" in listed
    assert not shows(listed)


# one process for several runs: most of the seconds of a run are spent on imports
RUNS = """
import json, sys
from spexapi.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["spexapi", *words]
    try:
        main()
    except SystemExit as end:
        print("ended with", end.code)
"""


def test_a_refused_key_is_not_shown_though_the_server_says_it(openai_server: Server, tmp_path: Path):
    openai_server.set(key="another")
    kinds = [(), ("--form", "completions", "--way", "echo"), ("--batch",)]
    runs = json.dumps([prompt(openai_server, tmp_path, *more) for more in kinds])
    with begin(["-c", RUNS, runs], tmp_path) as process:
        said, logged = process.communicate(timeout=120)
    assert said.count(b"ended with 3") == len(kinds), logged
    assert openai_server.counts()["unkeyed"] >= len(kinds)
    assert logged.count(b"the key is wrong") >= len(kinds)
    assert not shows(said + logged)


def test_no_object_and_no_error_shows_it(openai_server: Server, caplog: pytest.LogCaptureFixture):
    openai_server.set(key="another")
    caplog.set_level("DEBUG")
    backend = open_openai(
        "table",
        base_url=openai_server.base_url.replace("://", f"://user:{KEY}@"),
        api_key=KEY,
        headers={"x-token": KEY},
        query={"sig": KEY},
    )
    game = spexapi.PromptGame(backend, "lamp key cellar", "the cellar")
    seen: list[object] = [backend, game, backend.name, backend.identity, backend.capabilities]
    seen += list(vars(backend).values())
    try:
        spexapi.explain(game, engine="exact", budget=8)
        raise AssertionError("the key was taken")
    except SpexError as error:
        seen += [
            error,
            "".join(traceback.format_exception(error)),
            vars(error),
            error.__context__,
            error.__cause__,
        ]
    for one in seen:
        assert not shows(repr(one)), f"{type(one).__name__} shows the key"
        assert not shows(str(one)), f"{type(one).__name__} shows the key"
    assert not shows(caplog.text)


def test_a_key_is_neither_pickled_nor_copied_into_text(openai_server: Server):
    backend = open_openai("table", base_url=openai_server.base_url, api_key=KEY)
    with pytest.raises(TypeError):
        pickle.dumps(backend)
    with pytest.raises(TypeError):
        copy.deepcopy(backend)
