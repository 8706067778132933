"""A model's module tree -> its layers, attention heads and MLP blocks; knows no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from spexapi.backends.huggingface.components import Inventory
from spexapi.backends.huggingface.pretrained import CausalModel, Config
from spexapi.errors import InputError

if TYPE_CHECKING:
    from torch import nn

# As the decoders of transformers name them: Llama, Qwen, Mistral, Gemma, GPT-2, GPT-NeoX, OPT, Phi and kin.
_ATTENTION = ("self_attn", "attn", "attention", "self_attention")
_FROM_HEADS = ("o_proj", "out_proj", "c_proj", "dense")
_MLP = ("mlp", "ffn", "feed_forward", "block_sparse_moe")
_FROM_NEURONS = ("down_proj", "c_proj", "dense_4h_to_h", "fc2", "fc_out")


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """The modules of one layer, None if there is none that is understood.

    from_heads    projection that reads the heads' outputs side by side, `heads` of equal width
    mlp           module whose output is the MLP block's
    from_neurons  projection that reads the MLP's inner layer
    """

    whole: nn.Module
    from_heads: nn.Module | None = None
    heads: int = 0
    mlp: nn.Module | None = None
    from_neurons: nn.Module | None = None
    neurons: int = 0


def anatomy(model: CausalModel) -> tuple[Layer, ...]:
    """The decoder layers, in order. Raises InputError if none are found.

    A module is taken for what its name in the tree says. Ablation sees whether data really flows through it.
    """
    config = model.config.get_text_config()
    depth = getattr(config, "num_hidden_layers", None)
    stacks = [
        [module for _, module in stack.named_children()]
        for _, stack in model.named_modules()
        if type(stack).__name__ == "ModuleList" and sum(1 for _ in stack.children()) == depth
    ]
    stacks.sort(key=lambda stack: not any(_child(layer, _ATTENTION) for layer in stack))
    if not stacks:
        raise InputError(
            f"the layers of {type(model).__name__} are not found: no list of {depth} modules is in it"
        )
    return tuple(_layer(whole, config) for whole in stacks[0])


def inventory(layers: tuple[Layer, ...]) -> Inventory:
    """What can be removed from them."""
    children = ", ".join(f"{name} ({type(m).__name__})" for name, m in layers[0].whole.named_children())
    return Inventory(
        heads=tuple(layer.heads for layer in layers),
        mlps=tuple(layer.mlp is not None for layer in layers),
        neurons=tuple(layer.neurons for layer in layers),
        seen=children or type(layers[0].whole).__name__,
    )


def _layer(whole: nn.Module, config: Config) -> Layer:
    attention = _child(whole, _ATTENTION)
    from_heads, heads = _heads(attention, config) if attention is not None else (None, 0)
    mlp = _child(whole, _MLP)
    # OPT and XGLM keep the MLP's two projections in the layer itself
    from_neurons = _child(whole if mlp is None else mlp, _FROM_NEURONS)
    neurons = width(from_neurons)
    mlp = from_neurons if mlp is None else mlp
    return Layer(whole, from_heads, heads, mlp, from_neurons if neurons else None, neurons)


def _heads(attention: nn.Module, config: Config) -> tuple[nn.Module | None, int]:
    """The output projection and its number of heads; nothing if they do not fit together."""
    count = getattr(config, "num_attention_heads", None)
    for name, module in cast("Iterable[tuple[str, nn.Module]]", attention.named_modules()):
        features = width(module) if name.rpartition(".")[2] in _FROM_HEADS else 0
        if not features:
            continue
        sizes = (getattr(attention, key, None) for key in ("v_head_dim", "head_dim"))
        each = next((size for size in sizes if isinstance(size, int)), None)
        heads = features // each if each else count
        if isinstance(heads, int) and heads > 0 and features % heads == 0 and heads == count:
            return module, heads
    return None, 0


def _child(module: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    """The first direct child of one of these names."""
    children = dict(module.named_children())
    return next((children[name] for name in names if name in children), None)


def width(module: nn.Module | None) -> int:
    """How many numbers a projection reads; 0 for what is no projection."""
    for name in ("in_features", "nx"):  # torch's Linear and its quantised kin; GPT-2's Conv1D
        if isinstance(found := getattr(module, name, None), int):
            return found
    return 0
