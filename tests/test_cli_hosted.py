"""The command line with a hosted model: a forecast, caps, a store that pays once, and no key anywhere."""

import json
import re

import command_line
import pytest

KEY = "sk-" + "n0b0dy-may-see-this"


@pytest.fixture
def spexapi(tmp_path):
    given = {"OPENAI_API_KEY": KEY, "SPEXAPI_STORE": str(tmp_path / "replies.sqlite"), "COLUMNS": "200"}
    return lambda *args, **env: command_line.spexapi(*args, cwd=tmp_path, **given | env)


def prompt(server, *more, priced=True):
    text = "the key is in the box and the box is in the cellar"
    options = {"--backend": "openai:table", "--base-url": server.base_url, "--engine": "lime", "--budget": 40}
    given = {**options, "--text": text, "--answer": "the cellar"}
    given |= {"--price-in": 1.0, "--price-out": 2.0} if priced else {}
    return ["prompt", *(part for pair in given.items() for part in pair), *more]


def test_a_dry_run_shows_forecast_and_prompts_and_calls_no_one(openai_server, spexapi):
    done = spexapi(*prompt(openai_server, "--dry-run", "--rpm", 60))
    assert done.returncode == 0, done.stderr
    assert "forecast: 40 calls, up to 6 answers written for the story, about" in done.stdout
    assert "0.7 minutes at these limits, about $" in done.stdout
    assert done.stdout.count("[user] ") == 3
    assert "[user] the key is in the box and the box is in the cellar" in done.stdout
    assert openai_server.counts()["calls"] == 0


def test_a_cap_on_money_without_a_price_is_refused_before_any_call(openai_server, spexapi):
    said = "no price of openai:table is known: give one (--price-in"
    done = spexapi(*prompt(openai_server, "--max-cost", 1, priced=False))
    assert done.returncode == 2
    assert said in done.stderr
    done = spexapi(*prompt(openai_server, "--max-cost", 1, "--dry-run", priced=False))
    assert done.returncode == 0
    assert said in done.stdout
    assert openai_server.counts()["calls"] == 0


@pytest.mark.slow
def test_a_second_run_is_free_a_cap_is_exit_code_4_and_the_key_is_nowhere(openai_server, spexapi, tmp_path):
    openai_server.set(key=KEY)
    first = spexapi(*prompt(openai_server, "--json", "one.json", "--html", "one.html"))
    assert first.returncode == 0, first.stderr
    assert "forecast: 40 calls" in first.stderr
    again = spexapi(*prompt(openai_server, "--json", "two.json", "--quiet"))
    assert again.returncode == 0, again.stderr
    one, two = (json.loads((tmp_path / name).read_text()) for name in ("one.json", "two.json"))
    assert one["cost"]["calls"] > 20 > two["cost"]["calls"] == 0
    assert one["interactions"] == two["interactions"]

    capped = spexapi(*prompt(openai_server, "--seed", 9, "--max-cost", 0.0002, "--json", "three.json"))
    assert capped.returncode == 4, capped.stderr
    three = json.loads((tmp_path / "three.json").read_text())
    assert three["stopped"]
    assert 0.00015 < three["cost"]["price"] <= 0.0002
    assert "US dollars would be passed" in capped.stderr

    wrong = spexapi(*prompt(openai_server, "--seed", 10), OPENAI_API_KEY=KEY + "-but-wrong")
    assert wrong.returncode == 3
    listed = spexapi("store", "stats")
    assert "openai:table" in listed.stdout
    assert spexapi("store", "export", "--out", "all.jsonl").returncode == 0
    cleared = spexapi("store", "clear", "--yes")
    kept = sum(each["cost"]["calls"] + len(each["written"]) for each in (one, three))
    assert f"forgot {kept} replies" in cleared.stdout
    outputs = [done.stdout + done.stderr for done in (first, again, capped, wrong, listed, cleared)]
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(files) >= 5
    assert not any(KEY in text for text in outputs)
    assert not any(KEY.encode() in data for data in files)


def test_a_quota_used_up_on_the_way_saves_what_was_measured(openai_server, spexapi, tmp_path):
    openai_server.set(quota=24)
    done = spexapi(*prompt(openai_server, "--json", "part.json", "--html", "part.html"))
    assert done.returncode == 3, done.stderr
    part = json.loads((tmp_path / "part.json").read_text())
    assert part["stopped"]
    assert re.search(
        r"stopped before the plan was measured; 2\d measurements are saved in part.json", done.stderr
    )
    assert any("quota is used up" in note for note in part["notes"])
    assert (tmp_path / "part.html").exists()

    openai_server.set(quota=-1)
    rest = spexapi(*prompt(openai_server, "--json", "whole.json"))
    assert rest.returncode == 0, rest.stderr
    whole = json.loads((tmp_path / "whole.json").read_text())
    assert whole["cost"]["cached_calls"] >= part["cost"]["calls"]


def test_a_broken_store_is_told_before_anything_is_paid(openai_server, spexapi, tmp_path):
    (tmp_path / "notes.txt").write_text("no database " * 200)
    done = spexapi(*prompt(openai_server, "--store", "notes.txt"))
    assert done.returncode == 3
    assert "notes.txt cannot be used: it is broken" in done.stderr
    assert "Traceback" not in done.stderr
    assert spexapi("store", "stats", SPEXAPI_STORE="off").returncode == 2
