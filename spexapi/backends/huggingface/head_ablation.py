"""A local model from which each request removes components of its own: heads, MLP blocks, layers, neurons."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from spexapi.backends.adapter import complete
from spexapi.backends.base import Capabilities, Generated, Message, Reply, Request
from spexapi.backends.huggingface.alignment import Encoded
from spexapi.backends.huggingface.architecture import anatomy, inventory
from spexapi.backends.huggingface.backend import HuggingFace
from spexapi.backends.huggingface.components import Component, Inventory
from spexapi.backends.huggingface.open import from_transformers
from spexapi.backends.huggingface.pretrained import CausalModel
from spexapi.backends.registry import open_backend
from spexapi.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from spexapi.backends.huggingface.ablation_hooks import Ablation, Trace  # imports torch

Messages = tuple[Message, ...]
_BATCH = 64  # rows that differ in nothing but their components need no padding: more of them at once


@dataclass(frozen=True, slots=True)
class AblationBaseline:
    """What stands in for a component that is removed.

    masking  "zero": nothing; "mean": its mean over all positions of the texts of `reference`; "resample":
             its output at the same position of another text, donors[prompt]
    """

    masking: str = "zero"
    reference: tuple[Messages, ...] = ()
    donors: Mapping[Messages, Messages] = field(default_factory=dict[Messages, Messages])


class Ablated:
    """A backend that obeys Request.removed: numbers of `components`. All else is as its own backend has it.

    One pass of the model removes other components from each of its rows.
    """

    def __init__(self, own: HuggingFace, components: Sequence[Component], baseline: AblationBaseline) -> None:
        self._own, self._components, self._baseline = own, tuple(components), baseline
        self._ablation: Ablation | None = None
        self._means: Trace | None = None
        self._traces: dict[tuple[Messages, tuple[int, ...]], Trace] = {}

    @property
    def name(self) -> str:
        return self._own.name

    @property
    def identity(self) -> str:
        """Of the weights, the components and what stands in for them."""
        own, base = self._own.identity, self._baseline
        texts = [base.reference, sorted(base.donors.items(), key=repr)]
        said = json.dumps([[c.label for c in self._components], base.masking, repr(texts)])
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
            " length, since components are taken from the same position"
        )

    def answer_offsets(self, messages: Sequence[Message], answer: str) -> tuple[tuple[int, int], ...] | None:
        return self._own.answer_offsets(messages, answer)

    def count_tokens(self, text: str) -> int | None:
        return self._own.count_tokens(text)

    def token_spans(self, text: str) -> list[tuple[int, int]] | None:
        return self._own.token_spans(text)

    def _prepare(self, model: CausalModel) -> None:
        from spexapi.backends.huggingface.ablation_hooks import Ablation  # imports torch

        ablation = Ablation(model, self._components)
        if self._baseline.masking == "mean":
            self._means = ablation.mean([self._own.prompt_ids(text) for text in self._baseline.reference])
        self._ablation = ablation

    def _around(
        self, requests: Sequence[Request], rows: Sequence[Encoded], starts: Sequence[int]
    ) -> AbstractContextManager[None]:
        """The hooks for one batch: row by row what its request removes."""
        from spexapi.backends.huggingface.ablation_hooks import aligned, zero  # imports torch

        assert self._ablation is not None, "open() makes it"
        gone = np.zeros((len(requests), len(self._components)), dtype=np.bool_)
        for row, request in enumerate(requests):
            gone[row, list(request.removed)] = True
        if self._baseline.masking != "resample" or not gone.any():
            means = self._means
            return self._ablation.without(gone, lambda site: zero() if means is None else means[site])
        if not rows:
            raise InputError(
                "nothing can be written while components are resampled: use masking 'zero' or 'mean'"
            )
        traces = [self._trace(self._ablation, r, row) for r, row in zip(requests, rows, strict=True)]
        longest = max(start + len(row) for row, start in zip(rows, starts, strict=True))

        def of_donors(site: int) -> Tensor:
            return aligned([trace[site] for trace in traces], starts, longest)

        return self._ablation.without(gone, of_donors)

    def _donor(self, request: Request) -> Request | None:
        """The prompt to resample from, with the answer's tokens as they are after the prompt itself."""
        donor = self._baseline.donors.get(request.messages)
        return None if donor is None else Request(donor, request.answers, whole=request.messages)

    def _trace(self, ablation: Ablation, request: Request, row: Encoded) -> Trace:
        """What the donor of this request leaves at each site, followed by the same answer; run once."""
        key = (request.messages, row.answer.ids)
        if key not in self._traces:
            donor = self._donor(request)
            assert donor is not None, "the game gives every prompt a donor"
            rows = [self._own.encode(donor, i) for i in range(len(request.answers))]
            found = next(other for other in rows if other.answer == row.answer)
            self._traces[key] = ablation.trace([*found.prompt, *found.answer.ids])
        return self._traces[key]


def local_model(model: object, tokenizer: object = None) -> HuggingFace:
    """The backend of a model on this machine, from its name, itself, or a loaded model and its tokenizer.

    Raises InputError for a hosted model, whose components no one can reach.
    """
    if tokenizer is not None:
        return from_transformers(model, tokenizer)
    if isinstance(model, str) and model.startswith("openai:"):  # a key would be asked for in vain
        raise InputError(_hosted(model))
    found = open_backend(model) if isinstance(model, str) else complete(model)
    if isinstance(found, HuggingFace):
        return found
    raise InputError(_hosted(found.name))


def components_of(backend: HuggingFace) -> Inventory:
    """What the model is made of; its weights need not be loaded. Raises InputError, BackendError."""
    return inventory(anatomy(backend.modules()))


def _hosted(name: str) -> str:
    return (
        f"{name} does not let anybody into the model, so no part of it can be removed: use a local one,"
        " 'embedded' or 'hf:<id or folder>'"
    )
