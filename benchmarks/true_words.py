"""Is what the story says true? Every claim of every story against all 2^n masks, beside an older version.

    python benchmarks/true_words.py [--games FOLDER] [--questions 30] [--model FOLDER] [--before CHECKOUT]
                                    [--fast] [--seconds 3600] [--no-run]

Three kinds of games, all 2^n masks of which are known, told at 2, 4 and 8 masks a player, seed 0:

recorded  the first five games of every file in --games whose value is higher with everything kept than with
          nothing; sentiment as log-odds
embedded  held-out questions about eight documents, answered by the embedded model in its own words
model     sixty questions about five short documents, answered by the local model in --model (at 8 masks a
          player all 32 masks would be asked, so at 2 and 4 alone)

--before names a checkout of an older version, told the same games with as many masks in all. Its words and
ours are read by spoken.py, which says what is a claim and when it is true.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
from faithfulness import read_recorded
from kept import HERE, Clock, Kept, Row, markdown, write_table
from spoken import Truth, judge

import spexapi
from spexapi.fourier.masks import codes
from spexapi.sampling.policy import RequestPolicy

sys.path.append(str(HERE.parent))
from training import worlds

SEED, TIMES = 11, (2, 4, 8)
KINDS = ("one", "two", "either")
MODEL_QUESTIONS = 60


@dataclass(eq=False)
class Known:
    """A game with its truth, and what told.py needs to make it again."""

    name: str
    truth: Truth
    asked: dict[str, Any] = field(default_factory=dict[str, Any])


def recorded(folder: Path, count: int) -> Iterator[Known]:
    for path in sorted(folder.glob("*.npz")):
        for number, values in enumerate(read_recorded(path)[:count]):
            if values[-1] > values[0]:
                yield Known(f"recorded/{path.stem}.{number}", Truth(values))


def asked(group: str, name: str, n: int, count: int, folder: Path) -> Iterator[Known]:
    """Held-out questions, the three kinds in turn, the answer the model's own; its replies in that folder."""
    backend = spexapi.open_backend(name)
    per_kind = [worlds.questions(kind, SEED, -(-count // 3), n_documents=(n, n)) for kind in KINDS]
    for number, each in enumerate([q for turn in zip(*per_kind, strict=True) for q in turn][:count]):
        question, documents = each.question, list(each.documents)
        if group == "model":
            question, documents = sentence(question), [sentence(text) for text in documents]
        store = str(folder / f"{group}.sqlite")
        game = spexapi.RagGame(backend, question, documents, terms=RequestPolicy(store=store))
        seen = spexapi.explain(game, engine="exact", budget=2**n, writes=0).observations
        order = np.argsort(codes(seen.masks))
        ranks = seen.ranks
        writes = None if ranks is None else (ranks[order] == 1).all(axis=1)
        truth = Truth(seen.values[order], writes if writes is not None and writes[-1] else None)
        if truth.full > truth.none:
            yield Known(
                f"{group}/{number}-{each.kind}",
                truth,
                {"backend": name, "question": question, "documents": documents, "store": store},
            )


def sentence(text: str) -> str:
    """As people write: "the jar holds the stamp ." -> "The jar holds the stamp." """
    text = text.removesuffix(" .").removesuffix(" ?")
    return text[:1].upper() + text[1:] + ("?" if text.startswith(("wh", "in which")) else ".")


class Teller:
    """told.py with one version of spexapi, for as long as it is asked."""

    def __init__(self, checkout: Path) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "told.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(checkout)},
        )

    def tell(self, known: Known, budget: int) -> Row:
        path = str(Path(self.folder.name) / "truth.npy")
        np.save(path, known.truth.values)
        job = {"table": None if known.asked else path, "truth": path, "budget": budget} | known.asked
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("told "):
                return json.loads(line.removeprefix("told "))
        raise SystemExit(f"told.py ended at {known.name}: its own message stands above")


def row(known: Known, told: Row) -> Row:
    judged = judge(told["headline"], told["asides"], told["core"], known.truth)
    return told | {
        "told": judged.told,
        "hedged": judged.hedged,
        "said": len(judged.claims),
        "false": [what for what, true in judged.claims if not true],
        "same": judged.same,
        "smallest": known.truth.smallest,
        "behaviour": known.truth.writes is not None,
    }


def share(hits: int, of: int) -> str:
    return f"{hits / of:.1%} of {of}" if of else ""


def line(rows: list[Row]) -> list[str]:
    said, wrong = sum(r["said"] for r in rows), sum(len(r["false"]) for r in rows)
    plain = [r for r in rows if r["told"] and not r["hedged"]]
    plainly, amiss = sum(r["said"] for r in plain), sum(len(r["false"]) for r in plain)
    return [
        str(len(rows)),
        share(said - wrong, said),
        share(plainly - amiss, plainly),
        share(sum(r["same"] for r in rows), len(rows)),
        str(sum(r["told"] for r in rows)),
        share(sum(r["measured"] for r in rows), sum(r["bars"] for r in rows)),
        f"{np.mean([r['claims'] for r in rows]):.1f}",
        f"{np.median([r['r2'] for r in rows]):.3f}",
    ]


def report(kept: Kept) -> None:
    groups: dict[tuple[str, int, str], dict[str, Row]] = defaultdict(dict)
    for key, found in kept.rows.items():
        group, game, times, who = key.split("/")
        groups[group, int(times), who][game] = found
    lines: list[list[str]] = []
    for (group, times, who), found in sorted(groups.items()):
        other = groups.get((group, times, "before"), {})
        gaps = [r["r2"] - other[name]["r2"] for name, r in found.items() if name in other]
        paired = f"{np.median(gaps):+.4f}" if who == "now" and gaps else ""
        lines.append([group, str(times), who, *line(list(found.values())), paired])
    head = ["games", "calls / n", "version", "stories", "claims that are true", "of those without a hedge"]
    head += ["same core", "told", "bars measured", "calls for claims", "R², median", "R², paired"]
    write_table("true words", markdown(head, lines) + "\n\n" + listed(kept))


def listed(kept: Kept) -> str:
    """Every false claim of today's stories; those of before are in the JSON."""
    wrong = [(key.rsplit("/", 1), r) for key, r in sorted(kept.rows.items()) if r["false"]]
    mine = [(key[0], r) for key, r in wrong if key[1] == "now"]
    rows = [[key, r["headline"].replace("|", "/"), "; ".join(r["false"])] for key, r in mine]
    told = f"False now: {sum(len(r['false']) for _, r in mine)}; before: "
    told += f"{sum(len(r['false']) for _, r in wrong) - sum(len(r['false']) for _, r in mine)}.\n"
    return told + ("\n" + markdown(["game", "headline", "what is false in it"], rows) if rows else "")


def games(options: argparse.Namespace, folder: Path) -> Iterator[Known]:
    few = options.fast
    if options.questions:
        yield from asked("embedded", "embedded", 8, 6 if few else options.questions, folder)
    if options.model:
        yield from asked("model", f"hf:{options.model}", 5, 6 if few else MODEL_QUESTIONS, folder)
    if options.games:
        yield from recorded(options.games, 1 if few else 5)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--games", type=Path, help="folder of recorded games")
    parser.add_argument("--questions", type=int, default=30, help="of the embedded model")
    parser.add_argument("--model", help="folder of a local model")
    parser.add_argument("--before", type=Path, help="checkout of an older version")
    parser.add_argument("--fast", action="store_true", help="one game a file, six questions")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--no-run", action="store_true", help="only the table again")
    options = parser.parse_args()
    kept, clock = Kept.open("true_words"), Clock(options.seconds)
    if not options.no_run:
        tellers = {"now": Teller(HERE.parent)}
        if options.before:
            tellers["before"] = Teller(options.before)
        with tempfile.TemporaryDirectory() as replies:
            for known in games(options, Path(replies)):
                if clock.over:
                    break
                tell_all(known, tellers, kept)
    report(kept)


def tell_all(known: Known, tellers: dict[str, Teller], kept: Kept) -> None:
    for times in TIMES:
        for who, teller in tellers.items():
            key = f"{known.name}/{times}/{who}"
            if key not in kept.rows and times * known.truth.n < len(known.truth.values):
                kept.put(key, row(known, teller.tell(known, times * known.truth.n)))
                print(key, kept.rows[key]["false"], file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
