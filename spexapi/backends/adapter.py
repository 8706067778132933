"""A backend that has only a name and `score` -> one that has everything, promising nothing for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spexapi.backends.base import Backend, Capabilities, Generated, Limits, Message, Reply, Request, Scoring
from spexapi.errors import BackendError


def complete(backend: Scoring) -> Backend:
    """The backend itself where it has every method, else a wrapper that answers for those it lacks.

    What is missing is answered so that nothing is promised: no tokens known, nothing too long, no identity
    to keep replies under, answers written by `score` where the capabilities say it can.
    """
    return backend if isinstance(backend, Backend) else _Completed(backend)


@dataclass(frozen=True, slots=True, eq=False)
class _Completed:
    own: Scoring

    @property
    def name(self) -> str:
        return self.own.name

    @property
    def identity(self) -> str:
        return str(getattr(self.own, "identity", ""))

    @property
    def capabilities(self) -> Capabilities:
        known = Capabilities(write=hasattr(self.own, "generate"), price=None, batch=1, keep=False)
        return getattr(self.own, "capabilities", known)

    @property
    def limits(self) -> Limits | None:
        return getattr(self.own, "limits", None)

    async def open(self) -> None:
        if hasattr(self.own, "open"):
            await self._its("open")()

    async def close(self) -> None:
        if hasattr(self.own, "close"):
            await self._its("close")()

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        if hasattr(self.own, "generate"):
            return await self._its("generate")(messages, max_tokens)
        if not self.capabilities.write:
            raise BackendError(f"{self.name} cannot write an answer: give the one to explain, answer='...'")
        [reply] = await self.own.score([Request(tuple(messages), (), write=max_tokens)])
        if reply.error:
            raise BackendError(f"{self.name} wrote no answer: {reply.error}")
        return Generated(reply.text, reply.tokens_in, reply.tokens_out)

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        return await self.own.score(requests)

    def check(self, request: Request) -> str:
        return self._its("check")(request) if hasattr(self.own, "check") else ""

    def answer_offsets(self, messages: Sequence[Message], answer: str) -> tuple[tuple[int, int], ...] | None:
        known = hasattr(self.own, "answer_offsets")
        return self._its("answer_offsets")(messages, answer) if known else None

    def count_tokens(self, text: str) -> int | None:
        return self._its("count_tokens")(text) if hasattr(self.own, "count_tokens") else None

    def token_spans(self, text: str) -> list[tuple[int, int]] | None:
        return self._its("token_spans")(text) if hasattr(self.own, "token_spans") else None

    def _its(self, method: str) -> Any:
        return getattr(self.own, method)
