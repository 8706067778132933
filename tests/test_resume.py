"""A run killed without warning goes on where it was, and pays only for what was under way."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from resumed_run import TEXT

RUN = Path(__file__).parent / "resumed_run.py"
AT_ONCE = 8  # calls under way, as resumed_run.py has it


def begin(server, store, out):
    return subprocess.Popen([sys.executable, str(RUN), server.base_url, str(store), str(out)])


def scored(server):
    """Each prompt that was scored, how often; the probe's own calls, of other words, left out."""
    bodies = [call["body"] for call in server.log() if call["body"]]
    turns = {body: json.loads(body).get("messages", [{"content": "?"}]) for body in bodies}
    return Counter(b for b in bodies if set(turns[b][0]["content"].split()) <= set(TEXT.split()))


def result(path):
    """All of an explanation but what the run itself took."""
    data = json.loads(path.read_text())
    cost = data.pop("cost")
    return data, cost


@pytest.mark.slow
def test_twenty_kills_change_nothing_and_cost_what_was_under_way(openai_server, tmp_path):
    openai_server.set(ways="vllm", latency=0.1, bodies=50_000)
    whole = begin(openai_server, tmp_path / "whole.sqlite", tmp_path / "whole.json")
    assert whole.wait(300) == 0
    needed = scored(openai_server)
    assert max(needed.values()) == 1
    openai_server.reset()
    openai_server.set(ways="vllm", latency=0.1, bodies=50_000)

    moments, kills, before = random.Random(11), 0, 0
    store, out = tmp_path / "killed.sqlite", tmp_path / "killed.json"
    while kills < 20 and not out.exists():
        run = begin(openai_server, store, out)
        wait_for_calls(openai_server, before + moments.randint(1, 22), run)
        time.sleep(moments.uniform(0, 0.1))
        run.kill()
        run.wait()
        kills += 1
        before = openai_server.counts()["calls"]
    assert kills == 20
    assert not out.exists()
    assert begin(openai_server, store, out).wait(300) == 0

    (killed, cost), (unharmed, _) = result(out), result(tmp_path / "whole.json")
    assert killed == unharmed
    assert cost["calls"] < len(needed)  # it did find what the killed ones had paid for
    asked = scored(openai_server)
    assert set(asked) == set(needed)
    assert sum(asked.values()) - len(needed) <= AT_ONCE * kills
    assert max(asked.values()) <= 1 + kills


def wait_for_calls(server, calls, run):
    """Until the server has seen so many, or the run has ended by itself."""
    while server.counts()["calls"] < calls and run.poll() is None:
        time.sleep(0.01)
