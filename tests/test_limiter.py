"""Calls go as fast as the limits allow and no faster; time is virtual."""

import asyncio
import random

import pytest
from virtual_time import in_virtual_time

from spexapi.backends.base import Limits
from spexapi.sampling.limiter import AdaptiveLimiter


class Meter:
    """The other side: a bucket that holds one second's worth, and counts what it would have refused."""

    def __init__(self, per_minute):
        self.rate = self.level = per_minute / 60
        self.at, self.refused, self.passed = 0.0, 0, 0

    def arrive(self, now, amount=1.0):
        self.level = min(self.rate, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < amount:
            self.refused += 1
        else:
            self.level -= amount
            self.passed += 1


async def keep_sending(limiter, arrive, seconds, *, latency=lambda: 0.05, workers=64, tokens=0.0):
    """Workers that send as soon as they may, for so many seconds."""
    loop = asyncio.get_running_loop()

    async def worker():
        while loop.time() < seconds:
            await limiter.acquire(tokens)
            if loop.time() < seconds:
                arrive(loop.time())
            await asyncio.sleep(latency())
            limiter.on_success()
            limiter.release()

    await asyncio.gather(*(worker() for _ in range(workers)))


@pytest.mark.parametrize(("per_minute", "seconds"), [(60, 60), (500, 60), (6000, 60), (60_000, 12)])
def test_a_limit_is_used_to_98_percent_and_never_passed(per_minute, seconds):
    meter = Meter(per_minute)
    jitter = random.Random(0)

    async def main():
        limiter = AdaptiveLimiter(4096, Limits(requests_per_minute=per_minute))
        await keep_sending(
            limiter, meter.arrive, seconds, latency=lambda: jitter.uniform(0.01, 0.2), workers=256
        )

    in_virtual_time(main())
    assert meter.refused == 0
    of_limit = per_minute * seconds / 60
    assert 0.98 * of_limit <= meter.passed <= of_limit + per_minute / 60 + 1


def test_tokens_are_a_limit_of_their_own():
    meter = Meter(60_000)

    async def main():
        limiter = AdaptiveLimiter(64, Limits(requests_per_minute=6000, tokens_per_minute=60_000))
        await keep_sending(limiter, lambda now: meter.arrive(now, 500), 60, tokens=500)

    in_virtual_time(main())
    assert meter.refused == 0
    assert 0.98 * 120 <= meter.passed <= 122


def test_what_a_reply_took_beyond_the_guess_is_paid_off():
    async def main():
        limiter = AdaptiveLimiter(1, Limits(tokens_per_minute=6000))
        for _ in range(10):
            await limiter.acquire(10)
            limiter.on_success(tokens=190)
            limiter.release()

    _, seconds = in_virtual_time(main())
    # 2,000 tokens at 100 a second; the first went from a full bucket, the last is paid by nobody
    assert 17 <= seconds <= 19


def test_limits_are_learnt_from_headers_and_the_lower_one_counts():
    sent = []

    async def main(given, shown):
        limiter = AdaptiveLimiter(64, given)
        await limiter.acquire()
        limiter.on_limits(shown)
        limiter.release()
        sent.clear()
        await keep_sending(limiter, sent.append, 60)

    in_virtual_time(main(Limits(), Limits(requests_per_minute=300)))
    assert 295 <= len(sent) <= 305
    in_virtual_time(main(Limits(requests_per_minute=120), Limits(requests_per_minute=300)))
    assert 118 <= len(sent) <= 122


def test_what_others_took_of_the_same_key_is_seen_in_what_remains():
    async def main():
        limiter = AdaptiveLimiter(64, Limits(requests_per_minute=6000))
        limiter.on_limits(Limits(requests_per_minute=6000, remaining_requests=0))
        await limiter.acquire()

    assert in_virtual_time(main())[1] == pytest.approx(0.01)


def test_nothing_goes_before_retry_after_even_above_two_minutes():
    times = []

    async def main():
        limiter = AdaptiveLimiter(8, Limits())
        sent = await limiter.acquire()
        limiter.on_throttled(sent, 200.0)
        limiter.release()
        for _ in range(3):
            await limiter.acquire()
            times.append(asyncio.get_running_loop().time())
            limiter.release()

    in_virtual_time(main())
    assert times == [200.0] * 3


def test_the_width_grows_with_success_and_halves_once_for_calls_under_way_together():
    async def main():
        limiter = AdaptiveLimiter(64, Limits())
        widths = [limiter.width]
        for _ in range(60):
            await limiter.acquire()
            limiter.on_success()
            limiter.release()
        widths.append(limiter.width)
        sent = [await limiter.acquire() for _ in range(10)]
        await asyncio.sleep(1)
        for each in sent:
            limiter.on_throttled(each, None)
            limiter.release()
        widths.append(limiter.width)
        for _ in range(33):
            await limiter.acquire()
            limiter.on_success()
            limiter.release()
        return [*widths, limiter.width]

    # after the first 429 it grows by about one for as many successes as it is wide
    assert in_virtual_time(main())[0] == [4, 64, 32, 33]


def test_no_more_are_under_way_than_the_width_and_who_came_first_goes_first():
    order, most = [], 0

    async def main():
        nonlocal most
        limiter = AdaptiveLimiter(3, Limits())
        under_way = 0

        async def call(number):
            nonlocal under_way, most
            await limiter.acquire()
            order.append(number)
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(1)
            under_way -= 1
            limiter.release()

        await asyncio.gather(*(call(number) for number in range(30)))

    _, seconds = in_virtual_time(main())
    assert (order, most, seconds) == (list(range(30)), 3, pytest.approx(10))


def test_who_stops_waiting_holds_no_one_up():
    async def main():
        limiter = AdaptiveLimiter(1, Limits())
        await limiter.acquire()
        waiting = [asyncio.ensure_future(limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0.1)
        waiting[0].cancel()
        waiting[1].cancel()
        limiter.release()
        await waiting[2]

    assert in_virtual_time(main())[1] == pytest.approx(0.1)
