"""Training examples as cards: the most helpful and harmful, redundant ones, those needed together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from spexapi.explanation.influence import REDUNDANT, TOGETHER, harmful, helpful, pairs, sure
from spexapi.narrative.wording import one_line, ranged, signed
from spexapi.views.presentation import Presentation
from spexapi.views.safe import safe, tag

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

Draw = Callable[[int], str]  # player -> a picture of it, "" for none


def gallery(view: Presentation, draw: Draw | None = None) -> str:
    """Four lists of cards as one <div class="spex">; all text is escaped.

    draw  player -> HTML of a picture, which is not escaped; without one the text of the example
    """
    shown, reading, explanation = draw or _no_picture, view.reading, view.explanation
    alone = (
        ("Most helpful", "The model gains most by having learnt from these.", helpful(reading)),
        ("Harmful", "Without these the model is better: look for wrong labels here.", harmful(reading)),
    )
    joint = (
        ("Redundant", "Either one is enough: they teach the same.", pairs(reading, REDUNDANT)),
        (
            "Needed together",
            "More is learnt from both than from each alone.",
            pairs(reading, TOGETHER),
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
