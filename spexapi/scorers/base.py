"""What a scorer is: one way to turn a model's reply into the value of a mask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from spexapi.backends.base import Reply, Request, Scoring
from spexapi.errors import InputError
from spexapi.measurements import Floats

# Sends a request to a scorer's helper, counted and kept like every other call.
Ask = Callable[[Request], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the variance of its sampling noise (of the value itself, not of one sample)."""

    value: float
    variance: float


@dataclass(frozen=True, slots=True)
class Scorer:
    """One way to read a reply.

    name       as on the command line
    unit       of the value, "" if the scorer does not say
    of_reply   Reply -> value, for a reply without an error
    of_tokens  (m, t) token log-probabilities -> (m,) values: lets a span of the answer be explained
               afterwards; None if the value is no function of the answer's own tokens
    options    True if the request must carry other answers to compare with
    of_texts   (replies sampled for one prompt, the answer, ask) -> value and variance, for scorers that read
               what the model writes (Request.write); then `of_reply` is not used. `ask` sends a request to
               `helper`
    samples    how many replies of_texts needs for one prompt unless the user says; each is paid for
    helper     the model that of_texts asks (embeddings, a judge), None if it asks none
    """

    name: str
    unit: str
    of_reply: Callable[[Reply], float]
    of_tokens: Callable[[Floats], Floats] | None = None
    options: bool = False
    of_texts: Callable[[Sequence[str], str, Ask], Awaitable[Estimate]] | None = None
    samples: int = 1
    helper: Scoring | None = None


def reads_texts(name: str) -> Callable[[Reply], float]:
    """The `of_reply` of a scorer that reads replies as texts: it raises InputError."""

    def of_reply(reply: Reply) -> float:
        raise InputError(f"score {name!r} compares sampled replies, it does not read log-probabilities")

    return of_reply
