"""HTTP/1.1 on a socket, as little of it as the clients need: keep-alive, lengths, chunks; no pipelining."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 422: "Unprocessable Entity"}
_REASONS |= {429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Unavailable"}


@dataclass(slots=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(slots=True)
class Answer:
    """cut: bytes that are sent before the connection is cut; -1 for none of that."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    kind: str = "application/json"
    cut: int = -1


Handler = Callable[[Asked], "Answer | Awaitable[Answer]"]


class Connection(asyncio.Protocol):
    """One client. The handler answers at once, or later by an awaitable."""

    number = 0

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Future[Answer] | None = None
        Connection.number += 1
        self._number = Connection.number

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None:
            self._next()

    def _next(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
        if headers.get("expect", "").lower() == "100-continue" and self._transport:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._chunks(end + 4) if "chunked" in headers.get("transfer-encoding", "") else None
        if body is None:
            if "transfer-encoding" in headers:
                return
            stop = end + 4 + int(headers.get("content-length", 0))
            if len(self._buffer) < stop:
                return
            body = bytes(self._buffer[end + 4 : stop])
            del self._buffer[:stop]
        method, target, _ = head[0].split(" ", 2)
        self._run(Asked(method, target.partition("?")[0], headers, body, self._number))

    def _chunks(self, at: int) -> bytes | None:
        """The body, once all of its chunks are there."""
        body = b""
        while True:
            line = self._buffer.find(b"\r\n", at)
            if line < 0:
                return None
            size = int(self._buffer[at:line].split(b";")[0], 16)
            at = line + 2 + size + 2
            if len(self._buffer) < at:
                return None
            body += self._buffer[line + 2 : line + 2 + size]
            if size == 0:
                del self._buffer[:at]
                return body

    def _run(self, asked: Asked) -> None:
        answer = self._handler(asked)
        if isinstance(answer, Answer):
            self._send(answer)
        else:
            self._task = asyncio.ensure_future(answer)
            self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Future[Answer]) -> None:
        self._task = None
        if not task.cancelled():
            self._send(task.result())

    def _send(self, answer: Answer) -> None:
        transport = self._transport
        if transport is None:
            return
        lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Other')}"]
        lines += [f"content-type: {answer.kind}", f"content-length: {len(answer.body)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        data = "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body
        if answer.cut == 0:
            transport.abort()
        elif answer.cut > 0:
            transport.write(data[: len(data) - len(answer.body) + answer.cut])
            transport.close()
        else:
            transport.write(data)
            if self._buffer:
                self._next()
