"""The command line as its user meets it: exit codes, files, messages."""

import json
import signal
import subprocess
import sys

import pytest
from command_line import spexapi

DOCUMENTS = [
    "the key is in the box .",
    "the box is in the cellar .",
    "the lamp is in the bag .",
    "the bag is in the attic .",
]


@pytest.fixture
def documents(tmp_path):
    path = tmp_path / "docs.jsonl"
    path.write_text("".join(json.dumps({"id": str(i), "text": t}) + "\n" for i, t in enumerate(DOCUMENTS)))
    return path


def rag(documents, *more, **options):
    return spexapi(
        "rag",
        "--backend",
        "embedded",
        "--question",
        "which room is the key in ?",
        "--documents",
        documents,
        *more,
        **options,
    )


def test_demo_writes_a_table_a_report_and_an_explanation(tmp_path):
    command = [sys.executable, "-m", "spexapi", "demo", "--out", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "demo" / "explanation.json").read_text())
    top = max((i for i in data["interactions"] if i["players"]), key=lambda i: abs(i["value"]))
    assert top["players"] == [1, 3]
    assert data["cost"]["calls"] <= 96 < 2 ** len(data["players"])
    assert (tmp_path / "demo" / "report.html").stat().st_size > 2000
    assert "R²" in done.stdout


def test_rag_finds_the_two_documents(documents, tmp_path):
    done = rag(documents, "--budget", "16", "--json", tmp_path / "e.json")
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "e.json").read_text())
    top = max((i for i in data["interactions"] if i["players"]), key=lambda i: abs(i["value"]))
    assert top["players"] == [0, 1]
    assert data["target"]["generated"]
    assert data["target"]["answer"] == "cellar"


def test_a_saved_explanation_opens_in_another_index(documents, tmp_path):
    rag(documents, "--budget", "16", "--json", tmp_path / "e.json", "--quiet")
    done = spexapi("show", tmp_path / "e.json", "--index", "sv", "--html", tmp_path / "r.html")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r.html").exists()


def test_a_dry_run_asks_nothing(documents):
    done = rag(documents, "--dry-run", "--budget", "16")
    assert done.returncode == 0, done.stderr
    assert "16 prompts would be scored" in done.stdout


def test_a_cap_below_the_budget_saves_a_partial_result(documents, tmp_path):
    done = rag(documents, "--budget", "16", "--max-calls", "12", cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    data = json.loads((tmp_path / "explanation-partial.json").read_text())
    assert data["cost"]["calls"] <= 12


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"--backend": "nosuch:x"}, "embedded"),
        ({"--backend": "hf:no/such/folder/here"}, "no/such/folder/here"),
        ({"--documents": "none.jsonl"}, "none.jsonl"),
        ({"--engine": "nosuch"}, "proxyspex"),
        ({"--index": "nosuch"}, "fbii"),
        ({"--score": "nosuch"}, "logprob"),
        ({"--unit": "nosuch"}, "document"),
        ({"--masking": "nosuch"}, "drop"),
        ({"--budget": "2"}, "2"),
        ({"--json": "nosuch/folder/e.json"}, "nosuch/folder"),
        ({"--question": " "}, "question"),
        ({"--answer": " "}, "answer"),
    ],
)
def test_bad_input_is_exit_code_2_in_plain_words(change, says, documents, tmp_path):
    options = {
        "--backend": "embedded",
        "--question": "q ?",
        "--documents": str(documents),
        "--budget": "12",
        **change,
    }
    done = spexapi("rag", *[part for pair in options.items() for part in pair], cwd=tmp_path)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"text": "fine"}\n{broken\n', "line 2"),
        ('{"text": "fine"}\n{"id": 1}\n', "line 2"),
        ('{"text": "fine"}\n', "at least 2 players"),
        ('{"text": "fine"}\n{"text": "  "}\n', "empty"),
        ("", "no documents"),
    ],
)
def test_a_broken_documents_file_is_named_with_its_line(text, says, tmp_path):
    path = tmp_path / "docs.jsonl"
    path.write_text(text)
    done = rag(path)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_plugins_and_version():
    text = spexapi("plugins").stdout
    for name in ("embedded", "hf", "proxyspex", "exact", "logprob", "choice"):
        assert name in text
    assert spexapi("--version").stdout.startswith("spexapi ")


@pytest.mark.shared
def test_a_story_continuation_is_explained_by_its_sentences(shared, tmp_path):
    story = (
        "Once upon a time, there was a little girl named Lily. She had a red ball. "
        "One day, her dog took the ball. Lily was very sad and she started to"
    )
    model = f"hf:{shared / 'models' / 'stories260K'}"
    done = spexapi(
        "prompt", "--backend", model, "--text", story, "--unit", "sentence", "--json", tmp_path / "e.json"
    )
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "e.json").read_text())
    assert len(data["players"]) == 4
    assert data["target"]["answer"]
    assert data["audit"]["r2"] == 1.0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_leaves_a_partial_result_and_no_traceback(tmp_path):
    path = tmp_path / "docs.txt"
    path.write_text("\n\n".join(f"the thing{i} is in the box ." for i in range(12)))
    command = [
        sys.executable,
        "-m",
        "spexapi",
        "rag",
        "--backend",
        "embedded",
        "--question",
        "where is thing3 ?",
    ]
    process = subprocess.Popen(
        [*command, "--documents", str(path), "--budget", "4000", "--engine", "lime"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "scoring 4000" in process.stderr.readline()
    assert "of 4000 scored" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 4, (out, err)
    assert "Traceback" not in err
    assert json.loads((tmp_path / "explanation-partial.json").read_text())["stopped"]


def test_verify_measures_the_strongest_within_the_budget(documents, tmp_path):
    with documents.open("a") as file:
        file.writelines(
            json.dumps({"id": text, "text": text}) + "\n"
            for text in ("the coin is in the drawer .", "the drawer is in the garden .")
        )
    done = rag(
        documents,
        "--budget",
        "40",
        "--verify",
        "2",
        "--json",
        tmp_path / "e.json",
        "--html",
        tmp_path / "r.html",
    )
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "e.json").read_text())
    assert data["cost"]["calls"] <= 40
    assert {c["confirmed"] for c in data["verification"]["checks"]} <= {True, False}
    pair = next(i for i in data["interactions"] if i["players"] == [0, 1])
    assert pair["confirmed"] is True
    assert "confirmed by measuring them directly" in " ".join(done.stdout.split())
    assert "Measured directly" in (tmp_path / "r.html").read_text()


def test_a_tight_budget_holds_beside_verify_and_confirms_no_more_than_it_can(documents, tmp_path):
    done = rag(documents, "--budget", "14", "--verify", "2", "--claims", "0", "--json", tmp_path / "e.json")
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "e.json").read_text())
    assert data["cost"]["calls"] <= 14
    assert {c["confirmed"] for c in data["verification"]["checks"]} <= {True, False}
    low, high = next(i["interval"] for i in data["interactions"] if i["players"] == [0, 1])
    pair = next(i for i in data["interactions"] if i["players"] == [0, 1])
    assert low < 0 < high  # nine masks do not tell it from no effect
    assert pair["confirmed"] is None
    assert "confirmed by measuring them directly" in " ".join(done.stdout.split())


def test_a_budget_too_small_beside_verify_says_so(documents):
    done = rag(documents, "--budget", "6", "--verify", "3")
    assert done.returncode == 2
    assert "--verify keeps 1 of the 6 calls" in done.stderr
