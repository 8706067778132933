"""Parts of a model in their place: layers upwards, heads side by side, links between what acts together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from spexapi.narrative.meaning import no_combination
from spexapi.narrative.wording import names, signed
from spexapi.views.colours import tone
from spexapi.views.head_grid import Grid, Point, letters_of
from spexapi.views.presentation import Combination, Presentation
from spexapi.views.safe import safe, tag

_WIDTH, _HIGH, _LEFT, _TOP = 620.0, 46.0, 58.0, 34.0
_WIDEST = 74.0  # pixels of a cell
_APART = 21.0  # pixels between two letters
_NUMBERED = 20  # columns up to which each is numbered


@dataclass(frozen=True, slots=True)
class _Drawing:
    """The grid in pixels. wide: of a cell."""

    grid: Grid
    wide: float

    @property
    def size(self) -> Point:
        return _LEFT + self.wide * len(self.grid.columns) + 4, _TOP + _HIGH * len(self.grid.layers) + 4

    def middle(self, player: int) -> Point:
        column, row = self.grid.place(player)
        return _LEFT + self.wide * (column + 0.5), _TOP + _HIGH * (row + 0.5)


def map_of(shown: Presentation) -> str:
    """head_map(), or "" if a player is no part of a model."""
    return head_map(shown) if all(player.component for player in shown.explanation.players) else ""


def head_map(shown: Presentation, kept: Collection[int] | None = None) -> str:
    """A <section>: every part as a cell coloured by its share, and the strongest combinations as links.

    kept  players with a frame, the others faded: what a pruned model still has; None: no difference is made

    Raises InputError if the players are not those of a HeadGame, with the component that each one is.
    """
    grid = Grid.of(shown.explanation.players)
    drawing = _Drawing(grid, min(_WIDEST, _WIDTH / len(grid.columns)))
    cells = "".join(_cell(shown, drawing, i, kept) for i in range(shown.explanation.n_players))
    letters = letters_of(shown.combinations, drawing.middle, (_APART, _APART), 0.62 * _HIGH)
    links = "".join(_link(drawing, c, letters[c.letter]) for c in shown.combinations)
    links += "".join(_letter(c, *letters[c.letter]) for c in shown.combinations)  # above all lines
    width, height = drawing.size
    picture = (
        f'<svg class="headmap" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" '
        'aria-label="Layers by heads; the list below names the links.">'
        f"{_frame(drawing)}{cells}{links}</svg>"
    )
    lede = (
        "Each cell is a part of the model, the last layer on top. Blue helps the answer, orange hurts it."
        " Links join what acts in combination: solid if they need each other, dashed if they stand in for"
        " one another."
    )
    return tag(
        "section",
        tag("h3", "Where it happens") + tag("p", lede, class_="lede") + picture + _listed(shown),
        class_="heads",
    )


def _listed(shown: Presentation) -> str:
    if not shown.combinations:
        return tag("p", safe(no_combination(shown.explanation)), class_="none")
    lines = (
        tag("b", safe(c.letter)) + " " + safe(names(shown.explanation.players, c.players, c.joiner)) + ": "
        + tag("em", safe(c.words))
        for c in shown.combinations
    )  # fmt: skip
    return tag("ul", "".join(tag("li", line) for line in lines), class_="links")


def _frame(drawing: _Drawing) -> str:
    grid = drawing.grid
    said = [
        f'<text class="axis end" x="{_LEFT - 6:.0f}" y="{_TOP + _HIGH * (r + 0.5) + 4:.0f}">'
        f"layer {layer}</text>"
        for r, layer in enumerate(grid.layers)
    ]
    step = 1 if len(grid.columns) <= _NUMBERED else 4
    said += [
        f'<text class="axis" x="{_LEFT + drawing.wide * (c + 0.5):.1f}" y="{_TOP - 8:.0f}">'
        f"{safe(name)}</text>"
        for c, name in enumerate(grid.columns)
        if c % step == 0 or not name.isdecimal()
    ]
    return "".join(said)


def _cell(shown: Presentation, drawing: _Drawing, player: int, kept: Collection[int] | None) -> str:
    x, y = drawing.middle(player)
    share = shown.reading.shares[player]
    state = "" if kept is None else " kept" if player in kept else " out"
    gap = min(2.0, drawing.wide / 8)
    wide, label = drawing.wide, safe(shown.explanation.players[player].label)
    return (
        f'<rect class="cell {tone(share, shown.scale)}{state}" x="{x - wide / 2 + gap:.1f}" '
        f'y="{y - _HIGH / 2 + gap:.1f}" width="{wide - 2 * gap:.1f}" height="{_HIGH - 2 * gap:.1f}" rx="4">'
        f"<title>{label}: {safe(signed(share))}</title></rect>"
    )


def _link(drawing: _Drawing, c: Combination, at: Point) -> str:
    """From the letter to each of its players."""
    x, y = at
    ends = [drawing.middle(i) for i in c.players]
    lines = "".join(
        f'<path d="M{a:.1f} {b:.1f}Q{(a + x) / 2:.1f} {y:.1f} {x:.1f} {y:.1f}"/>' for a, b in ends
    )
    dots = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5"/>' for a, b in ends)
    return f'<g class="arc {c.style} w2">{lines}{dots}</g>'


def _letter(c: Combination, x: float, y: float) -> str:
    letter = f'<circle class="disc" cx="{x:.1f}" cy="{y:.1f}" r="9"/>'
    letter += f'<text x="{x:.1f}" y="{y + 4:.1f}">{safe(c.letter)}</text>'
    return f'<g class="arc {c.style}">{letter}</g>'
