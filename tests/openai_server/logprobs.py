"""Log-probabilities as the forms of the API write them, and what spoils them on purpose."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from openai_server.models import Distribution, Model
from openai_server.settings import Settings

Json = dict[str, Any]


class Problem(Exception):
    """An error answer."""

    def __init__(
        self, status: int, message: str, code: str = "", kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": None, "code": code or None}}


@dataclass(slots=True)
class Step:
    """One written token, its natural log-probability, and the likeliest ones in its place."""

    token: int
    text: str
    logprob: float
    place: Distribution


@dataclass(slots=True)
class Ask:
    """What every form needs: the model, the request, and how this server behaves."""

    model: Model
    body: Json
    settings: Settings
    call: int
    beginnings: set[int] = field(default_factory=set[int])  # of prompts seen before, hashed
    noise: Random = field(init=False)

    def __post_init__(self) -> None:
        self.noise = Random(self.call)

    def serves(self, way: str) -> bool:
        """False where the way is ignored. Raises Problem where this server refuses what it does not serve."""
        if way not in self.settings.ways and "refuses" in self.settings.quirks:
            raise Problem(400, f"unsupported parameter: {way}", "unsupported_parameter")
        dropped = "logprobs" in way and "drops-logprobs" in self.settings.quirks
        return way in self.settings.ways and not dropped

    def number(self, value: float) -> float:
        """A log-probability as this server writes it."""
        if "noisy" in self.settings.quirks:
            value += self.noise.gauss(0, 0.05)
        return -9999.0 if "clamps" in self.settings.quirks and value < -12 else value

    @property
    def most(self) -> int:
        return self.settings.top

    def checked_top(self, k: int) -> int:
        if not 0 <= k <= self.most:
            raise Problem(400, f"top_logprobs={k} is greater than max allowed: {self.most}", "invalid_value")
        return k


def generated(ask: Ask, step: Step, top: int) -> Json:
    """One generated token as chat and responses write it."""
    listed = [_listed(ask, token, value) for token, value in step.place.top(top)] if top else []
    if (chosen := ask.body.get("logprob_token_ids")) and ask.serves("chosen_ids"):
        listed = [_listed(ask, int(token), step.place.logprob(int(token))) for token in chosen]
    entry = {"token": step.text, "logprob": ask.number(step.logprob), "bytes": list(step.text.encode())}
    return {**entry, "top_logprobs": listed}


def _listed(ask: Ask, token: int, value: float) -> Json:
    text = ask.model.piece(token)
    if ask.body.get("return_tokens_as_token_ids"):
        text = f"token_id:{token}"
    return {"token": text, "logprob": ask.number(value), "bytes": list(text.encode())}


def legacy(
    ask: Ask, text: str, tokens: Sequence[tuple[int, int, int]], steps: Sequence[Step], top: int, echo: bool
) -> Json:
    """Log-probabilities as completions write them, the prompt's first where it is echoed."""
    names: list[str] = []
    values: list[float | None] = []
    tops: list[dict[str, float] | None] = []
    offsets: list[int] = []
    if echo:
        found = _given(ask, tokens)
        names, offsets = _pieces(ask, text, tokens)
        values = [None if pair is None else pair[0] for pair in found]
        tops = [None if p is None else {ask.model.piece(t): v for t, v in p[1].top(top)} for p in found]
    at = len(text) if echo else 0
    for step in steps:
        names.append(step.text)
        offsets.append(at)
        values.append(ask.number(step.logprob))
        tops.append({ask.model.piece(t): v for t, v in step.place.top(top)})
        at += len(step.text)
    return {
        "tokens": names,
        "token_logprobs": values,
        "top_logprobs": tops if top else None,
        "text_offset": offsets,
    }


def of_prompt(ask: Ask, text: str, tokens: Sequence[tuple[int, int, int]], top: int) -> list[Json | None]:
    """As vLLM writes them: null for the first token, then {id: {logprob, rank, decoded_token}}."""
    ask.checked_top(top)
    rows: list[Json | None] = []
    names, _ = _pieces(ask, text, tokens)
    for (token, _, _), name, pair in zip(tokens, names, _given(ask, tokens), strict=True):
        if pair is None:
            rows.append(None)
            continue
        value, place = pair
        row = {str(token): {"logprob": value, "rank": place.rank(token), "decoded_token": name}}
        for rank, (other, logprob) in enumerate(place.top(top), 1):
            listed = {"logprob": ask.number(logprob), "rank": rank, "decoded_token": ask.model.piece(other)}
            row.setdefault(str(other), listed)
        rows.append(row)
    return rows


def listed_prompt(ask: Ask, text: str, tokens: Sequence[tuple[int, int, int]], top: int) -> list[Json]:
    """As Mistral's client reads them (3.7.0): entries as of generated tokens, numbers throughout."""
    names, _ = _pieces(ask, text, tokens)
    rows: list[Json] = []
    for (token, _, _), name, pair in zip(tokens, names, _given(ask, tokens), strict=True):
        entry: Json = {"token": name, "token_id": token, "bytes": list(name.encode())}
        listed = [_listed(ask, other, value) for other, value in pair[1].top(top)] if pair else []
        rows.append({**entry, "logprob": pair[0] if pair else 0.0, "top_logprobs": listed})
    return rows


def native(ask: Ask, tokens: Sequence[tuple[int, int, int]], top: int) -> Json:
    """As SGLang writes them: [log-probability, id, text] a token, null for the first."""
    given = _given(ask, tokens)
    own = [[p and p[0], t, ask.model.piece(t)] for (t, _, _), p in zip(tokens, given, strict=True)]
    tops = [p and [[v, t, ask.model.piece(t)] for t, v in p[1].top(top)] for p in given]
    return {"input_token_logprobs": own, "input_top_logprobs": tops if top else []}


def _given(ask: Ask, tokens: Sequence[tuple[int, int, int]]) -> list[tuple[float, Distribution] | None]:
    """The log-probability of each of the prompt's tokens and what else might have stood there."""
    ids = [token for token, _, _ in tokens]
    places = ask.model.following(ids, 1, len(ids) - 1) if len(ids) > 1 else []
    found: list[tuple[float, Distribution] | None] = [None]
    found += [(ask.number(p.logprob(t)), p) for t, p in zip(ids[1:], places, strict=True)]
    if "shifted" in ask.settings.quirks and len(found) > 2:
        found = [None, found[1], *found[1:-1]]
    if "no-null-first" in ask.settings.quirks and len(found) > 1:
        found[0] = found[1]
    return found


def _pieces(ask: Ask, text: str, tokens: Sequence[tuple[int, int, int]]) -> tuple[list[str], list[int]]:
    """The text of each token, white space before it included: together they are the prompt."""
    if any(end for _, _, end in tokens):
        ends = [0]
        for _, _, end in tokens:
            ends.append(max(ends[-1], end))
        return [text[a:b] for a, b in itertools.pairwise(ends)], ends[:-1]
    names = [ask.model.piece(token) for token, _, _ in tokens]
    return names, [sum(map(len, names[:i])) for i in range(len(names))]
