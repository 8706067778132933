"""What else the reader should hear, a sentence each; every one measured."""

from __future__ import annotations

from spexapi.explanation.claims.claims import Claims, Kind
from spexapi.explanation.confidence import level
from spexapi.explanation.reading import Reading
from spexapi.narrative.wording import explained, listed, names, quoted, signed, valued

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
        found.append("This is close: a slightly stricter or milder measure would name other ones.")
    if claims.confirmed and level(reading.explanation.audit) == "none" and not reading.explanation.stopped:
        found.append("The numbers are without a check: nothing says how well they predict other selections.")
    return tuple(found)


def _outside(reading: Reading) -> list[str]:
    if not reading.explanation.target.unknown:
        return []
    return ["The model was not trained on such text, so this answer means little: choose another model."]


def _spared(reading: Reading, claims: Claims) -> list[str]:
    """What can go without the answer going."""
    if claims.kind is not Kind.CORE or not claims.confirmed:
        return []
    players, what = (
        reading.explanation.players,
        "the answer" if explained(reading.explanation) else "the value",
    )
    if len(claims.core) > 1 and claims.survives:
        called = names(players, claims.core)
        if claims.others:
            return [f"Even without {called} {what} stays: {names(players, claims.others[0])} can stand in."]
        return [f"Even without {called} {what} stays: something else can stand in."]
    if spare := claims.can_be_spared:
        each = "" if len(spare) == 1 else "any one of "
        return [f"Even without {each}{names(players, spare)} {what} stays: something else can stand in."]
    return []


def _others(reading: Reading, claims: Claims) -> list[str]:
    """Other sets that are enough, unless they were told already."""
    told = claims.others[1:] if len(claims.core) > 1 and claims.survives else claims.others
    if not told or not claims.confirmed:
        return []
    players = reading.explanation.players
    ways = listed([names(players, way) for way in told], "or")
    return [f"{_capital(ways)} {'are' if len(told[0]) > 1 else 'is'} enough as well."]


def _instead(reading: Reading, claims: Claims) -> list[str]:
    """What the model writes when the answer goes."""
    if not explained(reading.explanation):
        return []
    players, found = reading.explanation.players, list[str]()
    if claims.kind is not Kind.CORE:
        return []
    cases: dict[str, list[str]] = {}
    if claims.without is not None and claims.is_lost and (says := reading.says(claims.without.kept)):
        cases.setdefault(says, []).append(f"without {names(players, claims.core)}")
    for i in claims.core if len(claims.core) > 1 else ():
        if says := reading.says((i,)):
            cases.setdefault(says, []).append(f"with {names(players, (i,))} alone")
    found += [f"{_capital(listed(when, 'or'))} it says {quoted(says, 80)}." for says, when in cases.items()]
    return found[:_MOST_SAID]


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
