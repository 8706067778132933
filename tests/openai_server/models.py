"""What answers: a planted table, and the embedded reader. Both are language models over token ids."""

from __future__ import annotations

import functools
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

READER = Path(__file__).parents[2] / "spexapi" / "backends" / "huggingface" / "embedded_model"
END = 2
TABLE = {
    "base": -9.0,
    "rules": [[["lamp"], 1.0], [["key", "cellar"], 4.0], [["rain", "river", "bridge"], 3.0]],
    "writes": "the cellar",
}
FILLERS = [
    "unknown",
    "no",
    "nothing",
    "perhaps",
    "somewhere",
    "never",
    "someone",
    "maybe",
    "none",
    "yes",
    "here",
    "there",
    "later",
    "soon",
    "often",
    "once",
    "again",
    "still",
    "almost",
    "rarely",
    "twice",
    "quite",
    "rather",
    "indeed",
]


class Distribution(Protocol):
    """What may come next."""

    def logprob(self, token: int) -> float: ...

    def top(self, k: int) -> list[tuple[int, float]]: ...

    def rank(self, token: int) -> int: ...

    def draw(self, random: Random, temperature: float, bias: Mapping[int, float]) -> int: ...


class Model(Protocol):
    name: str
    context: int
    blocking: bool  # True: work goes to the worker thread

    def encode(self, text: str, *, special: bool = True) -> list[tuple[int, int, int]]:
        """(id, start, end) of each token, the beginning-of-sequence token first where there is one."""
        ...

    def piece(self, token: int) -> str: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def chat_text(self, messages: Sequence[Mapping[str, Any]], *, continues: bool) -> str: ...

    def following(self, ids: Sequence[int], first: int, last: int) -> list[Distribution]:
        """What may stand at places first, ..., last of the sequence; last may be len(ids)."""
        ...


# --- the table


class _Planned:
    """The planned next word has probability p, the words of `others` share the rest: 1/2, 1/4, ..."""

    def __init__(self, planned: str, p: float, others: Sequence[str], table: TableModel) -> None:
        shares = [(1 - p) * 2.0 ** -(i + 1) for i in range(len(others))]
        self._words = dict(zip((planned, *others), map(math.log, (p, *shares)), strict=True))
        self._table = table
        self._order = sorted(self._words.items(), key=lambda pair: -pair[1])

    def logprob(self, token: int) -> float:
        return self._words.get("" if token == END else self._table.piece(token).strip(), -25.0)

    def rank(self, token: int) -> int:
        logprob = self.logprob(token)
        return next(
            (i for i, (_, value) in enumerate(self._order, 1) if value <= logprob), len(self._order) + 1
        )

    def top(self, k: int) -> list[tuple[int, float]]:
        return [(self._table.id_of(word), value) for word, value in self._order[:k]]

    def draw(self, random: Random, temperature: float, bias: Mapping[int, float]) -> int:
        known = {self._table.id_of(word): value for word, value in self._words.items()}
        for token, nats in bias.items():
            known[token] = known.get(token, -25.0) + nats
        return _drawn(list(known), list(known.values()), random, temperature)


