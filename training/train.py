"""Trains the reader: `python -m training.train`, from fixed seeds, going on from its own checkpoint."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoTokenizer

from training import measure, tokenizer, worlds
from training.reader import Reader, Seen, Shape
from training.rows import IGNORED, Batch, Mix, Rows
from training.worlds import Style

SEED = 7
SMOOTHING = 0.03
LOOK = 100


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training on one mix, while the learning rate goes from `rate` to `rate_after`.

    until   share of held-out questions right, by kind: once all are reached (looked at every `LOOK` steps),
            the next stage begins; empty: all `steps` are taken
    fresh   begin with new embeddings for all but the first names: those not seen so far were never an
            answer and have all been pushed the same way, which leaves little to tell them apart
    """

    name: str
    steps: int
    mix: Mix
    rate: float = 1.0
    rate_after: float = 1.0
    until: Mapping[str, float] = field(default_factory=dict)
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe: each step takes `rows` rows on each of `workers` processes, one thread each."""

    shape: dict = field(default_factory=dict)
    workers: int = 2
    rows: int = 16
    muon_rate: float = 0.02
    adam_rate: float = 3e-3
    warmup: int = 100
    stages: tuple[Stage, ...] = ()


_PLAIN = Style(
    few=True, patterns=1, facts=(2, 4), made_up=0.0, again=0.05, override=0.0, chatter=0.0, untidy=0.0
)
_VARIED = Style(few=True, facts=(2, 6), made_up=0.0)
_KNOWN = Style(few=True, facts=(2, 12), made_up=0.0, override=0.4)
_CHAINS = Style(few=True, facts=(4, 8), made_up=0.0, override=0.2, chains=0.8)
_LONG = Style(few=True, facts=(4, 12), made_up=0.0, override=0.3, chains=0.5)
_NAMES = Style(facts=(2, 8), made_up=0.1, short=0.5, override=0.3, chains=0.4)
_SPELT = Style(facts=(2, 12), made_up=0.4, short=0.4, override=0.3, chains=0.4)
_ALL = Style(facts=(2, 12), made_up=0.1, short=0.4, override=0.3, chains=0.4)
_AGAIN = Style(facts=(2, 12), made_up=0.05, short=0.4, override=0.3, chains=0.45)
_TWO_HOPS = Style(facts=(4, 12), made_up=0.05, short=0.4, override=0.3, chains=0.7)

PLANS = {
    "final": Plan(
        stages=(
            Stage("plain", 400, Mix(_PLAIN, removed=0.3), 1.0, 0.6),
            Stage("varied", 400, Mix(_VARIED), 0.7, 0.54),
            Stage("known", 800, Mix(_KNOWN, damaged=0.03), 0.6, 0.4),
            Stage("chains", 400, Mix(_CHAINS), 0.7, 0.6),
            Stage("long", 500, Mix(_LONG, damaged=0.03), 0.6, 0.5, until={"one": 0.99, "two": 0.95}),
            Stage(
                "names", 900, Mix(_NAMES, damaged=0.03), 0.55, 0.45, {"one": 0.98, "two": 0.96}, fresh=True
            ),
            Stage("spell", 700, Mix(_SPELT, damaged=0.05), 0.5, 0.3612),
            Stage("all", 600, Mix(_ALL, damaged=0.05), 0.36, 0.25),
            Stage("settle", 500, Mix(_ALL, damaged=0.05), 0.25, 0.02),
            Stage("again", 1000, Mix(_AGAIN, damaged=0.03), 0.5, 0.3),
            Stage("end", 500, Mix(_AGAIN, damaged=0.03), 0.3, 0.01),
            Stage("two hops", 700, Mix(_TWO_HOPS, damaged=0.03), 0.4, 0.01),
        ),
    ),
}


def loss_of(reader: Reader, batch: Batch, text_weight: float = 0.1) -> Tensor:
    """Mean loss of the answers' tokens, and a little of the mean loss of the documents' tokens."""
    ids, positions, targets, told = map(
        torch.from_numpy, (batch.ids, batch.positions, batch.targets, batch.told)
    )
    seen = Seen.of(told, batch.width, batch.questions, ids.shape[1], torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = reader(ids, positions, seen)
        scored = targets != IGNORED
        logits = reader.logits(hidden[scored])
    losses = F.cross_entropy(logits.float(), targets[scored], label_smoothing=SMOOTHING, reduction="none")
    in_text = (torch.arange(ids.shape[1]) < batch.width).expand_as(ids)[scored]
    loss = losses[~in_text].mean()
    return loss + text_weight * losses[in_text].mean() if in_text.any() else loss


def scorer(reader: Reader, rows: Rows, most: int = 256) -> measure.Score:
    """Scores prompts with the network as it is, many at a time."""

    @torch.no_grad()
    def score(prompts: Sequence[tuple[Sequence[str], str, str]]) -> list[tuple[np.ndarray, bool]]:
        found: list[tuple[np.ndarray, bool]] = []
        for start in range(0, len(prompts), most):
            found += _score(reader, rows.prompts(prompts[start : start + most]))
        return found

    return score


def _score(reader: Reader, batch: Batch) -> list[tuple[np.ndarray, bool]]:
    ids, positions, targets, told = map(
        torch.from_numpy, (batch.ids, batch.positions, batch.targets, batch.told)
    )
    hidden = reader(ids, positions, Seen.of(told, batch.width, 1, ids.shape[1], torch.float32))
    found = []
    for row, goal in zip(hidden, targets, strict=True):
        scored = goal != IGNORED
        logs = reader.logits(row[scored].float()).log_softmax(-1)
        best = bool((logs.argmax(-1) == goal[scored]).all())
        found.append((logs.gather(1, goal[scored][:, None])[:-1, 0].numpy(), best))
    return found


def figures(score: measure.Score, style: Style, count: int = 50, games: int = 6) -> dict[str, float]:
    """Accuracy on held-out questions of each kind, and the share of games as the truth says."""
    found: dict[str, float] = {}
    most = max(4, style.facts[1])
    for made_up in (False, True) if style.made_up else (False,):
        for kind in worlds.KINDS:
            asked = worlds.questions(
                kind, 99, count, made_up=made_up, n_documents=(min(4, most), most), style=style
            )
            found[kind + "_made_up" * made_up] = measure.accuracy(score, asked)
    for kind in ("one", "two", "either") if games else ():
        asked = worlds.questions(kind, 98, games, n_documents=(4, 6), style=style)
        found[kind + "_game"] = measure.games_as_the_truth_says(score, asked)
    return found


def optimizers(reader: Reader, plan: Plan) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for embeddings, norms and biases."""
    matrices = [p for name, p in reader.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in reader.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=plan.muon_rate, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(others, lr=plan.adam_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


class Run:
    """A training run and all it needs to go on from a checkpoint."""

    def __init__(self, plan: Plan, folder: Path, worker: int) -> None:
        torch.manual_seed(SEED)
        words = AutoTokenizer.from_pretrained(folder)
        self.plan, self.worker, self.checkpoint = plan, worker, folder / "checkpoint.pt"
        special = (words.bos_token_id, words.eos_token_id, words.pad_token_id)
        self.rows = Rows(lambda text: words.encode(text, add_special_tokens=False), *special)
        self.reader = Reader(Shape(len(words), **plan.shape))
        self.steppers = optimizers(self.reader, plan)
        self.groups = [group for stepper in self.steppers for group in stepper.param_groups]
        self.rates = [group["lr"] for group in self.groups]
        self.average = {name: p.detach().clone() for name, p in self.reader.state_dict().items()}
        self.step = self.stage = self.stage_step = 0
        if self.checkpoint.exists():
            saved = torch.load(self.checkpoint)
            self.step, self.average = saved["step"], saved["average"]
            self.stage, self.stage_step = saved["stage"], saved["stage_step"]
            self.reader.load_state_dict(saved["reader"])
            for stepper, state in zip(self.steppers, saved["steppers"], strict=True):
                stepper.load_state_dict(state)

    def renew(self) -> None:
        """New embeddings, as at the start, for all tokens but the first names and the worlds' other words."""
        words = AutoTokenizer.from_pretrained(self.checkpoint.parent)
        first = " ".join([*tokenizer.known_words(few=True), "\n\n \n . ... ? :"])
        unseen = torch.ones(len(words), dtype=torch.bool)
        unseen[[*words(first, add_special_tokens=False).input_ids, *words.all_special_ids]] = False
        shape, drawing = (len(words), self.reader.shape.hidden_size), torch.Generator().manual_seed(SEED)
        drawn = 0.1 * torch.randn(shape, generator=drawing)
        for weights in (self.reader.state_dict(), self.average):
            weights["embed_tokens.weight"][unseen] = drawn[unseen]

    def save(self) -> None:
        saved = {"reader": self.reader.state_dict(), "average": self.average, "step": self.step}
        saved |= {"stage": self.stage, "stage_step": self.stage_step}
        saved["steppers"] = [stepper.state_dict() for stepper in self.steppers]
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(saved, partial)
        partial.replace(self.checkpoint)

    def advance(self, mix: Mix, rate: float) -> float:
        """One step on every worker's rows; the loss on this worker's."""
        for group, most in zip(self.groups, self.rates, strict=True):
            group["lr"] = most * rate
        batch = self.rows.batch(mix, self.plan.rows, seed=SEED, step=self.step, worker=self.worker)
        loss = loss_of(self.reader, batch)
        loss.backward()
        parameters = list(self.reader.parameters())
        if self.plan.workers > 1:
            flat = torch.cat([p.grad.flatten() for p in parameters])
            dist.all_reduce(flat)
            for p, grad in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
                p.grad = grad.view_as(p) / self.plan.workers
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for stepper in self.steppers:
            stepper.step()
            stepper.zero_grad(set_to_none=True)
        self.step += 1
        self.stage_step += 1
        for name, p in self.reader.state_dict().items():
            self.average[name].lerp_(p, max(0.005, 1 / self.step))
        return loss.item()


def train(worker: int, plan: Plan, folder: Path, every: int) -> None:
    """One worker's share of the run; the first looks, reports and saves."""
    torch.set_num_threads(1)
    if plan.workers > 1:
        dist.init_process_group(
            "gloo", f"file://{folder.resolve()}/rendezvous", rank=worker, world_size=plan.workers
        )
    run = Run(plan, folder, worker)
    began, recent = time.time(), []
    while run.stage < len(plan.stages):
        stage = plan.stages[run.stage]
        if stage.fresh and run.stage_step == 0:
            run.renew()
        along = run.stage_step / stage.steps
        warm = min(1.0, (run.step + 1) / plan.warmup)
        recent.append(run.advance(stage.mix, warm * stage.rate * (stage.rate_after / stage.rate) ** along))
        done = run.stage_step == stage.steps
        if worker == 0 and run.step % 50 == 0:
            took = f"{time.time() - began:.0f}s"
            print(f"{stage.name} {run.step} {took} loss {np.mean(recent[-50:]):.3f}", flush=True)
        if stage.until and run.step % LOOK == 0:
            done = _agreed(run, done or (worker == 0 and _reached(run, stage)))
        if done:
            run.stage, run.stage_step = run.stage + 1, 0
        if worker == 0 and (run.step % every == 0 or done):
            run.save()
            _report(run, stage)


def _agreed(run: Run, done: bool) -> bool:
    """What the first worker found, on all of them."""
    if run.plan.workers == 1:
        return done
    flag = torch.tensor([float(done)])
    dist.broadcast(flag, src=0)
    return bool(flag)


def _reached(run: Run, stage: Stage) -> bool:
    found = _averaged(run, stage, count=60, games=0)
    print("  " + json.dumps({key: round(value, 2) for key, value in found.items()}), flush=True)
    return all(found[kind] >= goal for kind, goal in stage.until.items())


def _averaged(run: Run, stage: Stage, **sizes: int) -> dict[str, float]:
    """Figures of the averaged weights."""
    now = {name: p.detach().clone() for name, p in run.reader.state_dict().items()}
    run.reader.load_state_dict(run.average)
    found = figures(scorer(run.reader, run.rows), stage.mix.style, **sizes)
    run.reader.load_state_dict(now)
    return found


def _report(run: Run, stage: Stage) -> None:
    found = _averaged(run, stage)
    print("= " + json.dumps({key: round(value, 2) for key, value in found.items()}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", default="final", choices=sorted(PLANS))
    parser.add_argument("--out", type=Path, default=Path("training/runs/reader"))
    parser.add_argument("--every", type=int, default=500)
    chosen = parser.parse_args()
    plan = PLANS[chosen.plan]
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "rendezvous").unlink(missing_ok=True)
    if not (chosen.out / "tokenizer.json").exists():
        tokenizer.save(chosen.out)
    torch.multiprocessing.spawn(train, (plan, chosen.out, chosen.every), nprocs=plan.workers)


if __name__ == "__main__":
    main()
