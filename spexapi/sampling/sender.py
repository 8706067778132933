"""Requests -> replies: each asked once, looked up in the store, paced, tried again, kept and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from spexapi.backends.base import Backend, Generated, Limits, Message, Reply, Request
from spexapi.errors import BackendError, CapReached, RateLimited, Unavailable
from spexapi.sampling.caps import Amount, Caps, Ledger, Sizes, price_of
from spexapi.sampling.keys import Keys
from spexapi.sampling.limiter import AdaptiveLimiter
from spexapi.sampling.retry import RetryPolicy, patiently, retrying
from spexapi.sampling.store import Arrived, Store
from spexapi.sampling.usage import Usage

if TYPE_CHECKING:
    from tenacity import AsyncRetrying

# So many requests in a row given up, each after all its tries: the endpoint is down, not the request odd.
_DOWN = 5
_GREEDY = -1  # in place of a sample's number: the reply the backend's own generate() wrote


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request with its key in the store, and as JSON."""

    request: Request
    key: bytes
    text: str


_Call = Callable[[Sequence[Request]], Awaitable[list[Reply]]]
_Job = asyncio.Task[list[Reply]]


class Sender:
    """The only way to a backend.

    given    limits of the user; those the backend shows (its `limits`) are kept as well
    ledger   caps and what counts towards them; shared by the senders of one run
    patience how much trouble a call is worth; a timeout is for backends that take several calls at once

    A call once sent is never dropped: who waits for it may be cancelled, its reply is still kept. begin()
    before the first request of each run, drain() after the last.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        given: Limits = Limits(),  # noqa: B008 - frozen
        ledger: Ledger | None = None,
        patience: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
    ) -> None:
        self.backend = backend
        self._used = Usage()
        self._given, self._patience = given, patience
        self._ledger = ledger or Ledger(Caps())
        self._keep: Store | None = None
        self._to_keep: list[Arrived] = []  # of this turn of the event loop
        self._known: dict[bytes, Reply] = {}
        self._flying: dict[bytes, tuple[_Job, int]] = {}
        self._on_the_wire: set[asyncio.Task[Any]] = set()
        self._halted = ""
        self._answered = False
        self._given_up = 0  # in a row
        self._sizes = Sizes(None)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ready = False

    async def open(self) -> None:
        """Opens the backend, with the same patience; what its probing took is counted. begin() comes next."""
        before = getattr(self.backend, "setup", None)
        policy = retrying(self._patience, answers=lambda: False, ends=lambda: False)
        try:
            await policy(self.backend.open)
        finally:
            setup = getattr(self.backend, "setup", None)
            if isinstance(setup, Reply) and setup is not before:
                self._used = self._used.with_tokens(setup, self.backend.capabilities.price)
                self._used += Usage(setup_calls=setup.calls)
                cost = price_of(setup, self.backend.capabilities.price)
                self._ledger.charge(Amount(0, setup.tokens_in + setup.tokens_out, cost))

    def begin(self, store: Store | None = None) -> None:
        """After the backend is open: what it can do and who it is are known, and the loop runs.

        store  where replies are kept, None for this object's memory alone
        """
        self._halted, self._given_up, self.ready = "", 0, True
        can, loop = self.backend.capabilities, asyncio.get_running_loop()
        self._keys = Keys(self.backend.identity, reads_whole=can.reads_whole)
        self._keep = store if can.keep and self.backend.identity else None
        self._timeout = self._patience.timeout if can.concurrency > 1 else None
        if self._sizes.price != can.price:
            self._sizes = Sizes(can.price)
        if self._loop is not loop:
            self._loop, self._flying, self._answered = loop, {}, False
            # with caps on tokens the first call goes alone: it shows how many a text makes
            self._pace = AdaptiveLimiter(
                can.concurrency, self._given, first=1 if self._ledger.caps.of_tokens else 4
            )

    async def send(self, request: Request) -> Reply:
        """The reply to one request; errors of send_all()."""
        [reply] = await self.send_all([request])
        return reply

    async def send_all(self, requests: Sequence[Request]) -> list[Reply]:
        """A reply a request, in order; equal requests are one.

        A request given up after all its tries has an error in its reply. Raises CapReached where the next
        call would pass a cap, or after halt(); Refused, and what else the backend raises that is not worth
        trying again; Unavailable where the endpoint seems to be down.
        """
        asked = [_Asked(request, *self._keys.of(request)) for request in requests]
        self._launch(asked, self.backend.score)
        coming = [self._known.get(one.key) or self._flying[one.key] for one in asked]
        return [one if isinstance(one, Reply) else (await self._landing(one[0]))[one[1]] for one in coming]

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        """Backend.generate, paced, tried again, kept and counted like the rest. Raises BackendError."""

        async def call(_: Sequence[Request]) -> list[Reply]:
            written = await self.backend.generate(messages, max_tokens)
            return [Reply(text=written.text, tokens_in=written.tokens_in, tokens_out=written.tokens_out)]

        request = Request(tuple(messages), (), write=max_tokens, sample=_GREEDY)
        one = _Asked(request, *self._keys.of(request))
        self._launch([one], call)
        if (reply := self._known.get(one.key)) is None:
            [reply] = await self._landing(self._flying[one.key][0])
        if reply.error:
            raise BackendError(f"{self.backend.name} wrote no answer: {reply.error}")
        return Generated(reply.text, reply.tokens_in, reply.tokens_out)

    def halt(self, why: str = "the run was stopped") -> None:
        """Nothing more is sent; who waits for a call that was not sent gets CapReached."""
        self._halted = self._halted or why
        leaves = self.backend.capabilities.batched  # a batch goes on without us, and the next run finds it
        for job in {job for job, _ in self._flying.values()}:
            if leaves or job not in self._on_the_wire:
                job.cancel()

    async def drain(self) -> None:
        """Waits for the calls under way, whose replies are kept; sends nothing more until begin()."""
        self.halt()
        self.ready = False
        while jobs := {job for job, _ in self._flying.values()}:
            await asyncio.wait(jobs)
        self._write()
        if self._keep is not None:
            self._keep.flush()

    def must_afford(self, request: Request) -> None:
        """Raises CapReached where the caps do not pay for one more such call."""
        self._ledger.check(self._sizes.expect(request))

    @property
    def used(self) -> Usage:
        """What was used since this object was made."""
        return self._used if self.backend.capabilities.price is not None else replace(self._used, price=None)

    @property
    def trouble(self) -> str:
        """What the store could not keep, "" where all is well."""
        return self._keep.trouble if self._keep is not None else ""

    def _launch(self, asked: Sequence[_Asked], call: _Call) -> None:
        """A job for each parcel of requests that nobody has asked yet."""
        fresh: dict[bytes, _Asked] = {}
        for one in asked:
            if one.key not in self._known and one.key not in self._flying and one.key not in fresh:
                kept = self._keep.get(one.key) if self._keep is not None else None
                if kept is None:
                    fresh[one.key] = one
                    continue
                self._known[one.key] = kept
            if not _is_setup(asked):
                self._used += Usage(cached_calls=1)
        waiting, size = list(fresh.values()), max(1, self.backend.capabilities.batch)
        for start in range(0, len(waiting), size):
            parcel = waiting[start : start + size]
            job = asyncio.get_running_loop().create_task(self._obtain(parcel, call))
            self._flying |= {one.key: (job, i) for i, one in enumerate(parcel)}
            job.add_done_callback(lambda job, parcel=parcel: self._landed(job, parcel))

    async def _landing(self, job: _Job) -> list[Reply]:
        """The replies of a job that goes on whatever becomes of who waits for it."""
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            if job.cancelled() and self._halted:  # before it had begun
                raise CapReached(self._halted) from None
            raise

    def _landed(self, job: _Job, parcel: Sequence[_Asked]) -> None:
        for one in parcel:
            self._flying.pop(one.key, None)
        if not job.cancelled():
            job.exception()  # looked at even where nobody waits any more, else asyncio complains

    async def _obtain(self, parcel: Sequence[_Asked], call: _Call) -> list[Reply]:
        """The replies of one parcel, kept as soon as they are there."""

        def policy() -> AsyncRetrying:
            return retrying(self._patience, answers=lambda: self._answered, ends=lambda: bool(self._halted))

        try:
            return await patiently(lambda: self._try(parcel, call), policy)
        except asyncio.CancelledError:
            if self._halted:
                raise CapReached(self._halted) from None
            raise
        except (RateLimited, Unavailable) as error:
            if self._halted:
                raise CapReached(self._halted) from error
            self._given_up += 1
            if isinstance(error, RateLimited) or not self._answered or self._given_up >= _DOWN:
                raise
            self._count(parcel)
            return [Reply(error=f"given up: {error}")] * len(parcel)

    async def _try(self, parcel: Sequence[_Asked], call: _Call) -> list[Reply]:
        """One call, when it is its turn."""
        if self._halted:
            raise CapReached(self._halted)
        expected = sum((self._sizes.expect(one.request) for one in parcel), Amount())
        sent = await self._pace.turn(expected.tokens, expected.calls)
        try:
            await self._ledger.hold(_capped(expected, parcel))
            return await self._on_wire(parcel, call, sent, expected)
        finally:
            self._pace.done()

    async def _on_wire(
        self, parcel: Sequence[_Asked], call: _Call, sent: float, expected: Amount
    ) -> list[Reply]:
        task, taken = asyncio.current_task(), Amount()
        assert task is not None
        self._on_the_wire.add(task)
        try:
            async with asyncio.timeout(self._timeout):
                replies = await call([one.request for one in parcel])
            taken = self._arrived(parcel, replies)
            self._pace.went_well(requests=taken.calls - expected.calls, tokens=taken.tokens - expected.tokens)
            return replies
        except (TimeoutError, Unavailable) as error:
            taken = expected  # the endpoint may have done the work, and charge for it
            self._retried(parcel)
            if isinstance(error, Unavailable):
                raise
            raise Unavailable(f"no answer from {self.backend.name} within {self._timeout:g} s") from None
        except RateLimited as error:
            taken = Amount(expected.calls)
            self._retried(parcel)
            self._pace.pushed_back(sent, error.retry_after)
            raise
        finally:
            self._on_the_wire.discard(task)
            self._ledger.settle(_capped(expected, parcel), _capped(taken, parcel))
            shown = getattr(self.backend, "limits", None)
            if isinstance(shown, Limits):
                self._pace.learn(shown)

    def _arrived(self, parcel: Sequence[_Asked], replies: Sequence[Reply]) -> Amount:
        """Keeps and counts them; what they took."""
        if len(replies) != len(parcel):
            raise BackendError(f"{self.backend.name} gave {len(replies)} replies to {len(parcel)} requests")
        taken = Amount()
        for one, reply in zip(parcel, replies, strict=True):
            self._known[one.key] = reply
            if self._keep is not None:
                self._keep_soon(Arrived.now(one.key, self._keys.identity, one.text, reply))
            self._sizes.learn(one.request, reply)
            cost = price_of(reply, self._sizes.price)
            taken = taken + Amount(reply.calls, reply.tokens_in + reply.tokens_out, cost)
            self._used = self._used.with_tokens(reply, self._sizes.price)
        self._count(parcel)
        self._answered, self._given_up = True, 0
        return taken

    def _keep_soon(self, arrived: Arrived) -> None:
        """Written at the next turn of the event loop, with all else that has arrived by then."""
        if not self._to_keep:
            asyncio.get_running_loop().call_soon(self._write)
        self._to_keep.append(arrived)

    def _write(self) -> None:
        arrived, self._to_keep = self._to_keep, []
        if arrived and self._keep is not None:
            self._keep.put_all(arrived)

    def _count(self, parcel: Sequence[_Asked]) -> None:
        self._used += Usage(setup_calls=1) if _is_setup(parcel) else Usage(calls=len(parcel))

    def _retried(self, parcel: Sequence[_Asked]) -> None:
        self._used += Usage(retries=len(parcel))


def _is_setup(parcel: Sequence[_Asked]) -> bool:
    return parcel[0].request.sample == _GREEDY


def _capped(amount: Amount, parcel: Sequence[_Asked]) -> Amount:
    """What counts towards the caps: of a written answer tokens and money, not the call."""
    return replace(amount, calls=0.0) if _is_setup(parcel) else amount
