"""`spexapi training` as its user meets it, and the tables it reads."""

import asyncio
import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from test_cli import spexapi
from typer.testing import CliRunner

from spexapi.cli.commands import app
from spexapi.errors import InputError
from spexapi.games.training.learners import LEARNERS, game_of, learner
from spexapi.games.training.table import read_table


def write(path, rows, head=("size", "colour", "kind"), mark=","):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=mark).writerows([head, *rows])
    return path


def flowers(count=40):
    rng = np.random.default_rng(3)
    for i in range(count):
        kind = "rose" if i % 2 else "daisy"
        yield [
            round(2.0 * (kind == "rose") + rng.standard_normal(), 2),
            rng.choice(["red", "white"], p=[0.8, 0.2] if kind == "rose" else [0.2, 0.8]),
            kind,
        ]


@pytest.fixture
def data(tmp_path):
    return write(tmp_path / "flowers.csv", flowers())


def run(data, *more, **options):
    return spexapi("training", "--data", data, "--label", "kind", *more, "--store", "off", **options)


def here(data, *more):
    """The same in this process, which spares it the imports."""
    given = ["training", "--data", data, "--label", "kind", *more, "--store", "off"]
    return CliRunner().invoke(app, list(map(str, given)))


def test_a_run_writes_a_table_a_report_and_an_explanation(data, tmp_path):
    out = tmp_path / "e.json"
    done = run(data, "--budget", "200", "--json", out, "--html", tmp_path / "r.html", "--verify", "1")
    assert done.returncode == 0, done.stderr
    saved = json.loads(out.read_text())
    assert (saved["target"]["kind"], saved["target"]["score"]) == ("training", "probability")
    assert len(saved["players"]) == 28  # of 40 rows, 30% are tested on
    assert "trainings" in done.stdout
    assert "training" in done.stderr
    assert "row " in (tmp_path / "r.html").read_text()
    shown = spexapi("show", out, "--index", "sv")
    assert shown.returncode == 0, shown.stderr


def test_groups_are_a_column_the_labels_or_clusters(data, tmp_path):
    clusters = {"cluster 1", "cluster 2", "cluster 3"}
    rows = {"colour": {"red", "white"}, "labels": {"label rose", "label daisy"}, "3": clusters}
    for group, labels in rows.items():
        done = here(data, "--group", group, "--json", tmp_path / "e.json", "--estimator", "knn", "--quiet")
        assert done.exit_code == 0, done.output
        players = json.loads((tmp_path / "e.json").read_text())["players"]
        assert {p["label"].rpartition(" (")[0] for p in players} == labels


