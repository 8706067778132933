"""A public page asks models on the internet only."""

from __future__ import annotations

import asyncio

import pytest

from spexapi.errors import InputError

pytest.importorskip("httpx2")

from spexapi.page import address_guard

INSIDE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:1::1",
    "ff02::1",
    "nonsense",
]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_of_this_machine_and_its_network_are_not_public(address):
    assert not address_guard.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are(address):
    assert address_guard.is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/v1",
        "https://127.0.0.1/v1",
        "https://localhost/v1",
        "https://[::1]/v1",
        "ftp://x",
        "https://",
    ],
)
def test_an_address_inside_is_refused_before_anything_is_asked(url):
    with pytest.raises(InputError):
        address_guard.check_address(url)


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch):
    monkeypatch.setattr(address_guard, "_resolved", lambda host, port: ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(InputError, match="not a public address"):
        address_guard.check_address("https://mixed.example/v1")


def test_a_name_that_changes_its_address_after_the_check_is_not_connected_to(monkeypatch):
    answers = [["8.8.8.8"], ["127.0.0.1"]]
    monkeypatch.setattr(address_guard, "_resolved", lambda host, port: answers.pop(0))

    async def connect():
        async with address_guard.public_client() as client:
            await client.post("https://rebinding.example/v1/chat/completions", json={})

    address_guard.check_address("https://rebinding.example/v1")
    with pytest.raises(InputError, match="not a public address"):
        asyncio.run(connect())


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch):
    import httpx2

    seen = []

    async def handle(self, request):
        seen.append((request.url.host, request.headers["host"], request.extensions["sni_hostname"]))
        return httpx2.Response(302, headers={"location": "http://127.0.0.1/"})

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", handle)
    monkeypatch.setattr(address_guard, "_resolved", lambda host, port: ["8.8.8.8"])

    async def connect():
        async with address_guard.public_client() as client:
            return await client.get("https://api.example/v1/models")

    answer = asyncio.run(connect())

    assert seen == [("8.8.8.8", "api.example", "api.example")]
    assert answer.status_code == 302
