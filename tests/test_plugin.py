"""The plug-in in examples/ is installed as anybody's would be, and its names work."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent.parent / "examples" / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plug-in in it; nothing is downloaded, the environment stays as it is."""
    source = tmp_path_factory.mktemp("source") / "plugin"
    target = tmp_path_factory.mktemp("site")
    shutil.copytree(PLUGIN, source)  # setuptools writes beside what it builds
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*command, "--no-build-isolation", "--target", str(target), str(source)], check=True, timeout=120
    )
    return target


def python(installed: Path, *args: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(installed), str(PLUGIN.parent.parent)])
    env = {**os.environ, "PYTHONPATH": paths, "SPEXAPI_STORE": "off", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, env=env, timeout=120, check=False
    )


def test_its_names_are_found(installed: Path):
    done = python(installed, "-m", "spexapi", "plugins")
    assert done.returncode == 0, done.stderr
    for name, where in (("keywords", "Keywords"), ("bits", "bits"), ("averages", "Averages")):
        assert f"{name:<14} spexapi_keywords:{where}" in done.stdout


def test_its_backend_scorer_and_engine_explain_a_prompt(installed: Path, tmp_path: Path):
    saved = tmp_path / "explanation.json"
    text = tmp_path / "prompt.txt"
    text.write_text("the film is not bad")
    common = ["--backend", "keywords:not,bad", "--answer", "good", "--score", "bits", "--json", str(saved)]
    done = python(installed, "-m", "spexapi", "prompt", "--text", text.read_text(), *common)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(saved.read_text())
    pair = {tuple(i["players"]): i["value"] for i in found["interactions"]}[(3, 4)]
    assert pair == pytest.approx(4.0 / 0.6931471805599453)  # nats of the plug-in's strength, in bits
    assert found["target"]["score"] == "bits"

    done = python(
        installed, "-m", "spexapi", "prompt", "--text", text.read_text(), *common, "--engine", "averages"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(saved.read_text())
    assert found["engine"] == "averages"
    assert max(len(i["players"]) for i in found["interactions"]) == 1


def test_it_keeps_the_contract(installed: Path):
    code = (
        "import spexapi, spexapi.testing; spexapi.testing.check_all(spexapi.open_backend('keywords:not,bad'))"
    )
    done = python(installed, "-c", code)
    assert done.returncode == 0, done.stderr
