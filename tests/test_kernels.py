"""Equal players come out equal on every processor: the same words, order and numbers under other kernels."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "symmetric_games.py"
ENGINES = "auto,exact,spex,gp"
# What OpenBLAS is told to take, and threads.
SETTINGS = [("Prescott", 1), ("Haswell", 1), ("Haswell", 2), ("Zen", 1), ("SkylakeX", 1), ("SkylakeX", 2)]
# What it may then say that it took: the names stand for the same kernels.
TAKEN = {"Zen": {"Zen", "Haswell"}}

pytestmark = pytest.mark.slow


def explained(kernel: str, threads: int) -> dict:
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--engines", ENGINES, "--seeds", "0"],
        env=environment,
        cwd=PROGRAM.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def first() -> dict:
    """Under Prescott's kernels, the oldest: every processor of today runs them."""
    return explained(*SETTINGS[0])


@pytest.mark.parametrize(("kernel", "threads"), SETTINGS[1:])
def test_words_order_and_numbers_do_not_depend_on_the_kernel(first, kernel: str, threads: int):
    other = explained(kernel, threads)
    if not TAKEN.get(kernel, {kernel}) & set(other["kernels"]):
        pytest.skip(f"this processor does not run {kernel}'s kernels: {other['kernels']}")

    assert first["kernels"] != other["kernels"]
    assert other["found"].keys() == first["found"].keys()
    wrong = [
        f"{name}: {part}"
        for name, before in first["found"].items()
        for part in ("words", "order", "page")
        if before[part] != other["found"][name][part]
    ]
    assert not wrong
    for name, before in first["found"].items():
        for part in ("numbers", "trust"):
            now = other["found"][name][part]
            assert [t == "none" for t in now] == [t == "none" for t in before[part]], (name, part)
            pairs = [(float(a), float(b)) for a, b in zip(before[part], now, strict=True) if a != "none"]
            assert all(a == pytest.approx(b, rel=2e-5, abs=1e-7) for a, b in pairs), (name, part, pairs)
