"""Replies that are known: in memory, and in the store if there is one."""

from __future__ import annotations

import asyncio

from spexapi.backends.base import Reply
from spexapi.sampling.store import Record, Store


class ReplyCache:
    """The replies of one backend by the key of their request.

    identity  of the backend, under which the store keeps them
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Reply] = {}
        self._store: Store | None = None
        self._identity = ""
        self._unwritten: list[Record] = []

    def use(self, store: Store | None, identity: str) -> None:
        """The store from now on, None for memory alone."""
        self._store, self._identity = store, identity

    @property
    def trouble(self) -> str:
        """What the store could not keep, "" if all is well."""
        return self._store.trouble if self._store is not None else ""

    def get(self, key: bytes) -> Reply | None:
        """The reply kept under a key, from memory or from the store. Raises StoreError."""
        if key not in self._known and self._store is not None:
            kept = self._store.get(key)
            if kept is not None:
                self._known[key] = kept
        return self._known.get(key)

    def put(self, key: bytes, asked: str, reply: Reply) -> None:
        """Known at once; written at the next step of the event loop, with all that has arrived by then."""
        self._known[key] = reply
        if self._store is None:
            return
        if not self._unwritten:
            asyncio.get_running_loop().call_soon(self._write)
        self._unwritten.append(Record.now(key, self._identity, asked, reply))

    def flush(self) -> None:
        """Everything is in the store when this returns, unless `trouble` says otherwise."""
        self._write()
        if self._store is not None:
            self._store.flush()

    def _write(self) -> None:
        arrived, self._unwritten = self._unwritten, []
        if arrived and self._store is not None:
            self._store.put_all(arrived)
