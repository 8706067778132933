"""Name -> backend: the built-in ones and whatever entry point group "spexapi.backends" adds."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from spexapi.backends.adapter import complete
from spexapi.backends.base import Backend, Scoring
from spexapi.errors import InputError

Factory = Callable[..., Scoring]

# Known without installed metadata too: a checkout on sys.path works like an installed package.
_BUILT_IN = {
    "embedded": "spexapi.backends.huggingface.embedded:open_embedded",
    "hf": "spexapi.backends.huggingface.open:open_hf",
    "openai": "spexapi.backends.openai.open:open_openai",
}
_WRITTEN = {"embedded": "embedded", "hf": "hf:<model>", "openai": "openai:<model>"}


def open_backend(spec: str, **options: object) -> Backend:
    """The backend that `spec` names: "embedded", "hf:<id or folder>", "<plug-in>:<what it wants>".

    What follows the first ":" and the options go to the backend's factory. Nothing is loaded and no call is
    made: that is for `Backend.open`. Raises InputError for an unknown name or option.
    """
    name, _, rest = spec.partition(":")
    factory = _factory(name, spec)
    try:
        inspect.signature(factory).bind(rest, **options)
    except TypeError as error:
        taken = list(inspect.signature(factory).parameters)[1:]
        raise InputError(f"backend {spec!r}: {error}; it takes {', '.join(taken) or 'no options'}") from None
    return complete(factory(rest, **options))


def known_backends() -> dict[str, str]:
    """Name -> "module:function" of every backend that is installed, the built-in ones first."""
    found = dict(_BUILT_IN)
    for point in entry_points(group="spexapi.backends"):
        found.setdefault(point.name, point.value)
    return found


def _factory(name: str, spec: str) -> Factory:
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        return cast("Factory", getattr(importlib.import_module(module), attribute))
    for point in entry_points(group="spexapi.backends"):
        if point.name == name:
            return cast("Factory", point.load())
    known = known_backends()
    message = f"unknown backend {spec!r}: known are {', '.join(_WRITTEN.get(k, f'{k}:...') for k in known)}"
    if near := get_close_matches(name, list(known), n=1):
        message += f"; did you mean {_WRITTEN.get(near[0], near[0])!r}?"
    elif Path(spec).expanduser().is_dir():
        message += f"; for a model in this folder write 'hf:{spec}'"
    raise InputError(message)
