"""The SQLite file of a store: made, checked and locked; SQLite's errors in words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from spexapi.errors import StoreError

if TYPE_CHECKING:
    from tenacity import Retrying

Result = TypeVar("Result")
VERSION = 1
# "SPEX", in the file's header
_APPLICATION = 0x53504558
_TABLES = """
CREATE TABLE IF NOT EXISTS backends (number INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY, backend INTEGER NOT NULL, at REAL NOT NULL, request TEXT NOT NULL,
    reply TEXT NOT NULL, failed INTEGER NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL
) WITHOUT ROWID;
"""
_ELSEWHERE = "name another file with --store or SPEXAPI_STORE, or keep nothing: SPEXAPI_STORE=off"


class StoreFile:
    """An open file, which any number of processes may have open.

    path          made if it is not there, readable by its owner alone
    lock_seconds  how long to wait for another process's lock

    Raises StoreError if the file is locked, broken, of another kind or cannot be written.
    """

    def __init__(self, path: Path, lock_seconds: float) -> None:
        self.path, self._lock_seconds = path, lock_seconds
        _make(path)
        self.connection = self._named(
            lambda: sqlite3.connect(path, timeout=lock_seconds, isolation_level=None, check_same_thread=False)
        )
        try:
            self._named(self._prepare)
        except BaseException:
            self.connection.close()
            raise

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises StoreError."""
        return self._named(lambda: self.connection.execute(query, values).fetchall())

    def change(self, statement: str, values: Mapping[str, object]) -> int:
        """How many rows a statement changed. Raises StoreError."""
        return self._named(lambda: self.connection.execute(statement, values).rowcount)

    @contextmanager
    def transaction(self, lock_seconds: float) -> Generator[sqlite3.Connection]:
        """All that is executed inside, or nothing. Raises sqlite3.Error, and leaves no transaction open."""
        try:
            self._wait_for_locks(lock_seconds)
            self.connection.execute("BEGIN IMMEDIATE")
            yield self.connection
            self.connection.execute("COMMIT")
        except sqlite3.Error:
            with suppress(sqlite3.Error):  # of a closed file
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
            raise
        finally:
            with suppress(sqlite3.Error):
                self._wait_for_locks(self._lock_seconds)

    def shrink(self) -> None:
        """Gives the room of deleted rows back to the disk. Raises sqlite3.Error."""
        self.connection.execute("VACUUM")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self.connection.close()

    def _wait_for_locks(self, seconds: float) -> None:
        self.connection.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")

    def _prepare(self) -> None:
        file = self.connection
        file.execute("BEGIN")  # one look, also while another process makes the same file
        (application,) = file.execute("PRAGMA application_id").fetchone()
        (version,) = file.execute("PRAGMA user_version").fetchone()
        (tables,) = file.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        file.execute("COMMIT")
        if tables and application != _APPLICATION:
            raise StoreError(f"{self.path} is a database of something else; {_ELSEWHERE}")
        if version > VERSION:
            raise StoreError(
                f"the store {self.path} is of a newer spexapi (version {version}, this one reads {VERSION}):"
                f" upgrade, or {_ELSEWHERE}"
            )
        # SQLite itself does not wait here, whatever its timeout
        for attempt in _until_free(self._lock_seconds):
            with attempt:
                file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")  # safe against a kill; WAL never tears
        # a file that cannot be written is refused here, before anything is paid
        file.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.split(";")[:-1]:
            file.execute(statement)
        file.execute(f"PRAGMA application_id = {_APPLICATION}")
        file.execute(f"PRAGMA user_version = {VERSION}")
        file.execute("COMMIT")

    def _named(self, work: Callable[[], Result]) -> Result:
        """The result of the work; SQLite's errors as StoreError."""
        try:
            return work()
        except sqlite3.Error as error:
            raise StoreError(f"the store {self.path} cannot be used: {reason_of(error)}") from error


def reason_of(error: sqlite3.Error) -> str:
    """What went wrong, and what to do."""
    code = _code(error)
    if _is_busy(error):
        return f"another process holds it ({error}); end that one, or {_ELSEWHERE}"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"it is broken ({error}) and was left as it is: move it away to begin a new one, or {_ELSEWHERE}"
        )
    return f"{error}; {_ELSEWHERE}"


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) and _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: sqlite3.Error) -> int:
    """SQLite's code without its extension, 0 for an error of the Python module."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"the store {path} cannot be made: {error.strerror}; {_ELSEWHERE}") from error


def _until_free(seconds: float) -> Retrying:
    """Attempts until no other process holds the file, or until the time is over."""
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

    return Retrying(
        retry=retry_if_exception(_is_busy),
        wait=wait_random(0.005, 0.05),
        stop=stop_after_delay(seconds),
        reraise=True,
    )
