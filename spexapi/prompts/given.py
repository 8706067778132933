"""What a caller gives as a list of things: its rows one by one, and which cells say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, cast

from spexapi.errors import InputError

# What tables write in an empty cell: numpy's and Python's number, pandas' time and pandas' own sign.
_WRITTEN = frozenset({"nan", "NaN", "NaT", "<NA>"})


def is_missing(value: object) -> bool:
    """Whether a cell says nothing: None, NaN of any library, NaT, pandas' NA."""
    if value is None or type(value).__name__ == "NAType":
        return True
    try:
        return bool(value != value)  # of all values only these differ from themselves
    except (TypeError, ValueError, ArithmeticError):  # an array, a signalling NaN
        return False


def cell_of(written: str) -> str:
    """The cell of a text file, "" for the words that libraries write for a missing one."""
    written = written.strip()
    return "" if written in _WRITTEN else written


def is_table(given: object) -> bool:
    """Whether it is a DataFrame or the like: to go through it gives columns, or nothing of use."""
    return any(hasattr(given, name) for name in ("to_dicts", "to_pylist")) or (
        hasattr(given, "columns") and hasattr(given, "to_dict")
    )


def rows_of(given: object, what: str) -> list[object]:
    """The rows of a list, an iterator or a table. Raises InputError for what has no order or no rows.

    what  the name of it and what one row is, for the error: "documents must be a list, one text each"

    A row of a table of pandas, polars or pyarrow is a dict, by the names of the columns.
    """
    table = cast("Any", given)
    if hasattr(given, "to_dicts"):  # polars
        return list(table.to_dicts())
    if hasattr(given, "to_pylist"):  # pyarrow
        return list(table.to_pylist())
    if is_table(given):
        return list(table.to_dict("records"))
    if isinstance(given, (str, bytes, Mapping, Set)) or not isinstance(given, (Iterable, Sequence)):
        raise InputError(f"{what}; got one {type_of(table)}")
    return list(cast("Iterable[object]", given))


def column_of(given: object, what: str) -> list[object]:
    """A list with one entry an example. Raises InputError for a table, a dict and a set.

    what  what it must be, for the error
    """
    if hasattr(given, "to_pylist") and not hasattr(given, "column_names"):  # a column of pyarrow
        return list(cast("Any", given).to_pylist())
    if is_table(given):
        raise InputError(
            f'{what}; got a {type(given).__name__}, which gives its columns: give one of them, as df["name"],'
            ' or its rows, df.to_dict("records")'
        )
    return rows_of(given, what)


def type_of(given: object) -> str:
    """The type as a user of JSON calls it."""
    called = type(given).__name__
    return {"dict": "object", "NoneType": "null", "str": "text"}.get(called, called)
