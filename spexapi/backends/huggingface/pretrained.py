"""What spexapi uses of the models, tokenizers and configurations of transformers, as Protocols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Config(Protocol):
    model_type: str
    vocab_size: int

    def get_text_config(self) -> Config: ...

    def to_json_string(self, use_diff: bool = True) -> str: ...


class Output(Protocol):
    """logits: (rows, positions, vocabulary)."""

    logits: Tensor


class CausalModel(Protocol):
    """A language model that predicts the next token: of transformers, or wrapped by PEFT or torch.compile."""

    @property
    def config(self) -> Config: ...

    @property
    def generation_config(self) -> object: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def device(self) -> torch.device: ...

    def __call__(self, **inputs: object) -> Output: ...

    def forward(self, **inputs: object) -> Output: ...

    def modules(self) -> Iterator[nn.Module]: ...

    def named_modules(self) -> Iterator[tuple[str, nn.Module]]: ...

    def get_submodule(self, target: str) -> nn.Module: ...

    def get_input_embeddings(self) -> nn.Module: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def state_dict(self) -> Mapping[str, object]: ...


class Tokenizer(Protocol):
    """A fast tokenizer: one that knows the characters of each token."""

    bos_token_id: int | None
    eos_token_id: int | None
    pad_token_id: int | None
    chat_template: str | None

    @property
    def is_fast(self) -> bool: ...

    def __call__(self, text: str, **options: object) -> Mapping[str, Sequence[object]]: ...

    def apply_chat_template(self, conversation: Sequence[Mapping[str, object]], **options: object) -> str: ...

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str: ...

    def get_vocab(self) -> Mapping[str, int]: ...


class Source(Protocol):
    """What gives a backend its model: a folder, the Hub, or a model that is loaded already."""

    @property
    def name(self) -> str: ...

    def texts(self) -> tuple[Tokenizer, Config]: ...

    def model(self) -> CausalModel:
        """With its weights, on its device. Raises BackendError or InputError."""
        ...

    def skeleton(self) -> CausalModel:
        """The modules, without weights if none are loaded: enough to see what the model is made of."""
        ...
