"""`spexapi heads` as its user meets it: files, messages, exit codes."""

import json
from pathlib import Path

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


def value_with_only(labels):
    """The log-probability of the answer with all other heads of the embedded model zeroed by hand."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    import spexapi

    folder = Path(spexapi.__file__).parent / "backends" / "huggingface" / "embedded_model"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    reader = AutoTokenizer.from_pretrained(folder)
    width = model.config.hidden_size // model.config.num_attention_heads
    for number, layer in enumerate(model.model.layers):
        kept = torch.zeros(model.config.hidden_size)
        for head in range(model.config.num_attention_heads):
            kept[head * width : (head + 1) * width] = f"layer {number} head {head}" in labels
        layer.self_attn.o_proj.register_forward_pre_hook(lambda _, given, kept=kept: (given[0] * kept,))
    asked = reader.apply_chat_template(
        [{"role": "user", "content": PROMPT}], tokenize=False, add_generation_prompt=True
    )
    before, after = (
        reader(text, add_special_tokens=False)["input_ids"] for text in (asked, asked + "cellar")
    )
    with torch.no_grad():
        said = model(torch.tensor([after])).logits.log_softmax(-1)[0]
    return sum(float(said[i - 1, after[i]]) for i in range(len(before), len(after)))


def test_pruning_finds_what_the_model_can_do_without(tmp_path):
    asked = ("--backend", "embedded", "--text", PROMPT, "--answer", "cellar", "--layers", "0-1")
    done = heads(*asked, "--budget", 200, "--prune", "4,14", "--prune", 8, "--json", tmp_path / "e.json")
    assert done.exit_code == 0, done.stderr
    data = json.loads((tmp_path / "e.json").read_text())
    assert [line["kept"] for line in data["pruned"]] == [4, 14, 8]
    assert data["cost"]["calls"] == 150  # a quarter is the search's
    others = [f"layer {i} head {h}" for i in (2, 3) for h in range(8)]  # not asked about: always there
    for line in data["pruned"]:
        assert len(line["players"]) == len(line["labels"]) == line["kept"]
        assert line["measured"] == pytest.approx(value_with_only({*line["labels"], *others}), abs=1e-4)
        assert f"\n {line['kept']} " in done.stdout
    assert data["pruned"][1]["measured"] > -0.1  # all but the two it can do without
    assert "predicted" in done.stdout


def test_pruning_takes_no_call_where_every_mask_is_known(folder, tmp_path):
    asked = ("--backend", f"hf:{folder}", "--text", PROMPT, "--answer", "cellar", "--part", "layer 0 MLP")
    done = heads(*asked, "--part", "layer 1 MLP", "--part", "layer 0 head 0", "--prune", 1, "--budget", 8)
    assert done.exit_code == 0, done.stderr
    assert "Every possible mask" in done.stdout
    assert "With only the best k parts" in done.stdout


def test_what_pruning_keeps_of_the_budget_is_said_before_anything_is_measured():
    asked = ("--backend", "embedded", "--text", PROMPT, "--prune", "8", "--verify", "2")
    done = heads(*asked, "--budget", 256, "--dry-run")
    assert "more are kept for --verify and --prune" in done.stdout
    few = heads(*asked, "--budget", 40)
    assert few.exit_code == 2
    assert "--verify and --prune keep 17 of the 40 calls" in few.stderr


def test_what_stands_in_for_a_part_has_an_older_name_too(tmp_path):
    asked = (
        "--backend",
        "embedded",
        "--text",
        PROMPT,
        "--answer",
        "cellar",
        "--unit",
        "layer",
        "--budget",
        16,
    )
    for flag in ("--masking", "--ablation"):
        done = heads(
            *asked,
            flag,
            "mean",
            "--reference",
            "Where is the box?",
            "--budget",
            16,
            "--json",
            tmp_path / flag,
        )
        assert done.exit_code == 0, done.stderr
    first, second = (json.loads((tmp_path / flag).read_text()) for flag in ("--masking", "--ablation"))
    assert first["target"]["masking"] == "mean"
    assert first["observations"]["values"] == second["observations"]["values"]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--backend", "openai:gpt", "--text", "a b"), 2, "does not let anybody into the model"),
        (("--backend", "embedded", "--text", "a", "--part", "layer 9 head 0"), 2, "there is no layer 9"),
        (("--backend", "embedded", "--text", "a", "--layers", "x"), 2, "write 0-3,7"),
        (("--backend", "embedded", "--text", "a", "--prune", "4-x"), 2, "--prune '4-x' is not understood"),
        (("--backend", "embedded", "--text", "a", "--prune", "4,32"), 2, "--prune 32 of 32 parts"),
        (
            ("--backend", "embedded", "--text", "a", "--masking", "attention"),
            2,
            "unknown masking 'attention'",
        ),
        (("--backend", "embedded"), 2, "either as a text or as a file"),
        (("--backend", "hf:no/such/folder", "--text", "a"), 2, "no folder"),
    ],
)
def test_bad_input_is_one_line_and_a_code(args, code, said):
    done = heads(*args)
    assert (done.exit_code, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
