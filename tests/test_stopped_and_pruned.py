"""Why a run ended early and what pruning found are fields: saved, opened again, read from older files."""

import json
from dataclasses import replace

import pytest

import spexapi


def explained(**more):
    game = spexapi.FunctionGame(lambda masks: 2.0 * masks[:, 0] + 1.0 * (masks[:, 1] & masks[:, 2]), 4)
    return game, spexapi.explain(game, engine="exact", budget=16, **more)


def opened(path, data):
    path.write_text(json.dumps(data), encoding="utf-8")
    return spexapi.Explanation.from_json(path)


def test_what_stopped_a_run_is_saved_and_opened_again(tmp_path):
    stopped = replace(explained()[1], stopped=True, stopped_by="the cap of 3 calls is reached")
    data = json.loads(stopped.to_json())
    assert data["stopped_by"] == "the cap of 3 calls is reached"
    assert opened(tmp_path / "e.json", data).stopped_by == "the cap of 3 calls is reached"


def test_a_file_from_before_the_field_reads_the_same(tmp_path):
    stopped = replace(explained()[1], stopped=True)
    data = json.loads(stopped.to_json()) | {"notes": ["a note", "stopped: the quota is used up"]}
    del data["stopped_by"]
    back = opened(tmp_path / "e.json", data)
    assert back.stopped_by == "the quota is used up"
    assert "Stopped early" in back.to_html()
    assert "The reason: the quota is used up" in back.to_html()


def test_what_pruning_found_is_opened_again(tmp_path):
    game, ex = explained()
    found = spexapi.prune(game, ex, (1, 2))
    data = json.loads(replace(ex, pruned=found).to_json())
    assert [line["kept"] for line in data["pruned"]] == [1, 2]
    back = opened(tmp_path / "e.json", data).pruned
    assert [each.optimum for each in back] == [each.optimum for each in found]
    assert [each.measured for each in back] == pytest.approx([2.0, 2.0])


def test_what_pruning_found_is_in_every_view():
    game, ex = explained()
    pruned = replace(ex, pruned=spexapi.prune(game, ex, (1, 2)))
    assert "With only the best k players found (all 4: 3.00)" in str(pruned)
    assert "What the best few can do alone" in pruned.to_html()
    assert "1 of 4" in pruned.to_html()
    assert "best few" not in ex.to_html()


def test_what_older_versions_wrote_into_a_file_of_pruned_heads_is_read(tmp_path):
    """The lines as `spexapi heads --prune` of version 0.1 wrote them; NaN is null."""
    line = {"kept": 1, "players": [0], "labels": ["player 0"], "predicted": 2.0, "measured": None}
    data = json.loads(explained()[1].to_json()) | {"pruned": [line | {"proof": "time limit"}]}
    (back,) = opened(tmp_path / "e.json", data).pruned
    assert (back.labels, back.optimum.proof, back.optimum.predicted) == (("player 0",), "time limit", 2.0)
    assert back.measured != back.measured
    assert back.held_out != back.held_out


def test_a_file_without_pruning_has_none(tmp_path):
    data = json.loads(explained()[1].to_json())
    del data["pruned"]
    assert opened(tmp_path / "e.json", data).pruned == ()
