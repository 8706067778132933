"""How far to trust an explanation, at a glance: R² with its interval as a bar, and a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.explanation.confidence import level
from spexapi.fourier.ranking import settled
from spexapi.narrative.failures import rests_on
from spexapi.narrative.trust import what_is_explained
from spexapi.narrative.verification import in_brief
from spexapi.narrative.wording import kind_plural
from spexapi.views.safe import safe, tag

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.trust.audit import Audit

ADVICE = {
    "exact": "nothing is estimated",
    "strong": "strong evidence",
    "fair": "fair evidence: trust what is strong, not what is weak",
    "weak": "weak evidence: take it as a hint, or raise the budget",
    "poor": "too little to rely on: raise the budget, or use larger parts",
}


def gauge(explanation: Explanation, *, measuring: bool = False) -> str:
    """The bar and the sentence; a sentence alone if there is no R². measuring: more is to come."""
    audit, found = explanation.audit, level(explanation.audit)
    if found == "none" or audit.r2 is None:
        reason = "R² comes when the measuring is done" if still_measuring(audit) else "; ".join(audit.notes)
        return tag("div", tag("p", safe(reason or "nothing vouches for it")), class_="gauge none")
    share = min(max(audit.r2, 0.0), 1.0)
    low, high = audit.r2_interval or (audit.r2, audit.r2)
    said = _said(explanation, found, measuring)
    return tag("div", _bar(share, low, high) + tag("p", safe(said)), class_=f"gauge {found}")


def _said(ex: Explanation, found: str, measuring: bool) -> str:
    r2 = settled(max(ex.audit.r2 or 0.0, 0.0))
    if found == "exact":
        tried = len(ex.observations)
        return f"Exact: all {tried:,} selections of the {kind_plural(ex)} were tried, {ADVICE[found]}."
    interval = ""
    if ex.audit.r2_interval:
        low, high = (f"{settled(100 * min(max(end, 0.0), 1.0)):.0f}" for end in ex.audit.r2_interval)
        interval = f" (90% interval {low}–{high}%)" if low != high else ""
    how = what_is_explained(ex)
    if measuring:
        return f"So far it explains {100 * r2:.0f}%{interval} of how {how} changes."
    checked = in_brief(ex)
    advice = f"{ADVICE[found]}; {checked}" if checked else ADVICE[found]
    return f"Explains {100 * r2:.0f}%{interval} of how {how} changes: {advice}. {rests_on(ex)}".rstrip()


def _bar(share: float, low: float, high: float) -> str:
    a, b = (100 * min(max(end, 0.0), 1.0) for end in (low, high))
    return (
        f'<svg class="dial" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        f'aria-label="R² {share:.2f} of 1">'
        '<rect class="rail" width="100" height="10"/>'
        f'<rect class="fill" width="{100 * share:.1f}" height="10"/>'
        f'<rect class="span" x="{a:.1f}" width="{max(b - a, 0.4):.1f}" y="3.5" height="3"/></svg>'
    )


def still_measuring(audit: Audit) -> bool:
    """Whether this is a snapshot that was not audited, as more is to come."""
    # a snapshot saved by an older version has the note alone
    return audit.pending or "still measuring" in audit.notes
