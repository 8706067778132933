"""The few masks that carry the story, each with its value as a bar."""

from __future__ import annotations

from collections.abc import Sequence

from spexapi.explanation.reading import Reading
from spexapi.narrative.story import Step
from spexapi.narrative.wording import explained, kind_plural, missing, one_line, quoted, signed, valued
from spexapi.views.html.bar import bar
from spexapi.views.presentation import Presentation
from spexapi.views.safe import safe, tag


def proof(shown: Presentation) -> str:
    """A section: everything kept, only the players of the story, all but them, nothing."""
    ex, reading, steps = shown.explanation, shown.reading, shown.story.steps
    values = [s.ablation.value for s in steps if s.ablation.gap is None] or [0.0]
    likely = reading.probability(values[0]) is not None
    title = f"How likely is {quoted(explained(ex), 40)}?" if likely else "What the value becomes"
    a_token = ", on average a token" if reading.tokens_apart != 1 else ""
    what = (
        f"When only some {kind_plural(ex)} are left for the model{a_token}:"
        if likely
        else "When only some players are kept:"
    )
    lines = "".join(_step(reading, step, min(values), max(values)) for step in steps)
    return tag(
        "section",
        tag("h3", safe(title))
        + tag("p", safe(what), class_="lede")
        + tag("dl", lines, class_="steps")
        + _where_from([s.ablation.measured for s in steps if s.ablation.gap is None]),
    )


def _where_from(measured: Sequence[bool]) -> str:
    if all(measured):
        return ""
    rest = "the others were measured on the model" if any(measured) else "none of these was measured itself"
    return tag("p", f"≈ predicted by the explanation; {rest}.", class_="note")


def _step(reading: Reading, step: Step, low: float, high: float) -> str:
    if step.ablation.gap is not None:
        return _line(step, 0.0, missing(step.ablation.gap), "")
    value = step.ablation.value
    share = reading.probability(value)
    if share is None:
        share = (value - low) / (high - low) if high > low else 1.0
    about = "" if step.ablation.measured else "≈ "
    title = f"{signed(value)} {reading.explanation.target.unit}".strip()
    said = about + valued(reading, value).removesuffix(" a token")
    return _line(step, max(share, 0.004), said, title)


def _line(step: Step, share: float, said: str, title: str) -> str:
    number = tag("span", safe(said), class_="num", title=title or None)
    label = tag("bdi", safe(step.label))
    if step.says:
        label += tag("q", safe(one_line(step.says, 60)), class_="instead", dir="auto")
    told = tag("dt", label) + tag("dd", bar(share) + number)
    return tag("div", told, class_="step")
