"""A model that answers by rule from the documents it sees: what it writes, and how likely each answer is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from spexapi.backends.base import AnswerScore, Capabilities, Message, Reply, Request

Kept = frozenset[int]
Chances = float | Sequence[float]  # of a word: the same for all, or one each
Rule = Callable[[Kept], Mapping[str, Chances]]  # answer -> chances; the first is what it writes

UNHEARD = 0.0001


class Reader:
    """Sees which of its texts stand in the prompt, by number from 0; every word of an answer is a token.

    ranks  whether it tells which words are its first choice, as local models do
    fails  documents that must not be kept together: a reason instead of a score
    """

    name = identity = "planted"

    def __init__(
        self,
        texts: Sequence[str],
        rule: Rule,
        *,
        ranks: bool = True,
        fails: Callable[[Kept], str] = lambda _: "",
    ) -> None:
        self.texts, self.rule, self.ranks, self.fails = texts, rule, ranks, fails
        self.capabilities = Capabilities(batch=64, write=ranks)

    def answer_offsets(self, messages: Sequence[Message], answer: str) -> tuple[tuple[int, int], ...]:
        return words_of(answer)

    async def score(self, requests: Sequence[Request]) -> list[Reply]:
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        prompt = "\n".join(message.content for message in request.messages)
        kept = frozenset(i for i, text in enumerate(self.texts) if text in prompt)
        if reason := self.fails(kept):
            return Reply(error=reason)
        known = self.rule(kept)
        first = next(iter(known))
        if request.write:
            return Reply(text=first, tokens_in=len(prompt.split()), tokens_out=len(first.split()))
        scores = tuple(self._score(answer, known, first) for answer in request.answers)
        return Reply(scores, tokens_in=len(prompt.split()))

    def _score(self, answer: str, known: Mapping[str, Chances], first: str) -> AnswerScore:
        spans = words_of(answer)
        given = known.get(answer, UNHEARD)
        chances = [given] * len(spans) if isinstance(given, int | float) else list(given)
        logprobs = np.log(np.array(chances))
        if not self.ranks:
            return AnswerScore(logprobs, spans)
        written = first.split()
        choices = [w if t >= len(written) else written[t] for t, w in enumerate(answer.split())]
        ranks = [1 if w == choice else 2 for w, choice in zip(answer.split(), choices, strict=True)]
        return AnswerScore(logprobs, spans, ranks=tuple(ranks), choices=tuple(choices))


def words_of(text: str) -> tuple[tuple[int, int], ...]:
    """(start, end) of each word, the space before it taken with it."""
    ends = [*(i for i, c in enumerate(text) if c == " "), len(text)]
    return tuple(zip([0, *ends[:-1]], ends, strict=True))
