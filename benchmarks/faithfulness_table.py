"""What the rows of faithfulness.py come to: a table a source, the share of runs won or tied, every loss, and
the peers at twice our calls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from kept import Kept, markdown, write_table

TIE = 0.01
ASKED = ("auto", "shapiq_proxyshap", "contextcite")  # in every run that counts
# a peer that is left out of some runs says nothing about the best of the others there
Runs = dict[tuple[str, int, str], dict[str, float]]  # (cell, multiple, game.seed) -> who -> R²


def report(kept: Kept, source: str) -> None:
    runs = collect(kept)
    complete = {key: who for key, who in runs.items() if all(name in who for name in ASKED)}
    if not complete:
        print("no run is complete yet")
        return
    groups: dict[tuple[str, int], list[dict[str, float]]] = defaultdict(list)
    for (cell, multiple, _), who in complete.items():
        groups[cell, multiple].append(who)
    lines = [line(cell, multiple, group) for (cell, multiple), group in sorted(groups.items(), key=order)]
    head = [
        "game", "calls / n", "runs", "auto, R² (range)", "spex", "best peer, R²", "best in how many runs",
        "auto - best peer (range)", "won or tied",
    ]  # fmt: skip
    text = markdown(head, lines) + "\n\n" + summary(complete, groups) + "\n\n" + losses(complete, source)
    write_table(f"faithfulness {source}", text)


def collect(kept: Kept) -> Runs:
    """Fits on other masks than those of `auto` are left out."""
    runs: Runs = defaultdict(dict)
    for key, row in kept.rows.items():
        cell, multiple, game, who = key.split("/")
        same = kept.rows.get(f"{cell}/{multiple}/{game}/auto", {}).get("masks")
        if "r2" in row and row.get("masks", same) == same:
            runs[cell, int(multiple), game][who] = row["r2"]
    return dict(runs)


def order(item: tuple[tuple[str, int], object]) -> tuple[int, str, int]:
    (cell, multiple), _ = item
    digits = "".join(c if c.isdigit() else " " for c in cell).split()
    return (int(digits[-1]) if "-" in cell else 0, cell, multiple)


def best(who: dict[str, float]) -> tuple[str, float]:
    """The peer with the highest R² in this very run: a choice no user can make."""
    peers = {name: score for name, score in who.items() if name not in ("auto", "spex")}
    name = max(peers, key=lambda peer: peers[peer])
    return name, peers[name]


def line(cell: str, multiple: int, group: list[dict[str, float]]) -> list[str]:
    auto = [who["auto"] for who in group]
    spex = [who["spex"] for who in group if "spex" in who]
    peer = [best(who) for who in group]
    gaps = np.array(auto) - [score for _, score in peer]
    names = [name for name, _ in peer]
    counts = sorted(((names.count(name), name) for name in set(names)), reverse=True)
    return [
        cell, str(multiple), str(len(group)), spread(auto),
        f"{np.median(spex):.3f}" if spex else "", f"{np.median([score for _, score in peer]):.3f}",
        ", ".join(f"{name} {count}" for count, name in counts),
        f"{np.median(gaps):+.3f}" + (f" ({gaps.min():+.3f} to {gaps.max():+.3f})" if len(gaps) > 1 else ""),
        f"{np.mean(gaps >= -TIE):.0%}",
    ]  # fmt: skip


def spread(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def summary(runs: Runs, groups: dict[tuple[str, int], list[dict[str, float]]]) -> str:
    gaps = [who["auto"] - best(who)[1] for who in runs.values()]
    middle = {
        cell: float(np.median([who["auto"] - best(who)[1] for who in group]))
        for cell, group in groups.items()
    }
    with_it = [who for who in runs.values() if "shapiq_proxyspex" in who]
    single = [who["auto"] - who["shapiq_proxyspex"] for who in with_it]
    lost = sorted((cell for cell, gap in middle.items() if gap < -TIE), key=lambda cell: middle[cell])
    named = [f"{cell} at {multiple}n ({middle[cell, multiple]:+.3f})" for cell, multiple in lost]
    worse = sum(gap < -TIE for gap in gaps)
    return "\n".join((
        f"- Won or tied within {TIE} against the best peer of each single run: {share(gaps)} of"
        f" {len(gaps)} runs; median difference {np.median(gaps):+.3f}; {worse} runs lost, listed below.",
        f"- The same by medians of cells: {share(middle.values())} of {len(middle)} cells. Cells lost:"
        f" {'; '.join(named) or 'none'}.",
        f"- Against shapiq's ProxySPEX alone: {share(single)} of {len(single)} runs, median"
        f" {np.median(single):+.3f}.",
        half_the_calls(runs),
    ))  # fmt: skip


def share(gaps: Iterable[float]) -> str:
    return f"{np.mean(np.array(list(gaps)) >= -TIE):.1%}"


def half_the_calls(runs: Runs) -> str:
    """Ours at m calls against the peers at 2 m."""
    pairs = [
        (who["auto"], twice)
        for (cell, multiple, game), who in runs.items()
        if (twice := runs.get((cell, 2 * multiple, game)))
    ]
    if not pairs:
        return "- No run has twice its calls beside it."
    rivals = {"the best peer of each run": [auto - best(twice)[1] for auto, twice in pairs]}
    for peer in ("shapiq_proxyspex", "shapiq_proxyshap"):
        rivals[peer] = [auto - twice[peer] for auto, twice in pairs if peer in twice]
    said = [
        f"{name}: median difference {np.median(gaps):+.3f}, as good (within {TIE}) in {share(gaps)}"
        for name, gaps in rivals.items()
    ]
    return f"- At half the calls of ({len(pairs)} pairs) " + "; ".join(said) + "."


def losses(runs: Runs, source: str) -> str:
    """Every run lost, the worst first, each beside the others of its kind: is it the kind, or the draw?"""
    lost = sorted((who["auto"] - best(who)[1], key) for key, who in runs.items())
    lost = [(gap, key) for gap, key in lost if gap < -TIE]
    like: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for key, who in runs.items():
        like[kind(key, source)].append(who["auto"] - best(who)[1])
    lines: list[list[str]] = []
    by_chance = 0
    for _, key in lost:
        (cell, multiple, game), gaps = key, np.array(like[kind(key, source)])
        won = int((gaps >= -TIE).sum())
        by_chance += won > len(gaps) / 2
        auto, rest = f"{runs[key]['auto']:.3f}", f"{won} of {len(gaps)}"
        lines.append([cell, str(multiple), game, auto, *named(runs[key]), rest])
    like_it = {"recorded": "draws of the same game", "planted": "games of the same cell"}[source]
    told = (
        f"{len(lost)} runs are lost; of {by_chance} of them most {like_it}, at this budget, are won or tied."
    )
    head = ["lost run", "calls / n", "game.seed", "auto, R²", "best peer", "its R²", f"{like_it} won or tied"]
    return told + "\n\n" + markdown(head, lines)


def kind(key: tuple[str, int, str], source: str) -> tuple[str, ...]:
    """The runs it is one of: draws of masks for one recorded game, or planted games of one cell."""
    cell, multiple, game = key
    return (cell, str(multiple), game.split(".")[0] if source == "recorded" else "")


def named(who: dict[str, float]) -> list[str]:
    name, score = best(who)
    return [name, f"{score:.3f}"]
