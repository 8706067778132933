"""Tiny local models as backends: what the tests of the Hugging Face backend share."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from spexapi.backends.base import Generated, Message, Reply, Request
from spexapi.backends.huggingface.alignment import Alignment
from spexapi.backends.huggingface.backend import HuggingFace
from spexapi.backends.huggingface.open import from_transformers

PROMPTS = ("The key is in the box. The key is in the", "The lamp is", "in the", "")
ANSWER = " cellar and attic"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Llama that has no chat template."""
    return tiny_models.llama(tmp_path_factory.mktemp("plain"), adds_bos=True)


@pytest.fixture(scope="module")
def chatty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a chat template that writes the beginning-of-sequence token."""
    template = tiny_models.WITH_BOS
    return tiny_models.llama(tmp_path_factory.mktemp("chatty"), adds_bos=True, chat_template=template)


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def read(folder: Path, dtype: torch.dtype = torch.float64) -> tuple[Any, Any]:
    """Model and tokenizer, loaded by hand."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    return model, AutoTokenizer.from_pretrained(folder)


def held(folder: Path, **options: Any) -> tuple[HuggingFace, Any]:
    """A backend and the model in it, for tests that change what the model does."""
    model, tokenizer = read(folder, torch.float32)
    return from_transformers(model, tokenizer, **options), model


def alignment(folder: Path, **options: Any) -> Alignment:
    return Alignment(AutoTokenizer.from_pretrained(folder), **options)


def scored(backend: Any, *requests: Request) -> list[Reply]:
    async def run() -> list[Reply]:
        await backend.open()
        try:
            return await backend.score(requests)
        finally:
            await backend.close()

    return asyncio.run(run())


def generated(backend: Any, text: str, tokens: int) -> Generated:
    async def run() -> Generated:
        await backend.open()
        try:
            return await backend.generate(user(text), tokens)
        finally:
            await backend.close()

    return asyncio.run(run())


def logprobs(backend: Any, prompts: tuple[str, ...] = PROMPTS, answer: str = ANSWER) -> list[Any]:
    """Of the answer after each prompt, its tokens those after the first."""
    whole = user(prompts[0])
    return [
        reply.scores[0].logprobs
        for reply in scored(backend, *(Request(user(p), (answer,), whole=whole) for p in prompts))
    ]
