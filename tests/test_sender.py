"""Each request is asked once, tried again where that may help, counted, capped and never dropped."""

import asyncio

import numpy as np
import pytest
from virtual_time import in_virtual_time

from spexapi.backends.adapter import complete
from spexapi.backends.base import AnswerScore, Capabilities, Limits, Message, Price, Reply, Request
from spexapi.errors import CapReached, InputError, RateLimited, Refused, Unavailable
from spexapi.sampling.caps import Caps, Ledger
from spexapi.sampling.retry import RetryPolicy
from spexapi.sampling.sender import Sender
from spexapi.sampling.store import Store

HOSTED = Capabilities(batch=1, concurrency=8, price=Price(tokens_in=1.0, tokens_out=2.0))


def request(number, *, write=0, sample=0, whole=()):
    answers = () if write else ("yes",)
    return Request((Message("user", f"prompt {number:04d}"),), answers, (), whole, write, sample)


def number_of(asked):
    return int(asked.messages[0].content.split()[1])


class Endpoint:
    """Answers -number after a second, unless `troubles` has an error for that try."""

    name = identity = "endpoint"

    def __init__(self, troubles=None, *, capabilities=HOSTED, seconds=1.0, tokens=10, limits=None):
        self.troubles = troubles or (lambda number, attempt: None)
        self.capabilities, self.seconds, self.tokens = capabilities, seconds, tokens
        self.tried: list[int] = []
        self.most = self.under_way = 0
        if limits is not None:
            self.limits = limits

    async def score(self, requests):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            replies = []
            for asked in requests:
                number = number_of(asked)
                self.tried.append(number)
                await asyncio.sleep(self.seconds)
                trouble = self.troubles(number, self.tried.count(number))
                if isinstance(trouble, Exception):
                    raise trouble
                replies.append(trouble or self.reply(number, asked))
            return replies
        finally:
            self.under_way -= 1

    def reply(self, number, asked):
        if asked.write:
            return Reply(text=f"{number}.{asked.sample}", tokens_in=self.tokens, tokens_out=asked.write)
        score = AnswerScore(np.array([-float(number)]), ((0, 3),))
        return Reply((score,), tokens_in=self.tokens)


def sending(endpoint, work, *, caps=Caps(), retry=RetryPolicy(), given=Limits(), store=None):  # noqa: B008
    """Runs `await work(sender)` in virtual time: its result, the sender and the seconds."""
    sender = Sender(complete(endpoint), given=given, ledger=Ledger(caps), retry=retry)

    async def main():
        sender.begin(store)
        return await work(sender)

    found, seconds = in_virtual_time(main())
    return found, sender, seconds


def values(replies):
    return [float(reply.scores[0].logprobs[0]) for reply in replies]


def test_equal_requests_are_asked_once_and_samples_as_often_as_numbered():
    async def work(sender):
        first = await sender.send_all([request(1), request(2), request(1)])
        again = await asyncio.gather(*(sender.send(request(2)) for _ in range(5)))
        texts = await sender.send_all([request(3, write=2, sample=s) for s in (0, 1, 2, 1)])
        return values(first), values(again), [reply.text for reply in texts]

    endpoint = Endpoint()
    found, sender, _ = sending(endpoint, work)
    assert found == ([-1, -2, -1], [-2] * 5, ["3.0", "3.1", "3.2", "3.1"])
    assert sorted(endpoint.tried) == [1, 2, 3, 3, 3]
    assert (sender.used.calls, sender.used.cached_calls) == (5, 7)


def test_the_same_prompt_behind_another_whole_is_another_request_only_where_the_backend_reads_it():
    async def work(sender):
        await sender.send(request(1))
        await sender.send(request(1, whole=(Message("user", "longer"),)))

    for reads, calls in ((True, 2), (False, 1)):
        endpoint = Endpoint(capabilities=Capabilities(batch=1, concurrency=8, reads_whole=reads))
        sending(endpoint, work)
        assert len(endpoint.tried) == calls


def test_replies_that_come_together_are_written_together_and_before_the_run_ends(tmp_path):
    together = []

    async def work(sender):
        write = store.put_all
        store.put_all = lambda arrived: together.append(len(arrived)) or write(arrived)
        await sender.send_all([request(i) for i in range(20)])
        await sender.send(request(20))
        await sender.drain()

    with Store(tmp_path / "store") as store:
        sending(Endpoint(), work, store=store)
        assert together == [4, 8, 8, 1]  # four at once to begin with, then as many as may be under way
        assert store.stats()[0].replies == 21


def test_a_reply_that_cannot_be_written_down_ends_the_run(tmp_path):
    endpoint = Endpoint(lambda number, attempt: Reply(text=object()))
    with Store(tmp_path / "store") as store, pytest.raises(TypeError, match="JSON"):
        sending(endpoint, lambda sender: sender.send(request(0)), store=store)


