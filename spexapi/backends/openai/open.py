"""The factory of the openai backend: checks what the user gave and builds a backend from it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from spexapi.backends.openai.backend import OpenAI, Options
from spexapi.backends.openai.batch import BatchedOpenAI
from spexapi.backends.openai.batch_api import BatchConnection
from spexapi.backends.openai.client import OPENAI, Address, Connection, MakeClient, read_key
from spexapi.backends.openai.dialect import Dialect, RequestFormat
from spexapi.backends.openai.probe.probe import METHODS
from spexapi.backends.prices import price_of
from spexapi.errors import InputError


def open_openai(
    model: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    key_env: str = "OPENAI_API_KEY",
    form: str = "auto",
    way: str = "auto",
    chat_template: str | None = None,
    bos_token: str | None = None,
    joiner: str | None = None,
    temperature: float = 1.0,
    seed: int | None = None,
    timeout: float = 120.0,
    concurrency: int = 64,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    extra: Mapping[str, object] | None = None,
    price_in: float | None = None,
    price_out: float | None = None,
    price_cached: float | None = None,
    placeholder: str = "...",
    batch: bool = False,
    poll: float = 10.0,
    http_client: MakeClient | None = None,
) -> OpenAI:
    """A hosted model, not called yet: `open` probes what it can do with a few tokens.

    base_url       up to "/v1"; None: $OPENAI_BASE_URL, else OpenAI itself
    api_key        None: the environment variable `key_env`
    form           auto, chat, completions, responses. auto: chat, unless only completions score a given
                   answer and there is a chat_template to write their prompts
    way            auto (the best that works), prompt_logprobs, prefix, echo, generate, chosen_ids,
                   first_token, systemone, forced, sample
    chat_template  Jinja, for form completions; without one the turns follow each other on new lines
    bos_token      for the template, "" if the model has none; leave it out if the endpoint's tokenizer adds
                   it to every text
    joiner         between prompt and answer in form completions; None: what the template writes, or one space
    temperature, seed  of sampled replies
    timeout        seconds a call may take
    concurrency    calls under way at once
    headers, query, extra  sent with every call: HTTP headers, query of the address, fields of the body
    price_*        US dollars a million tokens; None: from the table of genai-prices
    batch          True: through the Batch API, at half the price, within a day, asked every `poll` seconds
    http_client    makes the client behind each connection, for a page that limits where it may connect to

    Raises InputError for a missing model or key, an unknown form or way.
    """
    _check(model, timeout, concurrency)
    chosen, method = _one_of("form", form, tuple(RequestFormat)), _one_of("way", way, METHODS)
    address = Address(_url(base_url), headers or {}, query or {}, timeout)
    key = read_key(api_key, key_env, address.base_url, address.headers, address.query)
    price = price_of(model, address.shown, price_in=price_in, price_out=price_out, price_cached=price_cached)
    named = None if chosen is None else RequestFormat(chosen)
    options = Options(named, method, temperature, seed, concurrency, placeholder, price)
    spoken = named or RequestFormat.CHAT
    dialect = Dialect(model, spoken, template=chat_template, bos=bos_token, joiner=joiner, extra=extra or {})
    if batch:
        return BatchedOpenAI(BatchConnection(address, key, poll, http_client), dialect, options)
    return OpenAI(Connection(address, key, http_client), dialect, options)


def _check(model: str, timeout: float, concurrency: int) -> None:
    """Raises InputError for a missing model, a timeout of 0 or less, or no call at once."""
    if not model:
        raise InputError(
            "the openai backend needs a model: openai:gpt-4o-mini, or openai:<name> with base_url"
        )
    if timeout <= 0 or concurrency < 1:
        raise InputError(f"timeout must be above 0 and concurrency 1 or more, got {timeout}, {concurrency}")


def _url(given: str | None) -> str:
    """The base URL of the argument, of the environment, or OpenAI's. Raises InputError if it is none."""
    url = given or os.environ.get("OPENAI_BASE_URL") or OPENAI
    if not url.startswith(("http://", "https://")):
        raise InputError("base_url must begin with http:// or https://, such as http://127.0.0.1:8000/v1")
    return url


def _one_of(what: str, given: str, known: tuple[str, ...]) -> str | None:
    """The choice that was given, None for "auto". Raises InputError for an unknown one."""
    if given == "auto":
        return None
    if given not in known:
        raise InputError(f"unknown {what} {given!r}: use auto, {', '.join(known)}")
    return given
