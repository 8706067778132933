"""What was used: calls, tokens, seconds and money; one value for a sender, a game and an explanation."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spexapi.backends.base import Price, Reply
from spexapi.sampling.caps import price_of


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used: by a sender or a game since it was made, by one run, by all of several (+, -).

    calls         masks newly measured by the model, failed ones too; each of several replies to a mask counts
    cached_calls  those whose reply was known already
    setup_calls   generations and probes, which the budget does not count
    saved_calls   masks that were planned and not needed: an adaptive engine had seen enough
    helper_calls  asked of the model that helps a scorer (a judge, embeddings)
    retries       tries that came to nothing (429, 5xx, cut connections) and were made again or given up
    tokens_in, tokens_out   read and written
    seconds       wall time, measuring and fitting; known for a run, 0 for a sender or a game
    price         in US dollars; 0 for a local model, None if no price is known. A sum or difference with an
                  unknown price has an unknown price
    """

    calls: int = 0
    cached_calls: int = 0
    setup_calls: int = 0
    saved_calls: int = 0
    helper_calls: int = 0
    retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    price: float | None = 0.0

    def __add__(self, other: Usage) -> Usage:
        return self._with(other, 1)

    def __sub__(self, other: Usage) -> Usage:
        return self._with(other, -1)

    def of_helper(self) -> Usage:
        """The same, counted as asked of the model that helps a scorer: its calls are helper_calls."""
        return replace(self, calls=0, cached_calls=0, helper_calls=self.helper_calls + self.calls)

    def with_tokens(self, reply: Reply, price: Price | None) -> Usage:
        """With the reply's tokens and their price added; its calls are counted by the sender."""
        cost = None if price is None else price_of(reply, price)
        return self + Usage(tokens_in=reply.tokens_in, tokens_out=reply.tokens_out, price=cost)

    def _with(self, other: Usage, sign: int) -> Usage:
        unknown = self.price is None or other.price is None
        return Usage(
            calls=self.calls + sign * other.calls,
            cached_calls=self.cached_calls + sign * other.cached_calls,
            setup_calls=self.setup_calls + sign * other.setup_calls,
            saved_calls=self.saved_calls + sign * other.saved_calls,
            helper_calls=self.helper_calls + sign * other.helper_calls,
            retries=self.retries + sign * other.retries,
            tokens_in=self.tokens_in + sign * other.tokens_in,
            tokens_out=self.tokens_out + sign * other.tokens_out,
            seconds=self.seconds + sign * other.seconds,
            price=None if unknown else (self.price or 0.0) + sign * (other.price or 0.0),
        )
