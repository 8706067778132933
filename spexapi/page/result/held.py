"""What a session keeps of a run: the question without its key, and the explanation as it is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spexapi.errors import InputError
from spexapi.explanation.explanation import Explanation
from spexapi.narrative.wording import name
from spexapi.page.forms.requests import RunRequest
from spexapi.views.html.checked import checked
from spexapi.views.html.fragment import cautions, head, how_to_read, trusted
from spexapi.views.html.gauge import gauge
from spexapi.views.html.live import live
from spexapi.views.html.panels import combinations, prompt, proof
from spexapi.views.html.safe import safe, tag
from spexapi.views.svg.drawing import draw


@dataclass(frozen=True, slots=True, eq=False)
class SessionResult:
    """An explanation in the hands of a visitor.

    form   asks the same again; None for an explanation that came from a file
    whole  as it was run; shown: of a span of the answer, or in another index
    title  what was taken apart: "all documents", "inside document 2"
    above  what was shown before it was looked inside
    kept   masks of the budget that were set aside to check the strongest combinations
    ended  what broke the run off, in words; "" where nothing did
    """

    form: RunRequest | None
    whole: Explanation
    shown: Explanation
    title: str = "everything"
    above: SessionResult | None = None
    kept: int = 0
    ended: str = ""

    def of_span(self, start: int, end: int) -> SessionResult:
        """The same run explaining a part of the answer. Raises InputError."""
        length = len(self.whole.target.answer)
        if not 0 <= start < end <= length:
            raise InputError(f"characters {start} to {end} are not in the answer of {length}")
        if (start, end) == (0, length):
            return replace(self, shown=self.whole.in_index(self.shown.index, self.shown.max_order))
        return replace(self, shown=self.whole.in_index(self.shown.index).span(start, end))

    def in_index(self, index: str) -> SessionResult:
        """The same, read in another index. Raises InputError."""
        return replace(self, shown=self.shown.in_index(index))

    def inside(self, player: int) -> tuple[RunRequest, str]:
        """What to ask to look inside a unit, and what that is called. Raises InputError."""
        if self.form is None:
            raise InputError("This came from a file: the model that was asked is not at hand.")
        form = self.form.answering(self.whole.target.answer).within(player)
        return form, f"inside {name(self.whole.players, player)}"


def crumbs(held: SessionResult | None) -> str:
    """Where the visitor is: the way back from inside a unit, and from a part of the answer."""
    if held is None:
        return ""
    way: list[str] = []
    if held.above is not None:
        way.append(tag("button", "← back", type="button", data_ask="back") + tag("b", safe(held.title)))
    if held.shown.target.span is not None:
        way.append(
            "of a part of the answer " + tag("button", "the whole answer", type="button", data_ask="whole")
        )
    return tag("nav", " ".join(way), class_="crumbs", aria_label="What is shown") if way else ""


def top(held: SessionResult, *, measuring: bool = False) -> str:
    """Question, answer, story, trust, proof, picture: with what the page's script needs.

    measuring  more is to come: nothing was stopped
    """
    drawn = draw(held.shown)
    trust = gauge(held.shown, measuring=measuring)
    warned = "" if measuring else cautions(held.shown, told=bool(held.ended))
    body = broken_off(held) + head(drawn) + trust + warned + proof(drawn) + combinations(drawn)
    can_look = None if held.form is None or (held.shown.stopped and not len(held.shown.observations)) else "1"
    return tag("div", crumbs(held) + body, class_="spex", data_live=live(drawn), data_inside=can_look)


def broken_off(held: SessionResult) -> str:
    """That this is part of a run that failed on the way: what happened, what there is, what to do."""
    if not held.ended:
        return ""
    seen, calls = held.whole.observations, held.whole.cost.calls
    known = f"{int(seen.ok.sum()):,} of {held.whole.recipe.budget:,} selections were measured"
    call = "training" if held.whole.target.kind == "training" else "model call"
    paid = f", in {calls:,} {call}{'s' * (calls != 1)}" if calls else ""
    what = f"What you see is a partial result: {known}{paid}."
    lines = tag("b", "The run broke off.") + safe(held.ended) + tag("p", safe(what))
    return tag("div", lines, class_="banner", role="alert")


def rest(held: SessionResult) -> str:
    """What was checked, the prompt in colour, trust and cost in detail, how to read it all."""
    drawn = draw(held.shown)
    parts = (checked(held.shown), prompt(drawn), trusted(held.shown), how_to_read(held.shown))
    return tag("div", "".join(parts), class_="spex")
