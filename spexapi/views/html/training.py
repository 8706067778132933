"""Training examples as cards: the most helpful and harmful, redundant ones, those needed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from spexapi.explanation.reading import Meaning, Reading
from spexapi.fourier.ranking import exceeds, largest_first
from spexapi.narrative.wording import one_line, ranged, signed
from spexapi.views.html.safe import safe, tag

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.fourier.spectrum import Interaction

Draw = Callable[[int], str]  # player -> a picture of it, "" for none
MOST = 6
REDUNDANT = {Meaning.EITHER, Meaning.ANY, Meaning.OVERLAP}
TOGETHER = {Meaning.TOGETHER, Meaning.STRONGER}


def helpful(explanation: Explanation, most: int = MOST) -> list[tuple[int, float]]:
    """The players with the largest Shapley values above 0."""
    return _ends(explanation, 1, most)


def harmful(explanation: Explanation, most: int = MOST) -> list[tuple[int, float]]:
    """The players with the lowest Shapley values, below 0: without them the model is better."""
    return _ends(explanation, -1, most)


def pairs(explanation: Explanation, kinds: set[Meaning], most: int = MOST) -> list[tuple[Interaction, float]]:
    """The strongest pairs of one kind, in the explanation's index; those that may be 0 come last."""
    reading = Reading.of(explanation)
    found: list[tuple[Interaction, float]] = []
    for players, value in explanation.top(len(explanation.interactions)):
        less = bool(kinds & REDUNDANT)
        if len(players) == 2 and (value < 0) == less and reading.meaning(players) in kinds:
            found.append((players, value))
        if len(found) == 4 * most:
            break
    return sorted(found, key=lambda pair: not sure(explanation, pair[0]))[:most]


def sure(explanation: Explanation, players: Interaction) -> bool:
    """Whether the interval of an interaction does not reach 0."""
    low, high = explanation.intervals.get(players, (0.0, 0.0))
    scale = max(abs(low), abs(high))
    return exceeds(low, 0.0, scale) or exceeds(0.0, high, scale)


def gallery(explanation: Explanation, draw: Draw | None = None) -> str:
    """Four lists of cards as one <div class="spex">; all text is escaped.

    draw  HTML of a picture, safe as it stands; without one the text of the example
    """
    shown = draw or _no_picture
    alone = (
        ("Most helpful", "The model gains most by having learnt from these.", helpful(explanation)),
        ("Harmful", "Without these the model is better: look for wrong labels here.", harmful(explanation)),
    )
    joint = (
        ("Redundant", "Either one is enough: they teach the same.", pairs(explanation, REDUNDANT)),
        (
            "Needed together",
            "More is learnt from both than from each alone.",
            pairs(explanation, TOGETHER),
        ),
    )
    parts = [
        _section(title, lede, [_card(explanation, (i,), value, shown) for i, value in found])
        for title, lede, found in alone
    ]
    parts += [
        _section(title, lede, [_card(explanation, s, value, shown) for s, value in found])
        for title, lede, found in joint
    ]
    return tag("div", "".join(parts), class_="spex examples")


def _no_picture(player: int) -> str:
    return ""


def _ends(explanation: Explanation, sign: int, most: int) -> list[tuple[int, float]]:
    reading = Reading.of(explanation)
    shares = [sign * share for share in reading.shares]
    best = largest_first(shares)[:most]
    return [(i, sign * shares[i]) for i in best if exceeds(shares[i], 0.1 * reading.floor)]


def _section(title: str, lede: str, cards: Sequence[str]) -> str:
    body = tag("ul", "".join(cards), class_="shelf") if cards else tag("p", "None was found.", class_="none")
    return tag("section", tag("h3", safe(title)) + tag("p", safe(lede), class_="lede") + body)


def _card(explanation: Explanation, players: Sequence[int], value: float, draw: Draw) -> str:
    whole = tuple(players)
    who = "".join(_example(explanation, i, draw) for i in whole)
    number = signed(value)
    if len(whole) > 1:
        number += ranged(explanation.intervals.get(whole))
    doubt = (
        "" if len(whole) == 1 or sure(explanation, whole) else tag("span", "may be chance", class_="doubt")
    )
    return tag("li", tag("div", who, class_="who") + tag("span", safe(number), class_="num") + doubt)


def _example(explanation: Explanation, i: int, draw: Draw) -> str:
    player, picture = explanation.players[i], draw(i)
    title = tag("b", safe(one_line(player.label, 40)))
    text = "" if picture and not player.text else tag("span", safe(one_line(player.text, 120)), dir="auto")
    return tag("div", picture + title + text, class_="example", title=one_line(player.text, 400) or None)


def digit(pixels: Sequence[Sequence[float]], size: int = 56) -> str:
    """A small grey picture as SVG, dark on light. pixels: rows of 0 to 1."""
    rows, columns = len(pixels), len(pixels[0])
    cells = "".join(
        f'<rect x="{x}" y="{y}" width="1.02" height="1.02" opacity="{ink:.2f}"/>'
        for y, row in enumerate(pixels)
        for x, ink in enumerate(row)
        if ink > 0.04
    )
    return (
        f'<svg class="digit" width="{size}" height="{size}" viewBox="0 0 {columns} {rows}"'
        ' aria-hidden="true">'
        f'<rect class="ground" width="{columns}" height="{rows}"/>{cells}</svg>'
    )
