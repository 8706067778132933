"""`spexapi heads` as its user meets it: files, messages, exit codes."""

import json

import pytest
import tiny_models
from typer.testing import CliRunner, Result

from spexapi.cli.commands import app

PROMPT = "The key is in the box.\n\nThe box is in the cellar.\n\nQuestion: Which room is the key in?"


def heads(*args, store="off") -> Result:
    return CliRunner().invoke(app, ["heads", "--store", str(store), *map(str, args)])


@pytest.fixture
def folder(tmp_path):
    return tiny_models.llama(tmp_path / "model", adds_bos=False)


def test_layers_of_the_embedded_model_are_explained(tmp_path):
    done = heads(
        *("--backend", "embedded", "--text", PROMPT, "--unit", "layer", "--unit", "mlp"),
        *("--layers", "0-1,3", "--json", tmp_path / "e.json", "--html", tmp_path / "r.html"),
    )
    assert done.exit_code == 0, done.stderr
    data = json.loads((tmp_path / "e.json").read_text())
    assert [p["label"] for p in data["players"]] == [
        name for i in (0, 1, 3) for name in (f"layer {i}", f"layer {i} MLP")
    ]
    assert (data["target"]["kind"], data["target"]["answer"]) == ("heads", "cellar")
    assert "layer 0" in (tmp_path / "r.html").read_text()
    assert "R²" in done.stdout or "Every possible mask" in done.stdout


def test_a_set_of_questions_is_read_from_a_file(folder, tmp_path):
    lines = [{"prompt": PROMPT, "answer": a, "options": ["attic", "cellar"]} for a in ("attic", "cellar")]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    asked = ("--backend", f"hf:{folder}", "--questions", path, "--score", "accuracy", "--budget", 512)
    done = heads(*asked, "--json", tmp_path / "e.json")
    assert done.exit_code == 0, done.stderr
    data = json.loads((tmp_path / "e.json").read_text())
    assert data["cost"]["calls"] == 512
    assert set(data["observations"]["values"]) == {0.5}  # one of two opposite answers is always right


def test_a_stopped_run_keeps_what_it_has_and_goes_on(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = ("--backend", f"hf:{folder}", "--text", PROMPT, "--answer", "cellar", "--budget", 256)
    first = heads(*asked, "--max-calls", 64, store=tmp_path / "s")
    assert first.exit_code == 4, first.stderr
    assert (tmp_path / "explanation-partial.json").exists()
    again = heads(*asked, "--json", "e.json", store=tmp_path / "s")
    assert again.exit_code == 0, again.stderr
    cost = json.loads((tmp_path / "e.json").read_text())["cost"]
    assert cost["calls"] + cost["cached_calls"] == 256
    assert cost["cached_calls"] > 0


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--backend", "openai:gpt", "--text", "a b"), 2, "does not let anybody into the model"),
        (("--backend", "embedded", "--text", "a", "--part", "layer 9 head 0"), 2, "there is no layer 9"),
        (("--backend", "embedded", "--text", "a", "--layers", "x"), 2, "write 0-3,7"),
        (("--backend", "embedded", "--text", "a", "--masking", "attention"), 2, "--ablation says"),
        (("--backend", "embedded"), 2, "either as a text or as a file"),
        (("--backend", "hf:no/such/folder", "--text", "a"), 2, "no folder"),
    ],
)
def test_bad_input_is_one_line_and_a_code(args, code, said):
    done = heads(*args)
    assert (done.exit_code, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
