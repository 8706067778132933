"""The HTML of a result: where the visitor is, question, answer, story, trust and picture."""

from __future__ import annotations

from spexapi.page.runs.session_result import SessionResult
from spexapi.views.html.combinations import combinations
from spexapi.views.html.fragment import cautions, head, how_to_read, trusted
from spexapi.views.html.gauge import gauge
from spexapi.views.html.prompt import prompt
from spexapi.views.html.proof import proof
from spexapi.views.html.verified import verified
from spexapi.views.live import live
from spexapi.views.presentation import Presentation
from spexapi.views.safe import safe, tag


def top(result: SessionResult) -> str:
    """Question, answer, story, trust, proof, picture: with what the page's script needs."""
    drawn = Presentation(result.shown)
    trust = gauge(result.shown, measuring=not result.done)
    warned = cautions(result.shown, told=bool(result.ended)) if result.done else ""
    body = _broken_off(result) + head(drawn) + trust + warned + proof(drawn) + combinations(drawn)
    measured = not result.shown.stopped or len(result.shown.observations)
    inside = "1" if result.can_ask and measured else None
    return tag("div", _crumbs(result) + body, class_="spex", data_live=live(drawn), data_inside=inside)


def rest(result: SessionResult) -> str:
    """What was checked, the prompt in colour, trust and cost in detail, how to read it all."""
    ex = result.shown
    parts = (verified(ex), prompt(Presentation(ex)), trusted(ex), how_to_read(ex))
    return tag("div", "".join(parts), class_="spex")


def _crumbs(result: SessionResult) -> str:
    """Where the visitor is: the way back from inside a player, and from a part of the answer."""
    way: list[str] = []
    if result.above is not None:
        way.append(tag("button", "← back", type="button", data_ask="back") + tag("b", safe(result.title)))
    if result.shown.target.span is not None:
        way.append(
            "of a part of the answer " + tag("button", "the whole answer", type="button", data_ask="whole")
        )
    return tag("nav", " ".join(way), class_="crumbs", aria_label="What is shown") if way else ""


def _broken_off(result: SessionResult) -> str:
    """That this is part of a run that failed on the way: what happened, what there is, what to do."""
    if not result.ended:
        return ""
    seen, calls = result.whole.observations, result.whole.cost.calls
    known = f"{int(seen.ok.sum()):,} of {result.whole.recipe.budget:,} selections were measured"
    call = "training" if result.whole.target.kind == "training" else "model call"
    paid = f", in {calls:,} {call}{'s' * (calls != 1)}" if calls else ""
    what = f"What you see is a partial result: {known}{paid}."
    lines = tag("b", "The run broke off.") + safe(result.ended) + tag("p", safe(what))
    return tag("div", lines, class_="banner", role="alert")
