"""A CSV file with a label column, as numbers to train on and rows to show."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spexapi.errors import InputError
from spexapi.games.base import Player
from spexapi.measurements import Floats
from spexapi.prompts.given import cell_of
from spexapi.prompts.segments import shorten

# Different numbers of a label that are classes; more of them are regressed.
_MOST_CLASSES = 20
# Different words of a column that become a column each.
_MOST_VALUES = 30
# Columns that a column of texts becomes.
_MOST_WORDS = 500
# Rows.
_FEWEST = 8


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Labelled rows.

    X        (e, d) columns scaled to mean 0 and standard deviation 1; words as one column each
    y        (e,) numbers of classes, or the numbers to predict
    classes  names of the classes, empty if numbers are predicted
    rows     what each row says, for people
    labels   the label of each row as in the file
    groups   the value of the group column in each row, None if there is no such column
    notes    what was left out or filled in
    """

    X: Floats
    y: NDArray[np.intp] | Floats
    classes: tuple[str, ...]
    rows: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str | None, ...] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.y)

    def player(self, i: int) -> Player:
        """Row i as an example; rows are numbered from 1, without the header."""
        return Player(f"row {i + 1}", "example", f"{self.rows[i]} → {self.labels[i]}")

    def split(self, share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows to train on and rows to test on, each in rising order; classes in equal shares if they can be.

        share  of the rows that are tested on, between 0 and 1
        """
        if not 0 < share < 1:
            raise InputError(f"the share of rows to test on is {share}: give a number between 0 and 1")
        cut = import_module("sklearn.model_selection").train_test_split
        even = bool(self.classes) and int(np.unique(self.y, return_counts=True)[1].min()) >= 2
        try:
            train, test = cut(
                np.arange(len(self)), test_size=share, random_state=seed, stratify=self.y if even else None
            )
        except ValueError as error:
            raise InputError(f"{len(self)} rows cannot be split at {share}: {error}") from error
        return np.sort(train), np.sort(test)


def read_table(path: str | Path, label: str, group: str | None = None, *, most: int | None = None) -> Table:
    """The rows of a CSV file (comma, semicolon or tab) with a header.

    label  the column to predict
    group  a column that names the group of each row; empty if the row is always kept
    most   most rows that are read; more are an error

    A column of numbers stays one, its gaps filled with the median. A column of few different words becomes
    one column each, a column of texts its most frequent words (TF-IDF). Other columns, such as names and
    numbers of rows that are words, are left out. All rows are used for that, tested ones too, but no label.
    Raises InputError with the line that does not fit.
    """
    head, lines = _read(Path(path), most)
    for name, what in ((label, "label"), (group, "group")):
        if name is not None and name not in head:
            raise InputError(f"there is no column {name!r} for the {what}: the columns are {', '.join(head)}")
    if group == label:
        raise InputError("the group column is the label column: say groups by label instead")
    cells = {name: [cell_of(line[k]) for line in lines] for k, name in enumerate(head)}
    labels = cells.pop(label)
    groups = tuple(cell or None for cell in cells.pop(group)) if group is not None else None
    if (gap := next((k for k, cell in enumerate(labels) if not cell), None)) is not None:
        raise InputError(f"row {gap + 1} has no label in column {label!r}")
    y, classes = _labels(labels, label)
    parts, notes = _columns(cells)
    rows = tuple(
        ", ".join(f"{name} {shorten(cells[name][k], 60)}" for name in cells if cells[name][k])
        for k in range(len(labels))
    )
    return Table(np.hstack(parts), y, classes, rows, tuple(labels), groups, notes)


def _read(path: Path, most: int | None) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            mark = max(",;\t", key=first.count)
            names = next(csv.reader([first], delimiter=mark), list[str]())
            head = [name.strip() for name in names]
            lines = [line for line in csv.reader(file, delimiter=mark) if any(cell.strip() for cell in line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path.name} cannot be read as a CSV file: {error}") from error
    if len(set(head)) != len(head) or len(head) < 2 or "" in head:
        raise InputError(f"{path.name} must begin with a line of column names, 2 or more, got {head}")
    for k, line in enumerate(lines):
        if len(line) != len(head):
            raise InputError(f"row {k + 1} of {path.name} has {len(line)} cells, the header {len(head)}")
    if len(lines) < _FEWEST:
        raise InputError(f"{path.name} has {len(lines)} rows: {_FEWEST} are the fewest to train and test on")
    if most is not None and len(lines) > most:
        raise InputError(f"{path.name} has {len(lines):,} rows; at most {most:,} are read here")
    return head, lines


def _labels(labels: Sequence[str], name: str) -> tuple[NDArray[np.intp] | Floats, tuple[str, ...]]:
    numbers = _numbers(labels)
    names = sorted(set(labels))
    if numbers is not None and len(names) > _MOST_CLASSES:
        return numbers, ()
    if not 2 <= len(names) <= len(labels) // 2:
        raise InputError(
            f"the label {name!r} has {len(names)} different values in {len(labels)} rows: classes are 2 or"
            " more, of two rows each in the mean"
        )
    place = {value: k for k, value in enumerate(names)}
    return np.array([place[value] for value in labels], dtype=np.intp), tuple(names)


def _columns(cells: dict[str, list[str]]) -> tuple[list[Floats], tuple[str, ...]]:
    """Columns of numbers for each column, and notes on what was done to them."""
    parts: list[Floats] = []
    notes: list[str] = []
    for name, column in cells.items():
        numbers, different = _numbers(column), set(column) - {""}
        if len(different) < 2:
            notes.append(f"column {name!r} is the same in every row and is left out")
        elif numbers is not None:
            gaps = np.isnan(numbers)
            filled = np.where(gaps, np.nanmedian(numbers), numbers)
            parts.append(((filled - filled.mean()) / (filled.std() or 1.0))[:, None])
            if gaps.any():
                notes.append(f"{int(gaps.sum())} gaps in column {name!r} are filled with its median")
        elif len(different) <= _MOST_VALUES:
            values = sorted(different)
            parts.append(np.array([[float(cell == value) for value in values] for cell in column]))
        elif np.mean([len(cell.split()) for cell in column]) >= 3:
            words = import_module("sklearn.feature_extraction.text")
            found = words.TfidfVectorizer(max_features=_MOST_WORDS).fit_transform(column)
            parts.append(np.asarray(found.todense(), dtype=np.float64))
        else:
            notes.append(f"column {name!r} has {len(different)} different words and is left out")
    if not parts:
        raise InputError("no column but the label says anything: " + "; ".join(notes))
    return parts, tuple(notes)


def _numbers(column: Sequence[str]) -> Floats | None:
    """(e,) the numbers of a column, NaN for gaps; None if a cell is no number, or all are gaps."""
    try:
        found = np.array([float(cell) if cell else math.nan for cell in column])
    except ValueError:
        return None
    known = found[~np.isnan(found)]
    return found if len(known) and np.isfinite(known).all() else None
