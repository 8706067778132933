"""Models that turn texts into vectors, as backends: a reply holds the cosine of prompt and answer."""

from __future__ import annotations

import os
from collections.abc import Mapping

from spexapi.backends.huggingface.embeddings import LocalEmbeddings
from spexapi.backends.openai.client import OPENAI, Address, Connection, read_key
from spexapi.backends.openai.embeddings import HostedEmbeddings
from spexapi.backends.prices import price_of
from spexapi.errors import InputError


def open_embeddings(
    spec: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    key_env: str = "OPENAI_API_KEY",
    timeout: float = 60.0,
    concurrency: int = 16,
    headers: Mapping[str, str] | None = None,
    price_in: float | None = None,
) -> HostedEmbeddings | LocalEmbeddings:
    """ "openai:<model>" at an OpenAI-shaped endpoint, or "hf:<id or folder>" on this machine; not opened yet.

    Raises InputError for another kind of model, or a missing key.
    """
    kind, _, model = spec.partition(":")
    if not model or kind not in ("openai", "hf"):
        raise InputError(f"unknown embeddings {spec!r}: write openai:<model> or hf:<id or folder>")
    if kind == "hf":
        return LocalEmbeddings(model)
    url = base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    address = Address(url, headers or {}, {}, timeout)
    price = price_of(model, address.shown, price_in=price_in, price_out=None if price_in is None else 0.0)
    connection = Connection(address, read_key(api_key, key_env, url, headers or {}))
    return HostedEmbeddings(model, connection, price, concurrency)
