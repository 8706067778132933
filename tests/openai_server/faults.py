"""Answers that go wrong: by seed, or because a test asked for one."""

from __future__ import annotations

import copy
import json
import zlib
from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Any

from openai_server.logprobs import Json, Problem
from openai_server.settings import Settings
from openai_server.wire import Answer


class Faults:
    """Which fault a call meets. The k-th try of one body meets the same at the same seed, in any order."""

    def __init__(self) -> None:
        self.queue: deque[str] = deque()
        self._tries: Counter[int] = Counter()

    def pick(self, settings: Settings, body: bytes) -> str:
        if self.queue:
            return self.queue.popleft()
        if not settings.faults:
            return ""
        mark = zlib.crc32(body)
        self._tries[mark] += 1
        at = Random(f"{settings.seed} {mark} {self._tries[mark]}").random()
        for name, share in settings.faults.items():
            at -= share
            if at < 0:
                return name
        return ""


def before(fault: str, settings: Settings) -> Answer | None:
    """The answer of a fault that needs no model; None where the model is asked."""
    wait = f"{settings.wait:g}"
    if fault == "429":
        return problem(429, "Rate limit reached for requests", "rate_limit_exceeded", {"retry-after": wait})
    if fault == "429-bare":
        return problem(429, "Too many requests", "")
    if fault == "429-long":
        return problem(429, "Rate limit reached for tokens", "rate_limit_exceeded", {"retry-after": "300"})
    if fault == "quota":
        return problem(429, "You exceeded your current quota, please check your plan.", "insufficient_quota")
    if fault == "500":
        return problem(500, "The server had an error while processing your request", "")
    if fault == "503":
        return problem(503, "The engine is currently overloaded", "", {"retry-after": wait})
    if fault == "502-html":
        return Answer(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", kind="text/html")
    if fault == "cut":
        return Answer(200, b"", cut=0)
    if fault == "invalid":
        return Answer(200, b"<!doctype html><p>Welcome to this network</p>")
    if fault == "overflow":
        return problem(400, "This model's maximum context length is 8 tokens.", "context_length_exceeded")
    if fault == "refusal":
        return problem(400, "The response was filtered by the content policy.", "content_filter")
    return None


def after(fault: str, answer: Json) -> Answer:
    """A good answer, spoilt."""
    if fault in _SPOILERS:
        answer = copy.deepcopy(answer)
        _each_list(answer, _SPOILERS[fault])
        if fault == "no-logprobs":
            _without(answer)
    data = json.dumps(answer).encode()
    if fault == "truncated":
        data = data[: len(data) // 2]
    return Answer(200, data, cut=max(1, len(data) // 2) if fault == "cut-mid" else -1)


def problem(status: int, message: str, code: str, headers: dict[str, str] | None = None) -> Answer:
    body = Problem(status, message, code, "server_error" if status >= 500 else "invalid_request_error").body
    return Answer(status, json.dumps(body).encode(), headers or {})


def _each_list(answer: Json, spoil: Callable[[list[Any], int], None]) -> None:
    """Every list of log-probabilities of an answer, of whatever form."""
    lists: list[Any] = [
        answer.get("prompt_logprobs"),
        answer.get("meta_info", {}).get("input_token_logprobs"),
    ]
    for choice in answer.get("choices", ()):
        own = choice.get("logprobs") or {}
        of_prompt = choice.get("prompt_logprobs")
        of_prompt = of_prompt["content"] if isinstance(of_prompt, dict) else of_prompt
        lists += [own.get("content"), own.get("token_logprobs"), of_prompt]
    for item in answer.get("output", ()):
        lists += [part.get("logprobs") for part in item["content"]]
    for values in lists:
        if values:
            spoil(values, len(values) - 1)


def _set(value: float | None) -> Callable[[list[Any], int], None]:
    def spoil(values: list[Any], last: int) -> None:
        entry = values[last]
        if isinstance(entry, list):
            entry[0] = value
        elif not isinstance(entry, dict):
            values[last] = value
        elif "logprob" in entry:
            entry["logprob"] = value
        else:
            next(iter(entry.values()))["logprob"] = value

    return spoil


def _shorten(values: list[Any], last: int) -> None:
    del values[last]


def _nothing(values: list[Any], last: int) -> None: ...


def _without(answer: Json) -> None:
    answer.pop("prompt_logprobs", None)
    answer.get("meta_info", {}).pop("input_token_logprobs", None)
    for choice in answer.get("choices", ()):
        choice.pop("prompt_logprobs", None)
        choice["logprobs"] = None
    for item in answer.get("output", ()):
        for part in item["content"]:
            part["logprobs"] = []


_SPOILERS = {
    "no-logprobs": _nothing,
    "null-logprobs": _set(None),
    "wrong-length": _shorten,
    "-9999": _set(-9999.0),
}
