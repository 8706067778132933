"""What a game about the model itself asks: one prompt or a set of questions, checked when it is built."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from spexapi.backends.base import Message, Reply
from spexapi.backends.huggingface.components import MASKINGS
from spexapi.backends.huggingface.head_ablation import AblationBaseline
from spexapi.errors import InputError
from spexapi.games._asked import Asked, FixedPrompt
from spexapi.games._settings import settings
from spexapi.prompts.inputs import Prompt, read_file, to_messages
from spexapi.scorers.base import Scorer


@dataclass(frozen=True, slots=True)
class Question:
    """One of a set that a value is the mean over.

    answer   None lets the whole model write it
    options  answers to choose between, for scores that compare
    """

    prompt: Prompt
    answer: str | None = None
    options: tuple[str, ...] = ()


def load_questions(path: str | Path) -> tuple[Question, ...]:
    """Questions from a .jsonl file: {"prompt", "answer", "options"} a line; a prompt is a text or chat turns.

    Raises InputError naming the line that is wrong.
    """
    path = Path(path)
    found: list[Question] = []
    for number, line in enumerate(read_file(path).split("\n"), 1):
        if not line.strip():
            continue
        where = f"line {number} of {path.name}"
        try:
            given = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{where} is not JSON: {error.msg} at column {error.colno}") from None
        found.append(_to_question(given, where))
    if not found:
        raise InputError(f"{path.name} holds no questions")
    return tuple(found)


def _to_question(given: object, where: str) -> Question:
    if not isinstance(given, Mapping) or "prompt" not in given:
        raise InputError(f'{where} must be {{"prompt": ..., "answer": ..., "options": [...]}}')
    known = cast("Mapping[str, object]", given)
    prompt, answer = known["prompt"], known.get("answer")
    options: object = known.get("options") or []
    if not (answer is None or isinstance(answer, str)) or not isinstance(options, list):
        raise InputError(f'{where}: "answer" must be a text and "options" a list of texts')
    if not isinstance(prompt, str | list):
        raise InputError(f'{where}: "prompt" must be a text or a list of turns')
    return Question(cast("Prompt", prompt), answer, tuple(cast("list[str]", options)))


def posed(
    prompt: Prompt | Sequence[Question],
    answer: str | None,
    options: Sequence[str] | None,
    score: str | Scorer | Callable[[Reply], float] | None,
    max_new_tokens: int,
    samples: int | None,
) -> tuple[Asked, ...]:
    """The questions in order, all read by one score. Raises InputError naming the one that is wrong."""
    questions = _questions(prompt)
    if questions and (answer is not None or options is not None):
        raise InputError("in a set, answer and options belong to each Question(prompt, answer, options)")
    if not questions:
        chosen = settings(answer, score, options, "drop", None, max_new_tokens, samples)
        return (Asked(FixedPrompt(to_messages(prompt)), chosen),)  # pyright: ignore[reportArgumentType]
    found: list[Asked] = []
    for number, each in enumerate(questions, 1):
        try:
            chosen = settings(each.answer, score, each.options or None, "drop", None, max_new_tokens, samples)
            found.append(Asked(FixedPrompt(to_messages(each.prompt)), chosen, number))
        except InputError as error:
            raise InputError(f"question {number}: {error}") from error
    if len({each.chosen.scorer for each in found}) > 1:
        raise InputError(
            "some questions have options and others none: name the score, or give all of them options"
        )
    return tuple(found)


def baseline(
    masking: str, reference: Sequence[Prompt], prompts: Sequence[tuple[Message, ...]]
) -> AblationBaseline:
    """What stands in for a component that is removed. Raises InputError if the reference does not fit."""
    if masking not in MASKINGS:
        raise InputError(f"unknown masking {masking!r} of a model's parts: use one of {', '.join(MASKINGS)}")
    if isinstance(reference, str):
        raise InputError("reference must be a list of prompts, got one text")
    texts = tuple(to_messages(each) for each in reference)
    if masking == "zero":
        if texts:
            raise InputError("a reference is given, but masking is 'zero': use 'mean' or 'resample'")
        return AblationBaseline()
    if masking == "mean":
        if not texts:
            raise InputError("masking 'mean' needs prompts to take the mean over: reference=[...]")
        return AblationBaseline("mean", texts)
    if len(texts) != len(prompts):
        raise InputError(
            f"masking 'resample' needs one other prompt for each question: reference has {len(texts)}, there"
            f" are {len(prompts)} questions"
        )
    return AblationBaseline("resample", donors=dict(zip(prompts, texts, strict=True)))


def _questions(prompt: object) -> list[Question]:
    """The questions of a set, [] if the prompt is one text or chat. Raises InputError."""
    if isinstance(prompt, Question):
        return [prompt]
    if isinstance(prompt, str) or not isinstance(prompt, Sequence):
        return []
    given: list[object] = list(prompt)  # pyright: ignore[reportUnknownArgumentType]
    if not given:
        raise InputError("there are no questions: give a prompt, or a list of Question(prompt, answer)")
    found = [each for each in given if isinstance(each, Question)]
    if found and len(found) < len(given):
        raise InputError(
            "some questions are Question objects and others not: write Question(prompt, answer) for each"
        )
    return found
