"""The peers, in their own Python (see README.md), never in ours. One process answers many jobs: each line of
its input is a JSON object {job, answer, peer, seed, budget, limit, game}, each line of its output one word.

job     .npz: masks (m, n) bool and values (m,), the measurements; test (k, n), where predictions are wanted;
        table (2^n,) every value of the game, where the peer draws its own masks and the game is recorded
game    [kind, n, seed, count] of planted.py, where there is no table
answer  .npz: predictions (k,); terms, calls, cpu seconds of the fit, and about, as JSON

Peers run with their defaults. Set are only the seed, one thread for LightGBM and its messages off: none of
them changes a fit.

python peer_runner.py --one PEER N M      times one fit on m uniform masks of a hierarchical game (speed.py)
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
import warnings
from importlib.metadata import version

import numpy as np
import planted

PACKAGES = (
    "shapiq",
    "spectralexplain",
    "sparse-transform",
    "lightgbm",
    "xgboost-cpu",
    "scikit-learn",
    "numpy",
)


class Found(Exception):
    """Carries a spectrum out of a peer before it turns into an index: the spectrum is what is compared."""


def given(masks):
    """In place of shapiq's sampler: masks that were drawn elsewhere, all of one weight."""
    empty = np.flatnonzero(~masks.any(axis=1))
    return type("Given", (), {
        "coalitions_matrix": masks, "sample": lambda self, budget: None, "pairing_trick": False,
        "log_sampling_adjustment_weights": np.zeros(len(masks)),
        "empty_coalition_index": int(empty[0]) if len(empty) else None,
    })()  # fmt: skip


def shapiq_proxyspex(job):
    """LightGBM, a grid of 8 settings in 5 folds, the terms that hold 95% of the energy, RidgeCV."""
    from shapiq.approximator import ProxySPEX

    class Kept(ProxySPEX):
        def fourier_to_moebius(self, four_dict):
            raise Found(four_dict)

    peer = Kept(n=job["n"], index="FBII", max_order=2, random_state=0)
    if hasattr(peer.proxy_model, "estimator"):
        peer.proxy_model.estimator.set_params(verbosity=-1, n_jobs=1)
    peer._sampler = given(job["masks"])
    try:
        peer.approximate(len(job["masks"]), lambda _: job["values"])
    except Found as found:
        return "fourier", found.args[0]
    raise AssertionError("ProxySPEX kept no spectrum")


def shapiq_fbii(job):
    """Least squares on all players and pairs (RegressionFBII)."""
    from shapiq.approximator import RegressionFBII

    peer = RegressionFBII(n=job["n"], max_order=2, random_state=0)
    peer._sampler = given(job["masks"])
    return "moebius", peer.approximate(len(job["masks"]), lambda _: job["values"]).dict_values


def shapiq_proxyshap(job):
    """XGBoost, read as faithful Banzhaf interactions of order 2."""
    from shapiq.approximator import ProxySHAP

    peer = ProxySHAP(n=job["n"], index="FBII", max_order=2, random_state=0)
    peer._sampler = given(job["masks"])
    return "moebius", peer.approximate(len(job["masks"]), lambda _: job["values"]).dict_values


def contextcite(job):
    """The lasso of context-cite 0.0.4 (solver.py): standardised masks, penalty 0.01."""
    from sklearn.linear_model import Lasso
    from sklearn.preprocessing import StandardScaler

    scaler, lasso = StandardScaler(), Lasso(alpha=0.01, random_state=0, fit_intercept=True)
    lasso.fit(scaler.fit_transform(job["masks"].astype(np.float32)), job["values"])
    effects = lasso.coef_ / scaler.scale_
    terms = {(i,): float(effect) for i, effect in enumerate(effects) if effect}
    return "moebius", terms | {(): float(lasso.intercept_ - scaler.mean_ @ effects)}


def spectralexplain_proxyspex(job):
    """LightGBM, a grid of 12 settings in 5 folds, the terms that hold 95% of the energy, RidgeCV."""
    from spectralexplain.utils import proxy_spex

    found = proxy_spex((job["masks"].astype(int), job["values"]), max_order=5)
    return "fourier", {tuple(np.flatnonzero(key).tolist()): float(size) for key, size in found.items()}


