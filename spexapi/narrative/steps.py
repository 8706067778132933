"""The lines of the proof: what was kept, and what the model did then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spexapi.explanation.claims.claims import Claims, Kind
from spexapi.explanation.claims.search import MOST_NAMED
from spexapi.explanation.reading import Reading
from spexapi.explanation.values import Ablation
from spexapi.narrative.wording import kind_plural, name, names


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the proof: what was kept, what the model did, and what it wrote instead, "" if unknown."""

    label: str
    ablation: Ablation
    says: str = ""


def ends(reading: Reading) -> tuple[Step, ...]:
    """Everything kept, and nothing."""
    every, none = _ends(reading)
    return (every, none)


def steps_of(reading: Reading, claims: Claims) -> tuple[Step, ...]:
    """Everything, only the named, each of them alone, everything without them, nothing.

    Those that the model was asked for; for claims that it was not, as predicted.
    """
    players, core = reading.explanation.players, claims.core
    every, none = _ends(reading)
    steps = [every]
    if (
        len(core) > 1
        and claims.kind in (Kind.CORE, Kind.SPREAD)
        and 2 * len(core) <= max(reading.n, 2 * MOST_NAMED)
    ):
        what = names(players, core) if claims.kind is Kind.CORE else f"those {len(core)}"
        steps.append(_step(reading, f"only {what}", core))
    if claims.kind in (Kind.CORE, Kind.EITHER):
        steps += [_step(reading, f"only {name(players, i)}", (i,)) for i in core]
        steps += [_step(reading, f"only {names(players, way)}", way) for way in claims.others]
    if core and claims.kind is not Kind.SPREAD:
        steps.append(_all_but(reading, core))
    if claims.against:
        steps.append(_all_but(reading, claims.against))
    steps += [_all_but(reading, (i,)) for i in claims.missed]
    shown = [s for s in [*steps, none] if s.ablation.measured or not claims.confirmed or s in (every, none)]
    return tuple(dict.fromkeys(shown))


def _ends(reading: Reading) -> tuple[Step, Step]:
    what = kind_plural(reading.explanation)
    every = _step(reading, f"all {reading.n:,} {what}", tuple(reading.everyone))
    return every, _step(reading, f"no {what}", ())


def _all_but(reading: Reading, gone: Sequence[int]) -> Step:
    kept = tuple(reading.everyone - set(gone))
    return _step(reading, f"all but {names(reading.explanation.players, gone)}", kept)


def _step(reading: Reading, label: str, kept: Sequence[int]) -> Step:
    return Step(label, reading.ablate(kept), reading.says(kept))
