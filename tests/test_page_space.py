"""The folder as a Space would start it: what its README names, a fresh environment, python app.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from page_server import free_port

pytest.importorskip("gradio")

ROOT = Path(__file__).parent.parent
# what a Space sets if its README says hf_oauth; the provider is asked when somebody logs in, not before
SPACE = {
    "SYSTEM": "spaces",
    "SPACE_ID": "somebody/page",
    "SPACE_HOST": "somebody-page.hf.space",
    "OAUTH_CLIENT_ID": "id",
    "OAUTH_CLIENT_SECRET": "secret",
    "OAUTH_SCOPES": "openid profile inference-api",
    "OPENID_PROVIDER_URL": "https://huggingface.co",
}


def front_matter() -> dict[str, str]:
    """The lines "key: value" at the top of the README."""
    top = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    return dict(line.split(": ", 1) for line in top.splitlines() if ": " in line)


def test_the_readme_tells_a_space_what_to_start():
    told = front_matter()
    assert told["sdk"] == "gradio"
    assert (ROOT / told["app_file"]).is_file()
    assert told["hf_oauth"] == "true"
    assert "hf_oauth_scopes:\n  - inference-api\n" in (ROOT / "README.md").read_text(encoding="utf-8")
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"gradio=={told['sdk_version']}" in pinned


def run(*command: object, **more: object) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **more
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def tracked_files(folder: Path) -> None:
    """A copy of what a push would bring: the files git knows, as they are now."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in names.decode().split("\0"):
        source = ROOT / name
        if (
            name
            and source.is_file()
            and name.split("/")[0] in ("spexapi", "app.py", "README.md", "requirements.txt")
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(source.read_bytes())


@pytest.mark.slow
def test_the_folder_starts_as_a_space_starts_it(tmp_path):
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    tracked_files(tmp_path / "app")
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    # a Space brings Gradio in the README's version, with what a login needs; torch first and pinned, as here
    gradio = f"gradio[oauth]=={front_matter()['sdk_version']}"
    run(python, "-m", "pip", "install", "--quiet", torch, gradio, "spaces")
    run(python, "-m", "pip", "install", "--quiet", "-r", "requirements.txt", cwd=tmp_path / "app")

    port = free_port()
    log = (tmp_path / "log").open("w+b")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SPEXAPI", "VIRTUAL_ENV", "PYTHON"))}
    process = subprocess.Popen(
        [python, "app.py"],
        cwd=tmp_path / "app",
        env=environ | SPACE | {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        config = json.loads(answered(process, f"http://127.0.0.1:{port}/config", tmp_path / "log"))
        labels = {part["props"].get("label") for part in config["components"]}
        values = [part["props"].get("value") for part in config["components"]]
        assert {"Question", "Model", "Thoroughness (calls)"} <= labels
        assert "Log in with Hugging Face" in values
        found = explained(python, f"http://127.0.0.1:{port}/")
        assert found["answer"] == "cellar"
        assert "documents 1 and 2 together" in found["story"]
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def answered(process: subprocess.Popen[bytes], address: str, log: Path) -> str:
    for _ in range(480):
        if process.poll() is not None:
            pytest.fail(log.read_text(encoding="utf-8", errors="replace")[-3000:])
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(0.25)
    pytest.fail("the page did not start within two minutes")


def explained(python: Path, address: str) -> dict[str, object]:
    """What a program is told by the page, asked with the environment's own client."""
    code = (
        "import json, gradio_client\n"
        f"client = gradio_client.Client({address!r}, verbose=False)\n"
        "texts = ['The key is in the box.', 'The box is in the cellar.', 'John has the coin.']\n"
        "found = client.predict('Which room is the key in?', texts, budget=16, api_name='/explain_rag')\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
