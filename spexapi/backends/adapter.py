"""A backend that has only a name and `score` -> one that has everything, promising nothing for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from spexapi.backends.base import Backend, Capabilities, Generated, Message, Reply, Request, Scoring
from spexapi.errors import BackendError, InputError

_ALL = tuple(name for name in vars(Backend) if not name.startswith("_"))  # its properties and methods


def complete(backend: object) -> Backend:
    """The backend itself if it has every method, else a wrapper that answers for those it lacks.

    What is missing is answered so that nothing is promised: no tokens known, nothing too long, no identity
    to keep replies under, answers written by `score` if the capabilities say it can.
    Raises InputError for what is no backend, such as a model of transformers without its tokenizer.
    """
    # hasattr, not isinstance: from Python 3.12 on that is blind to what __getattr__ passes on
    if all(hasattr(backend, name) for name in _ALL):
        return cast("Backend", backend)
    if not (hasattr(backend, "name") and hasattr(backend, "score")):
        raise InputError(_no_backend(backend))
    return _Completed(cast("Scoring", backend))


def _no_backend(given: object) -> str:
    if hasattr(given, "named_modules"):
        return (
            f"{type(given).__name__} is a loaded model, which comes with its tokenizer:"
            " spexapi.from_transformers(model, tokenizer)"
        )
    if hasattr(given, "model") and hasattr(given, "tokenizer"):
        return (
            f"{type(given).__name__} is a pipeline: give its parts,"
            " spexapi.from_transformers(pipeline.model, pipeline.tokenizer)"
        )
    return (
        f"a backend is a name such as 'embedded', or an object with `name` and `score`; got"
        f" {type(given).__name__}"
    )


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
        """Its own; without an `identity` there is nothing to keep replies under."""
        known = Capabilities(write=hasattr(self.own, "generate"), price=None, batch=1)
        own: Capabilities = getattr(self.own, "capabilities", known)
        return replace(own, keep=own.keep and hasattr(self.own, "identity"))

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

    def __getattr__(self, name: str) -> Any:
        """What else it has, such as `limits`. Raises AttributeError."""
        if name == "own":  # a copy that is being made has none yet
            raise AttributeError(name)
        return getattr(self.own, name)
