"""What the user gives, checked: chat turns and documents, as values or from files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from spexapi.errors import InputError
from spexapi.prompts.given import is_missing, is_table, rows_of, type_of
from spexapi.prompts.messages import Message
from spexapi.prompts.segments import shorten

ROLES = ("system", "user", "assistant", "tool")
Prompt = str | Sequence[Message | Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Document:
    """A retrieved text. id and title may be empty; the model reads a title on a line of its own."""

    text: str
    title: str = ""
    id: str = ""

    @property
    def written(self) -> str:
        """What the model reads of it."""
        return f"{self.title}\n{self.text}" if self.title else self.text

    @property
    def label(self) -> str:
        """Title, id or the first words."""
        return shorten(self.title or self.id or self.text)


Documents = Iterable[str | Mapping[str, object] | Document]


def to_messages(prompt: Prompt) -> tuple[Message, ...]:
    """A plain text as one user turn, or chat turns. Raises InputError saying which turn is wrong.

    Turns may hold `tool_calls` and `tool_call_id` as the API writes them. A call becomes part of the turn
    that holds its result, so an assistant turn that only calls tools disappears.
    """
    if isinstance(prompt, str):
        prompt = [Message("user", prompt)]
    calls: dict[str, str] = {}
    messages: list[Message] = []
    for number, turn in enumerate(prompt):
        if isinstance(turn, Mapping) and turn.get("tool_calls"):
            calls |= _calls(turn, number)
            if not turn.get("content"):
                continue
        messages.append(_to_message(turn, number, calls))
    if calls:
        raise InputError(
            f"the tool call {next(iter(calls))!r} has no result: give a turn"
            " {'role': 'tool', 'tool_call_id': ..., 'content': ...} for it, or leave the call out"
        )
    if not any(message.content.strip() for message in messages):
        raise InputError(
            "the prompt is empty: give a text, or turns such as {'role': 'user', 'content': '...'}"
        )
    return tuple(messages)


def _to_message(turn: Message | Mapping[str, object], number: int, calls: dict[str, str]) -> Message:
    if isinstance(turn, Message):
        role, content, call = cast("object", turn.role), cast("object", turn.content), turn.call
    elif isinstance(cast("object", turn), Mapping) and {"role", "content"} <= set(turn):
        role, content, call = turn["role"], turn["content"], _call_of(turn, number, calls)
    else:
        raise InputError(
            f"turn {number} must be {{'role': ..., 'content': ...}}, got {shorten(repr(turn), 80)}"
        )
    if not isinstance(role, str) or role not in ROLES:
        raise InputError(f"turn {number} has role {role!r}: use one of {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise InputError(f"the content of turn {number} must be text, got {type(content).__name__}")
    return Message(role, content, call)


def _call_of(turn: Mapping[str, object], number: int, calls: dict[str, str]) -> str:
    """The call that a tool's result answers, taken from `calls`; "" for every other turn."""
    name = turn.get("tool_call_id")
    if name is None:
        return ""
    if name not in calls:
        raise InputError(f"turn {number} answers the tool call {name!r}, which no turn before it makes")
    return calls.pop(str(name))


def _calls(turn: Mapping[str, object], number: int) -> dict[str, str]:
    """Id -> {"name", "arguments"} as JSON, of an assistant turn that calls tools."""
    found: dict[str, str] = {}
    try:
        for call in cast("list[dict[str, Any]]", turn["tool_calls"]):
            given = call["function"]["arguments"]
            arguments = json.loads(given) if isinstance(given, str) else given
            known = {"name": str(call["function"]["name"]), "arguments": arguments}
            found[str(call["id"])] = json.dumps(known, ensure_ascii=False)
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"the tool_calls of turn {number} must be a list of"
            " {'id', 'function': {'name', 'arguments'}}, the arguments JSON"
        ) from None
    return found


def to_documents(documents: Documents) -> tuple[Document, ...]:
    """Documents from texts, {"id", "title", "text"} or Document. Raises InputError naming the wrong one.

    A DataFrame is read row by row. A title or id that is missing in a row (None, NaN) is left out.
    """
    given = rows_of(documents, "documents must be a list, one text or {'id', 'title', 'text'} each")
    if is_table(documents) and given and isinstance(given[0], Mapping) and "text" not in given[0]:
        columns = ", ".join(sorted(map(str, cast("Mapping[object, object]", given[0]))))
        raise InputError(
            f'the table of documents has no "text": it has {columns}. Name that column "text", or give a list'
            ' of {"id", "title", "text"} made from df.to_dict("records")'
        )
    found = tuple(_to_document(each, f"document {i}") for i, each in enumerate(given, 1))
    if not found:
        raise InputError("there are no documents: give at least 2")
    return found


