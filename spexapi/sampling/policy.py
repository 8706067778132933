"""How a backend may be asked: caps, limits, retries, and where replies are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spexapi.backends.base import Limits
from spexapi.errors import InputError
from spexapi.sampling.caps import Caps
from spexapi.sampling.retry import RetryPolicy
from spexapi.sampling.store import Store


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """How a backend may be asked; checked when built.

    max_calls   requests sent to score masks, those tried again included
    max_tokens  read and written, in all
    max_cost    US dollars, in all
    requests_per_minute, tokens_per_minute   next to what the endpoint itself says in its headers
    attempts    tries of one request; waiting: seconds spent between them in all, a server's `retry-after`
                included; timeout: seconds for one try, None for none
    store       where replies are kept: a file, True for the default one, None for memory alone, or a Store
    """

    max_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    attempts: int = 8
    waiting: float = 900.0
    timeout: float | None = 120.0
    store: Store | str | Path | bool | None = None

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute", "attempts", "timeout"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name} must be more than 0, got {value}")
        _ = self.caps

    @property
    def caps(self) -> Caps:
        return Caps(self.max_calls, self.max_tokens, self.max_cost)

    @property
    def limits(self) -> Limits:
        return Limits(self.requests_per_minute, self.tokens_per_minute)

    @property
    def retry(self) -> RetryPolicy:
        return RetryPolicy(self.attempts, self.waiting, self.timeout)
