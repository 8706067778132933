"""What went wrong, in the words of the page."""

from __future__ import annotations

import logging

from spexapi.errors import BackendError, BudgetError, RateLimited, SpexError, Unavailable
from spexapi.page.site import Site

BROKEN = "Something failed that should not have; the log of the page says what. Try again."


def reason(error: Exception) -> str:
    """Any error in words. One that is none of ours goes to the log: the page must stay usable."""
    if isinstance(error, SpexError):
        return plainly(error)
    logging.getLogger("spexapi").error("the page failed", exc_info=error)
    return BROKEN


def plainly(error: SpexError) -> str:
    """Our own errors in the words of the page."""
    if isinstance(error, BudgetError):
        return str(error).replace("player", "part").replace("measurements", "questions to the model")
    if isinstance(error, Unavailable):
        return f"{error}. Check the address, and whether the server runs."
    return str(error)


def how_to_go_on(error: Exception, site: Site) -> str:
    """What broke a run off, and what to do next."""
    again = "run it again"
    if site.keeps and isinstance(error, BackendError):
        again += ": what was answered is kept on this computer and is not asked a second time"
    when = "Some time later" if isinstance(error, RateLimited) else "Once that is mended"
    said = sentence(reason(error))
    return f"{said} {when}, {again}." if isinstance(error, BackendError) else said


def sentence(text: str) -> str:
    """The text with a capital and a full stop; an address or a name at the start stays as it is."""
    first = text.split(" ", 1)[0]
    text = text[:1].upper() + text[1:] if first.isalpha() else text
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
