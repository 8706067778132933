"""The page with a model that takes its time: python slow_page.py PORT. Started by test_page_browser.py."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import numpy as np

import spexapi
from spexapi.backends.base import AnswerScore, Capabilities, Generated, Message, Reply, Request


class Slow:
    """Says "the cellar"; a fifth of a second for every four masks."""

    name = "slow"
    capabilities = Capabilities(batch=4)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        return Generated("the cellar", 10, 2)

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        await asyncio.sleep(0.2)
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        value = -0.1 - 0.01 * (1000 - len(request.messages[-1].content))
        values = np.array([-0.05, value])
        return Reply((AnswerScore(values, self._offsets(request.answers[0])),), tokens_in=10)

    def _offsets(self, answer: str) -> tuple[tuple[int, int], ...]:
        space = answer.find(" ")
        return ((0, max(space, 1)), (max(space, 1), len(answer)))

    def check(self, request: Request) -> str:
        return ""

    def answer_offsets(self, messages: Sequence[Message], answer: str) -> tuple[tuple[int, int], ...]:
        return self._offsets(answer)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def token_spans(self, text: str) -> None:
        return None


if __name__ == "__main__":
    spexapi.open_backend = lambda name, **options: Slow()
    from spexapi.page.app import launch

    launch(int(sys.argv[1]))
