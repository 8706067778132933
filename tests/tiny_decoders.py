"""Small random decoders of many families, built in memory; one built by hand that needs two of its heads."""

from __future__ import annotations

import copy
import functools
from typing import Any

import tiny_models
import torch
import transformers as hf

_SMALL = {
    "vocab_size": 512,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
_GROUPED = {**_SMALL, "num_key_value_heads": 2}

_LLAMA_LIKE = ("model.layers.{}.self_attn.o_proj", "model.layers.{}.mlp.down_proj")
_OPT = {
    **{k: v for k, v in _SMALL.items() if k not in ("intermediate_size", "initializer_range")},
    "ffn_dim": 48,
    "init_std": 0.3,
    "word_embed_proj_dim": 32,
}
_GPT2 = {"n_positions": 128, "n_embd": 32, "n_layer": 2, "n_head": 4}
_SHARED = {k: _SMALL[k] for k in ("vocab_size", "initializer_range", "bos_token_id", "eos_token_id")}

# name -> model, configuration, and where an outsider finds layer i's attention and MLP projections
FAMILIES: dict[str, tuple[Any, Any, str, str]] = {
    "llama": (hf.LlamaForCausalLM, hf.LlamaConfig(**_GROUPED), *_LLAMA_LIKE),
    "qwen2": (hf.Qwen2ForCausalLM, hf.Qwen2Config(**_GROUPED), *_LLAMA_LIKE),
    "qwen3": (hf.Qwen3ForCausalLM, hf.Qwen3Config(**_GROUPED, head_dim=16), *_LLAMA_LIKE),
    "mistral": (hf.MistralForCausalLM, hf.MistralConfig(**_GROUPED), *_LLAMA_LIKE),
    "gemma": (hf.GemmaForCausalLM, hf.GemmaConfig(**_GROUPED, head_dim=16), *_LLAMA_LIKE),
    "gemma2": (hf.Gemma2ForCausalLM, hf.Gemma2Config(**_GROUPED, head_dim=16), *_LLAMA_LIKE),
    "phi3": (hf.Phi3ForCausalLM, hf.Phi3Config(**_GROUPED), *_LLAMA_LIKE),
    "phi": (
        hf.PhiForCausalLM,
        hf.PhiConfig(**_GROUPED),
        "model.layers.{}.self_attn.dense",
        "model.layers.{}.mlp.fc2",
    ),
    "gpt2": (
        hf.GPT2LMHeadModel,
        hf.GPT2Config(**_GPT2, **_SHARED),
        "transformer.h.{}.attn.c_proj",
        "transformer.h.{}.mlp.c_proj",
    ),
    "gpt_neox": (
        hf.GPTNeoXForCausalLM,
        hf.GPTNeoXConfig(**_SMALL),
        "gpt_neox.layers.{}.attention.dense",
        "gpt_neox.layers.{}.mlp.dense_4h_to_h",
    ),
    "opt": (
        hf.OPTForCausalLM,
        hf.OPTConfig(**_OPT),
        "model.decoder.layers.{}.self_attn.out_proj",
        "model.decoder.layers.{}.fc2",
    ),
}
HEADS, LAYERS = 4, 2


def tokenizer() -> Any:
    return tiny_models.tokenizer(adds_bos=False)


def decoder(family: str) -> Any:
    """A random model of the family, biases too, so that nothing is zero by chance; each call a copy."""
    return copy.deepcopy(_decoder(family))


@functools.cache
def _decoder(family: str) -> Any:
    torch.manual_seed(0)
    kind, config, _, _ = FAMILIES[family]
    model = kind(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                weight.normal_(0.0, 0.1)
    return model


def projection(model: Any, family: str, layer: int, *, mlp: bool = False) -> Any:
    """The attention's output projection of one layer, or the MLP's."""
    return model.get_submodule(FAMILIES[family][3 if mlp else 2].format(layer))


def blank_inputs(module: Any, start: int, stop: int) -> None:
    """Writes zeros into the weights that read inputs start:stop; GPT-2 keeps them as rows."""
    with torch.no_grad():
        if type(module).__name__ == "Conv1D":
            module.weight[start:stop] = 0.0
        else:
            module.weight[:, start:stop] = 0.0


def read_width(module: Any) -> int:
    return int(module.weight.shape[0 if type(module).__name__ == "Conv1D" else 1])


def circuit(a: tuple[int, int], b: tuple[int, int], answer: int, *, heads: int = 4, layers: int = 2) -> Any:
    """A Llama that makes token `answer` likely only where heads a and b (layer, head) are both there.

    Every token's embedding has a 1 in place 0. Head a copies it to place 1, head b to place 2. The last MLP
    writes their product to place 3, and only place 3 is read for the logit of `answer`.
    Other heads write a little noise to places nobody reads; only the norms notice it.
    """
    config = hf.LlamaConfig(
        **_SMALL
        | {
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "hidden_size": 4 * heads,
            "intermediate_size": 4,
        }
    )
    torch.manual_seed(0)
    model = hf.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 if "norm" in name else 0.0)
        model.model.embed_tokens.weight[:, 0] = 1.0
        for number, layer in enumerate(model.model.layers):
            for head in range(heads):
                layer.self_attn.v_proj.weight[4 * head, 0] = 1.0  # attention is uniform: q and k are 0
                place = {a: 1, b: 2}.get((number, head), 4)
                layer.self_attn.o_proj.weight[place, 4 * head] = 1.0 if place < 4 else 0.03
        last = model.model.layers[-1].mlp
        last.gate_proj.weight[0, 1] = last.up_proj.weight[0, 2] = 4.0
        last.down_proj.weight[3, 0] = 1.0
        model.lm_head.weight[answer, 3] = 8.0
    return model
