"""Tables, iterators and cells that say nothing, given as documents, examples, groups and labels."""

import datetime

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import spexapi
from spexapi.errors import InputError
from spexapi.games.training.table import read_table
from spexapi.prompts.inputs import Document, load_documents, to_documents

KEY, BOX = "The key is in the box.", "The box is in the cellar."
MISSING = [None, float("nan"), np.float32("nan"), np.datetime64("NaT"), pd.NaT, pd.NA]
NAMES = ["None", "float", "float32", "datetime64", "pandas.NaT", "pandas.NA"]


class Polars:
    """A DataFrame as polars makes it: to go through it gives columns, `to_dicts` gives rows."""

    def __init__(self, rows):
        self.rows = rows
        self.columns = list(rows[0])

    def __iter__(self):
        return iter([[row[name] for row in self.rows] for name in self.columns])

    def to_dict(self):
        raise AssertionError("gives columns")

    def to_dicts(self):
        return self.rows


ROWS = [{"id": "a", "text": KEY}, {"id": "b", "text": BOX}]


@pytest.mark.parametrize(
    "given",
    [pd.DataFrame(ROWS), Polars(ROWS), (row for row in ROWS), [Document(KEY, id="a"), Document(BOX, id="b")]],
    ids=["pandas", "polars", "generator", "list"],
)
def test_the_rows_of_a_table_are_the_documents(given):
    assert to_documents(given) == (Document(KEY, id="a"), Document(BOX, id="b"))


def test_a_game_of_documents_has_a_player_for_each_row_of_a_table():
    game = spexapi.RagGame("embedded", "Where is the key?", pd.DataFrame(ROWS))
    assert [player.text for player in game.players] == [KEY, BOX]


def test_a_column_of_texts_is_a_list_of_documents():
    assert to_documents(pd.Series([KEY, BOX], index=[7, 9])) == (Document(KEY), Document(BOX))


def test_a_table_without_texts_is_refused_by_the_names_of_its_columns():
    with pytest.raises(InputError, match=r'no "text": it has body, id.*df.to_dict\("records"\)'):
        to_documents(pd.DataFrame({"id": ["a"], "body": [KEY]}))


@pytest.mark.parametrize(
    "given", [{"a": KEY, "b": BOX}, {KEY, BOX}, KEY, 3, b"ab"], ids=lambda given: type(given).__name__
)
def test_documents_without_an_order_are_refused(given):
    with pytest.raises(InputError, match="documents must be a list"):
        to_documents(given)


@pytest.mark.parametrize("missing", MISSING, ids=NAMES)
def test_a_missing_title_and_id_are_not_read(missing):
    (found,) = to_documents([{"title": missing, "id": missing, "text": KEY}])
    assert found == Document(KEY)
    (found,) = to_documents([Document(KEY, title=missing, id=missing)])
    assert found.written == KEY


@pytest.mark.parametrize("missing", MISSING, ids=NAMES)
def test_a_missing_text_is_told_as_missing(missing):
    with pytest.raises(InputError, match="document 2 has no text"):
        to_documents([{"text": KEY}, {"text": missing}])
    with pytest.raises(InputError, match="document 2 has no text"):
        to_documents([KEY, missing])


def test_a_title_of_a_table_or_a_file_that_is_missing_in_some_rows(tmp_path):
    table = pd.DataFrame({"title": ["Keys", None], "text": [KEY, BOX]})
    file = tmp_path / "documents.jsonl"
    file.write_text(f'{{"title": NaN, "text": "{KEY}"}}\n{{"title": null, "text": "{BOX}"}}')
    assert to_documents(table) == (Document(KEY, "Keys"), Document(BOX))
    assert load_documents(file) == (Document(KEY), Document(BOX))


def test_words_that_look_like_missing_ones_are_read():
    (found,) = to_documents([{"title": "Nan", "id": 0, "text": "None"}])
    assert found == Document("None", "Nan", "0")


def test_options_may_be_a_column():
    game = spexapi.RagGame("embedded", "Where?", [KEY, BOX], options=pd.Series(["box", "cellar"]))
    assert len(game.players) == 2


def training(**given):
    return spexapi.TrainingGame(lambda kept, seed: kept, len, **{"examples": 4, "noise": 0, **given})


