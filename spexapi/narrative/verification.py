"""What measuring the strongest interactions found, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spexapi.narrative.wording import counted, kind_plural, names, one_line, signed

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation
    from spexapi.explanation.verification import Check, Verification
    from spexapi.fourier.spectrum import Interaction


def verdict_of(found: Verification, players: Interaction) -> str:
    """The verdict on an interaction, "" if it was not chosen."""
    confirmed = [check.confirmed for check in found.checks if check.players == players]
    measured = [c for c in confirmed if c is not None]
    if not measured:
        why = next((c.reason for c in found.checks if c.players == players and c.reason), "a call failed")
        return f"not measured: {one_line(why, 120)}" if confirmed else ""
    if all(measured):
        return "confirmed" if found.verdict(players) else "agrees, within too wide a margin to confirm"
    return f"NOT confirmed: {sum(measured)} of {len(measured)} measurements agree"


def summary_of(found: Verification) -> str:
    """ "3 of the 5 strongest interactions confirmed by measuring them directly (40 model calls)"."""
    good, tried = _confirmed(found)
    calls = f"({counted(found.calls, 'model call')})"
    if not tried:
        return f"None of the strongest interactions could be measured directly {calls}"
    if len(tried) == 1:
        verdict = "confirmed" if good else "not confirmed"
        return f"The strongest interaction was {verdict} by measuring it directly {calls}"
    which = f"{good} of the {len(tried)} strongest interactions"
    return f"{which} confirmed by measuring them directly {calls}"


def in_brief(explanation: Explanation) -> str:
    """ "3 of the top 5 combinations confirmed by direct ablation", "" if nothing was measured."""
    found = explanation.verification
    if found is None:
        return ""
    good, tried = _confirmed(found)
    sizes = {len(s) > 1 for s in tried}
    what = "effects" if len(sizes) > 1 else "combinations" if True in sizes else kind_plural(explanation)
    if len(tried) == 1:
        return f"the strongest of the {what} {'' if good else 'not '}confirmed by direct ablation"
    return f"{good} of the top {len(tried)} {what} confirmed by direct ablation" if tried else ""


def rows_of(explanation: Explanation) -> list[tuple[str, str, str, str]]:
    """(interaction, measured, predicted, verdict) with all others kept, strongest first."""
    found = explanation.verification
    if found is None:
        return []
    first = {check.players: check for check in reversed(found.checks)}
    rows: list[tuple[str, str, str, str]] = []
    for players in found.interactions:
        check, called = first[players], one_line(names(explanation.players, players), 120)
        measured = "failed" if check.confirmed is None else signed(check.measured)
        rows.append((called, measured, signed(check.predicted), verdict_of(found, players)))
    return rows


def table_of(found: Verification) -> str:
    """Every derivative as a line of plain text, and how many are confirmed."""
    rows = [("Interaction", "Others kept", "Measured", "Predicted", "", "")]
    rows += [_row(found, check) for check in found.checks]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    done = sum(check.confirmed is not None for check in found.checks)
    lines.append(f"{found.n_confirmed} of {done} confirmed; {counted(found.calls, 'new model call')}")
    return "\n".join([*lines, *found.notes])


def _confirmed(found: Verification) -> tuple[int, list[Interaction]]:
    """How many interactions are confirmed, and those that were measured."""
    tried = list(dict.fromkeys(c.players for c in found.checks if c.confirmed is not None))
    return sum(found.verdict(players) is True for players in tried), tried


def _row(found: Verification, check: Check) -> tuple[str, ...]:
    name = " + ".join(_called(found, i) for i in check.players)
    others = found.n_players - len(check.players)
    kept = "all" if len(check.kept) == others else f"{len(check.kept)} of {others}"
    failed = f"failed: {one_line(check.reason, 60)}" if check.reason else "failed"
    verdict = {True: "confirmed", False: "NOT confirmed", None: failed}[check.confirmed]
    numbers = (f"{check.measured:+.4g}", f"{check.predicted:+.4g}", f"± {check.tolerance:.2g}")
    return (name, kept, *numbers, verdict)


def _called(found: Verification, i: int) -> str:
    """The label of player i, with its number if another has the same."""
    short = [one_line(label, 24) for label in found.labels]
    return short[i] + (f" ({i + 1})" if short.count(short[i]) > 1 else "")
