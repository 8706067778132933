"""Components of a model that can be removed: attention heads, MLP blocks, whole layers, MLP neurons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spexapi.errors import InputError

KINDS = ("head", "mlp", "layer", "neuron")
MASKINGS = ("zero", "mean", "resample")
_WRITTEN = re.compile(r"layer\s+(\d+)(?:\s+(?:(head|neuron)\s+(\d+)|(mlp)))?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """One of them. Layers, heads and neurons are numbered from 0, as the model's own modules are.

    kind   "head" (a query head: its slice of what goes into the attention's output projection), "mlp" (what
           the block writes), "layer" (all it adds to the stream), "neuron" (of the MLP's inner layer)
    index  number of the head or neuron in its layer; 0 for the other kinds
    """

    layer: int
    kind: str
    index: int = 0

    @property
    def label(self) -> str:
        """ "layer 2 head 5", "layer 2 MLP", "layer 2", "layer 2 neuron 117"."""
        if self.kind == "layer":
            return f"layer {self.layer}"
        return f"layer {self.layer} " + ("MLP" if self.kind == "mlp" else f"{self.kind} {self.index}")


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there is in each layer of a model.

    heads    query heads; 0 if a layer has no attention that is understood
    mlps     whether it has an MLP block that is understood
    neurons  width of the MLP's inner layer, 0 if it has none of its own (a mixture of experts)
    seen     what the first layer is made of, for messages
    """

    heads: tuple[int, ...]
    mlps: tuple[bool, ...]
    neurons: tuple[int, ...]
    seen: str = ""

    def count(self, kind: str, layer: int) -> int:
        """How many components of a kind a layer has."""
        counts = {"head": self.heads, "mlp": self.mlps, "neuron": self.neurons}
        return 1 if kind == "layer" else int(counts[kind][layer])

    def choose(self, kinds: Sequence[str], layers: Sequence[int] | None) -> tuple[Component, ...]:
        """All components of these kinds in these layers, in the order of the model. Raises InputError."""
        if wrong := [kind for kind in kinds if kind not in KINDS]:
            raise InputError(f"unknown unit {wrong[0]!r}: use one of {', '.join(KINDS)}")
        chosen = range(len(self.heads)) if layers is None else sorted(set(layers))
        for layer in chosen:
            self._check_layer(layer)
        found = tuple(
            Component(layer, kind, index)
            for layer in chosen
            for kind in dict.fromkeys(kinds)
            for index in range(self.count(kind, layer))
        )
        for kind in kinds:
            if not any(each.kind == kind for each in found):
                raise InputError(self._none_of(kind))
        return found

    def check(self, wanted: Component) -> None:
        """Raises InputError if the model has no such component."""
        layer, kind = wanted.layer, wanted.kind
        self._check_layer(layer)
        there = self.count(kind, layer)
        if wanted.index < there:
            return
        if not any(self.count(kind, each) for each in range(len(self.heads))):
            raise InputError(self._none_of(kind))
        has = f"{there} {kind}s, numbered from 0" if there else f"no {kind}"
        raise InputError(f"there is no {wanted.label}: layer {layer} has {has}")

    def _check_layer(self, layer: int) -> None:
        if not 0 <= layer < len(self.heads):
            raise InputError(f"there is no layer {layer}: the model has {len(self.heads)}, numbered from 0")

    def _none_of(self, kind: str) -> str:
        what = {"head": "attention heads", "mlp": "MLP blocks", "neuron": "MLP neurons"}[kind]
        return (
            f"no {what} are found in this model, whose layers hold {self.seen}: use unit='layer', or name"
            " parts of another kind"
        )


def to_component(text: str) -> Component:
    """ "layer 2 head 5" -> that component. Raises InputError with the forms that are known."""
    found = _WRITTEN.match(text.strip())
    if found is None:
        raise InputError(
            f"the part {text!r} is not understood: write 'layer 2 head 5', 'layer 2 MLP', 'layer 2' or"
            " 'layer 2 neuron 117'"
        )
    layer, kind, index, mlp = found.groups()
    return Component(int(layer), "mlp" if mlp else (kind or "layer").lower(), int(index or 0))
