"""What was used so far, counted where replies arrive."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spexapi.backends.base import Price, Reply
from spexapi.sampling.caps import price_of


@dataclass(frozen=True, slots=True)
class Used:
    """What a sender has used so far.

    replies  requests to score or sample that the model was asked, failed ones too; setup: texts it wrote
             for generate(); known: requests answered from memory or store
    retries  tries that came to nothing, for which the next was made or the request given up
    tokens_* and cost (US dollars) of the replies that came
    """

    replies: int = 0
    setup: int = 0
    known: int = 0
    retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost: float = 0.0

    def with_reply(self, reply: Reply, price: Price | None) -> Used:
        """Its tokens and money counted."""
        return replace(
            self,
            tokens_in=self.tokens_in + reply.tokens_in,
            tokens_out=self.tokens_out + reply.tokens_out,
            tokens_cached=self.tokens_cached + reply.tokens_cached,
            cost=self.cost + price_of(reply, price),
        )
