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


async def keep_sending(pace, arrive, seconds, *, latency=lambda: 0.05, workers=64, tokens=0.0):
    """Workers that send as soon as they may, for so many seconds."""
    loop = asyncio.get_running_loop()

    async def worker():
        while loop.time() < seconds:
            await pace.turn(tokens)
            if loop.time() < seconds:
                arrive(loop.time())
            await asyncio.sleep(latency())
            pace.went_well()
            pace.done()

    await asyncio.gather(*(worker() for _ in range(workers)))


@pytest.mark.parametrize("per_minute", [60, 500, 6000, 60_000])
def test_a_limit_is_used_to_98_percent_and_never_passed(per_minute):
    meter = Meter(per_minute)
    jitter = random.Random(0)

    async def main():
        pace = AdaptiveLimiter(4096, Limits(requests_per_minute=per_minute))
        await keep_sending(pace, meter.arrive, 60, latency=lambda: jitter.uniform(0.01, 0.2), workers=256)

    in_virtual_time(main())
    assert meter.refused == 0
    assert 0.98 * per_minute <= meter.passed <= per_minute * (1 + 1 / 60) + 1


def test_tokens_are_a_limit_of_their_own():
    meter = Meter(60_000)

    async def main():
        pace = AdaptiveLimiter(64, Limits(requests_per_minute=6000, tokens_per_minute=60_000))
        await keep_sending(pace, lambda now: meter.arrive(now, 500), 60, tokens=500)

    in_virtual_time(main())
    assert meter.refused == 0
    assert 0.98 * 120 <= meter.passed <= 122


def test_what_a_reply_took_beyond_the_guess_is_paid_off():
    async def main():
        pace = AdaptiveLimiter(1, Limits(tokens_per_minute=6000))
        for _ in range(10):
            await pace.turn(10)
            pace.went_well(tokens=190)
            pace.done()

    _, seconds = in_virtual_time(main())
    # 2,000 tokens at 100 a second; the first went from a full bucket, the last is paid by nobody
    assert 17 <= seconds <= 19


def test_limits_are_learnt_from_headers_and_the_lower_one_counts():
    sent = []

    async def main(given, shown):
        pace = AdaptiveLimiter(64, given)
        await pace.turn()
        pace.learn(shown)
        pace.done()
        sent.clear()
        await keep_sending(pace, sent.append, 60)

    in_virtual_time(main(Limits(), Limits(requests_per_minute=300)))
    assert 295 <= len(sent) <= 305
    in_virtual_time(main(Limits(requests_per_minute=120), Limits(requests_per_minute=300)))
    assert 118 <= len(sent) <= 122


def test_what_others_took_of_the_same_key_is_seen_in_what_remains():
    async def main():
        pace = AdaptiveLimiter(64, Limits(requests_per_minute=6000))
        pace.learn(Limits(requests_per_minute=6000, remaining_requests=0))
        await pace.turn()

    assert in_virtual_time(main())[1] == pytest.approx(0.01)


def test_nothing_goes_before_retry_after_even_above_two_minutes():
    times = []

    async def main():
        pace = AdaptiveLimiter(8, Limits())
        sent = await pace.turn()
        pace.pushed_back(sent, 200.0)
        pace.done()
        for _ in range(3):
            await pace.turn()
            times.append(asyncio.get_running_loop().time())
            pace.done()

    in_virtual_time(main())
    assert times == [200.0] * 3


def test_the_width_grows_with_success_and_halves_once_for_calls_under_way_together():
    async def main():
        pace = AdaptiveLimiter(64, Limits())
        widths = [pace.width]
        for _ in range(60):
            await pace.turn()
            pace.went_well()
            pace.done()
        widths.append(pace.width)
        sent = [await pace.turn() for _ in range(10)]
        await asyncio.sleep(1)
        for each in sent:
            pace.pushed_back(each, None)
            pace.done()
        widths.append(pace.width)
        for _ in range(33):
            await pace.turn()
            pace.went_well()
            pace.done()
        return [*widths, pace.width]

    # after the first 429 it grows by about one for as many successes as it is wide
    assert in_virtual_time(main())[0] == [4, 64, 32, 33]


def test_no_more_are_under_way_than_the_width_and_who_came_first_goes_first():
    order, most = [], 0

    async def main():
        nonlocal most
        pace = AdaptiveLimiter(3, Limits())
        under_way = 0

        async def call(number):
            nonlocal under_way, most
            await pace.turn()
            order.append(number)
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(1)
            under_way -= 1
            pace.done()

        await asyncio.gather(*(call(number) for number in range(30)))

    _, seconds = in_virtual_time(main())
    assert (order, most, seconds) == (list(range(30)), 3, pytest.approx(10))


def test_who_stops_waiting_holds_nobody_up():
    async def main():
        pace = AdaptiveLimiter(1, Limits())
        await pace.turn()
        waiting = [asyncio.ensure_future(pace.turn()) for _ in range(3)]
        await asyncio.sleep(0.1)
        waiting[0].cancel()
        waiting[1].cancel()
        pace.done()
        await waiting[2]

    assert in_virtual_time(main())[1] == pytest.approx(0.1)
