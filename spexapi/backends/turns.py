"""Messages as APIs and chat templates take them: each result of a tool preceded by the call it answers."""

from __future__ import annotations

import json
from collections.abc import Sequence

from spexapi.backends.base import Message


def chat_turns(messages: Sequence[Message], *, as_text: bool = True) -> list[dict[str, object]]:
    """Turns in the chat form. A result whose call is known is preceded by an assistant turn that makes it.

    as_text  the arguments as JSON text, as APIs want them; templates want them as an object
    """
    found: list[dict[str, object]] = []
    for number, message in enumerate(messages):
        turn: dict[str, object] = {"role": message.role, "content": message.content}
        if message.call:
            call = json.loads(message.call)
            if as_text:
                call["arguments"] = json.dumps(call["arguments"], ensure_ascii=False)
            made = {"id": _name(number), "type": "function", "function": call}
            found.append({"role": "assistant", "content": "", "tool_calls": [made]})
            turn["tool_call_id"] = made["id"]
        found.append(turn)
    # no API takes a conversation without a turn, and a mask may leave none
    return found or [{"role": "user", "content": ""}] * as_text


def response_items(messages: Sequence[Message]) -> list[dict[str, object]]:
    """The same in the responses form, which has no role for a tool."""
    found: list[dict[str, object]] = []
    for number, message in enumerate(messages):
        if not message.call:
            found.append({"role": message.role, "content": message.content})
            continue
        call, name = json.loads(message.call), _name(number)
        arguments = json.dumps(call["arguments"], ensure_ascii=False)
        made: dict[str, object] = {
            "type": "function_call",
            "call_id": name,
            "name": call["name"],
            "arguments": arguments,
        }
        found.append(made)
        found.append({"type": "function_call_output", "call_id": name, "output": message.content})
    return found or [{"role": "user", "content": ""}]


def _name(number: int) -> str:
    """Nine letters and digits: Mistral's models take nothing else."""
    return f"call{number:05d}"
