"""Writes a trained reader as a folder that transformers loads: `python -m training.export TRAINED FOLDER`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from training.reader import Reader, Shape


def export(reader: Reader, words: PreTrainedTokenizerFast, folder: Path) -> LlamaForCausalLM:
    """Weights in half precision, which moves no figure, config, generation config and tokenizer."""
    words.save_pretrained(folder)
    special = {
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
    }
    model = LlamaForCausalLM(LlamaConfig(**reader.shape.llama(), **special))
    found = model.model.load_state_dict(reader.state_dict(), strict=False)
    assert not found.missing_keys, found
    assert not found.unexpected_keys, found
    model.generation_config = GenerationConfig(**special, do_sample=False, max_new_tokens=24)
    model.half().save_pretrained(folder)
    return model


def load(folder: Path, plan_shape: dict) -> Reader:
    """The averaged weights of a checkpoint."""
    saved = torch.load(folder / "checkpoint.pt")
    reader = Reader(Shape(saved["average"]["embed_tokens.weight"].shape[0], **plan_shape))
    reader.load_state_dict(saved["average"])
    return reader


def main() -> None:
    from training.train import PLANS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trained", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plan", default="final", choices=sorted(PLANS))
    chosen = parser.parse_args()
    words = AutoTokenizer.from_pretrained(chosen.trained)
    export(load(chosen.trained, PLANS[chosen.plan].shape), words, chosen.folder)


if __name__ == "__main__":
    main()