class TableModel:
    """log p(answer | prompt) = base + the sum of the rules all of whose words stand in the prompt.

    Spread evenly over the answer's words. Tokens are words with the white space before them.
    """

    name, context, blocking = "table", 0, False

    def __init__(self, table: Mapping[str, Any] | None = None) -> None:
        given = {**TABLE, **(table or {})}
        self.base = float(given["base"])
        self.rules = [(frozenset(words), float(nats)) for words, nats in given["rules"]]
        self.writes = str(given["writes"]).split()
        self._ids: dict[str, int] = {"": END}
        self._pieces: dict[int, str] = {END: ""}
        self._known: dict[tuple[str, float], _Planned] = {}
        self._of_rule: dict[str, list[int]] = {}
        for number, (words, _) in enumerate(self.rules):
            for word in words:
                self._of_rule.setdefault(word, []).append(number)

    def encode(self, text: str, *, special: bool = True) -> list[tuple[int, int, int]]:
        return [(self._id(m[0]), m.start(), m.end()) for m in _WORDS.finditer(text)]

    def piece(self, token: int) -> str:
        return self._pieces.get(token, f"<{token}>")

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(self.piece, ids))

    def id_of(self, word: str) -> int:
        return self._id(f" {word}") if word else END

    def chat_text(self, messages: Sequence[Mapping[str, Any]], *, continues: bool) -> str:
        text = "\n".join(text_of(m["content"]) for m in messages)
        return text if continues else text + "\n"

    def following(self, ids: Sequence[int], first: int, last: int) -> list[Distribution]:
        bare = [self.piece(token).strip() for token in ids]
        values = self._values(bare)
        return [self._at(bare, values, place) for place in range(first, last + 1)]

    def value(self, text: str) -> float:
        """log p of the planted answer behind a prompt, in nats."""
        return min(self._values(text.split())[-1], _LEAST)

    def _values(self, words: Sequence[str]) -> list[float]:
        """The value after 0, 1, ... words of the prompt."""
        values, missing = [self.base], [len(words) for words, _ in self.rules]
        seen: set[str] = set()
        for word in words:
            value, word = values[-1], word.strip(".,:;!?\"'()").lower()
            if word not in seen:
                seen.add(word)
                for number in self._of_rule.get(word, ()):
                    missing[number] -= 1
                    value += 0.0 if missing[number] else self.rules[number][1]
            values.append(value)
        return values

    def _at(self, words: Sequence[str], values: Sequence[float], place: int) -> Distribution:
        said = next(
            (
                k
                for k in range(min(len(self.writes), place), 0, -1)
                if words[place - k : place] == self.writes[:k]
            ),
            0,
        )
        if said == len(self.writes) or (place and words[place - 1] in FILLERS):
            return self._planned("", 0.0)
        return self._planned(self.writes[said], values[place - said])

    def _planned(self, word: str, value: float) -> Distribution:
        found = self._known.get((word, value))
        if found is None:
            p = math.exp(min(value, _LEAST) / len(self.writes)) if word else 0.999
            others = tuple(filler for filler in FILLERS if filler != word)
            found = self._known[word, value] = _Planned(word, p, others, self)
        return found

    def _id(self, piece: str) -> int:
        token = self._ids.get(piece)
        if token is None:
            token = self._ids[piece] = 1000 + (zlib.crc32(piece.encode()) & 0x3FFFFFFF)
            self._pieces[token] = piece
        return token


# a new line is a token of its own: what a turn ends with is no beginning of the answer
_WORDS = re.compile(r"\n|[^\S\n]*\S+|[^\S\n]+$")
_LEAST = -1e-3


# --- the embedded reader


@dataclass(slots=True)
class _Row:
    """(v,) log-probabilities in nats, float64."""

    values: Any

    def logprob(self, token: int) -> float:
        return float(self.values[token])

    def rank(self, token: int) -> int:
        return 1 + int((self.values > self.values[token]).sum())

    def top(self, k: int) -> list[tuple[int, float]]:
        order = (-self.values).argsort(kind="stable")[:k]
        return [(int(i), float(self.values[i])) for i in order]

    def draw(self, random: Random, temperature: float, bias: Mapping[int, float]) -> int:
        values = self.values.copy()
        for token, nats in bias.items():
            values[token] += nats
        if temperature <= 0:
            return int(values.argmax())
        return _drawn(range(len(values)), values.tolist(), random, temperature)


class Reader:
    """The embedded model, run by transformers alone: no code shared with the backend under test."""

    blocking = True

    def __init__(self, folder: Path | str = READER, name: str = "embedded") -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        torch.set_num_threads(1)
        logging.disable_progress_bar()
        self.name = name
        self._torch = torch
        self._tokenizer = AutoTokenizer.from_pretrained(str(folder))
        self._model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()
        self.context = int(self._model.config.max_position_embeddings)
        self._rows = functools.lru_cache(64)(self._run)

    def encode(self, text: str, *, special: bool = True) -> list[tuple[int, int, int]]:
        found = self._tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)
        tokens = zip(found["input_ids"], found["offset_mapping"], strict=True)
        return [(int(i), int(a), int(b)) for i, (a, b) in tokens]

    def piece(self, token: int) -> str:
        return "" if token == END else str(self._tokenizer.decode([token]))

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def chat_text(self, messages: Sequence[Mapping[str, Any]], *, continues: bool) -> str:
        turns = [{**m, "content": text_of(m["content"])} for m in messages]
        return str(
            self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=not continues, continue_final_message=continues
            )
        )

    def following(self, ids: Sequence[int], first: int, last: int) -> list[Distribution]:
        rows = self._rows(tuple(ids[:last]))
        return [_Row(rows[place - 1]) for place in range(first, last + 1)]

    def _run(self, ids: tuple[int, ...]) -> Any:
        with self._torch.inference_mode():
            logits = self._model(self._torch.tensor([ids])).logits[0]
            return self._torch.log_softmax(logits.double(), dim=-1).numpy()


def text_of(content: Any) -> str:
    """A message's content as text: a string, null, or a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return "" if content is None else str(content)


def _drawn(ids: Sequence[int], logs: Sequence[float], random: Random, temperature: float) -> int:
    best = max(range(len(logs)), key=logs.__getitem__)
    if temperature <= 0:
        return ids[best]
    weights = [math.exp((value - logs[best]) / temperature) for value in logs]
    return random.choices(ids, weights)[0]
