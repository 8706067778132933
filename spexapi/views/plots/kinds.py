"""The kinds of plots: a name each, and one way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.errors import InputError
from spexapi.views.plots.canvas import Figure, without_title
from spexapi.views.plots.heads import heads
from spexapi.views.plots.matrix import matrix
from spexapi.views.plots.network import network
from spexapi.views.plots.text import text
from spexapi.views.plots.upset import upset
from spexapi.views.presentation import Presentation

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

KINDS = {"text": text, "network": network, "matrix": matrix, "upset": upset, "heads": heads}


def plot(explanation: Explanation, kind: str, *, dark: bool = False, titled: bool = True) -> Figure:
    """A plotly figure.

    titled  False leaves the title out, which does not fit on a phone: for a page that has its own words

    Raises InputError for an unknown kind, for "heads" of players that are no parts of a model, and without
    plotly.
    """
    if kind not in KINDS:
        raise InputError(f"no plot is called {kind!r}; known are {', '.join(KINDS)}")
    if kind == "heads" and not all(player.component for player in explanation.players):
        others = ", ".join(name for name in KINDS if name != "heads")
        raise InputError(
            f"kind 'heads' needs an explanation of a HeadGame, and the players of this one are no parts of a"
            f" model ({explanation.label((0,))!r} is a {explanation.players[0].kind}); draw one of {others}"
        )
    figure = KINDS[kind](Presentation(explanation), dark=dark)
    return figure if titled else without_title(figure)
