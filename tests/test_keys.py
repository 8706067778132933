"""A key is in the environment and on the wire, and nowhere else."""

import copy
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


def command(server: Server, folder: Path, *more: str) -> list[str]:
    out = ["--json", str(folder / "e.json"), "--html", str(folder / "e.html")]
    asked = ["--backend", "openai:table", "--base-url", server.base_url, "--key-env", "MY_KEY"]
    prompt = ["--text", "lamp key cellar where", "--answer", "the cellar", "--engine", "exact"]
    kept = ["--store", str(folder / "store.sqlite")]
    return [sys.executable, "-m", "spexapi", "prompt", *prompt, *asked, *out, *kept, *more]


def run(server: Server, folder: Path, *more: str, key: str = KEY) -> subprocess.CompletedProcess[bytes]:
    """One run of the command line with everything it logs."""
    env = {**os.environ, "MY_KEY": key, "PYTHONPATH": str(ROOT), "OPENAI_LOG": "debug"}
    return subprocess.run(
        command(server, folder, *more), capture_output=True, env=env, cwd=folder, timeout=120, check=False
    )


def test_no_file_and_no_line_of_a_run_shows_the_key(openai_server: Server, tmp_path: Path):
    openai_server.set(key=KEY)
    done = run(openai_server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert openai_server.counts()["unkeyed"] == 0
    written = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert {"e.html", "e.json", "store.sqlite"} <= set(written)
    assert not shows(done.stdout + done.stderr)
    for path in tmp_path.rglob("*"):
        assert not (path.is_file() and shows(path.read_bytes())), f"{path.name} holds the key"


@pytest.mark.parametrize("more", [(), ("--form", "completions", "--way", "echo"), ("--batch",)])
def test_a_refused_key_is_not_shown_though_the_server_says_it(openai_server: Server, tmp_path: Path, more):
    openai_server.set(key="another")
    done = run(openai_server, tmp_path, *more)
    assert done.returncode == 3
    assert b"key" in done.stderr
    assert not shows(done.stdout + done.stderr)


def test_the_process_list_does_not_show_it(openai_server: Server, tmp_path: Path):
    openai_server.set(latency=0.2)
    env = {**os.environ, "MY_KEY": KEY, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command(openai_server, tmp_path), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 60
        while not openai_server.counts()["calls"] and time.monotonic() < deadline:
            time.sleep(0.05)
        listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, check=True).stdout
        process.kill()
    assert b"openai:table" in listed
    assert not shows(listed)


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
