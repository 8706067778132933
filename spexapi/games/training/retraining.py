"""Training on some of the examples, again and again: one at a time, or in several processes."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spexapi.errors import BackendError, InputError
from spexapi.prompts.segments import shorten

Ints = NDArray[np.intp]
Train = Callable[[Ints, int], Any]
Measure = Callable[[Any], float]


@dataclass(frozen=True, slots=True, eq=False)
class Retraining:
    """What to train on. kept: the numbers of the examples, rising, at least one; seed: below 2^31."""

    kept: Ints
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The value of a trained model; NaN with a reason if there is none, infinite with one if it is that."""

    value: float
    reason: str = ""


@runtime_checkable
class Trainer(Protocol):
    """Trains on subsets and measures the models."""

    @property
    def width(self) -> int:
        """How many retrainings it takes at once."""
        ...

    def outcomes(self, asked: Sequence[Retraining]) -> Generator[Outcome]:
        """One outcome for each, in order, as they come; closing it early trains no more.

        What fails is an outcome with a reason.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class OneByOne:
    """The user's functions, in this process."""

    train: Train
    measure: Measure

    @property
    def width(self) -> int:
        return 1

    def outcomes(self, asked: Sequence[Retraining]) -> Generator[Outcome]:
        return (retrained(self.train, self.measure, one) for one in asked)


@dataclass(frozen=True, slots=True, eq=False)
class InProcesses:
    """The same in `jobs` processes (joblib); the functions are sent there, so they must be picklable."""

    train: Train
    measure: Measure
    jobs: int

    @property
    def width(self) -> int:
        return self.jobs

    def outcomes(self, asked: Sequence[Retraining]) -> Generator[Outcome]:
        """Raises InputError if the functions cannot be sent, BackendError if a process dies."""
        joblib = import_module("joblib")
        # results come one by one: what was trained before a kill is in the store
        pool = joblib.Parallel(n_jobs=self.jobs, return_as="generator")
        work = joblib.delayed(retrained)
        try:
            yield from pool(work(self.train, self.measure, one) for one in asked)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise InputError(
                f"train and measure cannot be sent to other processes ({_said(error)}): use jobs=1, or"
                " functions that hold no locks, files or connections"
            ) from error
        except joblib.externals.loky.process_executor.BrokenProcessPool as error:
            raise BackendError(
                f"a process that trains died ({_said(error)}), perhaps out of memory: use fewer jobs than"
                f" {self.jobs}; what was trained so far is kept"
            ) from error


def trainer_of(train: Train | Trainer, measure: Measure | None, jobs: int) -> Trainer:
    """The trainer itself, or one of the user's two functions. Raises InputError if they do not fit."""
    if isinstance(train, Trainer):
        if measure is not None or jobs != 1:
            raise InputError("a Trainer measures its models itself: give measure=None and jobs=1")
        return train
    if not callable(train) or not callable(measure):
        given = f"{type(train).__name__} and {type(measure).__name__}"
        raise InputError(
            f"train must be a function (indices, seed) -> model and measure model -> float, got {given}"
        )
    return OneByOne(train, measure) if jobs == 1 else InProcesses(train, measure, jobs)


def retrained(train: Train, measure: Measure, one: Retraining) -> Outcome:
    """One model trained and measured; what its functions raise becomes the reason."""
    try:
        model = train(one.kept, one.seed)
    except Exception as error:  # the user's code may fail in any way: an empty class, no convergence
        return Outcome(math.nan, f"train failed: {_said(error)}")
    try:
        value = float(measure(model))
    except Exception as error:
        return Outcome(math.nan, f"measure failed: {_said(error)}")
    return outcome_of(value)


def outcome_of(value: float) -> Outcome:
    """With a reason if it is not finite; an infinite value stays one."""
    return Outcome(value) if math.isfinite(value) else Outcome(value, f"the value is {value}")


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {shorten(str(error), 200)}"
