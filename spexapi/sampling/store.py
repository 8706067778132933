"""Replies that were paid for, kept in one SQLite file the moment they arrive."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from spexapi.backends.base import Reply
from spexapi.errors import StoreError
from spexapi.sampling.keys import reply_of, text_of

if TYPE_CHECKING:
    from tenacity import Retrying

Result = TypeVar("Result")
_VERSION = 1
_OURS = 0x53504558  # "SPEX", in the file's header
_PATIENT, _BRIEF = 10_000, 50  # milliseconds to wait for another process's lock
_TABLES = """
CREATE TABLE IF NOT EXISTS backends (number INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY, backend INTEGER NOT NULL, at REAL NOT NULL, request TEXT NOT NULL,
    reply TEXT NOT NULL, failed INTEGER NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store holds of one backend. first, last: seconds since 1970; failed: of the replies."""

    identity: str
    replies: int
    failed: int
    tokens_in: int
    tokens_out: int
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Arrived:
    """A reply as it will be kept: under `key`, with the request (`asked`) and itself (`answered`) as JSON."""

    key: bytes
    identity: str
    at: float
    asked: str
    answered: str
    failed: bool
    tokens_in: int
    tokens_out: int

    @classmethod
    def now(cls, key: bytes, identity: str, asked: str, reply: Reply) -> Arrived:
        tokens = reply.tokens_in, reply.tokens_out
        return cls(key, identity, time.time(), asked, text_of(reply), bool(reply.error), *tokens)


class Store:
    """One file, shared by any number of processes; a run that was killed finds in it what it paid for.

    path  made where it is not there, readable by its owner alone

    Raises StoreError, before anything is paid, where the file is locked, broken, of another kind or cannot be
    written. A reply that cannot be written later stays in memory, is tried again with each further one, and
    `trouble` says so: the run goes on. Holds requests and replies, never a key.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self.trouble = ""
        self._lock = threading.Lock()
        self._late: list[Arrived] = []
        self._numbers: dict[str, int] = {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self.path.exists():
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(
                f"the store {self.path} cannot be made: {error.strerror}; {_ELSEWHERE}"
            ) from error
        self._file = self._named(
            lambda: sqlite3.connect(
                self.path, timeout=_PATIENT / 1000, isolation_level=None, check_same_thread=False
            )
        )
        try:
            self._named(self._prepare)
        except BaseException:
            self._file.close()
            raise

    def get(self, key: bytes) -> Reply | None:
        """The reply kept under a key. Raises StoreError."""
        with self._lock:
            row = self._named(
                lambda: self._file.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
            )
        return None if row is None else reply_of(row[0])

    def put(self, key: bytes, identity: str, asked: str, reply: Reply) -> None:
        """Keeps the reply to `asked` (JSON); on disk when it returns, unless `trouble` says otherwise."""
        self.put_all([Arrived.now(key, identity, asked, reply)])

    def put_all(self, arrived: Sequence[Arrived]) -> None:
        """put() for replies that came together: one transaction, one commit."""
        with self._lock:
            self._late += arrived
            self._write_late(_BRIEF)

    def flush(self) -> None:
        """Writes what is late, waiting for other processes; `trouble` says how it went."""
        with self._lock:
            if self._late:
                self._write_late(_PATIENT)

    def stats(self) -> list[Kept]:
        """A line for each backend that has replies here."""
        query = (
            "SELECT identity, COUNT(*), SUM(failed), SUM(tokens_in), SUM(tokens_out), MIN(at), MAX(at)"
            " FROM replies JOIN backends ON backend = number GROUP BY identity ORDER BY identity"
        )
        with self._lock:
            return [Kept(*row) for row in self._named(lambda: self._file.execute(query).fetchall())]

    def export(self) -> Iterator[Mapping[str, object]]:
        """All of it, oldest first: {"key", "backend", "at", "request", "reply"} of plain values."""
        query = (
            "SELECT key, identity, at, request, reply FROM replies JOIN backends ON backend = number"
            " ORDER BY at, key"
        )
        with self._lock:
            rows = self._named(lambda: self._file.execute(query).fetchall())
        for key, identity, at, request, reply in rows:
            yield {
                "key": key.hex(),
                "backend": identity,
                "at": at,
                "request": json.loads(request),
                "reply": json.loads(reply),
            }

    def clear(self, identity: str | None = None, *, failed_only: bool = False) -> int:
        """Forgets replies, of one backend or of all; how many. Gives the room back to the disk, or says in
        `trouble` why not: another process may be writing, or the disk too full for the copy that takes.
        """
        where = ["failed = 1"] * failed_only
        if identity is not None:
            where.append("backend IN (SELECT number FROM backends WHERE identity = :identity)")
        query = "DELETE FROM replies" + (" WHERE " + " AND ".join(where) if where else "")
        with self._lock:
            given = {"identity": identity} if identity is not None else {}
            gone = self._named(lambda: self._file.execute(query, given).rowcount)
            try:
                self._file.execute("VACUUM")
                self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                self.trouble = f"{self.path} is as large as before: {_why(error)}"
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

    def _prepare(self) -> None:
        self._file.execute("BEGIN")  # one look, also while another process makes the same file
        (ours,) = self._file.execute("PRAGMA application_id").fetchone()
        (version,) = self._file.execute("PRAGMA user_version").fetchone()
        (tables,) = self._file.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        self._file.execute("COMMIT")
        if tables and ours != _OURS:
            raise StoreError(f"{self.path} is a database of something else; {_ELSEWHERE}")
        if version > _VERSION:
            raise StoreError(
                f"the store {self.path} is of a newer spexapi (version {version}, this one reads {_VERSION}):"
                f" upgrade, or {_ELSEWHERE}"
            )
        for attempt in _until_free():  # SQLite does not wait by itself here, whatever its timeout
            with attempt:
                self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = NORMAL")  # safe against a kill; WAL never tears
        self._file.execute("BEGIN IMMEDIATE")  # refuses here, before anything is paid, where it cannot write
        for statement in _TABLES.split(";")[:-1]:
            self._file.execute(statement)
        self._file.execute(f"PRAGMA application_id = {_OURS}")
        self._file.execute(f"PRAGMA user_version = {_VERSION}")
        self._file.execute("COMMIT")

    def _write_late(self, patience: int) -> None:
        """One transaction; what fails stays late."""
        try:
            self._file.execute(f"PRAGMA busy_timeout = {patience}")
            self._file.execute("BEGIN IMMEDIATE")
            for a in self._late:
                request = a.key, self._number(a.identity), a.at, a.asked
                row = (*request, a.answered, a.failed, a.tokens_in, a.tokens_out)
                self._file.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            self._numbers.clear()
            with suppress(sqlite3.Error):  # of a closed file
                if self._file.in_transaction:
                    self._file.execute("ROLLBACK")
            self.trouble = f"{len(self._late)} replies are not yet in the store {self.path}: {_why(error)}"
        else:
            self._late.clear()
            self.trouble = ""
        finally:
            with suppress(sqlite3.Error):
                self._file.execute(f"PRAGMA busy_timeout = {_PATIENT}")

    def _number(self, identity: str) -> int:
        if identity not in self._numbers:
            self._file.execute("INSERT OR IGNORE INTO backends (identity) VALUES (?)", (identity,))
            found = self._file.execute("SELECT number FROM backends WHERE identity = ?", (identity,))
            self._numbers[identity] = int(found.fetchone()[0])
        return self._numbers[identity]

    def _named(self, work: Callable[[], Result]) -> Result:
        """SQLite's errors as ours, in words."""
        try:
            return work()
        except sqlite3.Error as error:
            raise StoreError(f"the store {self.path} cannot be used: {_why(error)}") from error


def _until_free() -> Retrying:
    """Attempts until no other process holds the file, for as long as _PATIENT."""
    from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_random

    return Retrying(
        retry=retry_if_exception_message(match=".*(locked|busy)"),
        wait=wait_random(0.005, 0.05),
        stop=stop_after_delay(_PATIENT / 1000),
        reraise=True,
    )


_ELSEWHERE = "name another file with --store or SPEXAPI_STORE, or keep nothing: SPEXAPI_STORE=off"


def _why(error: sqlite3.Error) -> str:
    said = str(error)
    if "locked" in said or "busy" in said:
        return f"another process holds it ({said}); end that one, or {_ELSEWHERE}"
    if "malformed" in said or "not a database" in said:
        return (
            f"it is broken ({said}) and was left as it is: move it away to begin a new one, or {_ELSEWHERE}"
        )
    return f"{said}; {_ELSEWHERE}"


def default_path() -> Path | None:
    """Where replies are kept where nobody names a file; None for nowhere.

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
