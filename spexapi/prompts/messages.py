"""A chat turn as it is sent to a model, and the stretches of it that attention may not see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One chat turn as it is sent.

    role  "system", "user", "assistant" or "tool"
    call  of a tool's result: the call it answers, as JSON {"name", "arguments"}, "" if it is not known; a
          mask that removes the result removes the call
    """

    role: str
    content: str
    call: str = ""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Characters start:end of message number `message` that the model may not attend to."""

    message: int
    start: int
    end: int
