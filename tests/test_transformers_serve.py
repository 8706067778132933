"""`transformers serve`, started for real on the embedded model: decisions and text, no log-probabilities."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import spexapi
from spexapi.backends.huggingface.embedded import FOLDER
from spexapi.backends.openai.backend import OpenAI
from spexapi.backends.openai.open import open_openai
from spexapi.errors import InputError
from spexapi.testing import Questions, check_all

pytestmark = pytest.mark.slow
DOCUMENTS = ["The lamp is in the attic.", "The key is in the box.", "The box is in the cellar."]
QUESTION = "Which room is the key in?"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory):
    """(base URL, model name) of the server, which ends with the tests."""
    folder = tmp_path_factory.mktemp("serve")
    shutil.copytree(FOLDER, folder / "reader")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", "reader", "--device", "cpu"]
    env = {**os.environ, "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=env,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, folder / "log")
            yield f"http://127.0.0.1:{port}/v1", "reader"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 300
    while True:
        try:
            with direct.open(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.5)  # a process starts; nothing of ours waits


@pytest.fixture
def backend(served: tuple[str, str]) -> OpenAI:
    url, model = served
    return open_openai(model, base_url=url, api_key="any", concurrency=4, seed=3)


def test_the_probe_says_what_is_missing_by_name(backend: OpenAI):
    async def probed():
        try:
            return await backend.probe()
        finally:
            await backend.close()

    found = {(f.dialect.format, f.method.name): f for f in asyncio.run(probed()).results}
    assert "LogprobsMissing" in found["chat", "first_token"].problem
    assert "LogprobsMissing" in found["completions", "echo"].problem
    working = {key for key, finding in found.items() if finding.works}
    assert working == {
        ("chat", "systemone"),
        *((form, "sample") for form in ("chat", "completions", "responses")),
    }


def test_log_probabilities_are_refused_with_what_it_can(backend: OpenAI):
    game = spexapi.RagGame(backend, QUESTION, DOCUMENTS, "cellar", score="logprob")
    with pytest.raises(InputError, match=r"(?s)score='choice'.*score='match'"):
        spexapi.explain(game, engine="exact", budget=8)


def test_replies_are_sampled_and_the_pair_is_found(backend: OpenAI):
    game = spexapi.RagGame(backend, QUESTION, DOCUMENTS, samples=6)
    found = spexapi.explain(game, engine="exact", budget=6 * 8, index="moebius")
    assert found.target.answer == "cellar"
    assert found.target.score == "match"
    assert found.top(1)[0][0] == (1, 2)


def test_decisions_are_a_value_of_every_mask(backend: OpenAI):
    game = spexapi.RagGame(backend, QUESTION, DOCUMENTS, "cellar", options=["unknown"])
    found = spexapi.explain(game, engine="exact", budget=8)
    assert found.observations.ok.all()
    assert found.audit.n_failed == 0
    again = spexapi.explain(game, engine="exact", budget=8)
    assert again.observations.values == pytest.approx(found.observations.values, abs=1e-3)


def test_it_keeps_the_contract(backend: OpenAI):
    check_all(backend, Questions(answers=("cellar", "attic")))
