"""`spexapi probe`: what a backend can really do, tried and not assumed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from rich.table import Table

from spexapi.backends.base import Backend, Reply
from spexapi.backends.complete import complete
from spexapi.cli.run import out
from spexapi.sampling.caps import price_of


def probe(backend: Backend, *, as_json: bool) -> None:
    """Prints a row a way, and what trying them took. Raises Refused where nothing works."""
    found = complete(backend)
    if not hasattr(backend, "probe"):
        _say_local(found, as_json)
        return
    rows, used = asyncio.run(_tried(backend))
    chosen = _use(found)
    if as_json:
        names = ("form", "way", "gives", "works", "notes")
        ways = [dict(zip(names, row, strict=True)) for row in rows]
        took = {"calls": used.calls, "tokens_in": used.tokens_in, "tokens_out": used.tokens_out}
        print(json.dumps({"backend": found.name, "ways": ways, "used": chosen, "cost": took}, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for title in ("form", "way", "gives", "", "what it costs, or what is wrong"):
        table.add_column(title, no_wrap=title in ("form", "way"))
    for form, way, gives, works, said in rows:
        colour = "green" if works == "works" else "red"
        table.add_row(form, way, gives, f"[{colour}]{works}[/{colour}]", _plain(said))
    out.print(table)
    cost = price_of(used, found.capabilities.price)
    price = "" if found.capabilities.price is None else f", about ${cost:.4f}"
    out.print(
        f"{found.name} would be used by {chosen}; this took {used.calls} calls, {used.tokens_in:,} tokens"
        f" read, {used.tokens_out:,} written{price}",
        highlight=False,
        markup=False,
    )


async def _tried(backend: Any) -> tuple[list[tuple[str, ...]], Reply]:
    try:
        found = await backend.probe()
        return list(found.rows), backend.setup
    finally:
        await backend.close()


def _use(backend: Backend) -> str:
    """The form and way of the identity, which names them."""
    return " ".join(backend.identity.split()[2:4])


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
    out.print(f"{backend.name} {where}: nothing to probe, it promises", highlight=False, markup=False)
    for what, known in does.items():
        out.print(f"  {what:<36} {'yes' if known else 'no'}", highlight=False, markup=False)


def _plain(text: str) -> str:
    """Square brackets are rich's markup."""
    return text.replace("[", "\\[")