def test_a_local_backend_gets_full_batches_one_at_a_time():
    endpoint = Endpoint(capabilities=Capabilities(batch=4, concurrency=1))
    batches = []
    score = endpoint.score
    endpoint.score = lambda requests: batches.append(len(requests)) or score(requests)
    found, _, _ = sending(endpoint, lambda sender: sender.send_all([request(i) for i in range(10)]))
    assert values(found) == [-float(i) for i in range(10)]
    assert (batches, endpoint.most) == ([4, 4, 2], 1)


def test_what_may_work_later_is_tried_again_and_counted():
    endpoint = Endpoint(lambda number, attempt: Unavailable("cut") if attempt <= number % 3 else None)
    found, sender, _ = sending(endpoint, lambda sender: sender.send_all([request(i) for i in range(9)]))
    assert values(found) == [-float(i) for i in range(9)]
    assert len(endpoint.tried) == 9 + 9
    assert (sender.used.calls, sender.used.retries) == (9, 9)


def test_retry_after_is_obeyed_above_two_minutes_by_every_call():
    times = []
    endpoint = Endpoint(lambda number, attempt: RateLimited("slow", 200.0) if times == [] else None)

    async def work(sender):
        await sender.send(request(0))
        times.append(asyncio.get_running_loop().time())
        return await sender.send(request(1))

    async def both(sender):
        one = asyncio.ensure_future(sender.send(request(0)))
        await asyncio.sleep(1.5)
        times.append(0.0)
        await sender.send(request(1))
        late = asyncio.get_running_loop().time()
        await one
        return late

    late, sender, _ = sending(endpoint, both)
    assert late == pytest.approx(202, abs=0.1)  # told to wait at 1 s, sent at 201 s, answered a second later
    assert sender.used.retries == 1


def test_a_wait_longer_than_the_retry_policy_ends_the_run_at_once():
    endpoint = Endpoint(lambda number, attempt: RateLimited("come back tomorrow", 86_400.0))
    with pytest.raises(RateLimited, match="tomorrow"):
        sending(endpoint, lambda sender: sender.send(request(0)))
    assert endpoint.tried == [0]


def test_tries_are_bounded_and_a_request_given_up_is_a_reply_with_the_reason():
    endpoint = Endpoint(lambda number, attempt: Unavailable("500: no luck") if number == 3 else None)
    found, sender, seconds = sending(
        endpoint,
        lambda sender: sender.send_all([request(i) for i in range(6)]),
        retry=RetryPolicy(attempts=5),
    )
    assert [reply.error for reply in found] == ["", "", "", "given up: 500: no luck", "", ""]
    assert endpoint.tried.count(3) == 5
    assert sender.used.calls == 6
    assert seconds < 5 + 0.5 + 1 + 2 + 4


def test_an_endpoint_that_never_answers_ends_the_run_after_four_tries_of_one_call():
    endpoint = Endpoint(lambda number, attempt: Unavailable("connection refused"), seconds=0)
    with pytest.raises(Unavailable, match="refused"):
        sending(endpoint, lambda sender: sender.send(request(0)))
    assert endpoint.tried == [0] * 4


def test_an_endpoint_that_goes_down_ends_the_run_after_five_requests_given_up():
    endpoint = Endpoint(lambda number, attempt: Unavailable("down") if number else None, seconds=0)

    async def work(sender):
        await sender.send(request(0))
        for number in range(1, 100):
            await sender.send(request(number))

    with pytest.raises(Unavailable, match="down"):
        sending(endpoint, work, retry=RetryPolicy(attempts=2))
    assert endpoint.tried == [0, *(number for number in range(1, 6) for _ in range(2))]


@pytest.mark.parametrize("error", [Refused("401: wrong key"), InputError("no"), ValueError("odd")])
def test_what_will_not_work_is_raised_at_the_first_try(error):
    endpoint = Endpoint(lambda number, attempt: error)
    with pytest.raises(type(error), match=str(error)):
        sending(endpoint, lambda sender: sender.send(request(0)))
    assert endpoint.tried == [0]


def test_a_reply_that_says_it_will_never_work_is_not_tried_again():
    endpoint = Endpoint(lambda number, attempt: Reply(error="content refused"))
    found, _, _ = sending(endpoint, lambda sender: sender.send_all([request(0), request(0)]))
    assert [reply.error for reply in found] == ["content refused"] * 2
    assert endpoint.tried == [0]


