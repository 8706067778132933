"""shapiq's ProxySPEX on masks that were drawn elsewhere. Runs in shapiq's own Python (see README.md), never
in ours.

usage: python peer_shapiq.py JOBS.npz ANSWERS.npz

JOBS     masks_<i> (m, n) bool and values_<i> (m,), for i = 0 .. jobs - 1
ANSWERS  predictions_<i> (2^n,), index = bit mask, bit p set where player p is kept; cpu_<i> seconds; about
(JSON)
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np
from shapiq.approximator import ProxySPEX


class OnGivenMasks(ProxySPEX):
    """ProxySPEX with its defaults (LightGBM, grid, 95% of the energy, RidgeCV) on masks it is given."""

    def spectrum(self, masks, values):
        given = type("Given", (), {"coalitions_matrix": masks, "sample": lambda self, budget: None})
        self._sampler = given()
        return self.approximate(len(masks), lambda _: values)

    def fourier_to_moebius(self, four_dict):
        return four_dict  # the spectrum is what is compared; the way to Shapley indices after it is left out

    def _process_moebius(self, moebius_transform):
        raise Found(moebius_transform)


class Found(Exception):
    pass


def predict(spectrum, n):
    """The spectrum's value at all 2^n masks, by a fast Walsh-Hadamard transform."""
    values = np.zeros(1 << n)
    for players, coefficient in spectrum.items():
        values[sum(1 << int(p) for p in players)] += coefficient
    for bit in range(n):
        pairs = values.reshape(-1, 2, 1 << bit)
        values = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).ravel()
    return values


def main(jobs_path, answers_path):
    warnings.simplefilter("ignore")
    jobs, answers = np.load(jobs_path), {}
    count = len(jobs.files) // 2
    for i in range(count):
        masks, values = jobs[f"masks_{i}"], jobs[f"values_{i}"]
        n = masks.shape[1]
        start = time.process_time()
        peer = OnGivenMasks(n=n, index="FBII", max_order=2, random_state=0)
        # neither changes the fit: LightGBM writes a line for each tree that cannot split, and its threads
        # wait for each other at full speed, which on busy cores is hundreds of times the work
        peer.proxy_model.estimator.set_params(verbosity=-1, n_jobs=1)
        try:
            peer.spectrum(masks, values)
        except Found as found:
            (spectrum,) = found.args
        answers[f"cpu_{i}"] = time.process_time() - start
        answers[f"predictions_{i}"] = predict(spectrum, n).astype(np.float32)
        print(f"{i + 1}/{count} n={n} m={len(masks)} {answers[f'cpu_{i}']:.1f} CPU-s", flush=True)
    about = {name: version(name) for name in ("shapiq", "lightgbm", "scikit-learn", "numpy")}
    about["proxy"] = type(getattr(peer.proxy_model, "estimator", peer.proxy_model)).__name__
    answers["about"] = np.array(json.dumps(about))
    np.savez_compressed(answers_path, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
