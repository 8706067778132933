"""Which failed calls are tried again, when, and how often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from spexapi.errors import RateLimited, Unavailable

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

Result = TypeVar("Result")
# seconds before the second try and, doubling, before a late one
_SHORTEST, _LONGEST = 0.5, 30.0
# tries of an endpoint that has never answered
_FIRST_CONTACT = 4
# how many times more tries a call gets if the endpoint only asks to slow down
_LENIENT = 5


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often one call is tried, and for how long.

    attempts  tries in all; 4 of an endpoint that has never answered; 5 times as many if it only asks to slow
              down
    waiting   seconds spent waiting between them in all; a longer `retry-after` ends the run at once
    timeout   seconds for one try, None for no limit
    """

    attempts: int = 8
    waiting: float = 900.0
    timeout: float | None = 120.0


def retrying(
    policy: RetryPolicy, *, answered: Callable[[], bool], halted: Callable[[], bool]
) -> AsyncRetrying:
    """The tries of one call, by tenacity: again after RateLimited and Unavailable, not after other errors.

    answered  true once the endpoint has answered any call
    halted    true once nothing more is to be sent

    Waits as long as the endpoint asks, else a random time below 0.5 s doubled for each try, at most 30 s.
    """
    from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

    back_off = wait_random_exponential(multiplier=_SHORTEST, max=_LONGEST)

    def wait(state: RetryCallState) -> float:
        error = _error(state)
        asked = error.retry_after if isinstance(error, RateLimited) else None
        return back_off(state) if asked is None else asked

    def stop(state: RetryCallState) -> bool:
        allowed = policy.attempts if answered() else min(policy.attempts, _FIRST_CONTACT)
        if isinstance(_error(state), RateLimited):
            allowed = policy.attempts * _LENIENT
        too_long = state.idle_for + state.upcoming_sleep > policy.waiting
        return halted() or state.attempt_number >= allowed or too_long

    return AsyncRetrying(
        wait=wait, stop=stop, retry=retry_if_exception_type((RateLimited, Unavailable)), reraise=True
    )


async def with_retries(
    call: Callable[[], Awaitable[Result]], make_tries: Callable[[], AsyncRetrying]
) -> Result:
    """What `call` returns, at the first try or at a later one of `make_tries()` (see `retrying`).

    tenacity is asked only after the first try has failed: on a call that goes well it would spend a tenth of
    all the time that is spent here.
    """
    try:
        return await call()
    except (RateLimited, Unavailable) as error:
        first_error = [error]

    async def later_call() -> Result:
        if first_error:  # the try that was made already, for tenacity to count
            raise first_error.pop()
        return await call()

    return await make_tries()(later_call)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
