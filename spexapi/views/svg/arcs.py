"""Arcs that join the players of a combination: their lanes and curves, for whoever draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from spexapi.views.presentation import Combination

ROW = 44  # pixels a player's row is high; the style sheet counts on it
LANE = 23  # pixels between arcs that would cross each other's letters


@dataclass(frozen=True)
class Curve:
    """A cubic arc that joins the rows `ys` at `x` and reaches `depth` to the left."""

    x: float
    depth: float
    ys: tuple[float, ...]

    @property
    def tip(self) -> tuple[float, float]:
        """The outermost point, where the letter is."""
        return self.x - self.depth, (self.ys[0] + self.ys[-1]) / 2

    @property
    def path(self) -> str:
        """In the language of SVG."""
        x, top, bottom = self.x, self.ys[0], self.ys[-1]
        reach = x - self.depth * 4 / 3  # a cubic arc bulges to three quarters of its handles
        return f"M{x:.1f} {top:.1f}C{reach:.1f} {top:.1f} {reach:.1f} {bottom:.1f} {x:.1f} {bottom:.1f}"

    def points(self, count: int = 33) -> list[tuple[float, float]]:
        """As many points along the arc, from the first row to the last."""
        top, height = self.ys[0], self.ys[-1] - self.ys[0]
        steps = [k / (count - 1) for k in range(count)]
        return [(self.x - 4 * self.depth * t * (1 - t), top + height * (3 * t * t - 2 * t**3)) for t in steps]

    @cached_property
    def ticks(self) -> list[tuple[float, float]]:
        """For each player between the first and the last, (x, y) of the point of the arc in its row."""
        top, height = self.ys[0], self.ys[-1] - self.ys[0]
        return [(self._across((y - top) / height), y) for y in self.ys[1:-1]]

    def _across(self, share: float) -> float:
        """Where the arc is at this share of its height: solves 3t² - 2t³ = share by halving."""
        low, high = 0.0, 1.0
        for _ in range(30):
            t = (low + high) / 2
            low, high = (t, high) if 3 * t * t - 2 * t**3 < share else (low, t)
        return self.x - 4 * self.depth * low * (1 - low)


def curves(
    places: Mapping[int, int], found: Sequence[Combination], x: float, *, top: float = 0.0, first: float
) -> list[tuple[Combination, Curve]]:
    """The arc of each combination, far ones first, so that the near ones and their letters lie on top.

    places  player -> row
    x       of the players' ends, in pixels; top: of the first row; first: the depth of the first lane
    """
    lanes = lanes_of(places, found)
    drawn: list[tuple[Combination, Curve]] = []
    for c in found:
        ys = sorted(top + (places[i] + 0.5) * ROW for i in c.players)
        drawn.append((c, Curve(x, first + LANE * lanes[c.letter], tuple(ys))))
    return sorted(drawn, key=lambda pair: -pair[1].depth)


def lanes_of(places: Mapping[int, int], found: Sequence[Combination]) -> dict[str, int]:
    """Letter -> lane, short arcs near and long ones far; two share a lane only if they lie apart."""
    rows = {c.letter: [places[i] for i in c.players] for c in found}
    ends = {letter: (min(at), max(at)) for letter, at in rows.items()}
    lanes: dict[str, int] = {}
    for letter in sorted(ends, key=lambda key: (ends[key][1] - ends[key][0], key)):
        first, last = ends[letter]
        taken = {lane for other, lane in lanes.items() if ends[other][0] <= last and first <= ends[other][1]}
        lanes[letter] = next(lane for lane in range(len(ends)) if lane not in taken)
    return lanes