@pytest.mark.parametrize("missing", MISSING, ids=NAMES)
def test_an_example_whose_group_is_missing_is_always_there(missing):
    game = training(groups=["web", missing, "book", missing])
    assert [player.label for player in game.players] == ["web (1 example)", "book (1 example)"]


def test_groups_of_a_column_with_gaps():
    game = training(groups=pd.Series(["web", None, "book", "web"]))
    assert [player.label for player in game.players] == ["web (2 examples)", "book (1 example)"]


@pytest.mark.parametrize("part", ["groups", "examples"])
@pytest.mark.parametrize(
    "table", [pd.DataFrame({c: [1, 2] for c in "abcd"}), Polars([dict.fromkeys("abcd", 1)])], ids=["pd", "pl"]
)
def test_a_table_of_groups_or_examples_is_refused_by_name(part, table):
    with pytest.raises(InputError, match=rf'{part} .*df.to_dict\("records"\)'):
        training(**{part: table})


@pytest.mark.parametrize("part", ["groups", "examples"])
def test_a_dict_of_groups_or_examples_is_refused(part):
    with pytest.raises(InputError, match=f"{part} must be"):
        training(**{part: dict.fromkeys("abcd")})


def test_examples_and_groups_may_be_generators():
    game = training(examples=(f"text {i}" for i in range(4)), groups=(g for g in "aabb"))
    assert [player.label for player in game.players] == ["a (2 examples)", "b (2 examples)"]


def test_an_example_without_a_label_is_numbered():
    game = training(examples=["first", float("nan"), None, "last"])
    assert [p.label for p in game.players] == ["first", "example 2", "example 3", "last"]


@pytest.mark.parametrize("missing", MISSING, ids=NAMES)
@pytest.mark.parametrize("part", ["training", "test"])
def test_a_row_without_a_label_is_refused(missing, part):
    X, good, gap = np.eye(4), ["a", "b", "a", "b"], ["a", "b", missing, "b"]
    y, y_test = (gap, good) if part == "training" else (good, gap)
    with pytest.raises(InputError, match=f"row 3 of the {part} data has no label"):
        spexapi.TrainingGame.of_estimator(LogisticRegression(), X, y, X, y_test)


def test_rows_of_a_generator_are_trained_on_and_a_dict_is_refused():
    X, y = np.eye(4), ["a", "b", "a", "b"]
    game = spexapi.TrainingGame.of_estimator(
        LogisticRegression(), (row for row in X), (label for label in y), X, y
    )
    assert len(game.players) == 4
    with pytest.raises(InputError, match="training data"):
        spexapi.TrainingGame.of_estimator(LogisticRegression(), {"a": [1, 2]}, y, X, y)


def test_a_missing_group_and_label_of_a_file_are_missing(tmp_path):
    file = tmp_path / "table.csv"
    lines = [f"{i},{'ab'[i % 2]},{['web', 'NaN', '<NA>', ''][i % 4]}" for i in range(8)]
    file.write_text("\n".join(["x,kind,source", *lines]))
    assert read_table(file, "kind", "source").groups == ("web", None, None, None) * 2
    file.write_text("\n".join(["x,kind,source", *lines, "9,nan,web"]))
    with pytest.raises(InputError, match="row 9 has no label"):
        read_table(file, "kind", "source")


def test_a_missing_number_is_a_gap_and_a_missing_word_no_word(tmp_path):
    file = tmp_path / "table.csv"
    words = ["red", "nan", "blue", "NaT"] * 2
    file.write_text(
        "\n".join(
            [
                "x,colour,kind",
                *(
                    f"nan,{w},{'ab'[i % 2]}" if i == 3 else f"{i},{w},{'ab'[i % 2]}"
                    for i, w in enumerate(words)
                ),
            ]
        )
    )
    table = read_table(file, "kind")
    assert table.X.shape == (8, 3)  # one of the number, one each of red and blue
    assert table.rows[3] == ""


def test_a_moment_of_a_table_is_an_id():
    (found,) = to_documents(pd.DataFrame({"id": [pd.Timestamp("2020-05-03")], "text": [KEY]}))
    assert found.id.startswith(datetime.date(2020, 5, 3).isoformat())
