"""The openai backend against a real socket: scores, errors, limits, keys."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spexapi.backends.base import Message, Reply, Request
from spexapi.backends.embedded import FOLDER, open_embedded
from spexapi.backends.openai_api import OpenAI
from spexapi.backends.registry import open_backend
from spexapi.errors import BackendError, InputError, RateLimited, Refused, Unavailable

TEMPLATE = (FOLDER / "chat_template.jinja").read_text()
KEY = "sk-verysecret-0123456789"
STORY = (
    "The lamp is in the attic.\n\nThe key is in the box.\n\nThe box is in the cellar.\n\nWhich room is the key in?"
)
ROOMS = ("the cellar", "the attic", "cellar")


def asking(text: str, *answers: str, **rest: object) -> Request:
    return Request((Message("user", text),), answers, **rest)  # type: ignore[arg-type]


def backend_at(server, model: str = "table", **options: object) -> OpenAI:
    found = open_backend(f"openai:{model}", base_url=server.base_url, api_key=KEY, **options)
    assert isinstance(found, OpenAI)
    return found


async def opened(backend: OpenAI, requests: list[Request]) -> list[Reply]:
    await backend.open()
    try:
        return await backend.score(requests)
    finally:
        await backend.close()


def score(backend: OpenAI, *requests: Request) -> list[Reply]:
    return asyncio.run(opened(backend, list(requests)))


# --- a given answer


def locally(requests: list[Request]) -> list[Reply]:
    async def run() -> list[Reply]:
        local = open_embedded()
        await local.open()
        try:
            return await local.score(requests)
        finally:
            await local.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def truth() -> list[Reply]:
    return locally([asking(STORY, room) for room in ROOMS])


@pytest.mark.parametrize(
    ("form", "way"),
    [
        ("chat", "prompt_logprobs"),
        ("completions", "echo"),
        ("completions", "prompt_logprobs"),
        ("completions", "forced"),
    ],
)
def test_a_given_answer_scores_as_it_does_locally(openai_server, truth, form, way):
    backend = backend_at(openai_server, "embedded", form=form, way=way, chat_template=TEMPLATE, bos_token="<bos>")
    found = score(backend, *[asking(STORY, room) for room in ROOMS])
    for reply, local in zip(found, truth, strict=True):
        assert reply.error == ""
        assert reply.scores[0].logprobs == pytest.approx(local.scores[0].logprobs, abs=1e-3)
        assert reply.scores[0].offsets == local.scores[0].offsets
        assert reply.scores[0].bounded == ()
