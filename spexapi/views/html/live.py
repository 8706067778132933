"""What the page's script needs to answer a pointer or a tick without the server, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from spexapi.explanation.reading import Reading
from spexapi.explanation.values import Ablation
from spexapi.fourier.ranking import settled
from spexapi.narrative.meaning import said
from spexapi.narrative.wording import explained, kind_plural, name, names
from spexapi.views.svg.arcs import combination_tone
from spexapi.views.svg.drawing import Drawn

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation

MOST = 500  # combinations a pointer can ask for


def live(drawn: Drawn) -> str:
    """JSON: players' names and shares, the spectrum, the strongest combinations with their words.

    terms   [[players], coefficient], from which the script predicts the value of any selection
    all, none  measured values of everything and of nothing kept, null where the model was not asked
    likely  how a value becomes a probability: "exp" of the value over `apart`, "odds", or "" where it is none
    """
    ex, reading = drawn.explanation, Reading.of(drawn.explanation)
    data: dict[str, Any] = {
        "names": [name(ex.players, i) for i in range(ex.n_players)],
        "shares": [_short(share) for share in drawn.shares],
        "terms": [[list(s), float(c)] for s, c in ex.spectrum.coef.items()],
        "combos": combos(ex),
        "what": kind_plural(ex),
        "all": _measured(reading.full),
        "none": _measured(reading.none),
        "unit": ex.target.unit,
        "answer": explained(ex),
        "likely": _likely(reading),
        "apart": max(reading.tokens_apart, 1),
        "span": list(ex.target.span) if ex.target.span else None,
        "spans": ex.observations.token_values is not None and bool(ex.target.answer_offsets),
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def combos(ex: Explanation, most: int = MOST) -> list[dict[str, Any]]:
    """The strongest combinations of two or more: players, their names, value, words, tone."""
    reading = Reading.of(ex)
    ranked = [(s, v) for s, v in ex.top(len(ex.interactions)) if len(s) > 1][:most]
    found: list[dict[str, Any]] = []
    for s, value in ranked:
        meaning = reading.meaning(s)
        found.append(
            {
                "players": list(s),
                "names": names(ex.players, s),
                "value": _short(value),
                "words": said(reading, s, value),
                "tone": combination_tone(meaning),
            }
        )
    return found


def _measured(found: Ablation) -> float | None:
    """The value, if the model was asked for it."""
    return found.value if found.measured else None


def _likely(reading: Reading) -> str:
    if reading.probability(0.0) is None:
        return ""
    return "exp" if reading.explanation.target.score in ("logprob", "mean_logprob") else "odds"


def _short(value: float) -> float:
    return float(f"{settled(value):.5g}")
