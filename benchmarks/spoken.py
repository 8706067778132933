"""What a story says, read from its words alone, against all 2^n masks: for true_words.py.

The words of old and new versions are read alike. A hedged sentence ("Probably ...") is judged like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

MOST_NAMED = 4  # players of a small group
_EITHER = ("either one is enough", "any one is enough")
_HEDGES = ("Probably", "Perhaps", "Without a check", "Most likely", "A hint")


def code(kept: Iterable[int]) -> int:
    return sum(1 << i for i in kept)


@dataclass(eq=False)
class Truth:
    """All 2^n values by code (bit i set: player i kept), and whether the model writes the answer, if known.

    A set is enough if the model still writes the answer with it alone (every token its first choice); where
    that is not known, if its value has lost at most a fifth of the difference between everything and nothing
    kept. Without it the answer goes if the model does not write it, or if half of the difference is lost.
    """

    values: np.ndarray
    writes: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.n = len(self.values).bit_length() - 1
        self.full, self.none = float(self.values[-1]), float(self.values[0])
        total, rounding = self.full - self.none, 1e-9 * float(np.abs(self.values).max())
        if self.writes is not None:
            self.enough, self.gone = self.writes, ~self.writes
        else:
            self.enough = self.values >= self.full - 0.2 * total - rounding
            self.gone = self.values <= self.full - 0.5 * total + rounding

    @property
    def smallest(self) -> int:
        """How many players the smallest set that is enough has."""
        return min(int(kept).bit_count() for kept in np.flatnonzero(self.enough))

    def without(self, gone: Iterable[int]) -> int:
        return len(self.values) - 1 - code(set(gone))


@dataclass(frozen=True)
class Judged:
    """One sentence's verdict: (what it says, whether that is true) for each thing said."""

    told: bool
    hedged: bool
    claims: list[tuple[str, bool]]
    same: bool  # the named set is the one that all masks name, or one of its equals


def judge(headline: str, asides: Sequence[str], core: Sequence[int], truth: Truth) -> Judged:
    told = "cannot tell" not in headline and "Too early" not in headline
    if not told:
        return Judged(False, False, [], False)
    claims = [*_of_headline(headline, core, truth), *(c for aside in asides for c in _of_aside(aside, truth))]
    return Judged(True, headline.startswith(_HEDGES), claims, _same(headline, core, truth))


def _of_headline(text: str, core: Sequence[int], truth: Truth) -> list[tuple[str, bool]]:
    named, rest = code(core), truth.without(core)
    if any(words in text for words in _EITHER):
        found = [(f"{i + 1} is enough alone", bool(truth.enough[code((i,))])) for i in core]
        if "It takes the loss" in text:
            found.append(("without all of them it goes", bool(truth.gone[rest])))
        return [*found, *_stays(text, rest, truth)]
    if "does not depend" in text:
        as_high = truth.none >= truth.full - 0.01 * abs(truth.full)
        return [("nothing kept is enough", bool(truth.enough[0] or as_high))]
    if " at once" in text:
        few = [("those are enough", bool(truth.enough[named]))] if "with these alone" in text else []
        return [*few, ("no small group is enough", truth.smallest > MOST_NAMED)]
    if "pull against" in text or text.startswith(("Together", "Taken together")):
        return [("nothing kept is as high", truth.none >= truth.full - 0.01 * abs(truth.full))]
    if "brings" in text:
        share = float(re.search(r"brings (\d+)%", text)[1]) / 100  # type: ignore[index]
        most = _players(re.split("because of|it is|comes from", text.split(" above all")[0])[-1])
        real = (truth.values[code(most)] - truth.none) / (truth.full - truth.none)
        chance = np.exp(np.minimum([truth.none, truth.values[code(most)], truth.full], 0.0))
        other = (chance[1] - chance[0]) / max(chance[2] - chance[0], 1e-12)
        return [(f"it alone brings {share:.0%}", min(abs(real - share), abs(other - share)) < 0.05)]
    found = [(f"{_said(core)} enough", bool(truth.enough[named]))]
    if "without it the answer goes" in text or "without it the value is lost" in text:
        found.append(("without it the answer goes", bool(truth.gone[rest])))
    if "but so are the others" in text or "the others would carry" in text or "but so is the other" in text:
        found.append(("the others are enough", bool(truth.enough[rest])))
    if "neither is enough alone" in text or "not enough" in text or "no smaller part" in text:
        parts = [code(set(core) - {i}) for i in core]
        found.append(("no part is enough", not any(truth.enough[part] for part in parts)))
    return [*found, *_stays(text, rest, truth)]


def _stays(text: str, rest: int, truth: Truth) -> list[tuple[str, bool]]:
    stays = "Even without both" in text or "Even without all" in text
    return [("without all of them it stays", bool(truth.enough[rest]))] if stays else []


def _of_aside(text: str, truth: Truth) -> list[tuple[str, bool]]:
    if text.startswith("Even without "):
        gone, _, stand_in = text.removeprefix("Even without ").partition("stays: ")
        each = [[i] for i in _players(gone)] if gone.startswith("any one of") else [_players(gone)]
        found = [(f"without {_said(g)} it stays", bool(truth.enough[truth.without(g)])) for g in each]
        other = _players(stand_in)
        return [*found, (f"{_said(other)} can stand in", bool(truth.enough[code(other)]))] if other else found
    if "enough as well" in text:
        ways = [_players(way) for way in re.split(r"\bor\b", text)]
        ways = [[i] for way in ways for i in way] if "are" not in text else ways
        return [(f"{_said(way)} enough as well", bool(truth.enough[code(way)])) for way in ways if way]
    if "the other way" in text:
        bad = _players(text.split(" pull")[0])
        return [(f"{_said(bad)} against", bool(truth.values[truth.without(bad)] > truth.full))]
    return []


def _players(text: str) -> list[int]:
    return [int(number) - 1 for number in re.findall(r"\d+", re.sub(r"“[^”]*”", "", text))]


def _said(players: Iterable[int]) -> str:
    return " and ".join(str(i + 1) for i in sorted(players))


def _same(text: str, core: Sequence[int], truth: Truth) -> bool:
    size = truth.smallest
    if any(words in text for words in _EITHER):
        return size == 1 and all(truth.enough[code((i,))] for i in core)
    if " at once" in text:
        return size > MOST_NAMED
    if "does not depend" in text:
        return size == 0
    return len(core) == size and bool(truth.enough[code(core)])
