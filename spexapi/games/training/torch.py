"""A small torch module trained on many subsets of the data at once, all in one batched computation."""

# torch types its functions in part only
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Unpack

import numpy as np

from spexapi.errors import InputError
from spexapi.games.base import Player
from spexapi.games.training.options import Groups, TrainingOptions, TrainingParts, is_kept
from spexapi.games.training.retraining import Outcome, Retraining, outcome_of
from spexapi.games.training.sklearn import Labels, groups_of, name_of, table

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

SCORES = ("probability", "logprob", "accuracy", "mse")
Parameters = dict[str, "Tensor"]


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """How long and how fast: steps of AdamW on all kept examples, its learning rate, its weight decay."""

    steps: int = 100
    rate: float = 0.01
    decay: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Vectorised:
    """Trains `width` copies of a module at the same time; what one learns does not depend on the others.

    make         () -> module with new random parameters
    train, test  (X, y) tensors
    """

    make: Callable[[], Module]
    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    score: str
    schedule: Schedule
    width: int

    def outcomes(self, asked: Sequence[Retraining]) -> Generator[Outcome]:
        for start in range(0, len(asked), self.width):
            for value in self._together(asked[start : start + self.width]):
                yield outcome_of(value)

    def _together(self, asked: Sequence[Retraining]) -> list[float]:
        """(k,) the values after training k copies: the sum of their losses has each one's own gradient."""
        import torch

        X, y = self.train
        base, stacked = self._fresh([one.seed for one in asked])
        weight = torch.zeros(len(asked), len(y), device=X.device)
        for row, one in zip(weight, asked, strict=True):
            row[torch.from_numpy(one.kept.astype(np.int64))] = 1.0 / len(one.kept)

        def loss(parameters: Parameters, w: Tensor) -> Tensor:
            return w @ self._losses(_call(base, parameters, X), y)

        def tested(parameters: Parameters) -> Tensor:
            return _call(base, parameters, self.test[0])

        each = torch.func.vmap(loss)
        optimiser = torch.optim.AdamW(
            stacked.values(), lr=self.schedule.rate, weight_decay=self.schedule.decay
        )
        for _ in range(self.schedule.steps):
            optimiser.zero_grad()
            each(stacked, weight).sum().backward()
            optimiser.step()
        with torch.no_grad():
            return [self._value(one) for one in torch.func.vmap(tested)(stacked)]

    def _fresh(self, seeds: Sequence[int]) -> tuple[Module, Parameters]:
        """A module without parameters of its own, and one set of new parameters for each seed, stacked."""
        import torch

        modules: list[Module] = []
        with torch.random.fork_rng(devices=[]):
            for seed in seeds:
                torch.manual_seed(seed)
                modules.append(self.make().to(self.train[0].device))
        names = [name for name, _ in modules[0].named_parameters()]
        all_of = [dict(module.named_parameters()) for module in modules]
        stacked = {n: torch.stack([p[n].detach() for p in all_of]).requires_grad_() for n in names}
        return modules[0], stacked

    def _losses(self, out: Tensor, y: Tensor) -> Tensor:
        import torch

        if self.score == "mse":
            return (out.squeeze(-1) - y) ** 2
        return torch.nn.functional.cross_entropy(out, y, reduction="none")

    def _value(self, out: Tensor) -> float:
        import torch

        y = self.test[1]
        if self.score == "mse":
            return -float(((out.squeeze(-1) - y) ** 2).mean())
        if self.score == "accuracy":
            return float((out.argmax(-1) == y).double().mean())
        right = torch.log_softmax(out.double(), -1)[torch.arange(len(y)), y]
        return float(right.exp().mean() if self.score == "probability" else right.mean())


def of_module(
    make: Callable[[], Module],
    train: tuple[object, object],
    test: tuple[object, object],
    schedule: Schedule,
    score: str | None,
    width: int,
    device: str,
    groups: Groups,
    examples: Sequence[str | Player] | None,
    **options: Unpack[TrainingOptions],
) -> TrainingParts:
    """What TrainingGame.of_module is made of. train, test: (X, y). Raises InputError."""
    if find_spec("torch") is None:
        raise InputError('of_module needs torch: pip install "spexapi[local]"')
    X, y = table(np.asarray(train[0]), train[1], "training")
    X_test, y_test = table(np.asarray(test[0]), test[1], "test")
    score = _score_of(score, classes=y.dtype.kind in "iub")
    module = _checked(make)
    if min(schedule.steps, width) < 1:
        raise InputError(f"steps={schedule.steps}, width={width}: both must be 1 or more")
    if is_kept(options):
        given = (X, y, X_test, y_test, score, schedule.steps, schedule.rate, schedule.decay)
        options.setdefault("name", name_of(module, *given))
    if score in ("probability", "accuracy"):
        options.setdefault("empty", 1 / len(np.unique(y)))
    options.setdefault("unit", "nats" if score == "logprob" else "")
    learnt = _tensor(X, np.float32, device), _labels(y, score, device)
    tested = _tensor(X_test, np.float32, device), _labels(y_test, score, device)
    return {
        "train": Vectorised(make, learnt, tested, score, schedule, width),
        "measure": None,
        "examples": len(y) if examples is None else examples,
        "groups": groups_of(groups, X, y),
        "score": score,
        **options,
    }


def _score_of(score: str | None, *, classes: bool) -> str:
    score = score or ("probability" if classes else "mse")
    if score not in SCORES or classes == (score == "mse"):
        kinds = "'probability', 'logprob', 'accuracy'" if classes else "'mse'"
        raise InputError(f"score is {score!r}: for {'classes' if classes else 'numbers'} give {kinds}")
    return score


def _call(base: Module, parameters: Parameters, X: Tensor) -> Tensor:
    """The module's output with these parameters in place of its own."""
    import torch

    return torch.func.functional_call(base, parameters, (X,))


def _tensor(part: object, dtype: type[np.generic], device: str) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(part, dtype)).to(device)


def _labels(y: Labels, score: str, device: str) -> Tensor:
    return _tensor(y, np.float32 if score == "mse" else np.int64, device)


def _checked(make: Callable[[], Module]) -> Module:
    """A module as it is made; always the same one, as its hash names the training."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = make()
    if not isinstance(module, torch.nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"make must return a torch.nn.Module, got {type(module).__name__}")
    for part in module.modules():
        kind = type(part).__name__
        if "Dropout" in kind or "BatchNorm" in kind:
            raise InputError(
                f"the module has {kind}, with which copies cannot be trained at the same time: leave it out"
            )
    return module
