"""What an OpenAI-shaped endpoint says went wrong -> whether it may be tried again."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from spexapi.backends.json_values import Json, is_map
from spexapi.errors import BackendError, RateLimited, Refused, Unavailable
from spexapi.prompts.segments import shorten

_QUOTA = ("insufficient_quota", "billing", "quota exceeded", "exceeded your current quota", "credit", "402")
_CONTENT = ("content_filter", "content_policy", "content management policy", "responsibleai", "safety")
_LENGTH = (
    "context_length",
    "context length",
    "maximum context",
    "context window",
    "context size",
    "too many tokens",
    "too long",
    "string_above_max_length",
)
# "Could not finish the message because max_tokens or model output limit was reached. Please try again with
# higher max_tokens."; "Expected a value >= 16"
_FEW = ("output limit was reached", "higher max_tokens", "integer_below_min_value")
_MODEL = ("model_not_found", "does not exist", "unknown model", "no such model", "invalid model")
_KEY = ("invalid_api_key", "incorrect api key", "api key not valid", "unauthorized")


MORE = "a reasoning model thinks before it writes: give a larger max_new_tokens (--max-new-tokens)"


class Unfit(BackendError):
    """This request will never work; others may."""


class Unsupported(Unfit):
    """The endpoint does not take a field of the request; `no_route`: it does not know the route at all."""

    def __init__(self, message: str, *, no_route: bool = False) -> None:
        super().__init__(message)
        self.no_route = no_route


class TooShort(Unsupported):
    """The reply may have fewer tokens than the model needs before its first word."""


class Unreachable(Unavailable):
    """No one answered: no connection, or nothing came in time."""


def of_status(status: int, body: object, headers: Mapping[str, str]) -> BackendError:
    """An HTTP error -> ours; the message is the endpoint's own, shortened."""
    code, said = _said(body)
    text = f"HTTP {status}: {said}" if said else f"HTTP {status}"
    found = f"{code} {said}".lower()
    if status == 402 or (status == 429 and _any(found, _QUOTA)):
        return Refused(f"{text} (the quota is used up: add credit, or use another key)")
    if status == 429:
        return RateLimited(text, wait_of(headers))
    if status in (401, 403):
        if _any(found, _CONTENT):
            return Unfit(f"refused for its content: {text}")
        return Refused(f"{text} (the key is wrong, or may not use this model)")
    if status in (408, 409, 425) or status >= 500:
        wait = wait_of(headers)
        return Unavailable(text) if wait is None else RateLimited(text, wait)
    return _of_request(status, found, text)


def of_body(data: Json) -> BackendError | None:
    """An error inside an answer with status 200, as routers send it; None if there is none."""
    error = data.get("error")
    if not error:
        return None
    code = str(error.get("code")) if is_map(error) else ""
    status = int(code) if code.isdigit() else 500
    return of_status(status, data, {})


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds the endpoint asks to wait: retry-after-ms, retry-after (seconds or a date), None without."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    given = headers.get("retry-after")
    if given is None:
        return None
    seconds = _number(given)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _of_request(status: int, found: str, text: str) -> BackendError:
    if _any(found, _CONTENT):
        return Unfit(f"refused for its content: {text}")
    if _any(found, _FEW):
        return TooShort(f"{text} ({MORE})")
    if status == 413 or _any(found, _LENGTH):
        return Unfit(f"the prompt is too long: {text}")
    if _any(found, _MODEL):
        return Refused(f"{text} (the model is not known there)")
    if _any(found, _KEY):
        return Refused(f"{text} (the key is wrong)")
    if status in (404, 405, 501):
        advice = "no such route: a base_url usually ends in /v1"
        return Unsupported(f"{text} ({advice})", no_route=status != 501)
    if status in (400, 422):
        return Unsupported(text)
    return Unfit(text)


def _said(body: object) -> tuple[str, str]:
    """(code and type, message) of an error body in any of the usual shapes."""
    if not is_map(body):
        return "", ""
    error = body.get("error", body)
    if not is_map(error):
        return "", shorten(str(error), 300)
    message = error.get("message") or error.get("detail") or error.get("msg") or ""
    return f"{error.get('code') or ''} {error.get('type') or ''}".strip(), shorten(str(message), 300)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _any(text: str, marks: tuple[str, ...]) -> bool:
    return any(mark in text for mark in marks)
