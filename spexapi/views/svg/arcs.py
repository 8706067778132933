"""Players in reading order with their shares as bars, and combinations as arcs beside them: plain SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spexapi.explanation.reading import Meaning
from spexapi.fourier.ranking import exceeds, settled, step_of
from spexapi.narrative.meaning import in_short
from spexapi.narrative.wording import one_line, signed
from spexapi.views.html.safe import safe, tag

ROW = 44  # pixels a player's row is high; the arcs count on it
LANE = 23  # pixels between arcs that would cross each other's letters
LETTERS = "ABCDEF"

STYLE = {
    Meaning.TOGETHER: "and",
    Meaning.STRONGER: "and",
    Meaning.EITHER: "or",
    Meaning.ANY: "or",
    Meaning.OVERLAP: "or",
    Meaning.AGAINST: "vs",
    Meaning.MAKES_UP: "mix",
    Meaning.HURT_TOGETHER: "vs",
    Meaning.HURT_MORE: "vs",
    Meaning.HURT_EITHER: "vs",
    Meaning.HURT_OVERLAP: "vs",
    Meaning.MORE: "mix",
    Meaning.LESS: "mix",
}


def combination_tone(meaning: Meaning) -> str:
    """ "and", "or", "vs" or "mix": the colour and the dashes of a combination."""
    return STYLE.get(meaning, "mix")


TAG = {"and": "AND", "or": "OR", "vs": "VS", "mix": "MIX"}


@dataclass(frozen=True, slots=True)
class Combination:
    """A combination as it is drawn: its letter, its players, its value in the index and what it means.

    aside  what follows the words of the meaning where the value has another sign
    """

    letter: str
    players: tuple[int, ...]
    value: float
    meaning: Meaning
    aside: str = ""

    @property
    def words(self) -> str:
        return in_short(self.meaning, len(self.players)) + self.aside

    @property
    def style(self) -> str:
        return combination_tone(self.meaning)

    @property
    def joiner(self) -> str:
        one = (Meaning.EITHER, Meaning.ANY, Meaning.HURT_EITHER)
        return "or" if self.meaning in one else "and"


@dataclass(frozen=True, slots=True)
class Row:
    """A player as it is drawn. tone: "h0".."h5" helps, "x0".."x5" hurts; letters: its combinations."""

    player: int
    name: str
    text: str
    share: float
    tone: str
    letters: str


def tone(share: float, scale: float) -> str:
    """A class for the colour: sign and one of six strengths; scale is the share of full strength."""
    strength = min(abs(share) / scale, 1.0) if scale > 0 else 0.0
    step = 0 if exceeds(0.04, strength) else 1 + step_of(strength, 5)
    return f"{'h' if share >= 0 else 'x'}{step}"


def diagram(rows: Sequence[Row], found: Sequence[Combination], scale: float) -> str:
    """The rows with their bars, and an arc for each combination whose players are all shown."""
    place = {row.player: r for r, row in enumerate(rows)}
    drawn = [c for c in found if all(i in place for i in c.players)]
    lines = "".join(_line(row, scale) for row in rows)
    listing = tag("ol", lines, class_="players" if any(row.text for row in rows) else "players bare")
    if not drawn:
        return tag("div", listing, class_="diagram")
    return tag("div", _svg(place, drawn, len(rows)) + listing, class_="diagram with-arcs")


def bar(share: float) -> str:
    """A bar filled to a share of its length; numbers stand beside it, so it is hidden from screen readers."""
    width = settled(100 * min(max(share, 0.0), 1.0))
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" width="100" height="8"/>'
        f'<rect class="fill" width="{width:.1f}" height="8"/></svg>'
    )


def _line(row: Row, scale: float) -> str:
    length = bar(abs(row.share) / scale if scale > 0 else 0.0)
    head = tag("b", tag("bdi", safe(row.name)), class_="who")
    quote = tag("span", safe(one_line(row.text, 160)), class_="what", dir="auto") if row.text else ""
    side = "helps" if row.share >= 0 else "hurts"
    number = tag("span", safe(signed(row.share)), class_="num", title=side)
    body = head + quote + length + number
    return tag("li", body, class_=f"player {row.tone}", data_in=row.letters or None, data_player=row.player)


def _svg(place: Mapping[int, int], drawn: Sequence[Combination], n_rows: int) -> str:
    """Lanes from the rows outwards: short arcs near, long arcs far."""
    lanes = lanes_of(place, drawn)
    width, height = 34 + LANE * (max(lanes.values()) + 1), n_rows * ROW
    largest = max(abs(c.value) for c in drawn) or 1.0
    far_first = sorted(drawn, key=lambda c: -lanes[c.letter])  # the near ones and their letters lie on top
    body = "".join(
        _arc(place, c, width - 6.0, 16.0 + LANE * (lanes[c.letter] + 1), abs(c.value) / largest)
        for c in far_first
    )
    return (
        f'<svg class="arcs" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' preserveAspectRatio="none" role="img"'
        ' aria-label="Arcs join the players of each combination; the list below says the same in words.">'
        f"{body}</svg>"
    )


def lanes_of(place: Mapping[int, int], drawn: Sequence[Combination]) -> dict[str, int]:
    """Letter -> lane; arcs share one only where they lie apart. place: player -> row."""
    rows = {c.letter: [place[i] for i in c.players] for c in drawn}
    ends = {letter: (min(at), max(at)) for letter, at in rows.items()}
    lanes: dict[str, int] = {}
    for letter in sorted(ends, key=lambda key: (ends[key][1] - ends[key][0], key)):
        first, last = ends[letter]
        taken = {lane for other, lane in lanes.items() if ends[other][0] <= last and first <= ends[other][1]}
        lanes[letter] = next(lane for lane in range(len(ends)) if lane not in taken)
    return lanes


def _arc(place: Mapping[int, int], c: Combination, x: float, depth: float, strength: float) -> str:
    ys = sorted((place[i] + 0.5) * ROW for i in c.players)
    top, bottom = ys[0], ys[-1]
    reach = x - depth * 4 / 3  # a cubic arc bulges to three quarters of its handles
    curve = (
        f'<path d="M{x:.1f} {top:.1f}C{reach:.1f} {top:.1f} {reach:.1f} {bottom:.1f} {x:.1f} {bottom:.1f}"/>'
    )
    ticks = "".join(
        f'<path d="M{_across(x, depth, (y - top) / (bottom - top)):.1f} {y:.1f}H{x:.1f}"/>' for y in ys[1:-1]
    )
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for y in ys)
    letter = f'<circle class="disc" cx="{x - depth:.1f}" cy="{(top + bottom) / 2:.1f}" r="10"/>'
    letter += f'<text x="{x - depth:.1f}" y="{(top + bottom) / 2 + 4:.1f}">{safe(c.letter)}</text>'
    width = f"w{1 + step_of(strength, 3)}"
    inside = " ".join(map(str, c.players))
    head = f'<g class="arc {c.style} {width}" data-combo="{safe(c.letter)}" data-players="{inside}">'
    return f"{head}{curve}{ticks}{dots}{letter}</g>"


def _across(x: float, depth: float, share: float) -> float:
    """Where the arc is at this share of its height: solves 3t² - 2t³ = share by halving."""
    low, high = 0.0, 1.0
    for _ in range(30):
        t = (low + high) / 2
        low, high = (t, high) if 3 * t * t - 2 * t**3 < share else (low, t)
    return x - 4 * depth * low * (1 - low)
