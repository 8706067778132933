"""How far to believe an explanation, and what it cost, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.explanation.confidence import FAIR, level
from spexapi.fourier.ranking import reaches, settled
from spexapi.narrative.failures import follow, lead_of, rests_on
from spexapi.narrative.wording import counted, one_line, were

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.sampling.usage import Usage
    from spexapi.trust.audit import Audit


def what_is_explained(explanation: Explanation) -> str:
    """What R² is about: "the answer's log-probability", "the value"."""
    known = {
        "logprob": "the answer’s log-probability",
        "mean_logprob": "the answer’s mean log-probability per token",
        "logit": "the log-odds of the answer",
        "choice": "the log-odds of the choice",
    }
    return known.get(explanation.target.score, "the value")


def trust(explanation: Explanation) -> str:
    """How far to believe the explanation, in one or two sentences."""
    audit, what = explanation.audit, what_is_explained(explanation)
    found = level(audit)
    if found == "exact":
        return "Every possible mask was measured, so nothing is estimated."
    if found == "none" or audit.r2 is None:
        return (
            _sentence(audit.notes[0])
            if audit.notes
            else "There is no R², so nothing vouches for this explanation."
        )
    if settled(audit.r2) < 0.005:
        return (
            f"The explanation predicts {what} on masks it never saw no better than their mean does: raise the"
            " budget before you rely on it."
        )
    share = f"{_whole(audit.r2)} {_interval(audit)}".strip()
    text = f"The explanation predicts {share} of how {what} changes on masks it never saw."
    if on := rests_on(explanation):
        text += f" {on}"
    if found in ("weak", "poor"):
        why = "The interval is wide" if reaches(audit.r2, FAIR) else "That is little"
        text += f" {why}: raise the budget before you rely on it."
    return text


def _sentence(note: str) -> str:
    """A note as a sentence: with a capital letter and a full stop."""
    return note[:1].upper() + note[1:] + ("" if note.endswith((".", "!", "?")) else ".")


def how_checked(audit: Audit) -> str:
    """What R² rests on."""
    known = {
        "out-of-fold": "each mask predicted by a fit that did not see it",
        "held-out": "on fresh masks kept aside",
    }
    words = known.get(audit.method, audit.method)
    if level(audit) in ("exact", "none"):
        return words
    return f"R² = {settled(audit.r2 or 0.0):.2f}: {words}; {counted(audit.n_held_out, 'mask')}".replace(
        "-", "−"
    )


def steady(audit: Audit) -> str:
    """How many of the strongest interactions come out again on other masks; "" if nothing was refitted."""
    if audit.stability is None or level(audit) in ("exact", "none"):
        return ""
    share = _whole(audit.stability)
    if reaches(audit.stability, 0.995):
        share = "all"
    return (
        f"Fitted again without a fifth of the masks, {share} of its strongest effects come out on top again."
    )


def _interval(audit: Audit) -> str:
    if not audit.r2_interval:
        return ""
    low, high = (_whole(max(end, 0.0)) for end in audit.r2_interval)
    return f"(90% interval {low.removesuffix('%')}–{high}) " if low != high else ""


def _whole(share: float) -> str:
    return f"{settled(100 * max(min(share, 1.0), -9.99)):.0f}%".replace("-", "−")


def spent(cost: Usage, kind: str = "") -> str:
    """What the run used, in one sentence. kind: of the target."""
    parts = [counted(cost.calls, "training" if kind == "training" else "model call")]
    if cost.setup_calls:
        parts.append(f"{cost.setup_calls:,} more to prepare and to write answers")
    if cost.cached_calls:
        parts.append(f"{cost.cached_calls:,} known already")
    if cost.tokens_in:
        parts.append(f"{counted(cost.tokens_in, 'token')} read")
    if cost.tokens_out:
        parts.append(f"{cost.tokens_out:,} written")
    parts.append(f"{cost.seconds:.1f} s" if cost.seconds < 100 else f"{cost.seconds / 60:.0f} min")
    if cost.price:
        parts.append(f"about ${cost.price:,.4f}" if cost.price < 1 else f"about ${cost.price:,.2f}")
    return ", ".join(parts)


def warnings(explanation: Explanation, *, told: bool = False) -> list[str]:
    """What must be known before anything is believed: a run cut short, failures.

    told  whether a run cut short is told elsewhere
    """
    found: list[str] = []
    if explanation.stopped and not told:
        seen, why = len(explanation.observations), one_line(explanation.stopped_by, 300)
        known = f"{seen:,} of {counted(explanation.recipe.budget, 'selection')} {were(seen)} measured"
        reason = f" The reason: {why}" if why else ""
        found.append(f"Stopped early: {known}, so this is a partial result.{reason}")
    failed = explanation.audit.n_failed
    if failed:
        reasons = sorted({r for r in explanation.observations.reason if r})
        first = f" ({one_line(reasons[0], 200)})" if reasons else ""
        follows = "" if lead_of(explanation) else follow(explanation)  # a headline says it
        found.append(f"{counted(failed, 'measurement')} failed{first}.{follows and ' ' + follows}")
    return found
