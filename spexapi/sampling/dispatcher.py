"""One call to a backend: paced, held against the caps, tried again, counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spexapi.backends.base import Backend, Limits, Reply, Request
from spexapi.errors import BackendError, CapReached, RateLimited, Unavailable
from spexapi.sampling.caps import Amount, Ledger, Sizes, price_of
from spexapi.sampling.limiter import AdaptiveLimiter
from spexapi.sampling.retry import RetryPolicy, retrying, with_retries
from spexapi.sampling.usage import Usage

if TYPE_CHECKING:
    from tenacity import AsyncRetrying

# The endpoint counts as down when this many requests in a row were given up, each after all its tries.
_DOWN = 5
# calls at once to begin with; with caps on tokens the first goes alone: it shows how many a text makes
_FIRST, _FIRST_CAPPED = 4, 1

Send = Callable[[Sequence[Request]], Awaitable[list[Reply]]]


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """Requests that go out together, and how.

    send   the backend's score(), or what stands for its generate()
    setup  True for an answer that generate() writes: it counts as set-up and not towards a cap on calls
    """

    requests: tuple[Request, ...]
    send: Send
    setup: bool = False


class GivenUp(BackendError):
    """A call failed at all its tries; others may work."""


class Dispatcher:
    """Sends calls to a backend, as many at once as it takes.

    given   limits of the user; those the backend shows (its `limits`) are kept as well
    ledger  caps and what counts towards them
    retry   how often a call is tried; its timeout is for backends that take several calls at once
    """

    def __init__(self, backend: Backend, given: Limits, ledger: Ledger, retry: RetryPolicy) -> None:
        self.backend, self._given, self._ledger, self._retry = backend, given, ledger, retry
        self.on_the_wire: set[asyncio.Task[object]] = set()
        self.halted = ""  # why nothing more is sent
        self._used = Usage()
        self._answered = False
        self._given_up = 0  # in a row
        self._sizes = Sizes(None)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Opens the backend, tried again like a call; what its probing took is counted."""
        before = getattr(self.backend, "setup", None)
        tries = retrying(self._retry, answered=lambda: False, halted=lambda: False)
        try:
            await tries(self.backend.open)
        finally:
            setup = getattr(self.backend, "setup", None)
            if isinstance(setup, Reply) and setup is not before:
                price = self.backend.capabilities.price
                self._used = self._used.with_tokens(setup, price) + Usage(setup_calls=setup.calls)
                tokens = setup.tokens_in + setup.tokens_out
                self._ledger.charge(Amount(0, tokens, price_of(setup, price)))

    def begin(self) -> bool:
        """Ready for the run of the loop that runs now; True if it is another loop than before."""
        self.halted, self._given_up = "", 0
        can, loop = self.backend.capabilities, asyncio.get_running_loop()
        self._timeout = self._retry.timeout if can.concurrency > 1 else None
        if self._sizes.price != can.price:
            self._sizes = Sizes(can.price)
        if self._loop is loop:
            return False
        self._loop, self._answered = loop, False
        first = _FIRST_CAPPED if self._ledger.caps.of_tokens else _FIRST
        self._limiter = AdaptiveLimiter(can.concurrency, self._given, first=first)
        return True

    @property
    def used(self) -> Usage:
        """What was used since this object was made."""
        return self._used if self.backend.capabilities.price is not None else replace(self._used, price=None)

    def count_known(self) -> None:
        """Counts a request whose reply is known, and which is therefore not sent."""
        self._used += Usage(cached_calls=1)

    def must_afford(self, request: Request) -> None:
        """Raises CapReached if the caps do not pay for one more such call."""
        self._ledger.check(self._sizes.expect(request))

    async def dispatch(self, call: Call) -> list[Reply]:
        """A reply for each request of the call, in order.

        Raises GivenUp after its last try; CapReached if it would pass a cap, or after a halt; Refused, and
        what else the backend raises that is not worth another try; Unavailable if the endpoint seems down.
        """

        def tries() -> AsyncRetrying:
            return retrying(self._retry, answered=lambda: self._answered, halted=lambda: bool(self.halted))

        try:
            return await with_retries(lambda: self._try(call), tries)
        except asyncio.CancelledError:
            if self.halted:
                raise CapReached(self.halted) from None
            raise
        except (RateLimited, Unavailable) as error:
            if self.halted:
                raise CapReached(self.halted) from error
            self._given_up += 1
            if isinstance(error, RateLimited) or not self._answered or self._given_up >= _DOWN:
                raise
            self._count(call)
            raise GivenUp(f"given up: {error}") from error

    async def _try(self, call: Call) -> list[Reply]:
        """One try, as soon as limits and caps allow it."""
        if self.halted:
            raise CapReached(self.halted)
        expected = sum((self._sizes.expect(request) for request in call.requests), Amount())
        sent = await self._limiter.acquire(expected.tokens, expected.calls)
        try:
            await self._ledger.hold(_capped(expected, call))
            return await self._send(call, sent, expected)
        finally:
            self._limiter.release()

    async def _send(self, call: Call, sent: float, expected: Amount) -> list[Reply]:
        task, taken = asyncio.current_task(), Amount()
        assert task is not None
        self.on_the_wire.add(task)
        try:
            async with asyncio.timeout(self._timeout):
                replies = await call.send(call.requests)
            taken = self._arrived(call, replies)
            self._limiter.on_success(
                requests=taken.calls - expected.calls, tokens=taken.tokens - expected.tokens
            )
            return replies
        except (TimeoutError, Unavailable) as error:
            taken = expected  # the endpoint may have done the work, and charge for it
            self._count_retry(call)
            if isinstance(error, Unavailable):
                raise
            raise Unavailable(f"no answer from {self.backend.name} within {self._timeout:g} s") from None
        except RateLimited as error:
            taken = Amount(expected.calls)
            self._count_retry(call)
            self._limiter.on_throttled(sent, error.retry_after)
            raise
        finally:
            self.on_the_wire.discard(task)
            self._ledger.settle(_capped(expected, call), _capped(taken, call))
            shown = getattr(self.backend, "limits", None)
            if isinstance(shown, Limits):
                self._limiter.on_limits(shown)

    def _arrived(self, call: Call, replies: Sequence[Reply]) -> Amount:
        """Counts the replies, learns from them how large the next will be; what they took."""
        if len(replies) != len(call.requests):
            raise BackendError(
                f"{self.backend.name} gave {len(replies)} replies to {len(call.requests)} requests"
            )
        taken = Amount()
        for request, reply in zip(call.requests, replies, strict=True):
            self._sizes.learn(request, reply)
            cost = price_of(reply, self._sizes.price)
            taken = taken + Amount(reply.calls, reply.tokens_in + reply.tokens_out, cost)
            self._used = self._used.with_tokens(reply, self._sizes.price)
        self._count(call)
        self._answered, self._given_up = True, 0
        return taken

    def _count(self, call: Call) -> None:
        self._used += Usage(setup_calls=1) if call.setup else Usage(calls=len(call.requests))

    def _count_retry(self, call: Call) -> None:
        self._used += Usage(retries=len(call.requests))


def _capped(amount: Amount, call: Call) -> Amount:
    """What counts towards the caps: of a written answer tokens and money, not the call."""
    return replace(amount, calls=0.0) if call.setup else amount