def shapiq_spex(job):
    """On its own masks, those of its codes: sets of up to 5, soft decoding."""
    import shapiq.approximator.sparse.base as sparse
    from shapiq.approximator import SPEX

    def keep(terms):
        raise Found(terms)

    sparse.fourier_to_moebius = keep
    # its masks come from numpy's global generator; random_state does not reach them
    np.random.seed(job["seed"])  # noqa: NPY002
    try:
        SPEX(n=job["n"], index="FBII", max_order=5).approximate(job["budget"], job["ask"])
    except Found as found:
        return "fourier", found.args[0]
    raise AssertionError("SPEX kept no spectrum")


def shapiq_kernelshapiq(job):
    """On its own masks: n-Shapley interactions of order 2, which sum to the value of a mask."""
    from shapiq.approximator import KernelSHAPIQ

    peer = KernelSHAPIQ(n=job["n"], max_order=2, index="k-SII", random_state=job["seed"])
    found = peer.approximate(job["budget"], job["ask"])
    return "moebius", found.dict_values | {(): float(found.baseline_value)}


def shapiq_kernelshap(job):
    """On its own masks: Shapley values, which sum to the value of a mask."""
    from shapiq.approximator import KernelSHAP

    found = KernelSHAP(n=job["n"], random_state=job["seed"]).approximate(job["budget"], job["ask"])
    return "moebius", found.dict_values | {(): float(found.baseline_value)}


PEERS = {f.__name__: f for f in (
    shapiq_proxyspex, shapiq_fbii, shapiq_proxyshap, contextcite, spectralexplain_proxyspex, shapiq_spex,
    shapiq_kernelshapiq, shapiq_kernelshap,
)}  # fmt: skip


def predict(basis, terms, masks):
    """A parity is the product of signs, -1 where kept; a Möbius term is 1 where all its players are kept."""
    if basis == "fourier":
        return planted.parity_sum(masks, terms)
    total = np.full(len(masks), terms.get((), 0.0))
    for players, size in terms.items():
        if players and size:
            total += size * masks[:, list(players)].all(axis=1)
    return total


def answer(asked):
    with np.load(asked["job"]) as given_job:
        job = dict(given_job)
    rng, calls = np.random.default_rng([asked["seed"], 2]), []
    if "table" in job:
        n = len(job["table"]).bit_length() - 1
        value = lambda masks: job["table"][masks.astype(bool) @ (1 << np.arange(n))]  # noqa: E731
    else:
        game = planted.plant(*asked["game"])
        n, value = game.n, lambda masks: game.measure(masks, rng)

    def ask(masks):
        calls.append(len(masks))
        return value(masks)

    start = time.process_time()
    basis, terms = PEERS[asked["peer"]](job | asked | {"n": n, "ask": ask})
    cpu = time.process_time() - start
    terms = {tuple(int(p) for p in players): float(np.real(size)) for players, size in terms.items()}
    listed = [[list(players), size] for players, size in terms.items()] if basis == "fourier" else None
    about = {name: version(name) for name in PACKAGES}
    told = {"cpu": cpu, "calls": sum(calls) or len(job["masks"]), "terms": listed, "about": about}
    np.savez(asked["answer"], predictions=predict(basis, terms, job["test"]), told=np.array(json.dumps(told)))


def late(*_):
    raise TimeoutError


def serve():
    signal.signal(signal.SIGVTALRM, late)
    for line in sys.stdin:
        asked = json.loads(line)
        signal.setitimer(signal.ITIMER_VIRTUAL, asked["limit"])  # of CPU time: the machine may be busy
        try:
            answer(asked)
            word = "done"
        except TimeoutError:
            word = "late"
        except Exception as error:  # a peer's failure is a result, told by its first line
            word = f"failed {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        print("\n" + json.dumps(word), flush=True)


def one(peer, n, m):
    """Seconds of the fit and the peak memory of the process, as JSON. One thread: of two, LightGBM's wait
    for each other at work, and on busy cores that is most of their CPU seconds."""
    game = planted.plant("hierarchical", n, 0)
    rng = np.random.default_rng(1)
    masks = np.vstack([np.ones((1, n), bool), np.zeros((1, n), bool), rng.random((m - 2, n)) < 0.5])
    job = {"n": n, "masks": masks, "values": game.measure(masks, rng), "seed": 0, "budget": m,
           "ask": lambda wanted: game.measure(wanted, rng)}  # fmt: skip
    start, cpu = time.perf_counter(), time.process_time()
    PEERS[peer](job)
    took = {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    took["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("\n" + json.dumps(took), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        serve()
