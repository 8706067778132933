"""Tells games in words, for true_words.py, with whichever spexapi stands first on PYTHONPATH: the one of this
tree or one of an older checkout. Each line of its input is a JSON object, each line of its output another.

asked   table     .npy with every value of the game by code (bit i set: player i kept), or None
        backend, question, documents, store   a question for a model where there is no table; its replies are
                  kept in that store, so that no version asks twice
        truth     .npy with every value, which the fit is compared with
        budget    masks
told    headline, asides, core; bars and how many of them are measured; calls; r2 over all masks, and as told
"""

from __future__ import annotations

import inspect
import json
import sys
import warnings

import numpy as np

import spexapi
from spexapi.fourier.masks import all_masks
from spexapi.narrative.story import tell
from spexapi.sampling.policy import RequestPolicy

warnings.simplefilter("ignore")
opened: dict[str, spexapi.Backend] = {}


def game_of(job):
    if job["table"]:
        table = np.load(job["table"])
        bits = 1 << np.arange(len(table).bit_length() - 1)
        names = [f"part {i + 1}" for i in range(len(bits))]
        return spexapi.FunctionGame(lambda masks: table[masks.astype(np.int64) @ bits], players=names)
    name = job["backend"]
    backend = opened.setdefault(name, spexapi.open_backend(name))
    terms = RequestPolicy(store=job["store"])
    return spexapi.RagGame(backend, job["question"], job["documents"], terms=terms)


def told(job):
    unwritten = {"writes": 0} if "writes" in inspect.signature(spexapi.explain).parameters else {}
    ex = spexapi.explain(game_of(job), budget=job["budget"], seed=0, **unwritten)
    story, values = tell(ex), np.load(job["truth"])
    masks = all_masks(len(ex.players))
    values = values[masks.astype(np.int64) @ (1 << np.arange(masks.shape[1]))]
    missed = ((values - ex.spectrum.predict(masks)) ** 2).mean()
    return {
        "headline": story.text,
        "asides": list(story.asides),
        "core": [int(i) for i in story.core],
        "bars": len(story.steps),
        "measured": sum(bool(step.ablation.measured) for step in story.steps),
        "calls": len(ex.observations.values),
        "claims": getattr(ex.recipe, "asked", 0),
        "r2": round(float(1 - missed / values.var()), 4),
        "told_r2": None if ex.audit.r2 is None else round(ex.audit.r2, 4),
    }


for line in sys.stdin:
    print("told " + json.dumps(told(json.loads(line))), flush=True)
