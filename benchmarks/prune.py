"""How well the embedded model answers with only k of its 32 attention heads left, by how they are chosen.

    python benchmarks/prune.py [--draws 3] [--seconds 3600]

A draw: 10 questions of the model's own tests (training/worlds.py, 2 of each of 5 kinds, 4 to 6 documents) are
the game, its value the mean log-odds of the right answer against three others that stand in the documents;
100 other questions are held out. Each way has 300 masks of the game:

    spectrum            auto on all 300, then the best k heads by mixed-integer programming
    spectrum, searched  auto on 150, the rest spent by prune(budget=...) around that optimum
    first order         the lasso of context-cite on the same 300, the k largest
    first, searched     the same lasso on 150, the rest spent by the same search
    ridge               ridge on single heads, its penalty by leave-one-out, on the same 300, the k largest
    leave one out       the k heads whose loss alone costs most (33 masks; it has no use for more)

The solver has 1 second for each k. Accuracy is the share of held-out questions where the right answer is
the likeliest of the four. Writes results/prune.json and its table in README.md.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from kept import HERE, Clock, Kept, Row, markdown, write_table

import spexapi
from spexapi.fourier.spectrum import refit

sys.path.append(str(HERE.parent))
from training import names, worlds
from training.evaluate import prompt

MASKS, SEARCHED, SOLVER = 300, 150, 1.0
GAME, HELD_OUT = 2, 20  # questions of each kind
SIZES = list(range(2, 32, 2))
WAYS = ("spectrum", "spectrum, searched", "first order", "first, searched", "ridge", "leave one out")
_PLACES = {name for role in ("containers", "people", "rooms") for name in names.known(role, few=False)}


def questions(seed: int, of_each: int) -> list[spexapi.Question]:
    drawn = (q for kind in worlds.KINDS for q in worlds.questions(kind, seed, of_each, n_documents=(4, 6)))
    return [
        spexapi.Question(prompt(q.documents, q.question), q.answer, (q.answer, *others(q))) for q in drawn
    ]


def others(question: worlds.Question) -> list[str]:
    """Three wrong answers: places and people of the documents, the last told first, and "unknown"."""
    told = re.findall("[A-Za-z]+", " ".join(question.documents))
    near = [w for w in dict.fromkeys(reversed(told)) if w in _PLACES and w not in question.question.split()]
    wrong = [w for w in ("unknown", *near) if w != question.answer]
    return wrong[:3]


def explained(way: str, game: spexapi.HeadGame, seed: int) -> spexapi.Explanation:
    """First-order ways are fitted to the very masks of the other ways; leave-one-out draws its own."""
    if way == "leave one out":
        return spexapi.explain(game, engine="loo", budget=MASKS * game.calls_per_mask)
    masks = SEARCHED if way.endswith("searched") else MASKS
    explanation = spexapi.explain(game, budget=masks * game.calls_per_mask, seed=seed)
    if way == "ridge":
        seen = explanation.observations
        singles = [(), *((i,) for i in range(seen.n_players))]
        return replace(explanation, spectrum=refit(seen.masks, seen.values, singles))
    return explanation.with_engine("contextcite") if way.startswith("first") else explanation


def run(game: spexapi.HeadGame, held_out: spexapi.HeadGame, way: str, draw: int) -> Row:
    explanation = explained(way, game, draw)
    budget = MASKS - SEARCHED - len(SIZES) if way.endswith("searched") else 0
    kept = spexapi.prune(game, explanation, SIZES, budget=budget, on=held_out, time_limit=SOLVER)
    return {
        "engine": explanation.engine,
        "r2": None if explanation.audit.r2 is None else round(explanation.audit.r2, 4),
        "accuracy": [round(each.held_out, 4) for each in kept],
        "game": [round(each.measured, 4) for each in kept],
        "heads": [list(each.optimum.players) for each in kept],
        "proved": sum(each.optimum.proof == "optimal" for each in kept),
    }


def table(kept: Kept) -> str:
    started = {int(key.split("/")[0]) for key in kept.rows}
    draws = [d for d in sorted(started) if all(f"{d}/{way}" in kept.rows for way in WAYS)]
    head = ["heads left", *WAYS]
    of_way = {way: [kept.rows[f"{d}/{way}"]["accuracy"] for d in draws] for way in WAYS}
    rows = [
        [str(size), *(f"{np.mean([found[place] for found in of_way[way]]):.3f}" for way in WAYS)]
        for place, size in enumerate(SIZES)
    ]
    rows.append(["mean over sizes", *(f"{np.mean(of_way[way]):.3f}" for way in WAYS)])
    return f"{len(draws)} draws of questions and masks.\n\n" + markdown(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3600.0)
    given = parser.parse_args()
    clock, kept = Clock(given.seconds), Kept.open("prune")
    for draw in range(given.draws):
        game = spexapi.HeadGame("embedded", questions(100 + draw, GAME), score="choice")
        held_out = spexapi.HeadGame("embedded", questions(200 + draw, HELD_OUT), score="accuracy")
        for way in WAYS:
            if f"{draw}/{way}" not in kept.rows and not clock.over:
                kept.put(f"{draw}/{way}", run(game, held_out, way, draw))
                print(draw, way, kept.rows[f"{draw}/{way}"]["accuracy"], flush=True)
    write_table("prune", table(kept))


if __name__ == "__main__":
    main()
