"""Vectors of texts -> their similarities, for backends that embed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spexapi.backends.base import Message
from spexapi.errors import BackendError
from spexapi.measurements import Floats


def text_of(messages: Sequence[Message]) -> str:
    """The contents of the turns, one a line: what is embedded."""
    return "\n".join(message.content for message in messages)


def cosines(vector: Floats, answers: Sequence[str], known: Mapping[str, Floats]) -> tuple[float, ...]:
    """The cosine of a text's vector and that of each answer. Raises BackendError for a vector of zeros."""
    found: list[float] = []
    for answer in answers:
        other = known[answer]
        lengths = float(np.linalg.norm(vector) * np.linalg.norm(other))
        if lengths == 0.0:
            raise BackendError("an embedding is zero, it has no direction")
        found.append(float(vector @ other) / lengths)
    return tuple(found)
