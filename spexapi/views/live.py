"""What the page's script needs to answer a pointer or a tick without the server, as JSON."""

from __future__ import annotations

import json
import math
from typing import Any

from spexapi.explanation.reading import Reading
from spexapi.explanation.values import Ablation
from spexapi.fourier.ranking import settled
from spexapi.narrative.meaning import said
from spexapi.narrative.wording import explained, kind_plural, name, names
from spexapi.views.presentation import Presentation, style_of

MOST = 500  # combinations a pointer can ask for


def live(shown: Presentation) -> str:
    """JSON: players' names and shares, the spectrum, the strongest combinations with their words.

    terms   [[players], coefficient], from which the script predicts the value of any selection
    all, none  measured values of everything and of nothing kept, null if the model was not asked
    low, high  ends of what the score can be, null if it has none
    likely  how a value becomes a probability: "exp" of the value over `apart`, "odds", or "" if it is none
    """
    ex, reading = shown.explanation, shown.reading
    data: dict[str, Any] = {
        "names": [name(ex.players, i) for i in range(ex.n_players)],
        "shares": [_short(share) for share in reading.shares],
        "terms": [[list(s), float(c)] for s, c in ex.spectrum.coef.items()],
        "combos": combos(shown),
        "what": kind_plural(ex),
        "all": _measured(reading.full),
        "none": _measured(reading.none),
        "low": _end(reading.bounds[0]),
        "high": _end(reading.bounds[1]),
        "unit": ex.target.unit,
        "answer": explained(ex),
        "likely": _likely(reading),
        "apart": max(reading.tokens_apart, 1),
        "span": list(ex.target.span) if ex.target.span else None,
        "spans": ex.observations.token_values is not None and bool(ex.target.answer_offsets),
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def combos(shown: Presentation, most: int = MOST) -> list[dict[str, Any]]:
    """The strongest combinations of two or more: players, their names, value, words, tone."""
    reading = shown.reading
    return [
        {
            "players": list(s),
            "names": names(shown.explanation.players, s),
            "value": _short(value),
            "words": said(reading, shown.claims, s, value),
            "tone": style_of(shown.meaning(s)),
        }
        for s, value in shown.ranked[:most]
    ]


def _measured(found: Ablation) -> float | None:
    """The value, if the model was asked for it."""
    return found.value if found.measured else None


def _end(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None


def _likely(reading: Reading) -> str:
    if reading.probability(0.0) is None:
        return ""
    return "exp" if reading.explanation.target.score in ("logprob", "mean_logprob") else "odds"


def _short(value: float) -> float:
    return float(f"{settled(value):.5g}")