def load_documents(path: str | Path) -> tuple[Document, ...]:
    """Documents from a file, by its suffix. Raises InputError naming the file and the line.

    .jsonl       {"id", "title", "text"} a line
    .json        a list of the same, or of strings
    .txt, .md    a document per block between blank lines
    """
    path = Path(path)
    text = read_file(path)
    kind = path.suffix.lower()
    if kind == ".jsonl":
        found = _from_lines(text, path.name)
    elif kind == ".json":
        found = _from_list(text, path.name)
    elif kind in (".txt", ".md"):
        found = tuple(Document(block) for block in _blocks(text))
    else:
        raise InputError(
            f"{path.name}: documents come in .jsonl, .json, .txt or .md, not in {kind or 'no suffix'}"
        )
    if not found:
        raise InputError(f"{path.name} holds no documents")
    return found


def load_prompt(text: str | None = None, path: str | Path | None = None) -> tuple[Message, ...]:
    """A prompt from a text or from a file: .json holds chat turns or one string, any other file plain text.

    Raises InputError unless exactly one of both is given, and if the file cannot be read.
    """
    if (text is None) == (path is None):
        raise InputError("give the prompt either as a text or as a file" + (", not both" if text else ""))
    if path is None:
        return to_messages(text or "")
    path = Path(path)
    written = read_file(path)
    if path.suffix.lower() != ".json":
        return to_messages(written)
    try:
        given = json.loads(written)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path.name} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    if not isinstance(given, (str, list)):
        raise InputError(f"{path.name} must hold a list of turns {{'role', 'content'}}, got {type_of(given)}")
    return to_messages(cast("Prompt", given))


def read_file(path: Path) -> str:
    """The text of a file. Raises InputError saying why it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _from_lines(text: str, name: str) -> tuple[Document, ...]:
    found: list[Document] = []
    # "\n" alone ends a line of JSON: its strings may hold U+2028 and the like as they are
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"line {number} of {name} is not JSON: {error.msg} at column {error.colno}"
            ) from None
        found.append(_to_document(given, f"line {number} of {name}"))
    return tuple(found)


def _from_list(text: str, name: str) -> tuple[Document, ...]:
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{name} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    if not isinstance(given, list):
        raise InputError(f"{name} must hold a list of documents, got {type_of(given)}")
    return tuple(
        _to_document(d, f"document {i} of {name}") for i, d in enumerate(cast("list[object]", given), 1)
    )


def _blocks(text: str) -> list[str]:
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return ["\n".join(lines) for lines in blocks if lines]


def _to_document(given: object, where: str) -> Document:
    if isinstance(given, str):
        given = Document(given)
    if isinstance(given, Mapping):
        given = _from_mapping(cast("Mapping[str, object]", given), where)
    if is_missing(given):
        raise InputError(f"{where} has no text: it is {given}")
    if not isinstance(given, Document):
        raise InputError(f"{where} must be a text or {{'id', 'title', 'text'}}, got {type_of(given)}")
    given = replace(given, title=_name(given.title), id=_name(given.id))
    if not given.text.strip():
        raise InputError(
            f"{where} is empty{f' ({shorten(given.title or given.id)})' if given.title or given.id else ''}"
        )
    return given


def _from_mapping(given: Mapping[str, object], where: str) -> Document:
    if "text" not in given:
        raise InputError(f'{where} has no "text": it has {", ".join(sorted(map(str, given))) or "nothing"}')
    if is_missing(given["text"]):
        raise InputError(f'{where} has no text: its "text" is {given["text"]}')
    if not isinstance(given["text"], str):
        raise InputError(f'the "text" of {where} must be a string, got {type_of(given["text"])}')
    return Document(given["text"], _name(given.get("title")), _name(given.get("id")))


def _name(given: object) -> str:
    """A title or an id as it is written, "" if it is missing."""
    return "" if is_missing(given) else str(given)
