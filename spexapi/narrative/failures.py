"""What to say when measurements failed: the players that decide whether there is a value at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spexapi.explanation.failures import Cause, Failures, failures_of
from spexapi.narrative.wording import counted, endless, have, kind_plural, names

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.games.base import Player

# of the masks: failures of fewer, of a set of players, are no headline but a warning
_RARE = 0.1
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Lead:
    """words: the headline, pieces with True if they are stressed; core: the players it names."""

    words: tuple[tuple[str, bool], ...]
    asides: tuple[str, ...]
    core: tuple[int, ...]


def lead_of(explanation: Explanation) -> Lead | None:
    """The headline if failures decide what can be said; None if the values themselves do."""
    found = failures_of(explanation.observations)
    if found is None:
        return None
    players = explanation.players
    share = found.failed / found.masks
    if any(len(cause.players) == 1 for cause in found.causes) or (found.causes and share >= _RARE):
        first, *more = _sentences(players, found)
        return Lead(first, tuple("".join(t for t, _ in words) for words in more), found.players[:_MOST_NAMED])
    if share < 0.5 or explanation.audit.r2 is not None or explanation.audit.pending:
        return None
    said = f"{found.failed:,} of {counted(found.masks, 'mask')} {have(found.failed)} no value"
    cannot = ((f"{said}: this run ", False), ("cannot tell", True))
    return Lead((*cannot, (f" which {kind_plural(explanation)} matter.", False)), (), ())


def deciding(explanation: Explanation) -> frozenset[int]:
    """The players that decide alone whether there is a value: they have no share of it."""
    found = failures_of(explanation.observations)
    single = [] if found is None else [c.players[0] for c in found.causes if len(c.players) == 1]
    return frozenset(single)


def follow(explanation: Explanation) -> str:
    """The players that the failures follow, in a sentence or two; "" if they follow none."""
    found = failures_of(explanation.observations)
    if found is None or not found.causes:
        return ""
    return " ".join("".join(t for t, _ in words) for words in _sentences(explanation.players, found))


def rests_on(explanation: Explanation) -> str:
    """Which masks R² is of, if some have no value; "" if all have one."""
    found = failures_of(explanation.observations)
    if found is None:
        return ""
    left = found.masks - found.failed
    valued = counted(left, "mask")
    which = listed_conditions(explanation.players, found.causes)
    return f"R² is of the {valued} that {have(left)} a value{f': those {which}' if which else ''}."


def listed_conditions(players: tuple[Player, ...], causes: tuple[Cause, ...]) -> str:
    """What the masks that have a value have in common: "with document 1 kept, without document 3"."""
    parts: list[str] = []
    needed = _single(causes, kept=False)
    if needed:
        parts.append(f"with {names(players, needed)} kept")
    if banned := _single(causes, kept=True):
        parts.append(f"without {names(players, banned)}")
    for cause in causes:
        if len(cause.players) > 1:
            both = "both" if len(cause.players) == 2 else "all"
            called = names(players, cause.players, "and" if cause.kept else "or")
            parts.append(f"not with {both} of {called}" if cause.kept else f"with {called} kept")
    return ", ".join(parts)


def _single(causes: tuple[Cause, ...], *, kept: bool) -> tuple[int, ...]:
    return tuple(sorted(c.players[0] for c in causes if c.kept == kept and len(c.players) == 1))


def _sentences(players: tuple[Player, ...], found: Failures) -> list[tuple[tuple[str, bool], ...]]:
    """One for the players that must stay, one for those that must go, one for each set."""
    said: list[tuple[tuple[str, bool], ...]] = []
    end = endless(found.infinite) if found.infinite else ""
    if needed := _single(found.causes, kept=False):
        said.append(_must_stay(players, needed, found, end))
    if banned := _single(found.causes, kept=True):
        what = f"every value is {end}" if end else "there is no value"
        joiner = "and" if len(banned) == 1 else "or"
        who = (f"With {names(players, banned, joiner)} ", False)
        said.append((who, (what, True), (f"{_masks(found, banned, kept=True)}.", False)))
    for cause in found.causes:
        if len(cause.players) > 1:
            said.append(_set(players, cause, f"the value is {end}" if end else "there is no value"))
    return said


def _must_stay(
    players: tuple[Player, ...], needed: tuple[int, ...], found: Failures, end: str
) -> tuple[tuple[str, bool], ...]:
    many, called = len(needed) > 1, names(players, needed)
    numbers = _masks(found, needed, kept=False)
    if not end and not many:
        return (("Without ", False), (called, True), (f" there is no value{numbers}.", False))
    verb = "decide" if many else "decides"
    what = f"the value is {end}" if end else "there is no value"
    missing = (
        "without it" if not many else f"if {'either' if len(needed) == 2 else 'any one of them'} is missing,"
    )
    return ((_capital(called), True), (f" {verb}: {missing} {what}{numbers}.", False))


def _set(players: tuple[Player, ...], cause: Cause, nothing: str) -> tuple[tuple[str, bool], ...]:
    both = "both" if len(cause.players) == 2 else "all of them"
    numbers = f" ({cause.failed:,} of {counted(cause.masks, 'mask')})"
    if cause.kept:
        return ((f"With {names(players, cause.players)} together ", False), (nothing + numbers + ".", True))
    called = names(players, cause.players)
    return (
        ("At least one", True),
        (f" of {called} must stay: if {both} are missing, {nothing}{numbers}.", False),
    )


def _masks(found: Failures, group: tuple[int, ...], *, kept: bool) -> str:
    """ " (31 of 31 masks)" of one player; of several, how many of all masks have no value."""
    one = [c for c in found.causes if c.kept == kept and c.players == group]
    failed, of = (one[0].failed, one[0].masks) if one else (found.failed, found.masks)
    return f" ({failed:,} of {counted(of, 'mask')})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
