"""The HTTP client behind a connection: the openai package's own, its sockets in several small pools."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING
from urllib.request import getproxies

if TYPE_CHECKING:
    import ssl

    import httpx2

# A pool asks the operating system about each of its idle connections at every request and every answer
# (httpcore2, AsyncConnectionPool._assign_requests_to_connections): with 64 in one pool that is a quarter of
# the CPU of a call. Among 16 pools it is lost in the rest.
_POOLS = 16


def pooled_client() -> httpx2.AsyncClient | None:
    """A client for openai.AsyncOpenAI(http_client=...); None if the environment names a proxy.

    Then the package's default client is right: it finds the proxy by rules of its own.
    """
    if {"http", "https", "all"} & set(getproxies()):
        return None
    import httpx2
    import openai

    trusted = _trusted()
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=5.0)

    class Pools(httpx2.AsyncBaseTransport):
        def __init__(self) -> None:
            self._pools = [httpx2.AsyncHTTPTransport(verify=trusted, limits=limits) for _ in range(_POOLS)]
            self._sent = 0

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            self._sent += 1
            return await self._pools[self._sent % _POOLS].handle_async_request(request)

        async def aclose(self) -> None:
            for pool in self._pools:
                await pool.aclose()

    return openai.DefaultAsyncHttpxClient(transport=Pools())


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The certificates of this machine, read once: that takes tens of milliseconds."""
    import httpx2

    return httpx2.create_ssl_context()
