"""JSON of unknown shape -> values: small readers that raise TypeError or ValueError for what does not fit."""

from __future__ import annotations

import json
from typing import TypeGuard

Json = dict[str, object]


def parse(content: bytes | str) -> object:
    """The value, None for what is no JSON."""
    try:
        return json.loads(content)
    except ValueError:
        return None


def is_map(value: object) -> TypeGuard[Json]:
    """Whether it is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether it is an array."""
    return isinstance(value, list)


def to_map(value: object) -> Json:
    """An object; null and other empty values are an empty one."""
    if not value:
        return {}
    if not is_map(value):
        raise TypeError(f"{type(value).__name__} in place of an object")
    return value


def to_list(value: object) -> list[object]:
    """An array; null and other empty values are an empty one."""
    if not value:
        return []
    if not is_list(value):
        raise TypeError(f"{type(value).__name__} in place of an array")
    return value


def to_text(value: object) -> str:
    """A string."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in place of a string")
    return value


def to_number(value: object) -> float:
    """A number, also one that is written as a string."""
    if not isinstance(value, int | float | str):
        raise TypeError(f"{type(value).__name__} in place of a number")
    return float(value)


def to_number_or_none(value: object) -> float | None:
    return None if value is None else to_number(value)


def to_count(value: object) -> int:
    """A whole number; null and other empty values are 0."""
    return int(to_number(value)) if value else 0
