"""A training run killed without warning goes on where it was and trains nothing twice."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "retrained_run.py"


def begin(folder, name, jobs=1):
    paths = [folder / f"{name}.{end}" for end in ("log", "sqlite", "json")]
    return subprocess.Popen([sys.executable, str(RUN), *map(str, paths), str(jobs)])


def trained(folder, name):
    log = folder / f"{name}.log"
    return Counter(log.read_text().splitlines()) if log.exists() else Counter()


def result(folder, name):
    """All of an explanation but what the run itself took."""
    data = json.loads((folder / f"{name}.json").read_text())
    return {key: part for key, part in data.items() if key != "cost"}, data["cost"]


@pytest.mark.parametrize(("jobs", "times"), [(1, 2), pytest.param(2, 4, marks=pytest.mark.slow)])
def test_kills_change_nothing_and_cost_what_was_under_way(tmp_path, jobs, times):
    assert begin(tmp_path, "whole", jobs).wait(120) == 0
    needed = trained(tmp_path, "whole")
    assert max(needed.values()) == 1

    moments, kills = random.Random(7), 0
    while kills < times and not (tmp_path / "killed.json").exists():
        before = trained(tmp_path, "killed").total()
        run = begin(tmp_path, "killed", jobs)
        more = moments.randint(4, 12)
        while trained(tmp_path, "killed").total() < before + more and run.poll() is None:
            time.sleep(0.002)
        run.kill()
        run.wait()
        kills += 1
    assert kills == times
    assert not (tmp_path / "killed.json").exists()
    assert begin(tmp_path, "killed", jobs).wait(120) == 0

    again = trained(tmp_path, "killed")
    assert set(again) == set(needed)
    under_way = 1 if jobs == 1 else 3 * jobs  # joblib hands out twice as many as there are processes
    assert again.total() - len(needed) <= under_way * kills
    (killed, cost), (unharmed, _) = result(tmp_path, "killed"), result(tmp_path, "whole")
    assert killed == unharmed
    assert cost["calls"] < len(needed)
