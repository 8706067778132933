"""A backend that answers by rule and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from spexapi.backends.base import AnswerScore, Capabilities, Generated, Message, Reply, Request

CAPABLE = Capabilities(attention_mask=True, batch=4)


class FakeBackend:
    """Every word of an answer is a token; `log_p` says how likely, from the prompt's text and the answer."""

    name = identity = "fake"

    def __init__(
        self,
        log_p: Callable[[str, str], float] = lambda prompt, answer: -float(len(prompt)),
        *,
        writes: str = "the cellar",
        refuses: str = "",
        fails: str = "\0",
        capabilities: Capabilities = CAPABLE,
    ) -> None:
        self.log_p, self.writes, self.refuses, self.fails = log_p, writes, refuses, fails
        self.capabilities = capabilities
        self.asked: list[Request] = []
        self.log: list[str] = []

    async def open(self) -> None:
        self.log.append("open")

    async def close(self) -> None:
        self.log.append("close")

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        self.log.append(f"generate {max_tokens}")
        return Generated(self.writes, tokens_in=7, tokens_out=2)

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        self.log.append(f"score {len(requests)}")
        self.asked.extend(requests)
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        prompt = self.text(request)
        if self.fails in prompt:
            return Reply(error="it failed")
        scores: list[AnswerScore] = []
        for answer in request.answers:
            spans = self.token_spans(answer)
            share = self.log_p(prompt, answer) / len(spans)
            scores.append(AnswerScore(np.full(len(spans), share), tuple(spans)))
        return Reply(tuple(scores), tokens_in=len(prompt.split()))

    @staticmethod
    def text(request: Request) -> str:
        return "\n".join(f"{m.role}: {m.content}" for m in request.messages)

    def check(self, request: Request) -> str:
        self.log.append("check")
        return self.refuses

    def answer_offsets(self, messages: Sequence[Message], answer: str) -> tuple[tuple[int, int], ...]:
        return tuple(self.token_spans(answer))

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        at = 0
        for word in text.split():
            start = text.index(word, at)
            at = start + len(word)
            spans.append((start, at))
        return spans
