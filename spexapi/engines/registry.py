"""Engines by name: those of spexapi, and those that other packages install as entry points."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from spexapi.engines.base import Engine
from spexapi.errors import InputError

_GROUP = "spexapi.engines"
# for a checkout that runs without being installed
_BUILT_IN = {
    "adaptive": "spexapi.engines.adaptive:Adaptive",
    "auto": "spexapi.engines.auto:Auto",
    "contextcite": "spexapi.engines.first_order:ContextCite",
    "exact": "spexapi.engines.exact:Exact",
    "gp": "spexapi.engines.gaussian_process:GaussianProcess",
    "kernelshap": "spexapi.engines.kernel_shap:KernelShap",
    "lime": "spexapi.engines.first_order:Lime",
    "loo": "spexapi.engines.first_order:LeaveOneOut",
    "pairwise": "spexapi.engines.pairwise:Pairwise",
    "proxyspex": "spexapi.engines.proxyspex:ProxySPEX",
    "spex": "spexapi.engines.spex:SPEX",
}


def known_engines() -> dict[str, str]:
    """Name -> where it comes from: `module:attribute`, with the distribution if it is not spexapi."""
    found = dict(_BUILT_IN)
    for point in entry_points(group=_GROUP):
        owner = point.dist.name if point.dist is not None else "unknown"
        found[point.name] = point.value if owner == "spexapi" else f"{point.value} ({owner})"
    return dict(sorted(found.items()))


def find_engine(engine: str | Engine) -> Engine:
    """The engine of that name with its defaults; an engine object is given back as it is.

    Raises InputError, naming the known ones, if there is none of that name or it cannot be loaded.
    """
    if isinstance(engine, Engine):
        return engine
    if not isinstance(engine, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"engine must be a name or have plan, propose and fit, got {type(engine).__name__}")
    known = known_engines()
    if engine not in known:
        raise InputError(f"no engine is called {engine!r}; known are {', '.join(known)}")
    source = known[engine].split(" ")[0]
    module, _, attribute = source.partition(":")
    try:
        made: object = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"the engine {engine!r} at {source} cannot be loaded: {error}") from error
    made = cast("type[object]", made)() if callable(made) else made
    if not isinstance(made, Engine):
        raise InputError(f"the engine {engine!r} at {source} lacks name, plan, propose or fit")
    return made
