"""Replies that were paid for, kept in one SQLite file the moment they arrive."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spexapi.backends.base import Reply
from spexapi.sampling.keys import reply_from_json, reply_to_json
from spexapi.sampling.store_file import StoreFile, reason_of

# seconds to wait for another process's lock: at most, and with a reply that may be written later
_PATIENT, _BRIEF = 10.0, 0.05


@dataclass(frozen=True, slots=True)
class StoreTotals:
    """What the store holds of one backend. first, last: seconds since 1970; failed: of the replies."""

    identity: str
    replies: int
    failed: int
    tokens_in: int
    tokens_out: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Record:
    """A reply as it is kept: under `key`, with its request and itself as JSON. at: seconds since 1970."""

    key: bytes
    identity: str
    at: float
    request: str
    reply: str
    failed: bool
    tokens_in: int
    tokens_out: int

    @classmethod
    def now(cls, key: bytes, identity: str, request: str, reply: Reply) -> Record:
        tokens = reply.tokens_in, reply.tokens_out
        return cls(key, identity, time.time(), request, reply_to_json(reply), bool(reply.error), *tokens)


class Store:
    """One file, shared by any number of processes; a run that was killed finds in it what it paid for.

    path          made if it is not there, readable by its owner alone
    lock_seconds  how long to wait for another process's lock

    Raises StoreError, before anything is paid, if the file is locked, broken, of another kind or cannot be
    written. A reply that cannot be written later stays in memory, is tried again with each further one, and
    `trouble` says so: the run goes on. Holds requests and replies, never a key.
    """

    def __init__(self, path: str | Path, *, lock_seconds: float = _PATIENT) -> None:
        self.path = Path(path).expanduser()
        self.trouble = ""
        self._lock_seconds = lock_seconds
        self._lock = threading.Lock()
        self._late: list[Record] = []
        self._numbers: dict[str, int] = {}  # of the backends in the file
        self._file = StoreFile(self.path, lock_seconds)

    def get(self, key: bytes) -> Reply | None:
        """The reply kept under a key. Raises StoreError."""
        with self._lock:
            rows = self._file.rows("SELECT reply FROM replies WHERE key = ?", (key,))
        return reply_from_json(rows[0][0]) if rows else None

    def put(self, key: bytes, identity: str, request: str, reply: Reply) -> None:
        """Keeps the reply to a request (JSON); on disk when it returns, unless `trouble` says otherwise."""
        self.put_all([Record.now(key, identity, request, reply)])

    def put_all(self, records: Sequence[Record]) -> None:
        """put() for replies that came together: one transaction, one commit."""
        with self._lock:
            self._late += records
            self._write_late(min(_BRIEF, self._lock_seconds))

    def flush(self) -> None:
        """Writes what is late, waiting for other processes; `trouble` says how it went."""
        with self._lock:
            if self._late:
                self._write_late(self._lock_seconds)

    def stats(self) -> list[StoreTotals]:
        """The totals of each backend that has replies here. Raises StoreError."""
        query = (
            "SELECT identity, COUNT(*), SUM(failed), SUM(tokens_in), SUM(tokens_out), MIN(at), MAX(at)"
            " FROM replies JOIN backends ON backend = number GROUP BY identity ORDER BY identity"
        )
        with self._lock:
            return [StoreTotals(*row) for row in self._file.rows(query)]

    def export(self) -> Iterator[Mapping[str, object]]:
        """All of it, oldest first: {"key", "backend", "at", "request", "reply"} of plain values."""
        query = (
            "SELECT key, identity, at, request, reply FROM replies JOIN backends ON backend = number"
            " ORDER BY at, key"
        )
        with self._lock:
            rows = self._file.rows(query)
        for key, identity, at, request, reply in rows:
            yield {
                "key": key.hex(),
                "backend": identity,
                "at": at,
                "request": json.loads(request),
                "reply": json.loads(reply),
            }

    def clear(self, identity: str | None = None, *, failed_only: bool = False) -> int:
        """Forgets replies, of one backend or of all; how many.

        Gives the room back to the disk, or says in `trouble` why not: another process may be writing, or the
        disk may be too full for the copy that this takes.
        """
        where = ["failed = 1"] * failed_only
        if identity is not None:
            where.append("backend IN (SELECT number FROM backends WHERE identity = :identity)")
        query = "DELETE FROM replies" + (" WHERE " + " AND ".join(where) if where else "")
        with self._lock:
            gone = self._file.change(query, {"identity": identity} if identity is not None else {})
            try:
                self._file.shrink()
            except sqlite3.Error as error:
                self.trouble = f"{self.path} is as large as before: {reason_of(error)}"
            else:
                self.trouble = self.trouble if self._late else ""
        return gone

    def close(self) -> None:
        """Writes what is late and closes the file; safe to call again."""
        self.flush()
        with self._lock:
            self._file.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_late(self, lock_seconds: float) -> None:
        """One transaction; records that cannot be written stay late."""
        try:
            with self._file.transaction(lock_seconds) as file:
                for record in self._late:
                    number = self._number(file, record.identity)
                    row = (record.key, number, record.at, record.request, record.reply)
                    used = (record.failed, record.tokens_in, record.tokens_out)
                    file.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row + used)
        except sqlite3.Error as error:
            self._numbers.clear()
            late = f"{len(self._late)} replies are not yet in the store {self.path}"
            self.trouble = f"{late}: {reason_of(error)}"
        else:
            self._late.clear()
            self.trouble = ""

    def _number(self, file: sqlite3.Connection, identity: str) -> int:
        if identity not in self._numbers:
            file.execute("INSERT OR IGNORE INTO backends (identity) VALUES (?)", (identity,))
            found = file.execute("SELECT number FROM backends WHERE identity = ?", (identity,))
            self._numbers[identity] = int(found.fetchone()[0])
        return self._numbers[identity]


def default_path() -> Path | None:
    """Where replies are kept unless the user names a file; None for nowhere.

    SPEXAPI_STORE names a file, or "off"; without it the user's data folder, and nowhere on a public Space.
    """
    named = os.environ.get("SPEXAPI_STORE", "")
    if named:
        return None if named.lower() == "off" else Path(named)
    if "SPACE_ID" in os.environ:
        return None
    from platformdirs import user_data_path

    return user_data_path("spexapi", appauthor=False) / "replies.sqlite"


def open_store(where: Store | str | Path | bool | None) -> Store | None:
    """The store that is meant: one that is open, a file, True for the default one, None or "off" for none."""
    if isinstance(where, Store):
        return where
    if where is None or where is False or str(where).lower() == "off":
        return None
    path = default_path() if where is True else Path(where)
    return None if path is None else Store(path)
