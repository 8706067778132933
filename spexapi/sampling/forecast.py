"""What a run would take: an estimate before any call."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spexapi.backends.base import Capabilities, Limits, Message, Price


@dataclass(frozen=True, slots=True)
class Forecast:
    """An estimate, made without a call.

    calls       requests that score masks; equal prompts, and replies in the store, make them fewer
    tokens_in, tokens_out   read and written; None if the backend cannot know
    seconds     at the limits the user gave, None without any; the endpoint's own speed comes on top
    price       US dollars, None if no price is known; source: where its figures are from
    prompts     three as they would be sent: everything kept, then the first masks that remove something
    paid        False for a model in this process
    writes      answers at most that the model writes for the story
    batches     sent one after the other, up to a day each; 0 if calls are answered at once, None if there is
                one for each round of the engine, which waits for it
    """

    calls: int
    tokens_in: int | None
    tokens_out: int | None
    seconds: float | None
    price: float | None
    source: str
    prompts: tuple[tuple[Message, ...], ...]
    paid: bool
    batches: int | None = 0
    writes: int = 0

    def with_writes(self, count: int, most: int, price: Price | None) -> Forecast:
        """With up to `count` answers of up to `most` tokens that the model writes for the story."""
        if not count or self.tokens_in is None or self.tokens_out is None:
            return replace(self, writes=count)
        read, written = count * self.tokens_in // max(self.calls, 1), count * most
        more = 0.0 if price is None else (read * price.tokens_in + written * price.tokens_out) / 1e6
        whole = None if self.price is None else self.price + more
        tokens = (self.tokens_in + read, self.tokens_out + written)
        return replace(self, tokens_in=tokens[0], tokens_out=tokens[1], price=whole, writes=count)

    @property
    def line(self) -> str:
        """In words, on one line."""
        parts = [f"{self.calls:,} calls"]
        if self.writes:
            parts.append(f"up to {self.writes} answers written for the story")
        if self.tokens_in is not None:
            written = f" and {self.tokens_out:,} written" if self.tokens_out else ""
            parts.append(f"about {self.tokens_in:,} tokens read{written}")
        if self.seconds is not None:
            parts.append(f"{self.seconds / 60:,.1f} minutes at these limits")
        if self.paid:
            known = f"about ${self.price:.2g} ({self.source})" if self.price is not None else "price unknown"
            parts.append(known)
        if self.batches is None:
            parts.append("a batch for each round of the engine, one after the other, up to a day each")
        elif self.batches:
            parts.append(
                f"{self.batches} batch{'es one after the other' * (self.batches > 1)}, up to a day each"
            )
        return ", ".join(parts)


def forecast(
    calls: int,
    tokens_in: int | None,
    written: int,
    can: Capabilities,
    limits: Limits,
    prompts: tuple[tuple[Message, ...], ...],
) -> Forecast:
    """The forecast for `calls` that read `tokens_in` tokens in all and write up to `written` each."""
    tokens_out = written * calls
    price = None
    if can.price is not None and tokens_in is not None:
        price = (tokens_in * can.price.tokens_in + tokens_out * can.price.tokens_out) / 1e6
    times = [calls / limits.requests_per_minute] if limits.requests_per_minute else []
    if limits.tokens_per_minute and tokens_in is not None:
        times.append((tokens_in + tokens_out) / limits.tokens_per_minute)
    return Forecast(
        calls=calls,
        tokens_in=tokens_in,
        tokens_out=None if tokens_in is None else tokens_out,
        seconds=60 * max(times) if times else None,
        price=price,
        source=can.price.source if can.price is not None else "",
        prompts=prompts,
        paid=can.concurrency > 1 or can.batched,
        batches=-(-calls // can.batch) if can.batched else 0,
    )