def test_a_call_has_a_timeout_and_is_tried_again():
    endpoint = Endpoint()
    slow = iter([1000.0, 1.0])
    score = endpoint.score

    async def sometimes(requests):
        endpoint.seconds = next(slow)
        return await score(requests)

    endpoint.score = sometimes
    found, sender, seconds = sending(
        endpoint, lambda sender: sender.send(request(7)), retry=RetryPolicy(timeout=30)
    )
    assert values([found]) == [-7]
    assert 31 <= seconds <= 32
    assert sender.used.retries == 1


def test_as_many_as_the_backend_takes_are_under_way_and_no_more():
    endpoint = Endpoint()
    _, _, seconds = sending(endpoint, lambda sender: sender.send_all([request(i) for i in range(80)]))
    assert endpoint.most == 8
    assert seconds < 80 / 8 + 4


def test_limits_that_the_backend_shows_are_kept():
    endpoint = Endpoint(seconds=0.01, limits=Limits(requests_per_minute=60))
    _, _, seconds = sending(endpoint, lambda sender: sender.send_all([request(i) for i in range(50)]))
    assert 44 <= seconds <= 51


@pytest.mark.parametrize(
    ("caps", "paid"),
    [(Caps(calls=5), 5), (Caps(tokens=57), 5), (Caps(cost=57e-6), 5), (Caps(calls=100, tokens=44), 4)],
)
def test_a_cap_is_never_passed_and_what_was_paid_is_kept(caps, paid):
    endpoint = Endpoint()

    async def work(sender):
        calls = [asyncio.ensure_future(sender.send(request(i))) for i in range(20)]
        return await asyncio.gather(*calls, return_exceptions=True)

    found, sender, _ = sending(endpoint, work, caps=caps)
    kept = [reply for reply in found if isinstance(reply, Reply)]
    stopped = [error for error in found if not isinstance(error, Reply)]
    # 10 tokens a call at a dollar a million; an expected token more a call is kept back as a margin
    assert len(kept) == len(endpoint.tried) == paid
    assert all(isinstance(error, CapReached) for error in stopped)
    assert sender.used.tokens_in == 10 * paid
    assert sender.used.price == pytest.approx(10e-6 * paid)


@pytest.mark.parametrize("error", [Unavailable("cut"), RateLimited("slow")])
def test_tries_count_towards_a_cap_on_calls(error):
    endpoint = Endpoint(lambda number, attempt: error if attempt < 3 else None)
    with pytest.raises(CapReached, match="cap of 5 calls"):
        sending(endpoint, lambda sender: sender.send_all([request(0), request(1)]), caps=Caps(calls=5))
    assert len(endpoint.tried) == 5


def test_halting_lets_calls_under_way_end_and_sends_no_other():
    endpoint = Endpoint(seconds=5)

    async def work(sender):
        calls = [asyncio.ensure_future(sender.send(request(i))) for i in range(20)]
        await asyncio.sleep(1)
        sender.halt()
        return await asyncio.gather(*calls, return_exceptions=True)

    found, _, seconds = sending(endpoint, work)
    assert [isinstance(reply, Reply) for reply in found] == [True] * 4 + [False] * 16
    assert len(endpoint.tried) == 4
    assert seconds == pytest.approx(5)


def test_halting_at_once_is_a_cap_too():
    endpoint = Endpoint()

    async def work(sender):
        call = asyncio.ensure_future(sender.send(request(1)))
        await asyncio.sleep(0)
        sender.halt("enough")
        return await asyncio.gather(call, return_exceptions=True)

    found, _, _ = sending(endpoint, work)
    assert isinstance(found[0], CapReached)
    assert endpoint.tried == []


def test_who_waits_may_be_cancelled_and_the_reply_is_kept_all_the_same():
    endpoint = Endpoint(seconds=5)

    async def work(sender):
        call = asyncio.ensure_future(sender.send(request(1)))
        await asyncio.sleep(1)
        call.cancel()
        await sender.drain()
        sender.begin()
        return await sender.send(request(1))

    found, _, seconds = sending(endpoint, work)
    assert (values([found]), endpoint.tried, seconds) == ([-1], [1], pytest.approx(5))


def test_the_price_of_cached_tokens_is_their_own():
    price = Price(tokens_in=2.0, tokens_out=8.0, tokens_cached=0.5)
    endpoint = Endpoint(
        lambda number, attempt: Reply(text="x", tokens_in=1000, tokens_out=100, tokens_cached=600),
        capabilities=Capabilities(batch=1, concurrency=2, price=price),
    )
    _, sender, _ = sending(endpoint, lambda sender: sender.send(request(0, write=100)))
    assert sender.used.price == pytest.approx((400 * 2.0 + 600 * 0.5 + 100 * 8.0) / 1e6)


def test_caps_must_be_positive():
    with pytest.raises(InputError, match="more than 0"):
        Caps(cost=0)
