"""Removes components from a running model through hooks, other ones for each row of a batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spexapi.backends.huggingface.architecture import Layer, anatomy, width
from spexapi.backends.huggingface.components import Component
from spexapi.backends.huggingface.loaded import input_device
from spexapi.backends.huggingface.pretrained import CausalModel
from spexapi.errors import BackendError
from spexapi.measurements import Bools

# What a site holds, and what it is added to (0 except for layers) -> what it shall hold; None: the same.
_See = Callable[[Tensor, Tensor], Tensor | None]
Trace = tuple[Tensor, ...]  # of each site (positions, features): what one text leaves there


@dataclass(frozen=True, slots=True, eq=False)
class _Site:
    """A place in the model where components write.

    side   "input" of a module, its "output", or what it "added" to the stream
    owner  (f,) number of the component that owns a feature, one past the last if none does; (1,): of all
    """

    label: str
    module: nn.Module
    side: str
    owner: Tensor


class Ablation:
    """The sites of some components of one model.

    A hook acts only in the thread that placed it: another run of the same model is not touched.
    """

    def __init__(self, model: CausalModel, components: Sequence[Component]) -> None:
        self._model = model
        self._sites = tuple(_sites(anatomy(model), components))

    @contextmanager
    def without(self, gone: Bools, fill: Callable[[int], Tensor]) -> Generator[None]:
        """Row r of every batch that runs inside lacks the components gone[r].

        gone  (rows, components) bool
        fill  number of a site -> what stands in for a component that is gone: (), (features,) or (rows,
              positions, features)

        Raises BackendError at the end if a module that was to be changed was never run.
        """
        lacks = torch.from_numpy(gone)  # pyright: ignore[reportUnknownMemberType]
        lacks = torch.cat([lacks, torch.zeros((len(gone), 1), dtype=torch.bool)], dim=1)
        ran: set[int] = set()
        placed: list[int] = []
        with ExitStack() as stack:
            for number, site in enumerate(self._sites):
                mine = lacks[:, site.owner]
                if not bool(mine.any()):
                    continue
                placed.append(number)
                change = _replacing(mine, fill(number), number, ran)
                stack.enter_context(_hooked(site, change))
            yield
        for number in placed:
            if number not in ran:
                raise BackendError(
                    f"{self._sites[number].label} of {type(self._model).__name__} was not run as a module, so"
                    " nothing could be removed there: this model's code is not understood"
                )

    @torch.inference_mode()
    def trace(self, ids: Sequence[int]) -> Trace:
        """What one text leaves at each site, (positions, features) each; one pass of the model."""
        found: dict[int, Tensor] = {}
        with ExitStack() as stack:
            for number, site in enumerate(self._sites):
                stack.enter_context(_hooked(site, _keeping(found, number)))
            there = input_device(self._model)
            self._model(input_ids=torch.tensor([list(ids)], device=there), use_cache=False)
        return tuple(found[number] for number in range(len(self._sites)))

    def mean(self, texts: Sequence[Sequence[int]]) -> Trace:
        """Of each site (features,): the mean over all positions of all texts."""
        sums: list[Tensor] = []
        for ids in texts:
            now = [site.double().sum(dim=0) for site in self.trace(ids)]
            sums = [a + b for a, b in zip(sums, now, strict=True)] if sums else now
        return tuple(total / sum(map(len, texts)) for total in sums)


def zero() -> Tensor:
    """Stands in for a component that is removed and leaves nothing."""
    return torch.zeros(())


def aligned(traces: Sequence[Tensor], starts: Sequence[int], longest: int) -> Tensor:
    """(positions, features) each -> (rows, longest, features): row r from starts[r] on, zeros around."""
    whole = traces[0].new_zeros((len(traces), longest, traces[0].shape[1]))
    for row, (trace, start) in enumerate(zip(traces, starts, strict=True)):
        whole[row, start : start + len(trace)] = trace
    return whole


def _sites(layers: Sequence[Layer], components: Sequence[Component]) -> list[_Site]:
    found: list[_Site] = []
    for number, layer in enumerate(layers):
        own = [(i, each) for i, each in enumerate(components) if each.layer == number]
        for kind, module, count in (
            ("head", layer.from_heads, layer.heads),
            ("neuron", layer.from_neurons, layer.neurons),
        ):
            owners = {each.index: i for i, each in own if each.kind == kind}
            if owners and module is not None:
                each_width = width(module) // count
                owner = torch.tensor([owners.get(i, len(components)) for i in range(count)])
                what = "attention" if kind == "head" else "MLP"
                label = f"layer {number} {what}"
                found.append(_Site(label, module, "input", owner.repeat_interleave(each_width)))
        for kind, module, side in (("mlp", layer.mlp, "output"), ("layer", layer.whole, "added")):
            found += [
                _Site(each.label, module, side, torch.tensor([i]))
                for i, each in own
                if each.kind == kind and module is not None
            ]
    return found


def _replacing(gone: Tensor, fill: Tensor, number: int, ran: set[int]) -> _See:
    """gone  (rows, features), or (rows, 1)."""

    def see(x: Tensor, base: Tensor) -> Tensor:
        ran.add(number)
        # OPT runs its MLP on rows and positions in one
        rows = x.reshape(len(gone), -1, x.shape[-1])
        under = base if base.dim() == 0 else base.reshape(rows.shape)
        instead = under.to(x.dtype) + fill.to(x)
        return torch.where(gone.to(x.device)[:, None, :], instead, rows).reshape(x.shape)

    return see


def _keeping(found: dict[int, Tensor], number: int) -> _See:
    def see(x: Tensor, base: Tensor) -> None:
        found[number] = (x - base).reshape(-1, x.shape[-1]).clone()

    return see


@contextmanager
def _hooked(site: _Site, see: _See) -> Generator[None]:
    """`see` is called with all that passes the site, until the block ends."""
    mine, nothing = threading.get_ident(), torch.zeros(())

    def before(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if threading.get_ident() != mine:
            return None
        changed = see(args[0], nothing)
        return None if changed is None else (changed, *args[1:])

    def after(
        _: nn.Module, args: tuple[Tensor, ...], given: dict[str, Tensor], output: Tensor | tuple[Tensor, ...]
    ) -> Tensor | tuple[Tensor, ...] | None:
        if threading.get_ident() != mine:
            return None
        base = nothing
        if site.side == "added":
            base = args[0] if args else given["hidden_states"]
        several = output if isinstance(output, tuple) else (output,)
        changed = see(several[0], base)
        if changed is None:
            return None
        return (changed, *several[1:]) if isinstance(output, tuple) else changed

    module = site.module
    if site.side == "input":
        handle = module.register_forward_pre_hook(before)
    else:
        handle = module.register_forward_hook(after, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
