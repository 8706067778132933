"""What else the reader should hear, a sentence each; every one measured."""

from __future__ import annotations

from spexapi.explanation.claims.claims import Claims, Kind
from spexapi.explanation.confidence import level
from spexapi.explanation.reading import Reading
from spexapi.narrative.wording import explained, kind_plural, listed, names, quoted, signed, valued

_MOST_SAID = 2  # masks of which a sentence tells what the model writes


def asides_of(reading: Reading, claims: Claims) -> tuple[str, ...]:
    """In the order in which they matter."""
    found = [
        *_outside(reading),
        *_spared(reading, claims),
        *_others(reading, claims),
        *_instead(reading, claims),
        *_likelier(reading, claims),
        *_against(reading, claims),
    ]
    if claims.is_close:
        what = kind_plural(reading.explanation)
        found.append(f"This is close: a slightly stricter or milder measure could name other {what}.")
    if _unchecked(reading, claims):
        found.append("The numbers are without a check: nothing says how well they predict other selections.")
    return tuple(found)


def _unchecked(reading: Reading, claims: Claims) -> bool:
    """Whether the numbers have no check, though there is something to check."""
    none = claims.confirmed and level(reading.explanation.audit) == "none" and not reading.explanation.stopped
    return none and len({a.value for a in reading.measured}) > 1


def _outside(reading: Reading) -> list[str]:
    if not reading.explanation.target.unknown:
        return []
    return ["It was not trained on such text: choose another model."]


def _spared(reading: Reading, claims: Claims) -> list[str]:
    """What can go without the answer going."""
    if claims.kind is not Kind.CORE or not claims.confirmed:
        return []
    players, every = reading.explanation.players, kind_plural(reading.explanation)
    what = "the answer" if explained(reading.explanation) else "the value"
    if len(claims.core) > 1 and claims.survives:
        called = names(players, claims.core)
        if claims.others:
            return [f"Even without {called} {what} stays: {names(players, claims.others[0])} can stand in."]
        return [f"Even without {called} {what} stays: the other {every} make up for them."]
    if spare := claims.can_be_spared:
        each, them = ("", "only ") if len(spare) == 1 else ("any one of ", "")
        left_out = f"Leave out {them}{each}{names(players, spare)}"
        return [f"{left_out}, and {what} stays: the other {every} make up for it."]
    return []


def _others(reading: Reading, claims: Claims) -> list[str]:
    """Other sets that are enough, unless they were told already."""
    first_told = claims.kind is Kind.CORE and len(claims.core) > 1 and claims.survives
    told = claims.others[1:] if first_told else claims.others
    if not told or not claims.confirmed:
        return []
    players = reading.explanation.players
    ways = listed([names(players, way) for way in told], "or")
    return [f"{_capital(ways)} {'are' if len(told[0]) > 1 else 'is'} enough as well."]


def _instead(reading: Reading, claims: Claims) -> list[str]:
    """What the model writes when the answer goes."""
    if not explained(reading.explanation) or claims.kind is not Kind.CORE:
        return []
    alone: dict[str, list[int]] = {}
    for i in claims.core if len(claims.core) > 1 else ():
        alone.setdefault(reading.says((i,)), []).append(i)
    lost = claims.without is not None and claims.is_lost
    gone = reading.says(claims.without.kept) if lost and claims.without else ""
    told = [says for says in dict.fromkeys([gone, *alone]) if says and says != reading.says(reading.everyone)]
    cases = [(says, _when(reading, claims, alone.get(says, []), says == gone)) for says in told]
    return [f"{when} it says {quoted(says, 80)}." for says, when in cases[:_MOST_SAID]]


def _when(reading: Reading, claims: Claims, alone: list[int], gone: bool) -> str:
    """ "With document 2 or 4 alone, or with neither,": which of the named are kept."""
    players, core = reading.explanation.players, claims.core
    every = len(alone) == len(core)
    without = f"without {names(players, core)}"
    if not alone:
        return _capital(without)
    who = "any one of them" if every and len(core) > 2 else names(players, alone, "or")
    if not gone:
        return f"With {who} alone"
    none = "with neither" if len(core) == 2 else "with none of them"
    return f"With {who} alone, or {none if every else without},"


def _likelier(reading: Reading, claims: Claims) -> list[str]:
    """An answer that needs no player may still be likelier with them."""
    rule = claims.rule
    if (
        claims.kind is not Kind.NOTHING
        or rule.total <= 2 * reading.floor
        or not explained(reading.explanation)
    ):
        return []
    none, full = valued(reading, rule.none.value), valued(reading, rule.full.value)
    return [] if none == full else [f"They only make it likelier: {none} without them, {full} with them."]


def _against(reading: Reading, claims: Claims) -> list[str]:
    if claims.freed is None or claims.kind not in (Kind.CORE, Kind.EITHER, Kind.SPREAD, Kind.NOTHING):
        return []
    bad, full = claims.against, claims.rule.full.value
    how = f"{valued(reading, full)} would become {valued(reading, claims.freed.value)}"
    pull, them = ("pull", "them") if len(bad) > 1 else ("pulls", "it")
    called = _capital(names(reading.explanation.players, bad))
    return [f"{called} {pull} the other way: without {them}, {how} ({signed(claims.freed.value - full)})."]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
