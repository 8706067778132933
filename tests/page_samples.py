"""Samples for the tests of the page: a home, two documents that belong together, hostile texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import view_samples as sample
from page_server import PAIR
from test_report import HOSTILE

from spexapi.measurements import exact_values

pytest.importorskip("gradio")

from spexapi.page.requests.text import Rag, TextRequest
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.site import Site

__all__ = ["HOME", "PAIR", "hostile"]

HOME = Site()


def hostile() -> SessionResult:
    """An explanation of texts that try to be code, with token values."""
    ex = sample.documents(
        sample.and_of_two, texts=(*HOSTILE, *sample.TEXTS[2:]), answer=HOSTILE[1], question=HOSTILE[0]
    )
    tokens = np.stack([ex.observations.values] * 2, axis=1) / 2
    seen = exact_values(ex.observations.masks, ex.observations.values, token_values=tokens)
    ex = replace(ex, observations=seen, target=replace(ex.target, answer_offsets=((0, 5), (5, 40))))
    return SessionResult(TextRequest(Rag(HOSTILE[0], HOSTILE)), ex, ex, HOSTILE[0])
