"""Methods that compare options: by the first token of a reply, or as a typed decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spexapi.backends.base import AnswerScore, Reply, Request
from spexapi.backends.json_values import Json, to_count, to_map, to_number
from spexapi.backends.openai.endpoint import Endpoint, Gives, reply_of
from spexapi.backends.openai.schemas import Completion
from spexapi.backends.openai.tokens import CLAMPED, upper_bound
from spexapi.backends.turns import chat_turns
from spexapi.errors import InputError, LogprobsMissing, Unavailable

_LEAST_SHARE = 2.0**-24  # a float32 probability of 0 says no more than this


@dataclass(frozen=True, slots=True)
class FirstToken:
    """The likeliest first tokens of a reply; an option that none of them begins is bounded by the list.

    Tokens are compared without white space around them and without regard to case; the probabilities of all
    tokens that begin one option and no other are added up.
    """

    top: int = 20
    name: str = "first_token"
    gives: Gives = "options"
    cost: str = "1 call: prompt read, 1 token written"

    async def score(self, endpoint: Endpoint, request: Request) -> Reply:
        options = distinct(request.answers)
        # temperature 1: some servers list probabilities after the temperature
        completion = await endpoint.ask(request.messages, 1, temperature=1.0, top=self.top)
        if not completion.tokens or not completion.tokens[0].top:
            raise LogprobsMissing(f"asked for top_logprobs={self.top}, the reply lists none")
        first = completion.tokens[0]
        most = upper_bound(first)
        scores: list[AnswerScore] = []
        for option, key in zip(request.answers, options, strict=True):
            found = [lp for text, lp in first.top if lp > CLAMPED and _begins(key, text, options)]
            if not found and most is None:
                raise LogprobsMissing("no listed first token has a log-probability")
            value = float(np.logaddexp.reduce(found)) if found else float(most or 0.0)
            scores.append(_single(value, option, bounded=not found))
        return reply_of(tuple(scores), [completion])


@dataclass(frozen=True, slots=True)
class ChosenIds:
    """The log-probabilities of chosen first tokens (vLLM's `logprob_token_ids`); nothing is bounded."""

    name: str = "chosen_ids"
    gives: Gives = "options"
    cost: str = "1 call: prompt read, 1 token written"
    known_ids: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]], compare=False)

    async def score(self, endpoint: Endpoint, request: Request) -> Reply:
        unknown = sum(option not in self.known_ids for option in request.answers)
        tokenizing = Completion("", calls=2 * unknown)
        wanted = [await self._first_ids(endpoint, option) for option in request.answers]
        ids = [i for several in wanted for i in several]
        if len(set(ids)) < len(ids):
            raise InputError(_SAME_START.format(options=", ".join(map(repr, request.answers))))
        fields: Json = {"logprob_token_ids": ids, "return_tokens_as_token_ids": True}
        completion = await endpoint.ask(request.messages, 1, temperature=1.0, top=0, **fields)
        listed = dict(completion.tokens[0].top) if completion.tokens else {}
        scores: list[AnswerScore] = []
        for option, several in zip(request.answers, wanted, strict=True):
            found = [listed[name] for i in several if (name := f"token_id:{i}") in listed]
            if len(found) < len(several):
                raise LogprobsMissing("a chosen token id is missing from the reply")
            clear = [value for value in found if value > CLAMPED]
            value = float(np.logaddexp.reduce(clear)) if clear else float(np.log(_LEAST_SHARE))
            scores.append(_single(value, option, bounded=not clear))
        return reply_of(tuple(scores), [tokenizing, completion])

    async def _first_ids(self, endpoint: Endpoint, option: str) -> tuple[int, ...]:
        """The first token of the option, as it begins a text and as it follows a space."""
        if option not in self.known_ids:
            spelled = [await endpoint.ids_of(text) for text in (option, f" {option}")]
            self.known_ids[option] = tuple(dict.fromkeys(ids[0] for ids in spelled if ids))
        return self.known_ids[option]


@dataclass(frozen=True, slots=True)
class Decision:
    """A typed decision (`/v1/systemone`): a share for each option, no text written.

    The shares are of the options alone: they sum to 1 even if the model would say something else.
    """

    name: str = "systemone"
    gives: Gives = "options"
    cost: str = "1 call: prompt read, nothing written"

    async def score(self, endpoint: Endpoint, request: Request) -> Reply:
        messages = request.messages
        state = messages[0].content if len(messages) == 1 else chat_turns(messages)
        question = {"type": "choice", "criteria": dict.fromkeys(request.answers)}
        body: Json = {"model": endpoint.dialect.model, "state": state, "questions": {"answer": question}}
        data = await endpoint.post("/systemone", body)
        try:
            shares = to_map(to_map(to_map(data["answers"])["answer"])["probabilities"])
            found = [to_number(shares[option]) for option in request.answers]
            used = Completion("", tokens_in=to_count(to_map(data["usage"])["input_tokens"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Unavailable(f"the decision cannot be read: {error!r}") from None
        scores = [
            _single(float(np.log(max(share, _LEAST_SHARE))), option, bounded=share < _LEAST_SHARE)
            for share, option in zip(found, request.answers, strict=True)
        ]
        return reply_of(tuple(scores), [used])


_SAME_START = "the options {options} begin with the same token: word them so that their first words differ"


def distinct(options: Sequence[str]) -> list[str]:
    """The options in the form that first tokens are compared with. Raises InputError if two begin alike."""
    keys = [option.strip().casefold() for option in options]
    starts = [key.split()[0] if key.split() else "" for key in keys]
    if len(set(starts)) < len(starts):
        raise InputError(_SAME_START.format(options=", ".join(map(repr, options))))
    return keys


def _begins(key: str, text: str, keys: Sequence[str]) -> bool:
    """True if the token begins this option and no other."""
    start = text.strip().casefold()
    return bool(start) and key.startswith(start) and sum(k.startswith(start) for k in keys) == 1


def _single(value: float, answer: str, *, bounded: bool) -> AnswerScore:
    return AnswerScore(np.array([min(0.0, value)]), ((0, len(answer)),), (True,) if bounded else ())
