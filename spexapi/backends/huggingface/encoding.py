"""Requests -> what a local model reads for them, each sequence once, and back to replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spexapi.backends.base import AnswerScore, Reply, Request, TooLong
from spexapi.backends.huggingface.alignment import AnswerTokens, Encoded
from spexapi.errors import InputError
from spexapi.measurements import Floats

# Of one sequence: (t,) log-probabilities in nats, and (t, 2) ranks and ids of the model's first choices.
TokenScores = tuple[Floats, NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What is read for one request.

    rows    an encoded sequence for each answer
    groups  numbers of the rows that differ in their last token alone: read once, since nothing reads the last
    error   why it cannot be read; then there are no rows
    """

    request: Request
    rows: tuple[Encoded, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    error: str = ""


def read_all(
    requests: Sequence[Request], encode: Callable[[Request, int], Encoded], limit: int | None
) -> list[Read]:
    """One for each request, in order; requests that the model reads alike are encoded once.

    limit  tokens the model can read, None if it is not known
    """
    known: dict[tuple[object, ...], Read] = {}
    found: list[Read] = []
    for request in requests:
        key = (request.messages, request.answers, request.hidden, request.whole)
        if key not in known:
            known[key] = _read(request, encode, limit)
        same = known[key]
        found.append(Read(request, same.rows, same.groups, same.error))
    return found


def empty(request: Request, rows: Sequence[Encoded]) -> str:
    """Why an answer cannot be scored: it has no tokens; "" if all have some."""
    for answer, row in zip(request.answers, rows, strict=True):
        if not row.answer.ids:
            return f"the answer {answer!r} is empty after tokenisation: give text the model can write"
    return ""


def misfit(length: int, rows: Sequence[Encoded], limit: int | None) -> str:
    """TooLong if `length` tokens are more than the model reads, else ""."""
    if limit is None or length <= limit:
        return ""
    return TooLong(length, limit, max((len(row.answer.ids) for row in rows), default=0))


def reply_of(read: Read, found: Sequence[Sequence[TokenScores] | None], word: Callable[[int], str]) -> Reply:
    """The scores of a request. found: for each of its groups the scores of its rows; word: id -> text."""
    if read.error or not read.rows:
        return Reply(error=read.error or "no answer to score")
    values: dict[int, TokenScores] = {}
    for group, of_group in zip(read.groups, found, strict=True):
        if of_group is None:
            length = len(read.rows[group[0]])
            return Reply(error=f"not enough memory for one prompt of {length:,} tokens", tokens_in=0)
        values |= dict(zip(group, of_group, strict=True))
    scores = tuple(_scored(row.answer, values[i], word) for i, row in enumerate(read.rows))
    return Reply(scores, tokens_in=sum(len(read.rows[group[0]]) for group in read.groups))


def _scored(answer: AnswerTokens, found: TokenScores, word: Callable[[int], str]) -> AnswerScore:
    logprobs, places = found
    ranks, first = places.T.tolist()
    choices = tuple(word(token) for token in first)
    return AnswerScore(logprobs, answer.offsets, ranks=tuple(ranks), choices=choices)


def _read(request: Request, encode: Callable[[Request, int], Encoded], limit: int | None) -> Read:
    try:
        rows = tuple(encode(request, i) for i in range(len(request.answers)))
        error = empty(request, rows) or misfit(max(map(len, rows), default=0), rows, limit)
    except InputError as refused:
        return Read(request, error=str(refused))
    if error:
        return Read(request, error=error)
    groups: dict[tuple[object, ...], list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault((row.prompt, row.visible, row.answer.ids[:-1]), []).append(i)
    return Read(request, rows, tuple(map(tuple, groups.values())))
