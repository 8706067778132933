"""What a loaded model is, as a short text: equal for equal weights, whatever folder they came from."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_SAMPLED = 64  # values of each weight that are hashed, beside its sum


def fingerprint(model: Any, tokenizer: Any, texts: tuple[object, ...]) -> str:
    """Architecture, dtype and 16 digits of SHA-256 over configuration, tokenizer, weights and `texts`.

    Of each weight the sum of its bits and 64 of its values are hashed: read once, at the speed of memory.
    Two models that differ in one value differ here, but for an exact exchange of values.
    """
    digest = hashlib.sha256(json.dumps([_settings(model.config), _words(tokenizer), texts]).encode())
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(weight.shape)} {weight.dtype} ".encode())
        digest.update(_bits(weight))
    dtype = str(model.dtype).removeprefix("torch.")
    return f"hf {model.config.model_type} {dtype} {digest.hexdigest()[:16]}"


def _settings(config: Any) -> dict[str, object]:
    """The configuration without what says only where the model is and who wrote it."""
    plain: dict[str, object] = json.loads(config.to_json_string(use_diff=False))
    return {k: v for k, v in plain.items() if k not in {"_name_or_path", "transformers_version", "dtype"}}


def _words(tokenizer: Any) -> object:
    whole = getattr(tokenizer, "backend_tokenizer", None)
    text = whole.to_str() if whole is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    return [hashlib.sha256(text.encode()).hexdigest(), tokenizer.chat_template]


def _bits(weight: Any) -> bytes:
    import torch

    whole = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[weight.element_size()]
    flat = weight.detach().contiguous().reshape(-1).view(whole)
    if not len(flat):
        return b""
    step = max(1, len(flat) // _SAMPLED)
    return f"{int(flat.sum(dtype=torch.int64))} {flat[::step].tolist()}".encode()
