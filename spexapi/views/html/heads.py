"""Parts of a model where they stand: layers upwards, heads side by side, links between what acts together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spexapi.backends.huggingface.components import Component
from spexapi.errors import InputError
from spexapi.explanation.reading import Reading
from spexapi.narrative.wording import names, signed
from spexapi.views.html.safe import safe, tag
from spexapi.views.svg.arcs import Combination, tone
from spexapi.views.svg.drawing import combinations_of

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.games.base import Player

_WIDTH, _HIGH, _LEFT, _TOP = 620.0, 46.0, 58.0, 34.0
_WIDEST = 74.0  # pixels of a cell
_APART = 21.0  # pixels between two letters
_NUMBERED = 20  # columns up to which each is numbered


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Where each player is drawn. places: (x, y) of its middle; columns: the label of each."""

    parts: tuple[Component, ...]
    columns: tuple[str, ...]
    rows: tuple[int, ...]
    wide: float

    @classmethod
    def of(cls, players: Sequence[Player]) -> _Grid:
        parts = tuple(player.component for player in players if player.component is not None)
        if len(parts) < len(players):
            raise InputError("a map of heads needs players of a HeadGame: these are no parts of a model")
        columns = tuple(dict.fromkeys(_column(p) for p in sorted(parts, key=lambda p: (_rank(p), p.index))))
        rows = tuple(sorted({p.layer for p in parts}, reverse=True))  # the last layer on top
        return cls(parts, columns, rows, min(_WIDEST, _WIDTH / len(columns)))

    @property
    def size(self) -> tuple[float, float]:
        return _LEFT + self.wide * len(self.columns) + 4, _TOP + _HIGH * len(self.rows) + 4

    def middle(self, player: int) -> tuple[float, float]:
        part = self.parts[player]
        x = _LEFT + self.wide * (self.columns.index(_column(part)) + 0.5)
        return x, _TOP + _HIGH * (self.rows.index(part.layer) + 0.5)


def map_of(ex: Explanation) -> str:
    """head_map(), or "" if a player is no part of a model: in a file made by hand."""
    return head_map(ex) if all(player.component for player in ex.players) else ""


def head_map(ex: Explanation, kept: Collection[int] | None = None) -> str:
    """A <section>: every part as a cell coloured by its share, and the strongest combinations as links.

    kept  players with a frame, the others faded: what a pruned model still has; None: no difference is made

    Raises InputError if the players are not those of a HeadGame, with the component that each one is.
    """
    grid, reading = _Grid.of(ex.players), Reading.of(ex)
    shares = reading.shares
    scale = max(max(map(abs, shares)), 5 * reading.floor)
    found, _ = combinations_of(ex)
    cells = "".join(_cell(ex, grid, i, tone(shares[i], scale), shares[i], kept) for i in range(ex.n_players))
    letters = _letters(grid, found)
    links = "".join(_link(grid, c, letters[c.letter]) for c in found)
    links += "".join(_letter(c, *letters[c.letter]) for c in found)  # above all lines
    width, height = grid.size
    drawing = (
        f'<svg class="headmap" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" '
        'aria-label="Layers by heads; the list below names the links.">'
        f"{_frame(grid)}{cells}{links}</svg>"
    )
    lede = (
        "Each cell is a part of the model, the last layer on top. Blue helps the answer, orange hurts it."
        " Links join what acts in combination: solid where they need each other, dashed where they stand in"
        " for one another."
    )
    return tag(
        "section",
        tag("h3", "Where it happens") + tag("p", lede, class_="lede") + drawing + _listed(ex, found),
        class_="heads",
    )


def _listed(ex: Explanation, found: Sequence[Combination]) -> str:
    if not found:
        return tag("p", "No combination stands out: each part acts on its own.", class_="none")
    lines = (
        tag("b", safe(c.letter)) + " " + safe(names(ex.players, c.players, c.joiner)) + ": "
        + tag("em", safe(c.words))
        for c in found
    )  # fmt: skip
    return tag("ul", "".join(tag("li", line) for line in lines), class_="links")


def _frame(grid: _Grid) -> str:
    said = [
        f'<text class="axis end" x="{_LEFT - 6:.0f}" y="{_TOP + _HIGH * (r + 0.5) + 4:.0f}">'
        f"layer {layer}</text>"
        for r, layer in enumerate(grid.rows)
    ]
    step = 1 if len(grid.columns) <= _NUMBERED else 4
    said += [
        f'<text class="axis" x="{_LEFT + grid.wide * (c + 0.5):.1f}" y="{_TOP - 8:.0f}">{safe(name)}</text>'
        for c, name in enumerate(grid.columns)
        if c % step == 0 or not name.isdecimal()
    ]
    return "".join(said)


def _cell(
    ex: Explanation, grid: _Grid, player: int, shade: str, share: float, kept: Collection[int] | None
) -> str:
    x, y = grid.middle(player)
    state = "" if kept is None else " kept" if player in kept else " out"
    gap = min(2.0, grid.wide / 8)
    return (
        f'<rect class="cell {shade}{state}" x="{x - grid.wide / 2 + gap:.1f}" y="{y - _HIGH / 2 + gap:.1f}" '
        f'width="{grid.wide - 2 * gap:.1f}" height="{_HIGH - 2 * gap:.1f}" rx="4">'
        f"<title>{safe(ex.players[player].label)}: {safe(signed(share))}</title></rect>"
    )


def _letters(grid: _Grid, found: Sequence[Combination]) -> dict[str, tuple[float, float]]:
    """Where the letter of each combination stands: amid its players, aside where another one is there."""
    placed: dict[str, tuple[float, float]] = {}
    for c in found:
        ends = [grid.middle(i) for i in c.players]
        x, y = (sum(place) / len(ends) for place in zip(*ends, strict=True))
        if len({place[1] for place in ends}) == 1:
            y -= _HIGH * 0.62  # players of one layer: over the cells between them
        while any(abs(x - a) < _APART and abs(y - b) < _APART for a, b in placed.values()):
            x += _APART / 2
        placed[c.letter] = (x, y)
    return placed


def _link(grid: _Grid, c: Combination, at: tuple[float, float]) -> str:
    """From the letter to each of its players."""
    x, y = at
    ends = [grid.middle(i) for i in c.players]
    lines = "".join(
        f'<path d="M{a:.1f} {b:.1f}Q{(a + x) / 2:.1f} {y:.1f} {x:.1f} {y:.1f}"/>' for a, b in ends
    )
    dots = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5"/>' for a, b in ends)
    return f'<g class="arc {c.style} w2">{lines}{dots}</g>'


def _letter(c: Combination, x: float, y: float) -> str:
    letter = f'<circle class="disc" cx="{x:.1f}" cy="{y:.1f}" r="9"/>'
    letter += f'<text x="{x:.1f}" y="{y + 4:.1f}">{safe(c.letter)}</text>'
    return f'<g class="arc {c.style}">{letter}</g>'


def _column(part: Component) -> str:
    return {"mlp": "MLP", "layer": "all of it"}.get(part.kind, str(part.index))


def _rank(part: Component) -> int:
    return ("head", "neuron", "mlp", "layer").index(part.kind)
