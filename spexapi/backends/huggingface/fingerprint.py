"""What a loaded model is, as a short text: equal for equal weights, whatever folder they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from spexapi.backends.huggingface.pretrained import CausalModel, Config, Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

_SAMPLED = 64  # values of each weight that are hashed, next to its sum
# Settings that say where a file is and who wrote it, not what the model does.
_OF_THE_FILE = {"_name_or_path", "transformers_version", "dtype"}
_OF_ADAPTER_FILE = {"base_model_name_or_path", "revision", "peft_version", "inference_mode"}
# Of a layer with adapters: which are used and how strongly, and which are in the weights already.
_USE = ("active_adapters", "scaling", "disable_adapters", "merged_adapters")


def fingerprint(model: CausalModel, tokenizer: Tokenizer, texts: tuple[object, ...]) -> str:
    """Architecture, dtype and 16 digits of SHA-256 over configuration, adapters, tokenizer, weights, `texts`.

    Of each weight the sum of its bits and 64 of its values are hashed: read once, at the speed of memory.
    Two models that differ in one value differ here, but for an exact exchange of values.
    """
    said = [_settings(model.config), _words(tokenizer), texts, *_adapters(model)]
    digest = hashlib.sha256(json.dumps(said, default=_plain).encode())
    for name, weight in sorted(model.state_dict().items()):
        for part in _bits(name, _there(model, name, weight)):
            digest.update(part)
    dtype = str(model.dtype).removeprefix("torch.")
    return f"hf {model.config.model_type} {dtype} {digest.hexdigest()[:16]}"


def _settings(config: Config) -> dict[str, object]:
    plain: dict[str, object] = json.loads(config.to_json_string(use_diff=False))
    return {k: v for k, v in plain.items() if k not in _OF_THE_FILE}


def _adapters(model: CausalModel) -> list[object]:
    """What the adapters' weights do not say: their settings and their use; [] for a model without."""
    configs = getattr(model, "peft_config", None)
    if not configs:
        return []
    settings = {
        name: {k: v for k, v in config.to_dict().items() if k not in _OF_ADAPTER_FILE}
        for name, config in configs.items()
    }
    layers = [
        (n, m) for n, m in model.named_modules() if hasattr(m, "active_adapters") and hasattr(m, "scaling")
    ]
    return [settings, [(name, *(getattr(layer, what, None) for what in _USE)) for name, layer in layers]]


def _plain(value: object) -> object:
    """For what JSON does not know: sets in an order, anything else as a text."""
    return (
        sorted(map(str, cast("Iterable[object]", value)))
        if isinstance(value, set | frozenset)
        else str(value)
    )


def _words(tokenizer: Tokenizer) -> object:
    whole = getattr(tokenizer, "backend_tokenizer", None)
    text = whole.to_str() if whole is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    return [hashlib.sha256(text.encode()).hexdigest(), tokenizer.chat_template]


def _there(model: CausalModel, name: str, weight: object) -> object:
    """The weight, fetched if accelerate keeps it on the disk or the CPU until it is needed."""
    if not getattr(weight, "is_meta", False):
        return weight
    place, _, own = name.rpartition(".")
    hook = getattr(model.get_submodule(place), "_hf_hook", None)
    kept: Mapping[str, Tensor] = getattr(hook, "weights_map", None) or {}
    try:
        return kept[own]
    except KeyError:  # tied to another weight, which is read under its own name
        return weight


def _bits(name: str, value: object) -> Iterator[bytes]:
    """What is hashed of an entry of a model's state: a tensor, or what a quantised layer keeps there."""
    import torch

    if not isinstance(value, torch.Tensor):
        several = cast("Sequence[object]", value) if isinstance(value, tuple | list) else ()
        yield f"{name} {'' if several else value} ".encode()
        for number, part in enumerate(several):
            yield from _bits(f"{name}.{number}", part)
        return
    yield f"{name} {tuple(value.shape)} {value.dtype} ".encode()
    if value.is_quantized:
        yield _sampled(value.int_repr())
        yield repr(_scales(value)).encode()
    elif flatten := getattr(value, "__tensor_flatten__", None):  # the packed tensors of torchao and quanto
        inside, rest = cast("tuple[list[str], object]", flatten())
        yield repr(rest).encode()
        for inner in inside:
            yield from _bits(f"{name}.{inner}", getattr(value, inner))
    elif not value.is_meta:
        yield _sampled(value)


def _sampled(weight: Tensor) -> bytes:
    import torch

    whole = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[weight.element_size()]
    flat = weight.detach().contiguous().reshape(-1).view(whole)
    if not len(flat):
        return b""
    step = max(1, len(flat) // _SAMPLED)
    return f"{int(flat.sum(dtype=torch.int64))} {_numbers(flat[::step])}".encode()


def _scales(weight: Tensor) -> list[object]:
    """By what a quantised tensor of torch is multiplied and shifted."""
    import torch

    if weight.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return [weight.q_scale(), weight.q_zero_point()]
    return [_numbers(weight.q_per_channel_scales()), _numbers(weight.q_per_channel_zero_points())]


def _numbers(values: Tensor) -> list[float]:
    return cast("list[float]", values.tolist())  # pyright: ignore[reportUnknownMemberType]
