"""One connection to an OpenAI-shaped endpoint: JSON out, JSON and headers back, errors with our names."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn
from urllib.parse import urlsplit, urlunsplit

from spexapi.backends.json_values import Json, is_map, parse
from spexapi.backends.openai.connection_pool import pooled_client
from spexapi.backends.openai.errors import Unreachable, of_body, of_status
from spexapi.errors import BackendError, InputError, Unavailable

if TYPE_CHECKING:
    import httpx2
    import openai

OPENAI = "https://api.openai.com/v1"
# Makes the HTTP client of a connection; None stands for the openai package's own.
MakeClient = Callable[[], "httpx2.AsyncClient | None"]


# makes the client write a form in place of JSON
_AS_FORM: openai.RequestOptions = {"headers": {"Content-Type": "multipart/form-data"}}


class Key:
    """A secret. Its text is read once, when the client is built, and to strike it out of messages."""

    __slots__ = ("_secrets", "_text")

    def __init__(self, text: str, others: tuple[str, ...] = ()) -> None:
        self._text = text
        self._secrets = tuple(s for s in (text, *others) if len(s) >= 6)

    def __repr__(self) -> str:
        return "Key(hidden)" if self._text else "Key(none)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")

    def reveal(self) -> str:
        return self._text

    def hide(self, text: str) -> str:
        """The text with every secret struck out."""
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return text


class _SecretFilter(logging.Filter):
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
class Address:
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
        return f"Address({self.shown!r})"

    @property
    def shown(self) -> str:
        """The address without user, password and query: for messages, and for the store's key."""
        parts = urlsplit(self.base_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme.lower(), host.lower(), parts.path.rstrip("/"), "", ""))


class Connection:
    """Posts JSON. `open` builds the client, `close` ends it; it can be opened again."""

    def __init__(self, address: Address, key: Key, make_client: MakeClient | None = None) -> None:
        self.address = address
        self.key = key
        self._make_client = make_client or pooled_client
        self._client: openai.AsyncOpenAI | None = None
        self._secret_filter = _SecretFilter(key)

    def __repr__(self) -> str:
        return f"Connection({self.address.shown!r})"

    def open(self) -> None:
        """Raises InputError if the openai package is not installed."""
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
            base_url=self.address.base_url,
            timeout=self.address.timeout,
            max_retries=0,
            default_headers=dict(self.address.headers) or None,
            default_query=dict(self.address.query) or None,
            http_client=self._make_client(),
        )
        logging.getLogger("httpx2").addFilter(self._secret_filter)

    async def close(self) -> None:
        client, self._client = self._client, None
        logging.getLogger("httpx2").removeFilter(self._secret_filter)
        if client is not None:
            await client.close()

    async def post(self, path: str, body: Json, *, root: bool = False) -> tuple[Json, Mapping[str, str]]:
        """JSON and headers of the answer to one POST, tried once.

        root  the path is one of the server, not of its "/v1"

        Raises RateLimited, Unavailable, Refused, and Unfit for a request that will never work.
        """
        if root:
            path = self.address.base_url.rstrip("/").removesuffix("/v1") + path
        return self._checked(await self.send("POST", path, body=body))

    async def get(self, path: str) -> tuple[Json, Mapping[str, str]]:
        """JSON and headers of the answer to one GET; errors of post()."""
        return self._checked(await self.send("GET", path))

    async def send(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        body: Json | None = None,
        form_file: tuple[str, bytes] | None = None,
    ) -> httpx2.Response:
        """The bare HTTP answer, tried once; errors of post().

        form_file  (name, content) of a file to send with the body's fields as a form, not as JSON
        """
        if self._client is None:
            raise BackendError(
                f"the connection to {self.address.shown} is not open: await backend.open() first"
            )
        import httpx2
        import openai

        get, post = self._client.get, self._client.post
        try:
            if method == "GET":
                return await get(path, cast_to=httpx2.Response)
            if form_file is None:
                return await post(path, cast_to=httpx2.Response, body=body)
            files = {"file": form_file}
            return await post(path, cast_to=httpx2.Response, body=body, files=files, options=_AS_FORM)
        except openai.APIStatusError as error:
            answer = error.response
            raise self._named(of_status(error.status_code, parse(answer.content), answer.headers)) from None
        except openai.APITimeoutError:
            raise Unreachable(
                f"no answer from {self.address.shown} within {self.address.timeout:g} seconds"
            ) from None
        except openai.APIConnectionError as error:
            cause = self.key.hide(str(error.__cause__ or error))
            raise Unreachable(f"the connection to {self.address.shown} failed: {cause[:200]}") from None

    def _checked(self, answer: httpx2.Response) -> tuple[Json, Mapping[str, str]]:
        data = parse(answer.content)
        if not is_map(data):
            raise Unavailable(f"{self.address.shown} answered with something that is no JSON object")
        if wrong := of_body(data):
            raise self._named(wrong)
        return data, answer.headers

    def _named(self, error: BackendError) -> BackendError:
        """The same error, its message without secrets and with the address."""
        error.args = (self.key.hide(f"{self.address.shown}: {error}"),)
        return error


def read_key(
    given: str | None,
    key_env: str,
    base_url: str,
    headers: Mapping[str, str],
    query: Mapping[str, str] | None = None,
) -> Key:
    """The key from the argument or the environment. Raises InputError if OpenAI itself would get none."""
    text = given if given is not None else os.environ.get(key_env, "")
    text = text.strip()
    if not text and base_url.rstrip("/") == OPENAI:
        raise InputError(
            f"no key: set the environment variable {key_env}, or name another with key_env (--key-env)"
        )
    password = urlsplit(base_url).password or ""
    asked = [value for name, value in (query or {}).items() if name != "api-version"]
    return Key(text, (*headers.values(), *asked, password))
