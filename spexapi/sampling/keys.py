"""A request's key in the store, and requests and replies as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from spexapi.backends.base import AnswerScore, Message, Reply, Request

_VERSION = 1


class Keys:
    """Request -> the key of its reply: what changes the reply and nothing else.

    identity     of the backend: endpoint, model, parameters, way of scoring
    reads_whole  the unmasked prompt changes a reply too
    """

    def __init__(self, identity: str, *, reads_whole: bool) -> None:
        self.identity, self._reads_whole = identity, reads_whole
        self._fixed: tuple[Any, Any] = (None, None)

    def of(self, request: Request) -> tuple[bytes, str]:
        """The SHA-256 of all that matters, and the request as JSON."""
        start = self._start(request.whole if self._reads_whole else ())
        text = json.dumps(_plain(request), ensure_ascii=False, separators=(",", ":"))
        start.update(text.encode())
        return start.digest(), text

    def _start(self, whole: tuple[Message, ...]) -> Any:
        """What all masks of a prompt share is hashed once."""
        if self._fixed[0] is not whole:
            shared = [_VERSION, self.identity, _turns(whole)]
            self._fixed = (whole, hashlib.sha256(json.dumps(shared, ensure_ascii=False).encode()))
        return self._fixed[1].copy()


def _turns(messages: Sequence[Message]) -> list[tuple[str, ...]]:
    return [(m.role, m.content, m.call) if m.call else (m.role, m.content) for m in messages]


def _plain(request: Request) -> dict[str, object]:
    plain: dict[str, object] = {
        "messages": _turns(request.messages),
        "answers": request.answers,
        "write": request.write,
        "sample": request.sample,
    }
    if request.hidden:
        plain["hidden"] = [(h.message, h.start, h.end) for h in request.hidden]
    if request.removed:
        plain["removed"] = request.removed
    return plain


def text_of(reply: Reply) -> str:
    """A reply as JSON; its numbers come back bit for bit."""
    scores = [(s.logprobs.tolist(), s.offsets, s.bounded) for s in reply.scores]
    rest = {name: getattr(reply, name) for name in _SIMPLE if getattr(reply, name)}
    return json.dumps({"scores": scores, **rest}, ensure_ascii=False, separators=(",", ":"))


def reply_of(text: str) -> Reply:
    """The reply that text_of() wrote."""
    data = cast("dict[str, Any]", json.loads(text))
    scores = tuple(
        AnswerScore(np.array(logprobs, dtype=np.float64), tuple((a, b) for a, b in offsets), tuple(bounded))
        for logprobs, offsets, bounded in data.pop("scores")
    )
    similarities = tuple(data.pop("similarities", ()))
    return Reply(scores, **data, similarities=similarities)


_SIMPLE = tuple(name for name in Reply.__dataclass_fields__ if name != "scores")
