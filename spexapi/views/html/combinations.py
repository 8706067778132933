"""The players with arcs next to them, and the same combinations in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.narrative.meaning import convention, no_combination
from spexapi.narrative.wording import are, counted, kind, kind_plural, names, ranged, signed
from spexapi.views.html.diagram import diagram
from spexapi.views.presentation import Combination, Presentation
from spexapi.views.safe import safe, tag

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

TAG = {"and": "AND", "or": "OR", "vs": "VS", "mix": "MIX"}


def combinations(shown: Presentation) -> str:
    """A section: the diagram, the list, and what is left out of them."""
    ex = shown.explanation
    what = kind_plural(ex)
    unit = f"in {ex.target.unit}" if ex.target.unit else "in the unit of the value"
    lede = (
        f"Each bar is a share of the difference between everything and nothing kept ({unit}). "
        "Blue helps the answer, orange hurts it. Arcs join what acts in combination."
    )
    notes = " ".join(_left_out(shown))
    return tag(
        "section",
        tag("h3", f"The {safe(what)} and how they combine")
        + tag("p", safe(lede), class_="lede")
        + diagram(shown)
        + _list(shown)
        + (tag("p", safe(notes), class_="note") if notes else ""),
    )


def _left_out(shown: Presentation) -> list[str]:
    ex, found = shown.explanation, shown.combinations
    notes: list[str] = []
    if hidden := ex.n_players - len(shown.rows):
        notes.append(f"{counted(hidden, kind(ex))} with no larger effect {are(hidden)} not drawn.")
    if weaker := len(shown.ranked) - len(shown.drawn):
        notes.append(f"{counted(weaker, 'weaker combination')} {are(weaker)} not drawn.")
    if said := convention(ex.index, (len(c.players) for c in found)):
        notes.append(said)
    return notes


def _list(shown: Presentation) -> str:
    if not shown.combinations:
        return tag("p", safe(no_combination(shown.explanation)), class_="none")
    lines = "".join(_combination(shown.explanation, c) for c in shown.combinations)
    return tag("ol", lines, class_="combos")


def _combination(ex: Explanation, c: Combination) -> str:
    words = tag("bdi", safe(names(ex.players, c.players, c.joiner)))
    interval = ranged(ex.intervals.get(c.players))
    return tag(
        "li",
        tag("span", safe(c.letter), class_="letter")
        + tag("span", words + " " + tag("em", safe(c.words)), class_="words")
        + tag("span", safe(TAG[c.style]), class_="kind")
        + tag("span", safe(signed(c.value) + interval), class_="num", title=f"{ex.index} value"),
        class_=f"combo {c.style}",
        data_combo=c.letter,
        data_players=" ".join(map(str, c.players)),
        tabindex=0,
    )
