"""Requests -> replies: each is asked once, looked up first, and its reply kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from spexapi.backends.base import Backend, Generated, Limits, Message, Reply, Request
from spexapi.errors import BackendError, CapReached
from spexapi.sampling.caps import Caps, Ledger
from spexapi.sampling.dispatcher import Call, Dispatcher, GivenUp, Send
from spexapi.sampling.keys import Keys
from spexapi.sampling.reply_cache import ReplyCache
from spexapi.sampling.retry import RetryPolicy
from spexapi.sampling.store import Store
from spexapi.sampling.usage import Usage

_GREEDY = -1  # in place of a sample's number: the reply the backend's own generate() wrote


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request with its key in the store, and as JSON."""

    request: Request
    key: bytes
    text: str


_Job = asyncio.Task[list[Reply]]


class Sender:
    """The only way to a backend.

    given   limits of the user; those the backend shows (its `limits`) are kept as well
    ledger  caps and what counts towards them; shared by the senders of one run
    retry   how often a call is tried; its timeout is for backends that take several calls at once

    A call once sent is never dropped: even if its caller is cancelled, the reply is kept. begin() comes
    before the first request of each run, drain() after the last.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        given: Limits = Limits(),  # noqa: B008 - frozen
        ledger: Ledger | None = None,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
    ) -> None:
        self.backend = backend
        self._dispatcher = Dispatcher(backend, given, ledger or Ledger(Caps()), retry)
        self._cache = ReplyCache()
        self._jobs: dict[bytes, tuple[_Job, int]] = {}  # key -> the job that obtains it, its place there
        self.ready = False

    async def open(self) -> None:
        """Opens the backend, with tries like a call; what its probing took is counted. begin() comes next."""
        await self._dispatcher.open()

    def begin(self, store: Store | None = None) -> None:
        """Prepares for a run, once the backend is open and the event loop runs.

        store  where replies are kept, None for this object's memory alone
        """
        self.ready = True
        can, identity = self.backend.capabilities, self.backend.identity
        self._keys = Keys(identity, reads_whole=can.reads_whole)
        self._cache.use(store if can.keep and identity else None, identity)
        if self._dispatcher.begin():
            self._jobs = {}

    async def send(self, request: Request) -> Reply:
        """The reply to one request; errors of send_all()."""
        [reply] = await self.send_all([request])
        return reply

    async def send_all(self, requests: Sequence[Request]) -> list[Reply]:
        """A reply for each request, in order; equal requests are one.

        A request given up after all its tries has an error in its reply. Raises CapReached if the next call
        would pass a cap, or after halt(); Refused, and what else the backend raises that is not worth another
        try; Unavailable if the endpoint seems to be down.
        """
        return await self._ask(requests, self.backend.score)

    async def generate(self, messages: Sequence[Message], max_tokens: int) -> Generated:
        """Backend.generate, paced, tried again, kept and counted like the rest. Raises BackendError."""

        async def write(_: Sequence[Request]) -> list[Reply]:
            written = await self.backend.generate(messages, max_tokens)
            return [Reply(text=written.text, tokens_in=written.tokens_in, tokens_out=written.tokens_out)]

        request = Request(tuple(messages), (), write=max_tokens, sample=_GREEDY)
        [reply] = await self._ask([request], write, setup=True)
        if reply.error:
            raise BackendError(f"{self.backend.name} wrote no answer: {reply.error}")
        return Generated(reply.text, reply.tokens_in, reply.tokens_out)

    async def write(self, request: Request) -> Reply:
        """What the model writes, counted like an answer to explain: the budget does not pay for it."""
        [reply] = await self._ask([request], self.backend.score, setup=True)
        return reply

    def halt(self, why: str = "the run was stopped") -> None:
        """Sends nothing more; a caller whose call was not sent gets CapReached."""
        self._dispatcher.halted = self._dispatcher.halted or why
        leaves = self.backend.capabilities.batched  # a batch goes on without us, and the next run finds it
        for job in {job for job, _ in self._jobs.values()}:
            if leaves or job not in self._dispatcher.on_the_wire:
                job.cancel()

    async def drain(self) -> None:
        """Waits for the calls under way, whose replies are kept; sends nothing more until begin()."""
        self.halt()
        self.ready = False
        while jobs := {job for job, _ in self._jobs.values()}:
            await asyncio.wait(jobs)
        self._cache.flush()

    def must_afford(self, request: Request) -> None:
        """Raises CapReached if the caps do not pay for one more such call."""
        self._dispatcher.must_afford(request)

    @property
    def used(self) -> Usage:
        """What was used since this object was made."""
        return self._dispatcher.used

    @property
    def trouble(self) -> str:
        """What the store could not keep, "" if all is well."""
        return self._cache.trouble

    async def _ask(self, requests: Sequence[Request], send: Send, *, setup: bool = False) -> list[Reply]:
        asked = [_Asked(request, *self._keys.of(request)) for request in requests]
        self._launch(asked, send, setup)
        coming = [self._jobs.get(one.key) or self._cache.get(one.key) for one in asked]
        return [await self._reply(one) for one in coming]

    def _launch(self, asked: Sequence[_Asked], send: Send, setup: bool) -> None:
        """Begins a job for each group of requests whose replies are neither known nor under way."""
        fresh: dict[bytes, _Asked] = {}
        for one in asked:
            if one.key not in self._jobs and one.key not in fresh and self._cache.get(one.key) is None:
                fresh[one.key] = one
            elif not setup:
                self._dispatcher.count_known()
        waiting, size = list(fresh.values()), max(1, self.backend.capabilities.batch)
        for start in range(0, len(waiting), size):
            group = waiting[start : start + size]
            call = Call(tuple(one.request for one in group), send, setup)
            job = asyncio.get_running_loop().create_task(self._obtain(group, call))
            self._jobs |= {one.key: (job, i) for i, one in enumerate(group)}
            job.add_done_callback(lambda job, group=group: self._ended(job, group))

    async def _obtain(self, group: Sequence[_Asked], call: Call) -> list[Reply]:
        """The replies of one call, kept as soon as they are there."""
        try:
            replies = await self._dispatcher.dispatch(call)
        except GivenUp as error:
            return [Reply(error=str(error))] * len(group)
        for one, reply in zip(group, replies, strict=True):
            self._cache.put(one.key, one.text, reply)
        return replies

    async def _reply(self, coming: tuple[_Job, int] | Reply | None) -> Reply:
        """The reply; if the caller is cancelled here, the job goes on."""
        if isinstance(coming, Reply):
            return coming
        assert coming is not None  # _launch() has seen to it
        job, place = coming
        try:
            return (await asyncio.shield(job))[place]
        except asyncio.CancelledError:
            if job.cancelled() and self._dispatcher.halted:  # before it had begun
                raise CapReached(self._dispatcher.halted) from None
            raise

    def _ended(self, job: _Job, group: Sequence[_Asked]) -> None:
        for one in group:
            self._jobs.pop(one.key, None)
        if not job.cancelled():
            job.exception()  # read even if no one waits any more, else asyncio complains
