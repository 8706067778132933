"""When the next call may be sent: calls and tokens a minute, and how many at once."""

from __future__ import annotations

import asyncio

from spexapi.backends.base import Limits

# What may go out at once after a pause, in seconds of the limit. Endpoints count in steps of a second or
# more, so that half of one catches up after a late wake-up and still leaves room for calls that bunch.
_BURST = 0.5
_SMALLEST = 1e-9


class TokenBucket:
    """A token bucket: fills at `per_minute`, holds half a second of it and at least 1, may be overdrawn.

    An amount greater than it holds goes when the bucket is full, and is paid off before the next.
    """

    def __init__(self, per_minute: float | None, now: float) -> None:
        self._rate = self._size = self._level = 0.0
        self._filled_at = now
        self.per_minute: float | None = None
        self.set_limit(per_minute, now)

    def set_limit(self, per_minute: float | None, now: float) -> None:
        """Another limit, None for none. The level stays, up to the new size."""
        if per_minute == self.per_minute:
            return
        first, self.per_minute = self.per_minute is None, per_minute
        self._fill(now)
        self._rate = (per_minute or 0.0) / 60
        self._size = max(1.0, self._rate * _BURST)
        self._level = self._size if first else min(self._level, self._size)

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` may be taken."""
        if self.per_minute is None:
            return 0.0
        self._fill(now)
        missing = min(amount, self._size) - self._level
        return missing / self._rate if missing > _SMALLEST else 0.0

    def take(self, amount: float) -> None:
        """Lowers the level, below 0 if need be; a negative amount gives back."""
        self._level = min(self._size, self._level - amount)

    def cap(self, remaining: float | None) -> None:
        """Lowers the level to what the endpoint says remains: others may use the same key."""
        if remaining is not None:
            self._level = min(self._level, remaining)

    def _fill(self, now: float) -> None:
        self._level = min(self._size, self._level + max(0.0, now - self._filled_at) * self._rate)
        self._filled_at = now


class AdaptiveLimiter:
    """Lets calls through in the order they came, as fast as the limits and the endpoint's answers allow.

    most   calls at once, at most. It starts with `first`, grows with every success (doubles each round until
           the first 429, then by one a round: Jacobson, 1988) and halves on a 429, once for all calls that
           were under way
    given  the user's limits; those the endpoint shows in its headers are kept as well

    All times are the running event loop's. One instance serves one loop.
    """

    def __init__(self, most: int, given: Limits, *, first: int = 4) -> None:
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self.most, self._given = most, given
        self._width = float(min(first, most))
        self._throttled = False
        self._halved_at = self._closed_until = now
        self._busy = 0
        self._requests = TokenBucket(given.requests_per_minute, now)
        self._tokens = TokenBucket(given.tokens_per_minute, now)
        self._queue = asyncio.Lock()  # fair: first come, first served
        self._released: asyncio.Future[None] | None = None

    @property
    def width(self) -> int:
        """How many calls may be under way now."""
        return max(1, int(self._width))

    async def acquire(self, tokens: float = 0.0, requests: float = 1.0) -> float:
        """Waits until a call of about that size may be sent, and returns its time. Each needs a release()."""
        async with self._queue:
            while True:
                now = self._loop.time()
                wait = max(
                    self._closed_until - now,
                    self._requests.wait(requests, now),
                    self._tokens.wait(tokens, now),
                )
                if wait > 0:
                    await asyncio.sleep(wait)
                elif self._busy >= self.width:
                    self._released = self._loop.create_future()
                    await self._released
                else:
                    break
            self._requests.take(requests)
            self._tokens.take(tokens)
            self._busy += 1
            return now

    def release(self) -> None:
        """The call has ended, well or badly."""
        self._busy -= 1
        if self._released is not None and not self._released.done():
            self._released.set_result(None)

    def on_success(self, *, requests: float = 0.0, tokens: float = 0.0) -> None:
        """A reply came; it took that many requests and tokens more than acquire() was told."""
        self._width = min(self.most, self._width + (1 / self._width if self._throttled else 1.0))
        self._requests.take(requests)
        self._tokens.take(tokens)

    def on_throttled(self, sent: float, retry_after: float | None) -> None:
        """A 429 for the call sent at that time: half as many at once, and none before `retry_after`."""
        now = self._loop.time()
        self._throttled = True
        if sent >= self._halved_at:
            self._width, self._halved_at = max(1.0, self._width / 2), now
        if retry_after is not None:
            self._closed_until = max(self._closed_until, now + retry_after)

    def on_limits(self, shown: Limits) -> None:
        """Takes over what the endpoint's headers said last."""
        now = self._loop.time()
        given = self._given
        self._requests.set_limit(_lower(given.requests_per_minute, shown.requests_per_minute), now)
        self._tokens.set_limit(_lower(given.tokens_per_minute, shown.tokens_per_minute), now)
        self._requests.cap(shown.remaining_requests)
        self._tokens.cap(shown.remaining_tokens)


def _lower(one: float | None, other: float | None) -> float | None:
    known = [limit for limit in (one, other) if limit is not None and limit > 0]
    return min(known, default=None)
