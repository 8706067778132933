"""Hosted models on a public page: no address of this machine or its network, checked at the connection."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from spexapi.errors import InputError

if TYPE_CHECKING:
    import httpx2

# translate to IPv4 addresses that cannot be seen here: NAT64, Teredo
_TUNNELS = [ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32")]


def check_address(base_url: str) -> None:
    """Raises InputError unless this is an https address of the public internet. Asks the name server."""
    parts = urlsplit(base_url)
    try:
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        host, port = None, 443
    if parts.scheme != "https" or not host:
        raise InputError("The address of a hosted model here starts with https://")
    public_addresses(_resolved(host, port), host)


def public_addresses(found: list[str], host: str) -> list[str]:
    """The addresses, if every one of them is public. Raises InputError."""
    if not found:
        raise InputError(f"{host} is not known to the name server")
    if not all(map(is_public, found)):
        raise InputError(f"{host} is not a public address: this page asks models on the internet only")
    return found


def is_public(address: str) -> bool:
    """Whether this is an address of the public internet: not loopback, private, link-local or a tunnel."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is not None:
            return is_public(str(inner))
        if any(ip in network for network in _TUNNELS):
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def public_client() -> httpx2.AsyncClient:
    """An HTTP client for the openai package that connects to public addresses only and follows no redirect.

    The name is looked up once a request and every address of it is checked. The connection goes to the
    address that was checked, so a name that changes its address in between (DNS rebinding) gains nothing.
    """
    import httpx2

    inner = httpx2.AsyncHTTPTransport(trust_env=False)

    class Public(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            host, port = request.url.host, request.url.port or 443
            if request.url.scheme != "https":
                raise InputError("The address of a hosted model here starts with https://")
            address = public_addresses(await asyncio.to_thread(_resolved, host, port), host)[0]
            request.headers["Host"] = request.headers.get("Host") or host
            request.extensions = {**request.extensions, "sni_hostname": host}
            request.url = request.url.copy_with(host=address)
            return await inner.handle_async_request(request)

        async def aclose(self) -> None:
            await inner.aclose()

    return httpx2.AsyncClient(transport=Public(), follow_redirects=False, trust_env=False)


def _resolved(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
