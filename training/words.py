"""The words of the small worlds: sentence patterns, made-up words, and how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

_T = TypeVar("_T")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _each(patterns: str) -> tuple[str, ...]:
    return tuple(" ".join(pattern.split()) for pattern in patterns.split("|"))


UNKNOWN = "unknown"
PLACEHOLDER = "..."

# {s}: "the key" or "mary"; {p}: "the box"; {h}: a holder's name. The first of each list is the plain one.
THING_IN = _each(
    """
    {s} is in {p} . | {s} is inside {p} . | you will find {s} in {p} . | {p} holds {s} . | {p} contains {s}
    . | {s} was put in {p} . | {s} was moved to {p} . | someone left {s} in {p} . | inside {p} is {s} . |
    {s} lies in {p} . | {s} is now in {p} . | {s} can be found in {p} . | in {p} there is {s} .
    """
)
PERSON_IN = _each(
    """
    {s} is in {p} . | {s} went to {p} . | {s} moved to {p} . | {s} is now in {p} . | {s} walked to {p} . |
    you will find {s} in {p} . | {s} went back to {p} . | {s} waits in {p} . | {s} journeyed to {p} .
    """
)
HELD = _each(
    """
    {h} has {s} . | {s} is with {h} . | {h} took {s} . | {h} holds {s} . | {h} is carrying {s} . | {h}
    picked up {s} . | {s} was given to {h} .
    """
)
WHERE = _each(
    """
    where is {s} ? | where can i find {s} ? | where would you look for {s} ? | what place is {s} in ?
    """
)
WHICH_ROOM = _each(
    """
    which room is {s} in ? | in which room is {s} ? | what room is {s} in ? | which room should i go to for
    {s} ?
    """
)
WHO = _each(
    """
    who has {s} ? | who holds {s} ? | who is carrying {s} ?
    """
)
CHATTER = _each(
    """
    it was raining all day . | nobody came to dinner . | the train was late again . | the weather is nice
    today . | they talked about music for hours . | dinner will be ready at seven . | the meeting was long .
    | a dog barked in the night . | the shop opens at nine . | we had tea and cake .
    """
)

_ONSETS = _names(
    """
    b c d f g h j k l m n p r s t v w z bl br ch cl cr dr fl fr gl gr kl pl pr qu sh sk sl sn sp st str th
    tr
    """
)
_VOWELS = _names(
    """
    a e i o u a e i o u ai ea ee ia io oa oo ou y
    """
)
_CODAS = _names(
    """
    b ck d g k l ll m n nd ng nk p r rd rk rn rt s ss st t th x
    """
)


class Draws:
    """Uniform numbers bought in bulk from a numpy generator: plain floats, fast."""

    def __init__(self, seed: int | Sequence[int]) -> None:
        self._rng = np.random.default_rng(seed)
        self._pool: list[float] = []

    def unit(self) -> float:
        if not self._pool:
            self._pool = self._rng.random(8192).tolist()
        return self._pool.pop()

    def below(self, n: int) -> int:
        return int(self.unit() * n)

    def pick(self, items: Sequence[_T]) -> _T:
        return items[int(self.unit() * len(items))]

    def shuffle(self, items: list) -> None:
        for i in range(len(items) - 1, 0, -1):
            j = int(self.unit() * (i + 1))
            items[i], items[j] = items[j], items[i]


def made_up_word(draws: Draws, short: float = 0.0) -> str:
    """A pronounceable word of one to three syllables, such as "zorbit"; of one with chance `short`."""
    n_syllables = 1 if short and draws.unit() < short else 1 + (draws.unit() < 0.85) + (draws.unit() < 0.25)
    word = ""
    for i in range(n_syllables):
        if i > 0 or draws.unit() < 0.85:
            word += draws.pick(_ONSETS)
        word += draws.pick(_VOWELS)
        if draws.unit() < (0.6 if i == n_syllables - 1 else 0.3):
            word += draws.pick(_CODAS)
    return word if len(word) > 2 else word + draws.pick(_CODAS) + draws.pick(_VOWELS)