def test_a_dry_run_trains_nothing(data):
    done = here(data, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "256 models would be trained" in done.output
    assert "nothing was asked" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--label", "species"), "no column 'species' for the label: the columns are size, colour, kind"),
        (("--estimator", "oracle"), "unknown learner 'oracle'"),
        (("--group", "country"), "no column 'country'"),
        (("--test-share", "1.5"), "between 0 and 1"),
        (("--budget", "5"), "raise it to"),
        (("--data", "nowhere.csv"), "cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_code_two(data, arguments, said):
    done = here(data, *arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_a_cap_keeps_a_partial_result(data, tmp_path):
    done = run(data, "--max-calls", "60", "--quiet", cwd=tmp_path)
    assert done.returncode == 4
    assert (tmp_path / "explanation-partial.json").exists()


def trained(store):
    """How many trainings another process has kept so far."""
    if not store.exists():
        return 0
    with closing(sqlite3.connect(store, timeout=60)) as file:
        made = file.execute("SELECT COUNT(*) FROM sqlite_master WHERE name = 'replies'").fetchone()[0]
        return file.execute("SELECT COUNT(*) FROM replies").fetchone()[0] if made else 0


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_trained_and_the_next_run_goes_on(tmp_path):
    data, store = write(tmp_path / "flowers.csv", flowers(80)), tmp_path / "kept.sqlite"
    command = [sys.executable, "-m", "spexapi", "training", "--data", str(data), "--label", "kind"]
    command += ["--estimator", "forest", "--budget", "300", "--store", str(store), "--json"]
    process = subprocess.Popen([*command, str(tmp_path / "a.json")], cwd=tmp_path, stderr=subprocess.DEVNULL)
    while trained(store) < 17 + 10:  # all examples, 8 sets trained twice, and some of the run
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(300) == 4
    first = json.loads((tmp_path / "a.json").read_text())["cost"]
    assert 0 < first["calls"] < 298
    done = subprocess.run([*command, str(tmp_path / "b.json")], capture_output=True, cwd=tmp_path)
    assert done.returncode == 0
    second = json.loads((tmp_path / "b.json").read_text())["cost"]
    assert second["calls"] <= 298 - first["calls"]
    assert second["setup_calls"] == 0


# --- tables


def test_a_table_is_numbers_words_and_texts(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        [
            f"{v:.3f}" if i != 3 else "",
            ["red", "blue"][i % 2],
            f"the {w} sat on mat {w}{i}",
            f"id{i}",
            "same",
            "yes" if v > 0 else "no",
        ]
        for i, (v, w) in enumerate(zip(rng.standard_normal(40), rng.choice(["cat", "dog"], 40), strict=True))
    ]
    path = write(tmp_path / "t.csv", rows, ("v", "colour", "words", "name", "always", "label"), ";")
    table = read_table(path, "label")
    known = np.array([float(r[0]) for r in rows if r[0]])
    filled = np.array([float(r[0]) if r[0] else np.median(known) for r in rows])
    assert table.X[:, 0] == pytest.approx((filled - filled.mean()) / filled.std())
    assert table.X[:4, 1:3].tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]
    assert table.X.shape[1] > 5  # and the words
    assert table.classes == ("no", "yes")
    assert [c == "yes" for c in table.labels] == (table.y == 1).tolist()
    assert table.player(1).label == "row 2"
    assert table.player(1).text.endswith("→ " + rows[1][-1])
    said = " ".join(table.notes)
    assert "1 gaps" in said
    assert "'name'" in said
    assert "'always'" in said


def test_numbers_of_many_values_are_predicted(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 2))
    path = write(tmp_path / "t.csv", np.column_stack([x, x @ [1.0, 2.0]]).tolist(), ("a", "b", "y"))
    table = read_table(path, "y")
    assert table.classes == ()
    game = game_of(table, "logistic", groups=4)
    assert asyncio.run(game.prepare()).score == "r2"


def test_rows_without_a_group_are_always_there(tmp_path):
    rows = [[i, "" if i < 10 else f"g{i % 3}", "ab"[i % 2]] for i in range(40)]
    table = read_table(write(tmp_path / "t.csv", rows, ("v", "source", "y")), "y", "source")
    game = game_of(table, "bayes", groups="column")
    assert sorted(p.label.split()[0] for p in game.players) == ["g0", "g1", "g2"]

    async def without_all_groups():
        await game.prepare()
        found = await game.measure(np.zeros((1, 3), dtype=bool))
        await game.close()
        return found.values[0]

    train, test = table.split(0.3, 0)
    always = [i for i in train if i < 10]
    alone = GaussianNB(var_smoothing=1e-2).fit(table.X[always], table.y[always])
    sure = alone.predict_proba(table.X[test])[np.arange(len(test)), table.y[test]]
    assert asyncio.run(without_all_groups()) == pytest.approx(sure.mean())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line of column names"),
        ("a,kind\n", "0 rows"),
        ("a,kind\n" + "1,x\n" * 5, "5 rows: 8 are the fewest"),
        ("a,kind\n" + "1,x\n" * 9 + "1,2,3\n", "row 10 of t.csv has 3 cells, the header 2"),
        ("a,kind\n" + "1,x\n2,y\n" * 5 + "3,\n", "row 11 has no label"),
        ("a,kind\n" + "1,x\n" * 10, "1 different values"),
        ("a,kind\n" + "".join(f"1,x{i}\n" for i in range(10)), "10 different values"),
        ("a,a,kind\n" + "1,2,x\n" * 10, "column names"),
        ("a,kind\n" + "1,x\n1,y\n" * 10, "no column but the label says anything"),
    ],
)
def test_a_table_that_does_not_fit_says_where(tmp_path, text, said):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_table(path, "kind")


def test_a_file_that_is_no_text_or_too_long_is_refused(tmp_path, data):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xff\xfe\x00a,b")
    with pytest.raises(InputError, match="cannot be read"):
        read_table(path, "a")
    with pytest.raises(InputError, match=r"40 rows; at most 30"):
        read_table(data, "kind", most=30)


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_trains(data, name):
    table = read_table(data, "kind")
    model = learner(name, classes=True).fit(table.X, table.y)
    assert model.score(table.X, table.y) > 0.7
    if name != "bayes":
        number = table.X[:, 0] + table.y
        assert learner(name, classes=False).fit(table.X, number).score(table.X, number) > 0.5
