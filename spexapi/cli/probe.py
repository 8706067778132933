"""`spexapi probe`: what a backend can really do, tried and not assumed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rich.table import Table

from spexapi.backends.adapter import complete
from spexapi.backends.base import Backend, Reply
from spexapi.cli.console import out, say
from spexapi.narrative.wording import counted
from spexapi.sampling.caps import price_of


class _Report(Protocol):
    @property
    def rows(self) -> Sequence[tuple[str, ...]]:
        """(format, method, what it gives, "works" or "no", cost or problem)"""
        ...


@runtime_checkable
class Probed(Protocol):
    """A backend that can be probed."""

    @property
    def setup(self) -> Reply: ...

    @property
    def in_use(self) -> str: ...

    async def probe(self) -> _Report: ...

    async def close(self) -> None: ...


def probe(backend: Backend, *, as_json: bool) -> None:
    """Prints a row for each scoring method, and what trying them took. Raises Refused if nothing works."""
    found = complete(backend)
    if not isinstance(backend, Probed):
        _say_local(found, as_json)
        return
    rows, used = asyncio.run(_tried(backend))
    chosen = backend.in_use
    if as_json:
        names = ("form", "way", "gives", "works", "notes")
        ways = [dict(zip(names, row, strict=True)) for row in rows]
        took = {"calls": used.calls, "tokens_in": used.tokens_in, "tokens_out": used.tokens_out}
        print(json.dumps({"backend": found.name, "ways": ways, "used": chosen, "cost": took}, indent=2))
        return
    say(f"{found.name}: what was tried")
    for gives in dict.fromkeys(row[2] for row in rows):
        out.print(f"\n[bold]{gives}[/bold]", highlight=False)
        out.print(_table([row for row in rows if row[2] == gives], chosen))
    cost = price_of(used, found.capabilities.price)
    price = "" if found.capabilities.price is None else f", about ${cost:.4f}"
    say(
        f"\n{found.name} is used by {chosen}. {_scores(found)}\nThis took {counted(used.calls, 'call')},"
        f" {counted(used.tokens_in, 'token')} read, {used.tokens_out:,} written{price}."
    )


def _table(rows: list[tuple[str, ...]], chosen: str) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for wrapped in (False, False, True):
        table.add_column(no_wrap=not wrapped)
    for form, way, _, works, said in rows:
        verdict = "used" if f"{form} {way}" == chosen else works
        colour = "red" if verdict == "no" else "green"
        table.add_row(f"  [{colour}]{verdict:<5}[/{colour}]", f"{form} {way}", _plain(_brief(said)))
    return table


def _brief(said: str) -> str:
    """Without the address, which the user gave, and advice for when no route at all is there."""
    said = re.sub(r"https?://\S+: HTTP", "HTTP", said)
    return re.sub(r" \(no such route: [^)]*\)", "", said)


def _scores(backend: Backend) -> str:
    """What to write after --score."""
    can = backend.capabilities
    if can.score_answer:
        return "Every --score works; logprob is taken if none is named."
    choice = "choice (with --option), " if can.choose else ""
    return f"Of --score work {choice}match (taken if none is named), chrf, rouge, ...; logprob does not."


async def _tried(backend: Probed) -> tuple[list[tuple[str, ...]], Reply]:
    try:
        found = await backend.probe()
        return [tuple(row) for row in found.rows], backend.setup
    finally:
        await backend.close()


def _say_local(backend: Backend, as_json: bool) -> None:
    can = backend.capabilities
    does = {
        "log-probability of a given answer": can.score_answer,
        "options compared": can.choose,
        "replies written": can.write,
        "text hidden from attention": can.attention_mask,
    }
    if as_json:
        print(json.dumps({"backend": backend.name, "promises": does}, indent=2))
        return
    where = "runs here" if can.concurrency == 1 else "is a plug-in"
    say(f"{backend.name} {where}: nothing to probe, it promises")
    for what, known in does.items():
        say(f"  {what:<36} {'yes' if known else 'no'}")


def _plain(text: str) -> str:
    """Square brackets are rich's markup."""
    return text.replace("[", "\\[")
