"""Games of heads on tiny decoders, and the plain pass that they are held against."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import tiny_models
from tiny_decoders import tokenizer

import spexapi

PROMPT, ANSWER = "The key is in the box. Which room is the key in?", "the attic"
OTHER = "The lamp is in the box. Which room is the lamp in?"


def game_of(
    model: Any, *, prompt: Any = PROMPT, answer: str | None = ANSWER, **more: Any
) -> spexapi.HeadGame:
    return spexapi.HeadGame(model, prompt, answer, tokenizer=tokenizer(), **more)


def values_of(game: spexapi.HeadGame, masks: np.ndarray) -> np.ndarray:
    async def run() -> np.ndarray:
        await game.prepare()
        try:
            return (await game.measure(masks)).values
        finally:
            await game.close()

    return asyncio.run(run())


def plainly(model: Any, prompt: str = PROMPT, answer: str = ANSWER) -> float:
    """log p of the answer: one text, no batch, no mask, no hook."""
    before = len(tokenizer()(prompt, add_special_tokens=False).input_ids)
    ids = tokenizer()(f"{prompt} {answer}", add_special_tokens=False).input_ids
    return float(sum(tiny_models.logprobs_by_loop(model, ids, before)))


def all_but(n: int, *gone: int) -> np.ndarray:
    mask = np.ones((1, n), dtype=np.bool_)
    mask[0, list(gone)] = False
    return mask
