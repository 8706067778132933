"""How much faster 64 masks of heads are in one batch than one by one, on one CPU thread.

    python benchmarks/heads_speed.py

Models: the embedded one; random Llamas of 4 layers of 8 heads of 4, and of 32 layers of 32 heads of 4. A mask
keeps each head with probability a half. Compared are, in CPU seconds (median of 5):

    batch         HeadGame.measure on 64 masks never asked before: tokens, hooks, scores, all of it
    plain batch   the model on 64 such rows, nothing taken out, logits only where the answer is predicted
    by hooks      64 passes of one row: tokens, a hook on each layer, all logits, log-softmax
    by weights    64 passes of one row: a copy of the model with zeros written into its weights

And the seconds that an explanation of the 1,024 heads takes. Writes results/heads_speed.json and its table in
README.md.
"""

from __future__ import annotations

import asyncio
import copy
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch
from kept import HERE, Kept, Row, markdown, write_table
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

import spexapi
from spexapi.backends.huggingface.embedded import FOLDER

ROWS, REPEATS, BUDGET = 64, 5, 2_048
WAYS = ("batch", "plain batch", "by hooks", "by weights")
PROMPT = (
    "Documents:\n\nThe key is in the box.\n\nThe box is in the cellar.\n\nQuestion: Which room is the key in?"
)
ANSWER = "cellar"


def models() -> dict[str, Any]:
    """Name -> model; all read the embedded model's tokens."""
    embedded = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()
    torch.manual_seed(0)
    found: dict[str, Any] = {}
    for layers, heads, width in ((4, 8, 4), (32, 32, 4)):
        config = LlamaConfig(
            vocab_size=embedded.config.vocab_size,
            hidden_size=heads * width,
            intermediate_size=2 * heads * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            max_position_embeddings=256,
        )
        found[f"{layers} x {heads} heads of {width}, random"] = LlamaForCausalLM(config).eval()
    name = (
        f"{embedded.config.num_hidden_layers} x {embedded.config.num_attention_heads} heads of 32, embedded"
    )
    return {name: embedded, **found}


class OneByOne:
    """What one would write without thinking of batches."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.heads = model.config.num_attention_heads

    def by_hooks(self, mask: np.ndarray) -> float:
        handles = []
        for layer, kept in zip(self.model.model.layers, mask.reshape(-1, self.heads), strict=True):
            module = layer.self_attn.o_proj
            wide = torch.from_numpy(np.repeat(kept, module.in_features // self.heads))
            handles.append(module.register_forward_pre_hook(lambda _, args, wide=wide: (args[0] * wide,)))
        try:
            return self.score(self.model)
        finally:
            for handle in handles:
                handle.remove()

    def by_weights(self, mask: np.ndarray) -> float:
        model = copy.deepcopy(self.model)
        for layer, kept in zip(model.model.layers, mask.reshape(-1, self.heads), strict=True):
            module = layer.self_attn.o_proj
            with torch.no_grad():
                module.weight *= torch.from_numpy(np.repeat(kept, module.in_features // self.heads))
        return self.score(model)

    def ids(self) -> tuple[list[int], int]:
        turns = [{"role": "user", "content": PROMPT}]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        asked = self.tokenizer(text, add_special_tokens=False).input_ids
        return asked + self.tokenizer(" " + ANSWER, add_special_tokens=False).input_ids, len(asked)

    def score(self, model: Any) -> float:
        ids, first = self.ids()
        with torch.no_grad():
            logs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        return float(sum(logs[i - 1, ids[i]] for i in range(first, len(ids))))

    def plain_batch(self, rows: int) -> None:
        ids, first = self.ids()
        keep = torch.arange(first - 1, len(ids) - 1)
        with torch.inference_mode():
            self.model(input_ids=torch.tensor([ids] * rows), logits_to_keep=keep, use_cache=False)


def median(work: Callable[[int], object]) -> float:
    seconds = []
    for repeat in range(-1, REPEATS):
        start = time.process_time()
        work(repeat)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds[1:])


def compared(model: Any, tokenizer: Any) -> Row:
    game = spexapi.HeadGame(model, PROMPT, ANSWER, tokenizer=tokenizer)
    naive, n = OneByOne(model, tokenizer), len(game.players)
    loop = asyncio.new_event_loop()

    def masks(repeat: int) -> np.ndarray:
        return np.random.default_rng(repeat + 1).random((ROWS, n)) < 0.5

    loop.run_until_complete(game.prepare())
    seconds = {
        "batch": median(lambda r: loop.run_until_complete(game.measure(masks(r)))),
        "plain batch": median(lambda r: naive.plain_batch(ROWS)),
        "by hooks": median(lambda r: [naive.by_hooks(mask) for mask in masks(r)]),
        "by weights": median(lambda r: [naive.by_weights(mask) for mask in masks(r)]),
    }
    values = loop.run_until_complete(game.measure(masks(9))).values
    off = max(abs(v - naive.by_weights(m)) for v, m in zip(values, masks(9), strict=True))
    loop.run_until_complete(game.close())
    loop.close()
    rounded = {name: round(value, 4) for name, value in seconds.items()}
    return {"tokens": len(naive.ids()[0]), "players": n, "off": float(f"{off:.1e}"), **rounded}


def explained(model: Any, tokenizer: Any) -> Row:
    """An explanation of all heads: CPU seconds in all, and those of asking."""
    game = spexapi.HeadGame(model, PROMPT, ANSWER, tokenizer=tokenizer)
    spent: list[float] = []
    start = time.process_time()
    found = spexapi.explain(
        game, budget=BUDGET, on_progress=lambda done, planned: spent.append(time.process_time() - start)
    )
    total = time.process_time() - start
    return {
        "players": found.n_players,
        "budget": BUDGET,
        "asking": round(spent[-1], 1),
        "total": round(total, 1),
    }


def main() -> None:
    torch.set_num_threads(1)
    kept, tokenizer = Kept.open("heads_speed"), AutoTokenizer.from_pretrained(FOLDER)
    for name, model in models().items():
        kept.put(name, compared(model, tokenizer))
        print(name, kept.rows[name], flush=True)
    kept.put("explained", explained(model, tokenizer))
    head = ["model", "tokens", "batch, s", "plain batch, s", "by hooks, s", "by weights, s"]
    head += ["hooks / batch", "weights / batch", "batch / plain batch"]
    rows = []
    for name, row in kept.rows.items():
        if name != "explained":
            batch, plain, hooks, weights = (
                row[k] for k in ("batch", "plain batch", "by hooks", "by weights")
            )
            cells = [f"{row[k]:.3f}" for k in ("batch", "plain batch", "by hooks", "by weights")]
            ratios = [f"{hooks / batch:.1f}", f"{weights / batch:.1f}", f"{batch / plain:.2f}"]
            rows.append([name, str(row["tokens"]), *cells, *ratios])
    last = kept.rows["explained"]
    said = (
        f"{last['players']:,} heads explained with {last['budget']:,} masks: {last['total']:.0f} CPU seconds,"
        f" {last['asking']:.0f} of them asking the model."
    )
    write_table("heads speed", markdown(head, rows) + "\n\n" + said)


if __name__ == "__main__":
    sys.path.append(str(HERE.parent))
    main()
