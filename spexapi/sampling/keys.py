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

    identity     of the backend: endpoint, model, parameters, scoring method
    reads_whole  the unmasked prompt changes a reply too
    """

    def __init__(self, identity: str, *, reads_whole: bool) -> None:
        self.identity, self._reads_whole = identity, reads_whole
        # what all masks of a prompt share is hashed once
        self._whole: tuple[Message, ...] | None = None
        self._shared_hash = hashlib.sha256()

    def of(self, request: Request) -> tuple[bytes, str]:
        """The SHA-256 of all that matters, and the request as JSON."""
        whole = request.whole if self._reads_whole else ()
        if self._whole is not whole:
            shared = [_VERSION, self.identity, _turns(whole)]
            self._whole = whole
            self._shared_hash = hashlib.sha256(json.dumps(shared, ensure_ascii=False).encode())
        text = json.dumps(_plain(request), ensure_ascii=False, separators=(",", ":"))
        key = self._shared_hash.copy()
        key.update(text.encode())
        return key.digest(), text


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


def reply_to_json(reply: Reply) -> str:
    """A reply as JSON; its numbers come back bit for bit."""
    scores = [_score(score) for score in reply.scores]
    rest = {name: getattr(reply, name) for name in _SIMPLE if getattr(reply, name)}
    return json.dumps({"scores": scores, **rest}, ensure_ascii=False, separators=(",", ":"))


def _score(score: AnswerScore) -> tuple[object, ...]:
    plain = (score.logprobs.tolist(), score.offsets, score.bounded)
    return (*plain, score.ranks, score.choices) if score.ranks or score.choices else plain


def reply_from_json(text: str) -> Reply:
    """The reply that reply_to_json() wrote."""
    data = cast("dict[str, Any]", json.loads(text))
    # a reply of an older version holds no ranks and choices
    scores = tuple(
        AnswerScore(
            np.array(logprobs, dtype=np.float64),
            tuple((a, b) for a, b in offsets),
            tuple(bounded),
            *(tuple(each) for each in behaviour),
        )
        for logprobs, offsets, bounded, *behaviour in data.pop("scores")
    )
    similarities = tuple(data.pop("similarities", ()))
    return Reply(scores, **data, similarities=similarities)


_SIMPLE = tuple(name for name in Reply.__dataclass_fields__ if name != "scores")
