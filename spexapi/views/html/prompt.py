"""The prompt in reading order, coloured by share, with the letters of the combinations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from spexapi.narrative.wording import name, signed
from spexapi.views.colours import tone
from spexapi.views.presentation import Presentation
from spexapi.views.safe import safe, tag

if TYPE_CHECKING:
    from spexapi.games.base import Piece

ROLES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool result"}


def prompt(shown: Presentation) -> str:
    """A section, "" for a game without text."""
    pieces = shown.explanation.target.pieces
    if not pieces:
        return ""
    turns = "".join(_turn(shown, role, list(group)) for role, group in groupby(pieces, key=lambda p: p.role))
    lede = (
        "As the model read it. Blue helps the answer, orange hurts it; letters name the combinations above."
    )
    return tag("section", tag("h3", "The prompt") + tag("p", lede, class_="lede") + turns)


def _turn(shown: Presentation, role: str, pieces: Sequence[Piece]) -> str:
    body = tag("div", "".join(_piece(shown, piece) for piece in pieces), class_="turn", dir="auto")
    who = safe(ROLES.get(role, role))
    # a long turn scrolls on the page, so the keyboard must reach it
    return tag("div", tag("span", who, class_="label") + body, class_="role", tabindex=0, role="group")


def _piece(shown: Presentation, piece: Piece) -> str:
    if piece.player is None:
        return tag("span", safe(piece.text), class_="pinned")
    share, letters = shown.reading.shares[piece.player], shown.letters(piece.player)
    title = f"{name(shown.explanation.players, piece.player)}: {signed(share)}"
    body = piece.text.rstrip()
    badge = tag("sup", safe(letters.replace(" ", "")), class_="in") if letters and body else ""
    mark = tag(
        "mark",
        safe(body),
        class_=tone(share, shown.scale),
        data_in=letters or None,
        title=title,
        data_player=piece.player,
    )
    return mark + badge + safe(piece.text[len(body) :])
