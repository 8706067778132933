"""Training rows: one set of kept documents, then several questions that see it and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training import names, words, worlds
from training.words import Draws
from training.worlds import Asked, Fact, Style, World

Encode = Callable[[str], list[int]]
Row = tuple[list[int], list[tuple[list[int], int]]]
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of width t = width + questions * length: the documents, padded to `width`, then each question.

    ids, positions, targets  (b, t) int64; a target is the token to predict there, IGNORED where none is
    told                     (b,) the number of tokens of each row's documents
    """

    ids: np.ndarray
    positions: np.ndarray
    targets: np.ndarray
    told: np.ndarray
    width: int
    questions: int


@dataclass(frozen=True, slots=True)
class Mix:
    """What a stage of the training is made of; `text`: the share of rows whose documents are scored too."""

    style: Style
    questions: int = 8
    removed: float = 0.5
    damaged: float = 0.0
    text: float = 0.1


class Words:
    """Token ids of space-separated text, each word encoded once: spaces never change the tokens."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._known: dict[str, list[int]] = {}

    def __call__(self, text: str) -> list[int]:
        ids: list[int] = []
        for word in text.split(" "):
            found = self._known.get(word)
            if found is None:
                found = self._encode(word)
                if len(self._known) < 50_000:
                    self._known[word] = found
            ids += found
        return ids


class Rows:
    """Draws rows and packs them into batches."""

    def __init__(self, encode: Encode, bos: int, eos: int, pad: int) -> None:
        self.words = Words(encode)
        self.draws = Draws(0)
        self.head = [bos, *encode("documents"), *encode(":")]
        self.gap = encode("\n\n")
        self.ask = [*self.gap, *encode("question"), *encode(":")]
        self.cue = [*encode("\n"), *encode("answer"), *encode(":")]
        self.eos, self.pad = eos, pad

    def batch(self, mix: Mix, n_rows: int, *, seed: int, step: int, worker: int = 0) -> Batch:
        """The rows of one step, with one number of facts, so that little is padding."""
        low, high = mix.style.facts
        n_facts = low + Draws((seed, step)).below(high - low + 1)
        self.draws = Draws((seed, step, worker))
        return self._packed([self.row(mix, n_facts) for _ in range(n_rows)], mix.questions, mix.text)

    def _packed(self, rows: list[Row], questions: int, text: float) -> Batch:
        width = _up(max(len(told) for told, _ in rows))
        length = _up(max(len(ids) for _, asked in rows for ids, _ in asked))
        ids = np.full((len(rows), width + questions * length), self.pad, dtype=np.int64)
        targets = np.full(ids.shape, IGNORED, dtype=np.int64)
        told = np.array([len(documents) for documents, _ in rows], dtype=np.int64)
        positions = np.empty_like(ids)
        positions[:, :width] = np.arange(width)
        positions[:, width:] = told[:, None] + np.tile(np.arange(length), questions)
        for b, (documents, asked) in enumerate(rows):
            ids[b, : len(documents)] = documents
            if self.draws.unit() < text:
                targets[b, : len(documents) - 1] = documents[1:]
            for number, (tokens, n_reply) in enumerate(asked):
                start = width + number * length
                ids[b, start : start + len(tokens)] = tokens
                ids[b, start + len(tokens) - 1] = self.pad  # the end mark is only ever predicted
                end = start + len(tokens) - 1
                targets[b, end - n_reply : end] = tokens[-n_reply:]
        return Batch(ids, positions, targets, told, width, questions)

    def row(self, mix: Mix, n_facts: int) -> Row:
        """The documents' tokens, and for each question its tokens with the answer and the answer's length."""
        draws, style = self.draws, mix.style
        made_up = draws.pick((1.0, 0.5, 0.2)) if draws.unit() < style.made_up else 0.0
        world = worlds.draw_world(draws, style, n_facts, made_up)
        keep = 1.0 if draws.unit() >= mix.removed else 0.4 + 0.6 * draws.unit()
        facts: list[Fact | None] = []
        told = list(self.head)
        for fact, document in zip(world.facts, world.documents, strict=True):
            if draws.unit() < keep:
                if mix.damaged and draws.unit() < mix.damaged:
                    fact, document = damage(draws, fact, document)
                facts.append(fact)
                told += self.gap + self.words(document)
        return told, [self._question(mix, world, facts) for _ in range(mix.questions)]

    def _question(self, mix: Mix, world: World, facts: list[Fact | None]) -> tuple[list[int], int]:
        draws = self.draws
        asked = draw_question(draws, world, mix.style)
        text = worlds.ask(draws, mix.style, world, asked)
        truth = worlds.answer(facts, asked)
        if mix.damaged and draws.unit() < 0.3 * mix.damaged and asked.subject in text:
            text, truth = text.replace(asked.subject, words.PLACEHOLDER), words.UNKNOWN
        reply = [*self.words(truth), self.eos]
        return self.ask + self.words(text) + self.cue + reply, len(reply)

    def prompts(self, prompts: Sequence[tuple[Sequence[str], str, str]]) -> Batch:
        """One question to a row: (documents, question, answer) as they are."""
        rows = []
        for documents, question, truth in prompts:
            told = list(self.head)
            for document in documents:
                told += self.gap + self.words(document)
            reply = [*self.words(truth), self.eos]
            rows.append((told, [(self.ask + self.words(question) + self.cue + reply, len(reply))]))
        return self._packed(rows, 1, 0.0)


def _up(n: int) -> int:
    return -(-n // 8) * 8


def draw_question(draws: Draws, world: World, style: Style) -> Asked:
    """Mostly about things the world tells of; where a question can take two documents, mostly it does."""
    told = [fact for fact in world.facts if fact is not None]
    if not told or draws.unit() < 0.06:
        pool = world.things if draws.unit() < 0.5 else names.known("things", few=style.few)
        return Asked(draws.pick(pool), draws.pick(("where", "room", "who")))
    fact = draws.pick(told)
    if fact.subject in world.things:
        if fact.place in world.containers or fact.held:
            return Asked(fact.subject, draws.pick(("room", "room", "where", "who" if fact.held else "room")))
        return Asked(fact.subject, draws.pick(("where", "room", "where", "who", "room")))
    return Asked(fact.subject, draws.pick(("where", "room")))


def damage(draws: Draws, fact: Fact | None, document: str) -> tuple[Fact | None, str]:
    """Some words dropped or replaced; a fact that lost its thing, its place or its verb tells nothing."""
    tokens = document.split(" ")
    drop = draws.unit() < 0.5
    share = draws.pick((0.15, 0.3, 0.5))
    lost = [draws.unit() < share for _ in tokens]
    subjects = set() if fact is None else {fact.subject, fact.place}
    if any(gone and token in subjects for gone, token in zip(lost, tokens, strict=True)):
        fact = None
    kept = [
        words.PLACEHOLDER if gone else token
        for gone, token in zip(lost, tokens, strict=True)
        if not (gone and drop)
    ]
    return fact, " ".join(kept) if kept else words.PLACEHOLDER
