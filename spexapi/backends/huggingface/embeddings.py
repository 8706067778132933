"""Embeddings of a Hugging Face model on this machine: the mean of its last layer over a text's tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spexapi.backends.base import Capabilities, Reply, Request
from spexapi.backends.cosine import cosines, text_of
from spexapi.backends.huggingface.loading import load_encoder, load_tokenizer
from spexapi.backends.huggingface.pretrained import Tokenizer
from spexapi.errors import BackendError
from spexapi.measurements import Floats

if TYPE_CHECKING:
    from torch import nn


class LocalEmbeddings:
    """As sentence-transformers pool by default (Reimers and Gurevych, 2019)."""

    def __init__(self, model: str) -> None:
        self._source = model
        self._model: nn.Module | None = None
        self._tokenizer: Tokenizer | None = None
        self._known: dict[str, Floats] = {}

    @property
    def name(self) -> str:
        return f"hf:{self._source}"

    @property
    def identity(self) -> str:
        return ""  # it costs nothing: no reason to keep its replies

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(write=False, batch=16, keep=False, reads_whole=False)

    async def open(self) -> None:
        if self._model is None:
            await asyncio.to_thread(self._load)

    async def close(self) -> None:
        return

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        """Reply.similarities: the cosine of the prompt and each answer."""
        if self._model is None:
            raise BackendError(f"{self.name} is not open: await backend.open() first")
        return await asyncio.to_thread(lambda: [self._one(request) for request in requests])

    def _one(self, request: Request) -> Reply:
        for answer in request.answers:
            if answer not in self._known:
                self._known[answer] = self._embed(answer)
        vector = self._embed(text_of(request.messages))
        return Reply(similarities=cosines(vector, request.answers, self._known))

    def _embed(self, text: str) -> Floats:
        import torch

        assert self._model is not None
        assert self._tokenizer is not None
        found = self._tokenizer(text, return_tensors="pt", truncation=True, max_length=512)
        with torch.inference_mode():
            states = self._model(input_ids=found["input_ids"], attention_mask=found["attention_mask"])
        return states.last_hidden_state[0].mean(dim=0).double().numpy()

    def _load(self) -> None:
        self._tokenizer, _ = load_tokenizer(self._source, None)
        self._model = load_encoder(self._source)
