"""A model that is loaded, however it was: the device of its inputs, what it takes, its evaluation mode."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from spexapi.backends.huggingface.pretrained import CausalModel, Config, Tokenizer
from spexapi.errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model and its tokenizer as the source of a backend."""

    given: CausalModel
    tokenizer: Tokenizer

    @property
    def name(self) -> str:
        config = self.given.config
        return f"hf:{getattr(config, '_name_or_path', '') or config.model_type}"

    def texts(self) -> tuple[Tokenizer, Config]:
        return self.tokenizer, self.given.config

    def model(self) -> CausalModel:
        return self.given

    def skeleton(self) -> CausalModel:
        return self.given


def checked_model(model: object) -> CausalModel:
    """A causal language model. Raises InputError for anything else, or for virtual tokens of an adapter."""
    if not all(hasattr(model, name) for name in ("named_modules", "forward", "config")):
        raise InputError(
            f"the model must be a loaded causal model of transformers, got {type(model).__name__}:"
            " from_transformers(model, tokenizer)"
        )
    found = cast("CausalModel", model)
    if getattr(found.config, "is_encoder_decoder", False):
        raise InputError(f"{type(model).__name__} has an encoder: spexapi reads decoders, such as Llama")
    for name, adapter in getattr(model, "peft_config", {}).items():
        if getattr(adapter, "is_prompt_learning", False):
            raise InputError(
                f"the adapter {name!r} ({adapter.peft_type}) adds virtual tokens to the prompt, so the"
                " answer's tokens are not found after it: use LoRA or another adapter that changes weights"
            )
    return found


def checked_tokenizer(tokenizer: object) -> Tokenizer:
    """A fast tokenizer. Raises InputError for anything else."""
    if not callable(tokenizer) or not hasattr(tokenizer, "apply_chat_template"):
        raise InputError(
            f"the tokenizer must be a loaded one of transformers, got {type(tokenizer).__name__}:"
            " from_transformers(model, tokenizer)"
        )
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            "this model's tokenizer gives no character offsets; spexapi needs a fast one (tokenizer.json)"
        )
    return cast("Tokenizer", tokenizer)


def input_device(model: CausalModel) -> torch.device:
    """The device of the input embeddings, whatever the rest of the model lies on: token ids go there.

    Weights that accelerate has offloaded are on no device; its hook knows the one they are run on.
    """
    import torch

    embeddings = model.get_input_embeddings()
    hooks = getattr(embeddings, "_hf_hook", None)
    for hook in (hooks, *getattr(hooks, "hooks", ())):
        if (device := getattr(hook, "execution_device", None)) is not None:
            return torch.device(device)
    devices = [getattr(getattr(embeddings, "weight", None), "device", None), model.device]
    devices += [parameter.device for parameter in model.parameters()]
    return next((d for d in devices if d is not None and d.type != "meta"), torch.device("cpu"))


def forward_parameters(model: CausalModel) -> frozenset[str]:
    """Names of what the model's own forward() takes, whatever wraps it: PEFT or torch.compile."""
    inner: CausalModel = getattr(model, "_orig_mod", model)
    base: Callable[[], CausalModel] | None = getattr(inner, "get_base_model", None)
    return frozenset(inspect.signature((base() if base else inner).forward).parameters)


@contextmanager
def evaluating(model: CausalModel) -> Generator[None]:
    """No dropout inside; afterwards every module is in the mode it was in."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False  # not eval(): some adapters merge their weights there
    try:
        yield
    finally:
        for module in training:
            module.training = True
