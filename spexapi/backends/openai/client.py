"""One connection to an OpenAI-shaped endpoint: JSON out, JSON and headers back, errors with our names."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from spexapi.backends.openai.connection_pool import pooled_client
from spexapi.backends.openai.errors import Unfit, Unreachable, of_body, of_status
from spexapi.errors import BackendError, InputError, Unavailable

OPENAI = "https://api.openai.com/v1"
Json = dict[str, Any]


class Key:
    """A secret. Its text is read once, where the client is built, and to strike it out of messages."""

    __slots__ = ("_secrets", "_text")

    def __init__(self, text: str, others: tuple[str, ...] = ()) -> None:
        self._text = text
        self._secrets = tuple(s for s in (text, *others) if len(s) >= 6)

    def __repr__(self) -> str:
        return "Key(hidden)" if self._text else "Key(none)"

    def __reduce__(self) -> Any:
        raise TypeError("a key is not pickled")

    @property
    def known(self) -> bool:
        return bool(self._text)

    def reveal(self) -> str:
        return self._text

    def hide(self, text: str) -> str:
        """The text without any secret, whole or with its middle starred out by a server."""
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return text


class _Discreet(logging.Filter):
    """Strikes secrets out of what the HTTP client logs: it writes whole addresses, at level INFO."""

    def __init__(self, key: Key) -> None:
        super().__init__()
        self._key = key

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if (hidden := self._key.hide(said)) != said:
            record.msg, record.args = hidden, ()
        return True


@dataclass(frozen=True, slots=True, repr=False)
class Place:
    """Where requests go.

    base_url  with "/v1" or what stands for it, as given; may hold a user name or a query of its own
    headers, query  sent with every request; values may be secret
    timeout   seconds a call may take
    """

    base_url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    timeout: float

    def __repr__(self) -> str:
        return f"Place({self.shown!r})"

    @property
    def shown(self) -> str:
        """The address without user, password and query: for messages, and for the store's key."""
        parts = urlsplit(self.base_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme.lower(), host.lower(), parts.path.rstrip("/"), "", ""))


class Connection:
    """Posts JSON. `open` builds the client, `close` ends it; it can be opened again."""

    def __init__(self, place: Place, key: Key, http_client: Callable[[], Any] | None = None) -> None:
        self.place = place
        self.key = key
        self._http_client = http_client
        self._client: Any = None
        self._discreet = _Discreet(key)

    def __repr__(self) -> str:
        return f"Connection({self.place.shown!r})"

    def open(self) -> None:
        if self._client is not None:
            return
        try:
            import openai
        except ModuleNotFoundError as error:
            raise InputError(
                f'hosted models need the package {error.name}: pip install "spexapi[hosted]"'
            ) from error
        # retries are ours, so that every call is counted
        self._client = openai.AsyncOpenAI(
            api_key=self.key.reveal() or "none",
            base_url=self.place.base_url,
            timeout=self.place.timeout,
            max_retries=0,
            default_headers=dict(self.place.headers) or None,
            default_query=dict(self.place.query) or None,
            http_client=(self._http_client or pooled_client)(),
        )
        logging.getLogger("httpx2").addFilter(self._discreet)

    async def close(self) -> None:
        client, self._client = self._client, None
        logging.getLogger("httpx2").removeFilter(self._discreet)
        if client is not None:
            await client.close()

    async def post(self, path: str, body: Json, *, root: bool = False) -> tuple[Json, Mapping[str, str]]:
        """The answer to one POST, tried once.

        root  the path is one of the server, not of its "/v1"

        Raises RateLimited, Unavailable, Refused, and Unfit for a request that will never work.
        """
        return await self._ask("POST", path, body, root)

    async def get(self, path: str) -> tuple[Json, Mapping[str, str]]:
        return await self._ask("GET", path, None, False)

    async def _ask(
        self, method: str, path: str, body: Json | None, root: bool
    ) -> tuple[Json, Mapping[str, str]]:
        if root:
            path = self.place.base_url.rstrip("/").removesuffix("/v1") + path
        answer = await self.send(method, path, **({} if body is None else {"body": body}))
        data = _json(answer.content)
        if not isinstance(data, dict):
            raise Unavailable(f"{self.place.shown} answered with something that is no JSON object")
        found = cast("Json", data)
        if wrong := of_body(found):
            raise self._named(wrong)
        return found, answer.headers

    async def send(self, method: str, path: str, **given: Any) -> Any:
        """The bare HTTP answer, tried once; errors of post()."""
        if self._client is None:
            raise BackendError(
                f"the connection to {self.place.shown} is not open: await backend.open() first"
            )
        import httpx2
        import openai

        try:
            send = self._client.post if method == "POST" else self._client.get
            return await send(path, cast_to=httpx2.Response, **given)
        except openai.APIStatusError as error:
            raise self._named(
                of_status(error.status_code, _json(error.response.content), error.response.headers)
            ) from None
        except openai.APITimeoutError:
            raise Unreachable(
                f"no answer from {self.place.shown} within {self.place.timeout:g} seconds"
            ) from None
        except openai.APIConnectionError as error:
            cause = self.key.hide(str(error.__cause__ or error))
            raise Unreachable(f"the connection to {self.place.shown} failed: {cause[:200]}") from None

    def _named(self, error: BackendError) -> BackendError:
        """The same error, its message without secrets and with the address."""
        error.args = (self.key.hide(f"{self.place.shown}: {error}"),)
        return error


def read_key(
    given: str | None,
    key_env: str,
    base_url: str,
    headers: Mapping[str, str],
    query: Mapping[str, str] | None = None,
) -> Key:
    """The key from the argument or the environment. Raises InputError where OpenAI itself would get none."""
    text = given if given is not None else os.environ.get(key_env, "")
    text = text.strip()
    if not text and base_url.rstrip("/") == OPENAI:
        raise InputError(
            f"no key: set the environment variable {key_env}, or name another with key_env (--key-env)"
        )
    password = urlsplit(base_url).password or ""
    asked = [value for name, value in (query or {}).items() if name != "api-version"]
    return Key(text, (*headers.values(), *asked, password))


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None


__all__ = ["OPENAI", "Connection", "Json", "Key", "Place", "Unfit", "read_key"]
