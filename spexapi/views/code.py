"""The same run as a program and as a command, to copy."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

Options = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Made:
    """An argument that is made by spexapi itself: spexapi.<what>(...)."""

    what: str
    options: Options


def as_python(
    game: str,
    backend: str,
    arguments: Sequence[tuple[str, object]],
    run: Options,
    opening: Options | None = None,
    check: Options | None = None,
) -> str:
    """A program that does the same run. Texts are written as Python literals, so none of them is code.

    game       "RagGame" or "PromptGame"
    arguments  of the game behind the backend, in order
    run        of spexapi.explain
    opening    options of open_backend; a key is never one: it comes from the environment
    check      of spexapi.verify, None where nothing is verified
    """
    extra = "".join(f", {k}={v!r}" for k, v in (opening or {}).items())
    lines = [
        "import spexapi",
        "",
        f"backend = spexapi.open_backend({backend!r}{extra})",
        f"game = spexapi.{game}(",
    ]
    lines.append("    backend,")
    for key, value in arguments:
        lines.append(f"    {key}={_literal(value)},")
    lines += [")", f"explanation = spexapi.explain(game, {_named(run)})", "print(explanation)"]
    if check:
        lines.append(f"print(spexapi.verify(game, explanation, {_named(check)}))")
    return "\n".join(lines) + "\n"


def as_command(verb: str, flags: Sequence[tuple[str, object]]) -> str:
    """A command line for a POSIX shell; every text is quoted."""
    parts = [f"spexapi {verb}"]
    parts += [f"--{flag} {shlex.quote(str(value))}" for flag, value in flags if value not in ("", None)]
    return " \\\n  ".join(parts) + "\n"


def _named(options: Options) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in options.items())


def _literal(value: object) -> str:
    if isinstance(value, Made):
        return f"spexapi.{value.what}({_named(value.options)})"
    if isinstance(value, list) and value:
        value = cast("list[object]", value)
        return "[\n" + "".join(f"        {item!r},\n" for item in value) + "    ]"  # pyright: ignore[reportUnknownVariableType]
    return repr(cast("object", value))
