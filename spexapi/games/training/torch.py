"""A small torch module trained on many subsets of the data at once, all in one batched computation."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from spexapi.errors import InputError
from spexapi.games.base import Player
from spexapi.games.training.retraining import Outcome, Retraining
from spexapi.games.training.sklearn import Groups, check_table, groups_of, name_of

SCORES = ("probability", "logprob", "accuracy", "mse")


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """How long and how fast: steps of AdamW on all kept examples, its learning rate, its weight decay."""

    steps: int = 100
    rate: float = 0.01
    decay: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Vectorised:
    """Trains `width` copies of a module side by side; what one learns does not depend on the others.

    make         () -> module with new random parameters
    train, test  (X, y) tensors
    """

    make: Callable[[], Any]
    train: tuple[Any, Any]
    test: tuple[Any, Any]
    score: str
    schedule: Schedule
    width: int

    def outcomes(self, asked: Sequence[Retraining]) -> Generator[Outcome]:
        for start in range(0, len(asked), self.width):
            for value in self._together(asked[start : start + self.width]):
                yield Outcome(value) if np.isfinite(value) else Outcome(np.nan, f"the value is {value}")

    def _together(self, asked: Sequence[Retraining]) -> list[float]:
        """(k,) the values after training k copies: the sum of their losses has each one's own gradient."""
        torch: Any = import_module("torch")
        X, y = self.train
        base, stacked = self._fresh([one.seed for one in asked])
        weight = torch.zeros(len(asked), len(y), device=X.device)
        for row, one in zip(weight, asked, strict=True):
            row[torch.from_numpy(one.kept.astype(np.int64))] = 1.0 / len(one.kept)

        def loss(parameters: Any, w: Any) -> Any:
            return w @ self._losses(torch.func.functional_call(base, parameters, (X,)), y)

        each = torch.func.vmap(loss)
        optimiser = torch.optim.AdamW(
            stacked.values(), lr=self.schedule.rate, weight_decay=self.schedule.decay
        )
        for _ in range(self.schedule.steps):
            optimiser.zero_grad()
            each(stacked, weight).sum().backward()
            optimiser.step()
        with torch.no_grad():
            outputs = torch.func.vmap(self._tested, in_dims=(None, 0))(base, stacked)
            return [self._value(one) for one in outputs]

    def _tested(self, base: Any, parameters: Any) -> Any:
        return import_module("torch").func.functional_call(base, parameters, (self.test[0],))

    def _fresh(self, seeds: Sequence[int]) -> tuple[Any, dict[str, Any]]:
        """A module without parameters of its own, and one set of new parameters a seed, stacked."""
        torch: Any = import_module("torch")
        modules: list[Any] = []
        with torch.random.fork_rng(devices=[]):
            for seed in seeds:
                torch.manual_seed(seed)
                modules.append(self.make().to(self.train[0].device))
        names = [name for name, _ in modules[0].named_parameters()]
        all_of = [dict(module.named_parameters()) for module in modules]
        stacked = {n: torch.stack([p[n].detach() for p in all_of]).requires_grad_() for n in names}
        return modules[0], stacked

    def _losses(self, out: Any, y: Any) -> Any:
        torch: Any = import_module("torch")
        if self.score == "mse":
            return (out.squeeze(-1) - y) ** 2
        return torch.nn.functional.cross_entropy(out, y, reduction="none")

    def _value(self, out: Any) -> float:
        torch: Any = import_module("torch")
        y = self.test[1]
        if self.score == "mse":
            return -float(((out.squeeze(-1) - y) ** 2).mean())
        if self.score == "accuracy":
            return float((out.argmax(-1) == y).double().mean())
        right = torch.log_softmax(out.double(), -1)[torch.arange(len(y)), y]
        return float(right.exp().mean() if self.score == "probability" else right.mean())


def arguments(
    make: Callable[[], Any],
    X: Any,
    y: Any,
    X_test: Any,
    y_test: Any,
    *,
    steps: int = 100,
    rate: float = 0.01,
    decay: float = 0.0,
    score: str | None = None,
    width: int = 64,
    device: str = "cpu",
    groups: Groups = None,
    examples: Sequence[str | Player] | None = None,
    **rest: Any,
) -> dict[str, Any]:
    """What TrainingGame is made of. Raises InputError."""
    try:
        torch: Any = import_module("torch")
    except ModuleNotFoundError as error:
        raise InputError('of_module needs torch: pip install "spexapi[local]"') from error
    given = [np.asarray(part) for part in (X, y, X_test, y_test)]
    check_table(given[0], given[1], "training")
    check_table(given[2], given[3], "test")
    score = _score_of(score, classes=given[1].dtype.kind in "iub")
    module = _checked(torch, make)
    if min(steps, width) < 1:
        raise InputError(f"steps={steps}, width={width}: both must be 1 or more")
    x, t, x_test, t_test = _tensors(torch, given, np.float32 if score == "mse" else np.int64, device)
    schedule = Schedule(steps, rate, decay)
    if rest.get("store") not in (None, False, "off"):
        rest.setdefault("name", name_of(module, *given, score, steps, rate, decay))
    if score in ("probability", "accuracy"):
        rest.setdefault("empty", 1 / len(np.unique(given[1])))
    return {
        "train": Vectorised(make, (x, t), (x_test, t_test), score, schedule, width),
        "measure": None,
        "examples": len(t) if examples is None else examples,
        "groups": groups_of(groups, given[0], given[1]),
        "score": score,
        "unit": "nats" if score == "logprob" else "",
        **rest,
    }


def _score_of(score: str | None, *, classes: bool) -> str:
    score = score or ("probability" if classes else "mse")
    if score not in SCORES or classes == (score == "mse"):
        kinds = "'probability', 'logprob', 'accuracy'" if classes else "'mse'"
        raise InputError(f"score is {score!r}: for {'classes' if classes else 'numbers'} give {kinds}")
    return score


def _tensors(torch: Any, given: Sequence[Any], label: Any, device: str) -> list[Any]:
    """X, y, X_test, y_test on the device. label: the type of y."""
    types = (np.float32, label) * 2
    return [
        torch.from_numpy(np.ascontiguousarray(part, dtype)).to(device)
        for part, dtype in zip(given, types, strict=True)
    ]


def _checked(torch: Any, make: Callable[[], Any]) -> Any:
    """A module as it is made; always the same one, as its hash names the training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = make()
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"make must return a torch.nn.Module, got {type(module).__name__}")
    for part in module.modules():
        kind = type(part).__name__
        if "Dropout" in kind or "BatchNorm" in kind:
            raise InputError(f"the module has {kind}, which trains copies side by side no more: leave it out")
    return module
