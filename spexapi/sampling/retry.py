"""Which failed calls are tried again, when, and how often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from spexapi.errors import RateLimited, Unavailable

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

Result = TypeVar("Result")
_SHORTEST, _LONGEST = 0.5, 30.0  # seconds before the second try and, doubling, before a late one
_FIRST_CONTACT = 4
_LENIENT = 5


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How much trouble one call is worth.

    attempts  tries in all; 4 of an endpoint that has never answered; 5 times as many where it only asks to
              slow down
    waiting   seconds spent waiting between them in all; a longer `retry-after` ends the run at once
    timeout   seconds for one try, None for no limit
    """

    attempts: int = 8
    waiting: float = 900.0
    timeout: float | None = 120.0


def retrying(
    patience: RetryPolicy, *, answers: Callable[[], bool], ends: Callable[[], bool]
) -> AsyncRetrying:
    """The policy for one call: RateLimited and Unavailable again, anything else at once.

    answers  true once the endpoint has answered any call
    ends     true once nothing more is to be sent

    Waits what the endpoint asks for, else a random time below 0.5 s doubled for each try, at most 30 s.
    """
    from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

    backing_off = wait_random_exponential(multiplier=_SHORTEST, max=_LONGEST)

    def wait(state: RetryCallState) -> float:
        error = _error(state)
        asked = error.retry_after if isinstance(error, RateLimited) else None
        return backing_off(state) if asked is None else asked

    def stop(state: RetryCallState) -> bool:
        allowed = patience.attempts if answers() else min(patience.attempts, _FIRST_CONTACT)
        if isinstance(_error(state), RateLimited):
            allowed = patience.attempts * _LENIENT
        too_long = state.idle_for + state.upcoming_sleep > patience.waiting
        return ends() or state.attempt_number >= allowed or too_long

    return AsyncRetrying(
        wait=wait, stop=stop, retry=retry_if_exception_type((RateLimited, Unavailable)), reraise=True
    )


async def patiently(call: Callable[[], Awaitable[Result]], policy: Callable[[], AsyncRetrying]) -> Result:
    """What `call` gives at last; `policy` makes the one of retrying().

    It is made where the first try has failed: for a call that goes well its work would be a tenth of ours.
    """
    try:
        return await call()
    except (RateLimited, Unavailable) as error:
        failed = [error]

    async def counted() -> Result:
        if failed:
            raise failed.pop()
        return await call()

    return await policy()(counted)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
