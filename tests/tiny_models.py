"""Small random models with real tokenizers, made in a folder in a second: nothing is downloaded."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

# Other work on the same cores makes several threads slower than one for models this small.
torch.set_num_threads(1)

CORPUS = [
    "The key is in the box. The box is in the cellar. Which room is the key in?",
    "Documents: Question: Answer: once upon a time there was a little girl named Lily",
    "user assistant system tool yes no maybe the lamp is in the attic",
] * 20
CHATML = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
WITH_BOS = "{{ bos_token }}" + CHATML


@functools.lru_cache(8)
def tokenizer(*, adds_bos: bool, chat_template: str | None = None) -> Any:
    """Byte-level BPE: a letter of another script is several tokens, a space belongs to the next word."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(CORPUS, trainer)
    if adds_bos:
        bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    made = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>")
    made.chat_template = chat_template
    return made


def llama(folder: Path, **of_tokenizer: Any) -> Path:
    """A random Llama that listens to its whole prompt; 128 positions."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer(**of_tokenizer).save_pretrained(folder)
    return folder


def gpt2(folder: Path, **of_tokenizer: Any) -> Path:
    """A random GPT-2: absolute positions, which padding on the left must not move."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=512,
        n_positions=128,
        n_embd=32,
        n_layer=2,
        n_head=4,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer(**of_tokenizer).save_pretrained(folder)
    return folder


def set_generation(folder: Path, **settings: Any) -> None:
    """Writes what a model's authors may have left in its generation settings."""
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def logprobs_by_loop(model: Any, ids: list[int], first: int) -> list[float]:
    """log p of ids[first:], one full pass a token, in float64: no padding, no mask, no batch."""
    found: list[float] = []
    for k in range(first, len(ids)):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids[:k]])).logits[0, -1].double().numpy()
        odds = np.exp(logits - logits.max())
        found.append(float(np.log(odds[ids[k]] / odds.sum())))
    return found
