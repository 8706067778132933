"""Puts what calls_saved.py kept into README.md: one row a kind of game, medians over its runs."""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np
from kept import HERE, Row, markdown, write_table

EARLY = 0.02  # below the target by more than this, a run ended too early


def line(name: str, rows: list[Row]) -> list[str]:
    done = [row for row in rows if row["enough"]]
    first = [row["first"] for row in rows if row["first"] is not None]
    return [
        name, str(len(rows)), str(len(done)), f"{np.median([row['calls'] for row in rows]):.0f}",
        f"{np.median([row['saved'] for row in rows]):.0%}", f"{np.mean([row['saved'] for row in rows]):.0%}",
        f"{sum(row['r2'] < row['target'] - EARLY for row in done)}",
        f"{np.median([row['r2'] for row in rows]):.3f}", f"{np.median(first):.0f}" if first else "",
    ]  # fmt: skip


def main() -> None:
    path = HERE / "results" / "calls_saved.json"
    rows: list[Row] = json.loads(path.read_text())["runs"] if path.exists() else []
    groups: dict[tuple[int, float], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["budget"], row["target"]].append(row)
    head = [
        "game", "runs", "at target, it says", "calls (median)", "saved (median)", "saved (mean)", "too early",
        "true R² (median)", "first look truly there",
    ]  # fmt: skip
    texts: list[str] = []
    for (budget, target), here in sorted(groups.items()):
        families = sorted({(row["n"], row["family"]) for row in here})
        lines = [line(name, [row for row in here if row["family"] == name]) for _, name in families]
        texts.append(
            f"Budget {budget}, target R² {target:g}:\n\n{markdown(head, [*lines, line('all', here)])}"
        )
    write_table("calls saved", "\n\n".join(texts) or "No run yet.")


if __name__ == "__main__":
    main()
