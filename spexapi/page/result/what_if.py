"""What if some were missing? Boxes to untick, a prediction by the page's script, and what came of it."""

from __future__ import annotations

import numpy as np

from spexapi.explanation.explanation import Explanation
from spexapi.explanation.reading import Reading
from spexapi.fourier.ranking import strongest_first
from spexapi.narrative.wording import (
    explained,
    kind_plural,
    name,
    names,
    one_line,
    quoted,
    valued,
)
from spexapi.page.result.selections import Answered
from spexapi.page.runs.session_result import SessionResult
from spexapi.views.html.bar import bar
from spexapi.views.safe import safe, tag

MOST_TICKS = 60


def form(result: SessionResult) -> str:
    """The boxes to tick off and the questions to put."""
    ex = result.shown
    shares = Reading.of(ex).shares
    order = strongest_first(shares)[:MOST_TICKS]
    ticks = "".join(_tick(ex, i) for i in sorted(order))
    note = f"Only the {MOST_TICKS} {kind_plural(ex)} with the largest effects have a box."
    guess = tag("span", "", class_="said", role="status") + bar(1.0) + tag("b", "", class_="num")
    what = f"How likely is {quoted(explained(ex), 40)}" if explained(ex) else "The value"
    body = (
        tag("h3", "What if some were missing?")
        + tag("p", "Untick some: the prediction changes at once, without asking the model.", class_="lede")
        + tag("div", ticks, class_="ticks")
        + (tag("p", note, class_="note") if ex.n_players > MOST_TICKS else "")
        + tag("p", safe(f"{what}, predicted:"), class_="lede")
        + tag("div", guess, class_="guess")
        + tag("div", _buttons(asks=result.can_ask), class_="acts")
    )
    return tag("div", tag("section", body, class_="whatif"), class_="spex")


def _buttons(*, asks: bool) -> str:
    acts = [("smallest", "Smallest set that keeps the answer"), ("fewest", "Fewest removals that change it")]
    if asks:
        check = ("verify", "Check the strongest combinations")
        acts = [("measure", "Ask the model itself"), *acts, check]
    buttons = "".join(tag("button", safe(text), type="button", data_ask=ask) for ask, text in acts)
    return buttons + tag("button", "Tick all", type="button", data_all="")


def _tick(ex: Explanation, i: int) -> str:
    called, text = name(ex.players, i), ex.players[i].text
    shown = called if one_line(text, 28) in called else f"{called}: {one_line(text, 44)}"
    box = f'<input type="checkbox" value="{i}" checked>'
    return tag("label", box + tag("bdi", safe(shown)), title=one_line(text, 300) or None)


def told(result: SessionResult, found: Answered) -> str:
    """What a selection does, predicted and in truth."""
    ex, optimum = result.shown, found.optimum
    reading = Reading.of(ex)
    lines = tag("p", tag("b", safe(_title(ex, found))))
    if found.text:
        same = found.text.strip() == ex.target.answer.strip()
        says = "The model still answers " if same else "The model now answers "
        lines += tag("p", says + tag("q", safe(found.text), dir="auto") + ".", class_="says")
    chance = explained(ex) and reading.probability(0.0) is not None
    what = f"How likely is {quoted(explained(ex), 40)} then?" if chance else "The value then:"
    rows = [("predicted by the explanation", valued(reading, optimum.predicted))]
    if found.measured is not None:
        rows.append(("measured on the model itself", valued(reading, found.measured)))
    body = "".join(tag("div", tag("dt", safe(k)) + tag("dd", safe(v)), class_="fact") for k, v in rows)
    lines += tag("p", safe(what), class_="lede") + tag("dl", body, class_="facts")
    if found.off(reading):
        lines += tag("p", "The prediction was off by more than chance would explain.", class_="warning")
    if optimum.proof != "optimal":
        lines += tag("p", "The search ended early: a smaller set may exist.", class_="note")
    kept = " ".join(str(i) for i in np.flatnonzero(optimum.mask).tolist())
    return tag("div", tag("section", lines, role="status", data_kept=kept), class_="spex told")


def _title(ex: Explanation, found: Answered) -> str:
    """The selection in words: as measured if the model was asked, else as predicted."""
    optimum, what = found.optimum, kind_plural(ex)
    named = _listed(ex, optimum.players)
    if optimum.goal == "sufficient" and not optimum.players:
        kept = f"none of the {what}"
        return f"The answer stays with {kept}." if found.holds is not False else f"Not with {kept} after all."
    if optimum.goal == "sufficient":
        if found.holds is False:
            return f"Predicted to be enough, but not enough for the model: {named}."
        return f"Enough to keep the answer: {named}."
    if optimum.goal == "necessary":
        if found.holds is False:
            return f"Predicted to change the answer, but the model keeps it without {named}."
        return f"Without {named} the answer changes."
    gone = tuple(i for i in range(ex.n_players) if i not in optimum.players)
    return f"Without {_listed(ex, gone)}:" if gone else f"With all {ex.n_players:,} {what}:"


def _listed(ex: Explanation, players: tuple[int, ...]) -> str:
    if len(players) <= 8:
        return names(ex.players, players)
    return f"{len(players):,} of {ex.n_players:,} {kind_plural(ex)}"
