"""Every error spexapi raises on purpose.

    SpexError
    ├── InputError (ValueError)         what the user can mend; raised before anything is paid for
    │   └── BudgetError                 too few measurements for what was asked; says how many are enough
    ├── RunningLoopError (RuntimeError) explain() called inside a running event loop
    ├── NothingMeasured                 every measurement failed; carries the reasons
    ├── CapReached                      the next call would pass a cap on calls, tokens or money
    ├── BackendError                    the model's side failed
    │   ├── RateLimited                 may be tried again, after `retry_after` seconds if known
    │   ├── Unavailable                 may be tried again
    │   ├── Refused                     will not work however often it is tried
    │   ├── LogprobsMissing             asked for log-probabilities, the endpoint answered and sent none
    │   └── LogprobsMisplaced           those it sent are of other tokens: shifted, too few, after a bias
    └── StoreError                      the store of paid measurements cannot be read or written

A message says what was seen, what is needed and what to do, with the numbers.
"""

from __future__ import annotations

from typing import Any


class SpexError(Exception):
    """Root of all errors raised on purpose."""


class InputError(SpexError, ValueError):
    """Something the user gave cannot work; nothing has been paid for yet."""


class BudgetError(InputError):
    """The budget is too small for what was asked; the message names the smallest that is enough."""


class RunningLoopError(SpexError, RuntimeError):
    """explain() was called inside a running event loop; await aexplain() there."""


class NothingMeasured(SpexError):
    """No mask gave a finite value, so there is nothing to explain."""


class CapReached(SpexError):
    """The next call would pass a cap on calls, tokens or money; what was measured before is kept."""


class BackendError(SpexError):
    """The model's side failed.

    partial   the Explanation of what was measured until then, if explain() raised this in the middle of a run
    """

    partial: Any = None


class RateLimited(BackendError):
    """The backend asked to slow down.

    retry_after   seconds, None if the backend did not say
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(BackendError):
    """The backend did not answer this time; the same request may work later."""


class Refused(BackendError):
    """The backend will not answer this request, however often it is sent."""


class LogprobsMissing(BackendError):
    """The endpoint was asked for log-probabilities, answered as if all were well, and sent none."""


class LogprobsMisplaced(BackendError):
    """The log-probabilities that came back belong to other tokens: shifted, too few, or after a bias."""


class StoreError(SpexError):
    """The store of paid measurements cannot be read or written."""
