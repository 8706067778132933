"""Caps on calls, tokens and money, kept by asking before each call what it may take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from spexapi.backends.base import Price, Reply, Request
from spexapi.errors import CapReached, InputError

# Used until the first reply of an endpoint shows how many tokens its texts make: English has about four
# letters a token, most other scripts fewer.
_BYTES_A_TOKEN = 3.0
# tokens that a chat template puts around one turn, at most
_A_TURN = 8.0
_MARGIN = 1.1


@dataclass(frozen=True, slots=True)
class Caps:
    """How much a run may take, None for no cap; checked when built.

    calls   requests sent to score masks, those tried again included; writing the answer and probing do not
            count
    tokens  read and written, in all
    cost    US dollars, in all
    """

    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        for name in ("calls", "tokens", "cost"):
            cap = getattr(self, name)
            if cap is not None and not cap > 0:
                raise InputError(f"a cap on {name} must be more than 0, got {cap}: leave it out for none")

    @property
    def of_tokens(self) -> bool:
        """True if tokens matter, so that the first call goes alone and shows how many a text makes."""
        return self.tokens is not None or self.cost is not None


@dataclass(frozen=True, slots=True)
class Amount:
    """What calls take: requests, tokens, US dollars."""

    calls: float = 0.0
    tokens: float = 0.0
    cost: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.calls + other.calls, self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.calls - other.calls, self.tokens - other.tokens, self.cost - other.cost)


def price_of(reply: Reply, price: Price | None) -> float:
    """What a reply costs in US dollars, 0 if no price is known."""
    if price is None:
        return 0.0
    cached = price.tokens_in if price.tokens_cached is None else price.tokens_cached
    read = (reply.tokens_in - reply.tokens_cached) * price.tokens_in + reply.tokens_cached * cached
    return (read + reply.tokens_out * price.tokens_out) / 1e6


class Sizes:
    """How much a request will take, learnt from one backend's replies: the most seen, plus a tenth."""

    def __init__(self, price: Price | None) -> None:
        self.price = price
        self._a_byte = 1 / _BYTES_A_TOKEN
        self._written = self._calls = 1.0
        self._replied = 0.0  # tokens: reasoning ones may be more than were asked for
        self._known = False

    def expect(self, request: Request) -> Amount:
        """Requests, tokens and dollars of one request; before the first reply a guess on the high side."""
        read = self._a_byte * _bytes(request) * (_MARGIN if self._known else 1.0)
        written = max(float(request.write), self._replied) if request.write else self._written
        price = self.price or Price()
        cost = (read * price.tokens_in + written * price.tokens_out) / 1e6
        return Amount(self._calls, read + written, cost)

    def learn(self, request: Request, reply: Reply) -> None:
        """Takes the size of a reply into account; one that failed says nothing."""
        if reply.error or not reply.tokens_in:
            return
        share, written = reply.tokens_in / _bytes(request), float(reply.tokens_out)
        if not self._known:
            self._a_byte, self._written, self._known = share, 0.0, True
        self._a_byte, self._calls = max(self._a_byte, share), float(reply.calls)
        if request.write:
            self._replied = max(self._replied, written)
        else:
            self._written = max(self._written, written)


def _bytes(request: Request) -> float:
    """Length of what is read: each answer after the prompt, the frame of a turn counted as text."""
    frame = _A_TURN * _BYTES_A_TOKEN
    prompt = sum(len(m.content.encode()) + frame for m in request.messages)
    return max(1, len(request.answers)) * prompt + sum(len(a.encode()) for a in request.answers)


class Ledger:
    """What was taken and what is under way, held against the caps; one for all backends of a run."""

    def __init__(self, caps: Caps) -> None:
        self.caps = caps
        self.taken = self._held = Amount()
        self._under_way = 0
        self._waiting: list[asyncio.Future[None]] = []

    def charge(self, taken: Amount) -> None:
        """Counts what was sent without hold(): probing."""
        self.taken = self.taken + taken

    async def hold(self, expected: Amount) -> None:
        """Sets an amount aside before a call. Raises CapReached if it would pass a cap.

        Calls under way may take less than was set aside for them, so it waits for those before it gives up.
        """
        while self._under_way:
            try:
                self.check(expected, self._held)
                break
            except CapReached:
                self._waiting.append(asyncio.get_running_loop().create_future())
                await self._waiting[-1]
        self.check(expected, self._held)
        self._held = self._held + expected
        self._under_way += 1

    def check(self, expected: Amount, held: Amount = Amount()) -> None:
        """Raises CapReached if the amount, with what was taken and what is held, would pass a cap."""
        after = self.taken + held + expected
        for what, cap, would, now in (
            ("calls", self.caps.calls, after.calls, self.taken.calls),
            ("tokens", self.caps.tokens, after.tokens, self.taken.tokens),
            ("US dollars", self.caps.cost, after.cost, self.taken.cost),
        ):
            if cap is not None and would > cap * (1 + 1e-12):
                shown = f"{now:.4g}" if what == "US dollars" else f"{now:,.0f}"
                raise CapReached(
                    f"the cap of {cap:,} {what} would be passed by the next call; {shown} are used"
                )

    def settle(self, expected: Amount, taken: Amount) -> None:
        """The call has ended: what was set aside is free again, and what it took is counted."""
        self._under_way -= 1
        self._held = self._held - expected if self._under_way else Amount()
        self.taken = self.taken + taken
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)
