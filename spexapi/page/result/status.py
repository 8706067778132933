"""What stands above a result: how far a run is, and what went wrong."""

from __future__ import annotations

from spexapi.page.requests.request import Words
from spexapi.page.runs.failures import reason, sentence
from spexapi.page.runs.run_loop import Progress
from spexapi.views.safe import safe, tag


def status_line(text: str) -> str:
    """What is being done."""
    return tag("div", safe(text), class_="status", role="status")


def progress_line(progress: Progress, words: Words, of: str = "") -> str:
    """How far a run is. of: which run, if there are several."""
    if progress.checking:
        return status_line(words.checks)
    planned = max(progress.planned, 1)
    bar = tag("progress", "", value=progress.done, max=planned, aria_label=f"{words.asked} so far")
    which = f"{of}: " if of else ""
    parts = [f"{which}{words.asked} {progress.done:,} of {progress.planned:,} {words.times}"]
    if progress.done and progress.seconds > 0.5:
        rate = progress.rate
        parts.append(f"{rate:,.0f} a second" if rate >= 10 else f"{rate:.2g} a second")
    if progress.price:
        parts.append(f"about ${progress.price:.4f}")
    return tag("div", f"{bar} {safe(' · '.join(parts))}", class_="status", role="status")


def note(text: str) -> str:
    """A sentence in small type."""
    return tag("p", safe(text), class_="about", role="status")


def banner(text: str) -> str:
    """What went wrong, in plain words."""
    return tag("div", tag("b", "This did not work.") + safe(sentence(text)), class_="banner", role="alert")


def failed(error: Exception) -> str:
    """A banner for any error."""
    return banner(reason(error))
