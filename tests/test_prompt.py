"""Documents and chat turns from what users have; errors that say where."""

import json

import pytest

from spexapi.backends.base import Message
from spexapi.errors import InputError
from spexapi.prompts.inputs import Document, load_documents, load_prompt, to_documents, to_messages


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_jsonl_json_and_text_files_give_the_same_documents(tmp_path):
    rows = [{"id": 7, "title": "Keys", "text": "The key\u2028is here."}, {"text": "The box."}]
    lines = written(tmp_path, "d.jsonl", "\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "\n\n")
    array = written(tmp_path, "d.json", json.dumps(rows))
    assert (
        load_documents(lines)
        == load_documents(array)
        == (
            Document("The key\u2028is here.", "Keys", "7"),
            Document("The box."),
        )
    )
    assert load_documents(written(tmp_path, "e.json", '["a", "b"]')) == (Document("a"), Document("b"))
    text = written(tmp_path, "d.txt", "\ufeffOne\r\nline two\r\n \r\n\r\nTwo\r\n")
    assert load_documents(text) == (Document("One\nline two"), Document("Two"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("d.jsonl", '{"text": "fine"}\n{broken\n', r"line 2 of d\.jsonl is not JSON"),
        ("d.jsonl", '{"text": "a"}\n\n{"title": "x", "body": "y"}\n', '3 of d.* no "text": it has body'),
        ("d.jsonl", '{"text": "a"}\n{"text": " ", "title": "Keys"}', r"line 2 of .* empty \(Keys\)"),
        ("d.jsonl", '{"text": 5}', "must be a string, got int"),
        ("d.jsonl", "[1]", r"line 1 of d\.jsonl must be a text"),
        ("d.jsonl", "\n", "holds no documents"),
        ("d.json", "[]", "holds no documents"),
        ("d.json", "{}", "must hold a list of documents, got object"),
        ("d.json", '["a", ""]', r"document 2 of d\.json is empty"),
        ("d.json", "[1,]", r"not JSON.*line 1, column"),
        ("d.txt", " \n\n", "holds no documents"),
        ("d.pdf", "x", r"\.jsonl, \.json, \.txt or \.md"),
    ],
)  # fmt: skip
def test_a_bad_file_says_where_it_is_bad(tmp_path, name, text, said):
    with pytest.raises(InputError, match=said):
        load_documents(written(tmp_path, name, text))


def test_a_file_that_cannot_be_read_is_no_traceback(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        load_documents(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="cannot read"):
        load_documents(tmp_path)
    (tmp_path / "l.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="not UTF-8"):
        load_documents(tmp_path / "l.txt")


def test_documents_given_in_code_are_checked():
    assert to_documents(["a", {"text": "b", "id": "x", "title": None}, Document("c")])[1] == Document(
        "b", "", "x"
    )
    for wrong, said in (
        ([], "no documents"),
        (["a", ""], "document 2 is empty"),
        ("text", "must be a list"),
        ([5], "document 1 must be"),
    ):
        with pytest.raises(InputError, match=said):
            to_documents(wrong)


def test_a_documents_label_is_its_title_its_id_or_its_first_words():
    assert Document("t", "Title", "id").label == "Title"
    assert Document("t", "", "id").label == "id"
    assert Document("word " * 30).label.startswith("word word")
    assert len(Document("word " * 30).label) <= 40
    assert Document("text", "Title").written == "Title\ntext"


def test_prompts_become_messages():
    assert to_messages("hi") == (Message("user", "hi"),)
    turns = [{"role": "system", "content": "s"}, Message("tool", "t")]
    assert to_messages(turns) == (Message("system", "s"), Message("tool", "t"))


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("", "empty"),
        ([], "empty"),
        ([{"role": "user", "content": " "}], "empty"),
        ([{"role": "user"}], "turn 0 must be"),
        (["hi"], "turn 0 must be"),
        ([{"role": "bot", "content": "x"}], "role 'bot'"),
        ([{"role": "user", "content": [{"type": "text"}]}], "content of turn 0 must be text"),
    ],
)
def test_a_bad_prompt_says_which_turn(prompt, said):
    with pytest.raises(InputError, match=said):
        to_messages(prompt)


def test_prompts_come_from_a_text_or_a_file(tmp_path):
    turns = written(tmp_path, "p.json", '[{"role": "user", "content": "hi"}]')
    assert load_prompt(None, turns) == load_prompt("hi") == (Message("user", "hi"),)
    assert load_prompt(path=written(tmp_path, "p.txt", "a\n\nb")) == (Message("user", "a\n\nb"),)
    for given, said in (
        (("x", turns), "not both"),
        ((None, None), "either"),
        ((None, written(tmp_path, "q.json", "5")), "list of turns"),
        ((None, written(tmp_path, "r.json", "{")), "not JSON"),
    ):
        with pytest.raises(InputError, match=said):
            load_prompt(*given)
