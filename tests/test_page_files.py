"""Files a visitor brings and takes away: documents, explanations, pictures, and the run as code."""

from __future__ import annotations

import ast
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from page_samples import hostile

import spexapi

pytest.importorskip("gradio")

from spexapi.page.requests.model import Model
from spexapi.page.requests.request import ExplainOptions
from spexapi.page.requests.text import Rag, TextRequest
from spexapi.page.requests.uploads import documents_from, explanation_from
from spexapi.page.result.downloads import as_file, command, python
from spexapi.page.site import Limits


def test_documents_come_from_files_of_known_kinds(tmp_path):
    lines = tmp_path / "d.jsonl"
    lines.write_text('{"title": "T", "text": "a"}\n{"text": "c"}\n', encoding="utf-8")
    pdf = tmp_path / "d.pdf"
    pdf.write_bytes(a_pdf("The key is in the box."))

    assert documents_from(str(lines), Limits()) == ["T\na", "c"]
    assert documents_from(str(pdf), Limits()) == ["The key is in the box."]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.txt", "The key is in the box.\n\n\nThe box is\nin the cellar.\n"),
        ("d.MD", "The key is in the box.\n\nThe box is\nin the cellar."),
        ("d.json", '["The key is in the box.", {"text": "The box is\\nin the cellar."}]'),
        (
            "d.jsonl",
            '{"text": "The key is in the box."}\n{"id": "b", "text": "The box is\\nin the cellar."}\n',
        ),
    ],
)
def test_every_kind_of_file_gives_the_same_documents(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert documents_from(str(path), Limits()) == ["The key is in the box.", "The box is\nin the cellar."]


@pytest.mark.parametrize(
    ("name", "content", "limits", "message"),
    [
        ("d.exe", b"MZ", Limits(), "files here are"),
        ("d.txt", b"x" * 100, Limits(upload_bytes=50), "MB"),
        ("d.pdf", b"not one", Limits(), "is no PDF"),
        ("d.pdf", b"%PDF-1.4 broken", Limits(), "cannot be read as a PDF"),
        ("d.jsonl", b"{", Limits(), "line 1"),
        ("d.txt", b"\xff\xfe", Limits(), "UTF-8"),
        ("d.txt", b"a\n\nb\n\nc", Limits(documents=2), "3 documents"),
    ],
)
def test_a_file_that_will_not_do_is_refused_in_plain_words(tmp_path, name, content, limits, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(spexapi.InputError, match=message):
        documents_from(str(path), limits)


def test_a_pdf_has_a_limit_of_pages(tmp_path):
    path = tmp_path / "d.pdf"
    path.write_bytes(a_pdf("one", "two", "three"))
    with pytest.raises(spexapi.InputError, match="3 pages; at most 2"):
        documents_from(str(path), Limits(pages=2))


def test_a_kept_explanation_opens_again_and_a_broken_one_does_not(tmp_path):
    path = tmp_path / "explanation.json"
    hostile().whole.to_json(path)
    assert explanation_from(str(path), Limits()).n_players == 10
    data = json.loads(path.read_text(encoding="utf-8"))
    for key, value in (("players", []), ("spectrum", [{"players": [77], "value": 1}]), ("target", None)):
        path.write_text(json.dumps(data | {key: value}), encoding="utf-8")
        with pytest.raises(spexapi.InputError) as failure:
            explanation_from(str(path), Limits())
        assert str(tmp_path) not in str(failure.value)


def a_pdf(*pages: str) -> bytes:
    """The smallest PDF with these lines, a page each."""
    kids = " ".join(f"{3 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
    ]
    font = "<< /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    for i, text in enumerate(pages):
        stream = f"BT /F 12 Tf 20 100 Td ({text}) Tj ET"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents {4 + 2 * i} 0 R"
            f" /Resources {font} >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"trailer << /Size {len(places) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n{table}{end}".encode()


def test_the_code_of_a_run_holds_texts_as_texts(tmp_path):
    nasty = "'); import os; os.system('x') #\n$(touch owned) `touch owned`\nEND"
    form = TextRequest(
        Rag(nasty, (nasty, "b"), nasty),
        Model("openai", "m", "https://x.org/v1"),
        ExplainOptions(choices=("a",)),
    )
    calls = [n for n in ast.walk(ast.parse(python(form))) if isinstance(n, ast.Call)]
    game = next(c for c in calls if getattr(c.func, "attr", "") == "RagGame")
    assert {k.arg: ast.literal_eval(k.value) for k in game.keywords if k.arg == "question"} == {
        "question": nasty
    }
    written = command(form)
    here, _, rest_ = written.partition("\n")
    end = here.split("'")[1]
    body, _, line = rest_.partition(f"\n{end}\n")
    assert [json.loads(text)["text"] for text in body.split("\n")] == [nasty, "b"]
    words = shlex.split(line.replace("\\\n", " "))
    assert words[words.index("--question") + 1] == nasty


def test_files_to_keep_are_complete_and_a_table_holds_no_formula(tmp_path):
    held = hostile()
    shown = replace(
        held.whole, players=(replace(held.whole.players[0], label="=1+1"), *held.whole.players[1:])
    )
    made = {kind: json.loads(as_file(kind, shown)) for kind in ("report", "data", "csv", "svg", "png")}
    path = tmp_path / "e.json"
    path.write_text(made["data"]["text"], encoding="utf-8")

    assert spexapi.Explanation.from_json(path).n_players == 10
    assert made["png"]["text"].startswith("<svg ")
    assert "'=1+1" in made["csv"]["text"]
    assert ",=" not in made["csv"]["text"]
    assert made["data"]["number"] != json.loads(as_file("data", shown))["number"]


def test_the_page_is_made_of_files_that_ship():
    folder = Path(spexapi.__file__).parent / "page"
    assert {"page.css", "page.js"} <= {p.name for p in folder.iterdir()}
    assert "innerHTML" not in (folder / "page.js").read_text(encoding="utf-8")
