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


def begin(server, store, out, *more):
    return subprocess.Popen([sys.executable, str(RUN), server.base_url, str(store), str(out), *more])


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


@pytest.mark.slow
def test_two_processes_share_a_store(openai_server, tmp_path):
    openai_server.set(ways="vllm", latency=0.05, bodies=50_000)
    outs = [tmp_path / "one.json", tmp_path / "two.json"]
    runs = [begin(openai_server, tmp_path / "shared.sqlite", out) for out in outs]
    assert [run.wait(300) for run in runs] == [0, 0]
    (one, _), (two, _) = map(result, outs)
    assert one == two
    asked = scored(openai_server)
    assert max(asked.values()) <= 2  # each process at most once

    before = openai_server.counts()["calls"]
    late = tmp_path / "late.json"
    assert begin(openai_server, tmp_path / "shared.sqlite", late).wait(300) == 0
    (found, cost) = result(late)
    assert found == one
    assert cost["calls"] == 0
    assert scored(openai_server) == asked
    assert openai_server.counts()["calls"] - before <= 4  # the probe


@pytest.mark.slow
def test_a_batch_outlives_the_runs_that_wait_for_it(openai_server, tmp_path):
    openai_server.set(ways="everything")
    whole = begin(openai_server, "off", tmp_path / "whole.json", "unasked")
    assert whole.wait(300) == 0
    openai_server.reset()
    openai_server.set(ways="everything", polls=1_000_000)

    def batches():
        return [c for c in openai_server.log() if c["path"] == "/v1/batches" and c["body"]]

    store, out = tmp_path / "batch.sqlite", tmp_path / "batch.json"
    for kill in range(3):
        looked = len(openai_server.log())
        run = begin(openai_server, store, out, "batch")
        while run.poll() is None and not (batches() and len(openai_server.log()) > looked + 8 + 3 * kill):
            time.sleep(0.01)
        assert run.poll() is None
        run.kill()
        run.wait()
    assert len(batches()) == 1
    openai_server.set(polls=1)
    assert begin(openai_server, store, out, "batch").wait(300) == 0

    assert len(batches()) == 1
    (resumed, _), (direct, _) = result(out), result(tmp_path / "whole.json")
    assert resumed["interactions"] == direct["interactions"]
    files = [json.loads(line) for c in openai_server.log() if c["path"] == "/v1/files" for line in lines(c)]
    assert len({json.dumps(line["body"]) for line in files}) == len(files)


def lines(call):
    """Of the file in an upload."""
    return [line for line in call["body"].splitlines() if line.startswith('{"custom_id"')]


def wait_for_calls(server, calls, run):
    """Until the server has seen so many, or the run has ended by itself."""
    while server.counts()["calls"] < calls and run.poll() is None:
        time.sleep(0.01)
