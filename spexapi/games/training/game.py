"""A game of training data: which examples, and which combinations of them, made a model as good as it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, TypeVar, Unpack

import numpy as np

from spexapi.errors import InputError
from spexapi.fourier.masks import uniform_masks
from spexapi.games.base import GameTraits, Player, Target
from spexapi.games.training.cache import CachedTrainer, seed_of
from spexapi.games.training.examples import Examples, examples_of
from spexapi.games.training.options import Groups, TrainingOptions
from spexapi.games.training.retraining import Ints, Measure, Outcome, Retraining, Train, Trainer, trainer_of
from spexapi.measurements import Bools, Floats, Measurements, exact_values
from spexapi.sampling.store import Store
from spexapi.sampling.usage import Usage

if TYPE_CHECKING:
    from spexapi.games.training.torch import Module

Result = TypeVar("Result")
# Masks trained twice: their variance is then known to about a half.
_NOISE = 8
# Seconds of work between two looks at Stop, and most retrainings.
_AT_ONCE = 1.0
_MOST_AT_ONCE = 256


class TrainingGame:
    """Players are training examples, or groups of them; a mask is a training set.

    train     (numbers of the examples kept, rising; seed) -> model; or a Trainer, which trains many sets at
              once and needs no `measure`
    measure   model -> float, higher = better: accuracy on test examples, or how sure it is of one prediction
    examples  how many there are, or their labels, or a Player each
    groups    the group of each example: its source, its label, its cluster. The players are then the groups,
              in the order of first appearance; an example whose group is None is always there
    empty     what no training at all is worth. Without it a mask that keeps no example is not trained and
              counts as failed: one value less for most engines, while `exact` is then a fit and the values
              of `kernelshap` do not add up
    noise     how many uniform masks are trained twice, with two seeds, before the run (setup_calls): half
              the mean square of the differences is the `variance` of every value, and widens the intervals.
              0 for a training that has no randomness; None: 8
    seed      of the trainings; each set of examples gets a seed of its own
    jobs      processes that train at the same time (joblib)
    name      of the data and the training, for the store: change it when either changes
    store     where each retraining is kept the moment it ends: a file, True for the default one, a Store. A
              run that was killed goes on there and trains nothing twice
    batch     retrainings between two looks at Stop; None: about a second's worth

    A training that raises, or whose value is not finite, is a failed measurement with its reason, counted in
    the audit; on all examples it is an InputError, before anything else is trained.

    Uniform masks keep half of the examples, so what is explained is models trained on half of the data: an
    example with a near-duplicate matters more to them than to the model of all data, where the duplicate is
    always there. For effects at the full size verify() measures with all others kept. Datamodels (Ilyas et
    al., 2022) keep 10 to 75%, at the price of parities that are no longer orthonormal, on which the Fourier
    spectrum, its R² and its intervals rest; to look at a smaller share give a smaller training set.
    """

    def __init__(
        self,
        train: Train | Trainer,
        measure: Measure | None,
        examples: int | Sequence[str | Player],
        *,
        groups: Sequence[Hashable | None] | None = None,
        empty: float | None = None,
        noise: int | None = None,
        seed: int = 0,
        jobs: int = 1,
        name: str = "",
        store: Store | str | Path | bool | None = None,
        score: str = "value",
        unit: str = "",
        batch: int | None = None,
    ) -> None:
        for what, number, least in (("noise", noise or 0, 0), ("jobs", jobs, 1), ("batch", batch or 1, 1)):
            if number < least:
                raise InputError(f"{what} must be {least} or more, got {number}")
        self._examples: Examples = examples_of(examples, groups)
        self._trained = CachedTrainer(trainer_of(train, measure, jobs), name, store)
        self._empty, self._seed, self._batch = empty, seed, batch
        self._noise = _NOISE if noise is None else noise
        self._target = Target(kind="training", score=score, unit=unit)
        self._spent = Usage()
        self._variance: float | None = None
        self._seconds = 0.0  # one retraining takes
        self._stop = Event()
        self._worker: ThreadPoolExecutor | None = None
        self._said: tuple[str, ...] = ()

    @classmethod
    def of_estimator(
        cls,
        estimator: object,
        X: object,
        y: object,
        X_test: object,
        y_test: object,
        *,
        score: str | Measure | None = None,
        groups: Groups = None,
        examples: Sequence[str | Player] | None = None,
        **options: Unpack[TrainingOptions],
    ) -> TrainingGame:
        """A scikit-learn or xgboost estimator, cloned and fitted again on each training set.

        X, y            the training examples, (e, ...) and (e,)
        X_test, y_test  what it is measured on
        score           "probability": the mean probability of the right class, the default if there are
                        probabilities; else any name of sklearn.metrics.get_scorer_names(), or a function
                        model -> float. Without it "accuracy" for other classifiers, "r2" for regressors
        groups          also "labels" (one for each y), or a number of k-means clusters
        examples        labels or players; None: they are numbered
        options         of TrainingGame; `empty` is by default a guess: 1 / classes, for "r2" 0

        Every `random_state` inside is set to the seed. If scikit-learn's own estimators have none, there is
        no noise (`noise` None is then 0); of a class or a function of yours that is not known: some
        training sets are trained twice, as with a seed.
        The name in the store is a hash of estimator, data and score; if the score is a function, give one.
        Raises InputError.
        """
        from spexapi.games.training.sklearn import of_estimator

        test = X_test, y_test
        return cls(**of_estimator(estimator, (X, y), test, score, groups, examples, **options))

    @classmethod
    def of_module(
        cls,
        make: Callable[[], Module],
        X: object,
        y: object,
        X_test: object,
        y_test: object,
        *,
        steps: int = 100,
        rate: float = 0.01,
        decay: float = 0.0,
        score: str | None = None,
        width: int = 64,
        device: str = "cpu",
        groups: Groups = None,
        examples: Sequence[str | Player] | None = None,
        **options: Unpack[TrainingOptions],
    ) -> TrainingGame:
        """A small torch module, trained on many subsets at once (torch.func): one step moves all of them.

        make      () -> torch.nn.Module with new random parameters; no dropout, no batch normalisation
        X, y      training examples, (e, d) and (e,): whole numbers are classes, others are regressed
        steps     of Adam on all examples kept at once; rate: its learning rate
        decay     its weight decay (AdamW)
        score     "probability" (default), "logprob", "accuracy", or "mse": the negated squared error
        width     subsets trained at once
        groups    and examples, as of_estimator
        options   of TrainingGame

        Memory: width times the activations of all examples. Needs torch. Raises InputError.
        """
        from spexapi.games.training.torch import Schedule, of_module

        plan = Schedule(steps, rate, decay)
        test = X_test, y_test
        return cls(**of_module(make, (X, y), test, plan, score, width, device, groups, examples, **options))

    @property
    def players(self) -> tuple[Player, ...]:
        return self._examples.players

    @property
    def batch(self) -> int:
        width = max(1, self._trained.trainer.width)
        if self._batch is not None:
            return self._batch
        if not self._seconds:
            return width
        return max(1, min(_MOST_AT_ONCE, int(_AT_ONCE / self._seconds)) // width) * width

    @property
    def backend_name(self) -> str:
        return ""

    @property
    def spent(self) -> Usage:
        return self._spent

    @property
    def traits(self) -> GameTraits:
        """With notes on the noise of training, and on what the store could not keep."""
        return GameTraits(notes=(*self._said, *([self._trained.trouble] if self._trained.trouble else [])))

    @property
    def seconds(self) -> float:
        """How long a retraining takes; 0 before prepare(), and if all that it trains was known."""
        return self._seconds

    async def prepare(self) -> Target:
        """Trains on all examples, and on some sets twice. Raises InputError if training does not work."""
        self._stop.clear()
        self._trained.open()
        if self._variance is None:
            await self._in_thread(self._try_all)
        return self._target

    async def measure(self, masks: Bools) -> Measurements:
        """(m, n) bool -> one value a mask. A cancelled call ends after the retraining under way."""
        kept = [self._examples.kept(mask) for mask in masks]
        rows = [i for i, one in enumerate(kept) if len(one)]
        asked = [self._retraining(kept[i]) for i in rows]
        found, trained = await self._in_thread(lambda: self._trained.outcomes(asked, self._stop))
        self._spent += Usage(calls=trained)
        outcomes = [self._of_nothing()] * len(masks)
        for i, outcome in zip(rows, found, strict=True):
            outcomes[i] = outcome
        values = np.array([outcome.value for outcome in outcomes])
        variance: Floats = np.zeros(len(masks))
        variance[rows] = self._variance or 0.0
        reason = tuple(outcome.reason for outcome in outcomes)
        return replace(exact_values(masks, values, reason=reason), variance=variance)

    async def close(self) -> None:
        self._stop.set()
        if self._worker is not None:
            self._worker.shutdown(wait=False)
            self._worker = None
        self._trained.close()

    def _try_all(self) -> None:
        """The value of all examples, and the noise of training."""
        n = len(self.players)
        whole = self._retraining(self._examples.kept(np.ones(n, dtype=np.bool_)))
        started = time.perf_counter()
        found, trained = self._trained.outcomes([whole], self._stop)
        self._seconds = (time.perf_counter() - started) / trained if trained else 0.0
        self._spent += Usage(setup_calls=trained)
        if not found:
            return  # cancelled
        if found[0].reason:
            raise InputError(f"training on all {len(whole.kept)} examples does not work: {found[0].reason}")
        ends = np.stack([np.zeros(n, dtype=np.bool_), np.ones(n, dtype=np.bool_)])
        masks = uniform_masks(n, self._noise, np.random.default_rng([self._seed, 2]), exclude=ends)
        twice = [self._retraining(self._examples.kept(mask), again) for mask in masks for again in (0, 1)]
        started = time.perf_counter()
        found, trained = self._trained.outcomes(twice, self._stop)
        if trained:  # the first training of a process also loads libraries
            self._seconds = min(self._seconds, (time.perf_counter() - started) / trained)
        self._spent += Usage(setup_calls=trained)
        if len(found) == len(twice):
            self._learn_noise(np.array([outcome.value for outcome in found]).reshape(-1, 2))

    def _learn_noise(self, pairs: Floats) -> None:
        """(k, 2) values of the same examples with two seeds -> the variance of a value."""
        good = pairs[np.isfinite(pairs).all(axis=1)]
        self._variance = float(((good[:, 0] - good[:, 1]) ** 2).mean() / 2) if len(good) else 0.0
        if len(good):
            off = self._variance**0.5
            said = f"training again with another seed moves the value by {off:.2g} (standard deviation)"
            self._said = (f"{said}: {len(good)} training sets trained twice",)
        elif len(pairs):
            self._said = (f"the noise of training is not known: {len(pairs)} training sets all failed",)

    def _retraining(self, kept: Ints, again: int = 0) -> Retraining:
        return Retraining(kept, seed_of(kept.astype("<i8").tobytes(), self._seed, again))

    def _of_nothing(self) -> Outcome:
        if self._empty is None:
            return Outcome(np.nan, "no example is kept: give empty=... for what no training is worth")
        return Outcome(float(self._empty))

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="spexapi-training")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except asyncio.CancelledError:
            self._stop.set()
            raise
