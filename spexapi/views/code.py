"""A run as a program and as a command, to copy."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

Options = Mapping[str, object]
Arguments = list[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Made:
    """An argument that spexapi itself makes: spexapi.<what>(...)."""

    what: str
    options: Options


@dataclass(frozen=True, slots=True)
class RunCode:
    """What a program and a command need to make the game of a run.

    program  Python lines that make `game`
    verb     of the command line
    flags    of the verb, without those of the run itself
    file     name and lines of the file that the command reads; None if it reads none
    note     a remark above the command
    """

    program: str
    verb: str
    flags: Arguments
    file: tuple[str, Sequence[str]] | None = None
    note: str = ""


def game_program(game: str, backend: str, arguments: Arguments, opening: Options | None = None) -> str:
    """Python lines that make a game of a backend. Texts are written as literals, so none of them is code.

    game       "RagGame", "PromptGame" or "HeadGame"
    arguments  of the game after the backend, in order
    opening    options of open_backend; a key is never one of them: it comes from the environment
    """
    extra = "".join(f", {k}={v!r}" for k, v in (opening or {}).items())
    lines = [f"backend = spexapi.open_backend({backend!r}{extra})", f"game = spexapi.{game}(", "    backend,"]
    lines += [f"    {key}={_literal(value)}," for key, value in arguments]
    return "\n".join([*lines, ")"]) + "\n"


def as_python(code: RunCode, run: Options, check: Options | None = None) -> str:
    """A program that does the same run.

    run    arguments of spexapi.explain
    check  arguments of spexapi.verify; None if nothing is verified
    """
    lines = [f"explanation = spexapi.explain(game, {_named(run)})", "print(explanation)"]
    if check:
        lines.append(f"print(spexapi.verify(game, explanation, {_named(check)}))")
    return f"import spexapi\n\n{code.program}" + "\n".join(lines) + "\n"


def as_command(code: RunCode, run: Arguments) -> str:
    """A command line for a POSIX shell that does the same run; it writes the file it reads. Texts are quoted.

    run  flags of the run itself
    """
    parts = [f"spexapi {code.verb}"]
    parts += [
        f"--{flag} {shlex.quote(str(value))}"
        for flag, value in [*code.flags, *run]
        if value not in ("", None)
    ]
    note = f"# {code.note}\n" if code.note else ""
    return note + _file(code.file) + " \\\n  ".join(parts) + "\n"


def _file(file: tuple[str, Sequence[str]] | None) -> str:
    if file is None:
        return ""
    name, lines = file
    end = "END"
    while end in lines:  # the line that ends the file is none of its own
        end += "_"
    return f"cat > {name} <<'{end}'\n" + "\n".join(lines) + f"\n{end}\n"


def _named(options: Options) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in options.items())


def _literal(value: object) -> str:
    if isinstance(value, Made):
        return f"spexapi.{value.what}({_named(value.options)})"
    if isinstance(value, list) and value:
        return "[\n" + "".join(f"        {item!r},\n" for item in cast("list[object]", value)) + "    ]"
    return repr(cast("object", value))
