"""shapiq's SPEX on planted functions. Runs in shapiq's own Python (see README.md), never in ours.

usage: python peer_spex.py JOBS.json ANSWERS.json

JOBS     a list of {n, budget, seed, noise, terms: [[players, size], ...]}
ANSWERS  for each the terms it found, as a list of [players, size], the samples it took, and CPU seconds
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import shapiq.approximator.sparse.base as sparse
from shapiq.approximator import SPEX


class Found(Exception):
    pass


def keep_fourier(terms):
    """In place of the way to Möbius terms: the spectrum is what is compared."""
    raise Found(terms)


def main(jobs_path, answers_path):
    warnings.simplefilter("ignore")
    sparse.fourier_to_moebius = keep_fourier
    jobs, answers = json.loads(Path(jobs_path).read_text()), []
    for job in jobs:
        # its masks come from numpy's global generator; random_state does not reach them
        np.random.seed(job["seed"])  # noqa: NPY002
        noise, asked = np.random.default_rng([job["seed"], 2]), [0]

        def value(masks, job=job, noise=noise, asked=asked):
            sign = np.where(masks, -1.0, 1.0)
            total = noise.normal(size=len(masks)) * job["noise"]
            for players, size in job["terms"]:
                total += size * sign[:, players].prod(axis=1)
            asked[0] += len(masks)
            return total

        start, found = time.process_time(), {}
        try:
            SPEX(n=job["n"], index="FBII", max_order=5).approximate(job["budget"], value)
        except Found as kept:
            found = kept.args[0]
        terms = [[[int(p) for p in players], float(size)] for players, size in found.items()]
        answers.append({"terms": terms, "calls": asked[0], "cpu": time.process_time() - start})
        print(f"{len(answers)}/{len(jobs)} {answers[-1]['cpu']:.1f} CPU-s", flush=True)
    about = {name: version(name) for name in ("shapiq", "sparse-transform", "galois", "numpy")}
    Path(answers_path).write_text(json.dumps({"about": about, "answers": answers}))


if __name__ == "__main__":
    main(*sys.argv[1:])
