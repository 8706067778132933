"""A local model some of whose parts each request takes out: heads, MLP blocks, layers, neurons."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from spexapi.backends.adapter import complete
from spexapi.backends.base import Capabilities, Generated, Message, Reply, Request
from spexapi.backends.huggingface.alignment import Encoded
from spexapi.backends.huggingface.architecture import anatomy, inventory
from spexapi.backends.huggingface.backend import HuggingFace, from_transformers
from spexapi.backends.huggingface.components import Component, Inventory
from spexapi.backends.registry import open_backend
from spexapi.errors import InputError

Messages = tuple[Message, ...]
_BATCH = 64  # rows that differ in nothing but their parts need no padding: more of them at once


@dataclass(frozen=True, slots=True)
class AblationBaseline:
    """What stands in for a part that is out.

    ablation  "zero": nothing; "mean": the part's mean over all positions of the texts of `reference`;
              "resample": what it says at the same position of another text, donors[prompt]
    """

    ablation: str = "zero"
    reference: tuple[Messages, ...] = ()
    donors: Mapping[Messages, Messages] = field(default_factory=dict[Messages, Messages])


class Ablated:
    """A backend that obeys Request.removed: numbers of `parts`. All else is as its own backend has it.

    One pass of the model takes different parts out of each of its rows.
    """

    def __init__(self, own: HuggingFace, parts: Sequence[Component], filling: AblationBaseline) -> None:
        self._own, self._parts, self._filling = own, tuple(parts), filling
        self._ablation: Any = None
        self._means: Any = None
        self._zero: Any = None
        self._traces: dict[tuple[Messages, tuple[int, ...]], Any] = {}

    @property
    def name(self) -> str:
        return self._own.name

    @property
    def identity(self) -> str:
        """Of the weights, the parts and what stands in for them."""
        own, fill = self._own.identity, self._filling
        texts = [fill.reference, sorted(fill.donors.items(), key=repr)]
        said = json.dumps([[p.label for p in self._parts], fill.ablation, repr(texts)])
        return f"{own} without parts {hashlib.sha256(said.encode()).hexdigest()[:16]}" if own else ""

    @property
    def capabilities(self) -> Capabilities:
        own = self._own.capabilities
        return replace(own, attention_mask=False, batch=max(own.batch, _BATCH))

    async def open(self) -> None:
        await self._own.open()
        if self._ablation is None:
            await self._own.with_model(self._prepare)

    async def close(self) -> None:
        await self._own.close()

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        """By the whole model, nothing removed."""
        return await self._own.generate(messages, max_tokens)

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        return await self._own.score(requests, self._around)

    def check(self, request: Request) -> str:
        if reason := self._own.check(request):
            return reason
        donor = self._donor(request)
        if donor is None or not request.answers:
            return ""
        here, there = (len(self._own.encode(asked, 0).prompt) for asked in (request, donor))
        if here == there:
            return ""
        return (
            f"the prompt has {here:,} tokens and the one to resample from {there:,}: give one of the same"
            " length, since parts are taken from the same position"
        )

    def answer_offsets(self, messages: Sequence[Message], answer: str) -> tuple[tuple[int, int], ...] | None:
        return self._own.answer_offsets(messages, answer)

    def count_tokens(self, text: str) -> int | None:
        return self._own.count_tokens(text)

    def token_spans(self, text: str) -> list[tuple[int, int]] | None:
        return self._own.token_spans(text)

    def _prepare(self, model: Any) -> None:
        from spexapi.backends.huggingface.hooks import Ablation, zero  # imports torch

        ablation, self._zero = Ablation(model, self._parts), zero()
        if self._filling.ablation == "mean":
            self._means = ablation.mean([self._own.prompt_ids(text) for text in self._filling.reference])
        self._ablation = ablation

    def _around(
        self, requests: Sequence[Request], rows: Sequence[Encoded], starts: Sequence[int]
    ) -> AbstractContextManager[None]:
        """The hooks for one batch: row by row what its request removes."""
        gone = np.zeros((len(requests), len(self._parts)), dtype=np.bool_)
        for row, request in enumerate(requests):
            gone[row, list(request.removed)] = True
        if self._filling.ablation == "resample" and gone.any():
            if not rows:
                raise InputError(
                    "nothing can be written while parts are resampled: use ablation='zero' or 'mean'"
                )
            traces = [self._trace(r, row) for r, row in zip(requests, rows, strict=True)]
            from spexapi.backends.huggingface.hooks import aligned  # imports torch

            longest = max(start + len(row) for row, start in zip(rows, starts, strict=True))

            def of_donors(site: int) -> Any:
                return aligned([trace[site] for trace in traces], starts, longest)

            return self._ablation.without(gone, of_donors)
        return self._ablation.without(gone, self._constant)

    def _constant(self, site: int) -> Any:
        return self._zero if self._means is None else self._means[site]

    def _donor(self, request: Request) -> Request | None:
        """The prompt to resample from, the tokens of the answer as behind the prompt itself."""
        donor = self._filling.donors.get(request.messages)
        return None if donor is None else Request(donor, request.answers, whole=request.messages)

    def _trace(self, request: Request, row: Encoded) -> Any:
        """What the donor of this request leaves at each site, the same answer behind it; run once."""
        key = (request.messages, row.answer.ids)
        if key not in self._traces:
            donor = self._donor(request)
            assert donor is not None, "the game gives every prompt a donor"
            rows = [self._own.encode(donor, i) for i in range(len(request.answers))]
            found = next(other for other in rows if other.answer == row.answer)
            self._traces[key] = self._ablation.trace([*found.prompt, *found.answer.ids])
        return self._traces[key]


def local_model(model: object, tokenizer: object = None) -> HuggingFace:
    """The backend of a model on this machine, from its name, itself, or a loaded model and its tokenizer.

    Raises InputError for a hosted model, whose parts no one can reach.
    """
    if tokenizer is not None:
        return from_transformers(model, tokenizer)
    if isinstance(model, str) and model.startswith("openai:"):  # a key would be asked for in vain
        raise InputError(_hosted(model))
    found = open_backend(model) if isinstance(model, str) else complete(model)
    if isinstance(found, HuggingFace):
        return found
    raise InputError(_hosted(found.name))


def parts_of(backend: HuggingFace) -> Inventory:
    """What the model is made of; its weights need not be loaded. Raises InputError, BackendError."""
    return inventory(anatomy(backend.modules()))


def _hosted(name: str) -> str:
    return (
        f"{name} does not let anybody into the model, so no part of it can be taken out: use a local one,"
        " 'embedded' or 'hf:<id or folder>'"
    )
