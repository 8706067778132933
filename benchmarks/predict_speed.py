"""How long predicting and refitting take at n = 1,000, and how much memory: each in a process of its own.

    python benchmarks/predict_speed.py

predict   10,000 masks, 5,000 interactions of 1 to 5 players; and 1,000 interactions of 1 to 1,000 players
refit     40,000 masks, 1,000 interactions, penalty by leave-one-out
indices   SII of order 3 of the 5,000 interactions
transform 2^20 values

Writes benchmarks/results/predict_speed.json.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results" / "predict_speed.json"
PLAYERS = 1_000
REPEATS = 3


def interactions(count: int, most: int) -> dict[tuple[int, ...], float]:
    rng = np.random.default_rng(0)
    found: dict[tuple[int, ...], float] = {(): 1.0}
    while len(found) < count:
        s = rng.choice(PLAYERS, int(rng.integers(1, most + 1)), replace=False)
        found[tuple(sorted(s.tolist()))] = float(rng.normal())
    return found


def draw(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, size=(count, PLAYERS), dtype=np.bool_)


def predict(most: int, count: int) -> Callable[[], object]:
    from spexapi.fourier.spectrum import Spectrum

    spectrum, masks = Spectrum(PLAYERS, interactions(count, most)), draw(10_000)
    return lambda: spectrum.predict(masks)


def refitting() -> Callable[[], object]:
    from spexapi.fourier.spectrum import Spectrum, refit

    coef, masks = interactions(1_000, 3), draw(40_000)
    values = Spectrum(PLAYERS, coef).predict(masks) + np.random.default_rng(2).normal(size=40_000)
    return lambda: refit(masks, values, list(coef))


def indexing() -> Callable[[], object]:
    from spexapi.fourier.indices import to_index
    from spexapi.fourier.spectrum import Spectrum

    spectrum = Spectrum(PLAYERS, interactions(5_000, 5))
    return lambda: to_index(spectrum, "sii", 3)


def transforming() -> Callable[[], object]:
    from spexapi.fourier.walsh_hadamard import walsh_hadamard

    values = np.random.default_rng(3).normal(size=2**20)
    return lambda: walsh_hadamard(values)


JOBS: dict[str, Callable[[], Callable[[], object]]] = {
    "predict 10,000 x 5,000": lambda: predict(5, 5_000),
    "predict 10,000 x 1,000, orders to 1,000": lambda: predict(1_000, 1_000),
    "refit 40,000 x 1,000": refitting,
    "sii of order 3, 5,000 terms": indexing,
    "transform 2^20": transforming,
}


def megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes on Linux, bytes on macOS
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def run(name: str) -> dict[str, float]:
    job = JOBS[name]()
    before = megabytes()
    seconds: list[float] = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - start)
    return {
        "seconds_median": round(sorted(seconds)[REPEATS // 2], 3),
        "seconds_first": round(seconds[0], 3),
        "peak_mib": round(megabytes(), 1),
        "peak_mib_before": round(before, 1),
    }


def main() -> None:
    results: dict[str, object] = {
        "numpy": np.__version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "blas_threads": os.environ.get("OPENBLAS_NUM_THREADS", "all"),
    }
    for name in JOBS:
        # a fresh process, so that its peak memory is its own
        done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
        results[name] = found = json.loads(done.stdout)
        print(
            f"{name:42} {found['seconds_median']:7.3f} s   peak {found['peak_mib']:7.1f} MiB"
            f" ({found['peak_mib_before']:.1f} before)"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(run(sys.argv[1])))
    else:
        main()
