"""One explanation as HTML: the report and the page show this very fragment. Everything in it is escaped."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from spexapi.explanation.confidence import level
from spexapi.narrative.trust import how_checked, spent, steady, trust, warnings
from spexapi.narrative.wording import chosen_from, kind_plural
from spexapi.views.html.combinations import combinations
from spexapi.views.html.gauge import gauge, still_measuring
from spexapi.views.html.heads import map_of
from spexapi.views.html.prompt import prompt
from spexapi.views.html.proof import proof
from spexapi.views.html.pruned import pruned
from spexapi.views.html.training import gallery
from spexapi.views.html.verified import verified
from spexapi.views.presentation import Presentation
from spexapi.views.safe import safe, tag

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

CHIPS = {
    "exact": "nothing estimated",
    "strong": "strong evidence",
    "fair": "fair evidence",
    "weak": "weak evidence",
    "poor": "too weak to rely on",
    "none": "not checked",
}


@cache
def styles() -> str:
    """The style sheet of the fragment."""
    return files("spexapi.views.html").joinpath("fragment.css").read_text(encoding="utf-8")


def fragment(explanation: Explanation) -> str:
    """The whole result as one <div class="spex">; needs styles() on the page."""
    shown = Presentation(explanation)
    parts = [
        head(shown),
        gauge(explanation),
        cautions(explanation),
        proof(shown),
        gallery(shown) if explanation.target.kind == "training" else "",
        map_of(shown),
        combinations(shown),
        verified(explanation),
        pruned(shown.reading),
        prompt(shown),
        trusted(explanation),
        how_to_read(explanation),
    ]
    return tag("div", "".join(parts), class_="spex")


def head(shown: Presentation) -> str:
    """Question, answer, story, how sure."""
    ex = shown.explanation
    target = ex.target
    asked = tag("p", safe(target.question), class_="question", dir="auto") if target.question else ""
    answer = ""
    if target.answer:
        by = "the model’s answer" if target.generated else "the answer explained"
        label, said = tag("span", by, class_="label"), tag("span", _answer(ex), class_="answer", dir="auto")
        options = f"chosen from: {chosen_from(ex)}" if target.options else ""
        answer = tag("p", label + said + (tag("span", safe(options), class_="label") if options else ""))
    found = level(ex.audit)
    chip = tag(
        "span",
        safe("still measuring" if still_measuring(ex.audit) else CHIPS[found]),
        class_=f"chip {found}",
    )
    words = "".join(tag("strong", safe(t)) if stressed else safe(t) for t, stressed in shown.story.headline)
    asides = "".join(tag("p", safe(aside), class_="aside", dir="auto") for aside in shown.story.asides)
    return tag("header", asked + answer + tag("h2", words, class_="story", dir="auto") + asides + chip)


def _answer(ex: Explanation) -> str:
    text = ex.target.answer
    if not ex.target.span:
        return safe(text)
    start, end = ex.target.span
    return safe(text[:start]) + tag("u", safe(text[start:end]), title="the part explained") + safe(text[end:])


def cautions(ex: Explanation, *, told: bool = False) -> str:
    """What must be known before anything is believed. told: that the run was cut short stands elsewhere."""
    found = warnings(ex, told=told)
    return "".join(tag("p", "⚠ " + safe(text), class_="warning", role="status") for text in found)


def trusted(ex: Explanation) -> str:
    """How far to believe it and what it cost, in plain words."""
    rows = [("Trust", trust(ex))]
    if level(ex.audit) not in ("exact", "none"):
        rows.append(("How it was checked", how_checked(ex.audit)))
    if again := steady(ex.audit):
        rows.append(("How steady it is", again))
    rows.append(("Cost", spent(ex.cost, ex.target.kind)))
    made = f"{ex.engine} engine, {ex.index.upper()} index, seed {ex.seed}"
    rows.append(("Made with", made + (f", {ex.backend}" if ex.backend else "")))
    body = "".join(tag("div", tag("dt", safe(k)) + tag("dd", safe(v)), class_="fact") for k, v in rows)
    notes = "".join(tag("li", safe(note)) for note in ex.notes)
    more = tag("details", tag("summary", "Notes of the engine") + tag("ul", notes)) if notes else ""
    return tag("section", tag("h3", "How far to trust this") + tag("dl", body, class_="facts") + more)


def how_to_read(ex: Explanation) -> str:
    """What the words and numbers mean."""
    again = "the model was asked how likely it finds the same answer"
    if ex.target.kind == "training":
        again = "a model was trained again on what was left and tested"
    lines = [
        f"The {kind_plural(ex)} were taken away in many different selections, and each time {again}. From "
        "that comes a short list of what mattered.",
        "AND, a positive combination: neither is worth much without the other; the model needed both.",
        "OR, for two a negative number: one is enough, the other adds nothing, often because it says the"
        " same.",
        "VS: one works against the other, for example a later document that overrides an earlier one.",
        "A number next to a combination is what the parts do only together, as the chosen index counts it. "
        "If it says something else than the words, which hold on average over the rest, both are said.",
        "The shares are Shapley values: what a part adds, averaged over all orders in which the parts could "
        "arrive. They add up to the predicted difference between everything kept and nothing kept.",
    ]
    if ex.target.unit == "nats":
        lines.append(
            "Values are in nats, the natural logarithm of a probability: +0.7 doubles it, +2.3 makes it ten "
            "times as likely."
        )
    return tag(
        "details",
        tag("summary", "How to read this") + "".join(tag("p", safe(t)) for t in lines),
        class_="how",
    )
