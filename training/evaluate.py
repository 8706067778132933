"""Measures the shipped folder as a user meets it, and writes its figures: `python -m training.evaluate`."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from training import measure, worlds

SEED = 2026
GAME_KINDS = ("one", "two", "either")
FOLDER = Path(__file__).parents[1] / "spexapi" / "backends" / "huggingface" / "embedded_model"


def prompt(documents: Sequence[str], question: str) -> str:
    """The package's prompt for documents and a question."""
    return "\n\n".join(["Documents:", *documents, f"Question: {question}"])


class Shipped:
    """The folder's model behind `measure.Score`, through its tokenizer and chat template."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def __call__(self, prompts: Sequence[tuple[Sequence[str], str, str]]) -> list[tuple[np.ndarray, bool]]:
        rows = [self._row(*each) for each in prompts]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
        found: dict[int, tuple[np.ndarray, bool]] = {}
        for start in range(0, len(order), 64):
            part = order[start : start + 64]
            found |= dict(zip(part, self._scored([rows[i] for i in part]), strict=True))
        return [found[i] for i in range(len(rows))]

    def _row(self, documents: Sequence[str], question: str, answer: str) -> tuple[list[int], int]:
        messages = [{"role": "user", "content": prompt(documents, question)}]
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        asked = self.tokenizer(text, add_special_tokens=False).input_ids
        reply = self.tokenizer(" " + answer, add_special_tokens=False).input_ids
        return [*asked, *reply, self.tokenizer.eos_token_id], len(reply) + 1

    @torch.no_grad()
    def _scored(self, rows: list[tuple[list[int], int]]) -> list[tuple[np.ndarray, bool]]:
        """Right where every token of the answer, with the end mark, is the most likely one."""
        width = max(len(ids) for ids, _ in rows)
        padded = torch.tensor([ids + [self.tokenizer.pad_token_id] * (width - len(ids)) for ids, _ in rows])
        logits = self.model(padded).logits  # padding is on the right, where a causal model does not look
        found = []
        for (ids, n), row in zip(rows, logits, strict=True):
            logs = row[len(ids) - n - 1 : len(ids) - 1].log_softmax(-1)
            goal = torch.tensor(ids[-n:])
            right = bool((logs.argmax(-1) == goal).all())
            found.append((logs.gather(1, goal[:, None])[:-1, 0].numpy(), right))
        return found

    def generate(self, documents: Sequence[str], question: str) -> str:
        messages = [{"role": "user", "content": prompt(documents, question)}]
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = self.tokenizer(text, add_special_tokens=False, return_tensors="pt")
        made = self.model.generate(**ids)[0, ids["input_ids"].shape[1] :]
        return self.tokenizer.decode(made, skip_special_tokens=True).strip()


def figures(shipped: Shipped, count: int, games: int) -> dict[str, dict[str, float]]:
    """Shares for every kind: held-out pairs, made-up words, games as the truth says, generate()."""
    found: dict[str, dict[str, float]] = {
        "held_out": {},
        "made_up": {},
        "game": {},
        "made_up_game": {},
        "generated": {},
    }
    for kind in worlds.KINDS:
        asked = list(worlds.questions(kind, SEED, count))
        found["held_out"][kind] = measure.accuracy(shipped, asked)
        found["made_up"][kind] = measure.accuracy(shipped, worlds.questions(kind, SEED, count, made_up=True))
        said = [shipped.generate(q.documents, q.question) == q.answer for q in asked[:40]]
        found["generated"][kind] = float(np.mean(said))
    for kind in GAME_KINDS:
        for name, made_up, n in (("game", False, games), ("made_up_game", True, games // 2)):
            asked = worlds.questions(kind, SEED + 1, n, made_up=made_up, n_documents=(4, 7))
            found[name][kind] = measure.games_as_the_truth_says(shipped, asked)
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """The figures as the model card shows them, in percent."""
    heads = ("kind", "held-out pairs", "made-up words", "game, held-out pairs", "game, made-up words")
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for kind in worlds.KINDS:
        cells = [found[name].get(kind) for name in ("held_out", "made_up", "game", "made_up_game")]
        lines.append(f"| {kind} | " + " | ".join("" if c is None else f"{100 * c:.1f}" for c in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--count", type=int, default=500, help="questions of each kind")
    parser.add_argument(
        "--games",
        type=int,
        default=100,
        help="games of each kind, of 4 to 7 documents; half as many with made-up words",
    )
    chosen = parser.parse_args()
    began = time.time()
    shipped = Shipped(chosen.folder)
    found = figures(shipped, chosen.count, chosen.games)
    sizes = {"count": chosen.count, "games": chosen.games, "seed": SEED}
    (chosen.folder / "figures.json").write_text(json.dumps(sizes | found, indent=2) + "\n")
    card = chosen.folder / "MODEL_CARD.md"
    if card.exists():
        marked = re.compile(r"(<!-- figures -->\n).*?(<!-- end -->)", re.S)
        card.write_text(marked.sub(lambda m: m[1] + table(found) + "\n" + m[2], card.read_text()))
    print(table(found))
    print(f"{time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
