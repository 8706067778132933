"""From a name, a folder or a loaded model to a backend."""

from __future__ import annotations

from collections.abc import Mapping

from spexapi.backends.huggingface.backend import HuggingFace
from spexapi.backends.huggingface.loaded import Loaded, checked_model, checked_tokenizer
from spexapi.backends.huggingface.loading import Pretrained


def open_hf(
    model: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    device_map: str | Mapping[str, int | str] | None = None,
    quantization: object = None,
    adapter: str | None = None,
    batch_tokens: int | None = None,
    padding_side: str = "left",
    joiner: str | None = None,
    chat_template: str | None = None,
    placeholder: str = "...",
) -> HuggingFace:
    """A model from a folder or from the Hugging Face Hub, not loaded yet.

    device         auto (a GPU if there is one), cpu, cuda, cuda:<number>
    dtype          auto (as stored; float32 on the CPU), float32, bfloat16, float16
    device_map     in place of device, for a model on several: "auto", "balanced", ... or {module: device}, as
                   transformers takes it; needs accelerate
    quantization   "4bit" or "8bit" (needs bitsandbytes), or a configuration object of transformers
    adapter        folder or id of a PEFT adapter (LoRA, ...), put on the model and not merged; needs peft
    batch_tokens   tokens run at once, padding included; halved if memory runs out
    joiner         stands between prompt and answer if the tokenizer has no chat template; None: one space,
                   unless one of them has white space there or the script uses none
    chat_template  in place of the tokenizer's own

    Raises InputError for a folder that holds no model and for an option whose library is not installed.
    """
    return HuggingFace(
        Pretrained(model, revision, device, dtype, device_map, quantization, adapter),
        batch_tokens=batch_tokens,
        padding_side=padding_side,
        joiner=joiner,
        chat_template=chat_template,
        placeholder=placeholder,
    )


def from_transformers(
    model: object,
    tokenizer: object,
    *,
    name: str = "",
    batch_tokens: int | None = None,
    padding_side: str = "left",
    joiner: str | None = None,
    chat_template: str | None = None,
    placeholder: str = "...",
) -> HuggingFace:
    """A backend from a causal model that is loaded already, for RagGame, PromptGame and HeadGame.

    model  of transformers: whole or quantised, with adapters of PEFT or without, on one device or on several.
           It stays where it is, in its own dtype; a model in training mode is asked in evaluation mode and
           left as it was
    name   for reports; "" for the name that the model was loaded by

    The other options are those of "hf:...". The store knows the model by its weights, adapters included: what
    an equal one was asked is found again.
    Raises InputError for what is no causal model, a tokenizer that is not fast, and adapters that add virtual
    tokens to the prompt.
    """
    return HuggingFace(
        Loaded(checked_model(model), checked_tokenizer(tokenizer)),
        name=name,
        batch_tokens=batch_tokens,
        padding_side=padding_side,
        joiner=joiner,
        chat_template=chat_template,
        placeholder=placeholder,
    )
