"""`x-ratelimit-*` headers -> Limits."""

from __future__ import annotations

import re
from collections.abc import Mapping

from spexapi.backends.base import Limits

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")


def limits_of(headers: Mapping[str, str]) -> Limits | None:
    """What the headers say, None if that is nothing; their figures are for a minute, as OpenAI's are."""
    found = Limits(
        requests_per_minute=_number(headers.get("x-ratelimit-limit-requests")),
        tokens_per_minute=_number(headers.get("x-ratelimit-limit-tokens")),
        remaining_requests=_number(headers.get("x-ratelimit-remaining-requests")),
        remaining_tokens=_number(headers.get("x-ratelimit-remaining-tokens")),
        reset_requests=seconds_of(headers.get("x-ratelimit-reset-requests")),
        reset_tokens=seconds_of(headers.get("x-ratelimit-reset-tokens")),
    )
    return None if found == Limits() else found


def seconds_of(text: str | None) -> float | None:
    """A duration as Go writes it ("6m0s", "12ms") or plain seconds; None for anything else."""
    if text is None:
        return None
    if (plain := _number(text)) is not None:
        return plain
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < float("inf") else None
