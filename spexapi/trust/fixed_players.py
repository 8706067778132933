"""Players that every mask with a value keeps, or that none does: of them a fit can know no effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from spexapi.engines.base import Fit
from spexapi.fourier.spectrum import Interaction, Spectrum
from spexapi.measurements import Measurements


def fixed_players(seen: Measurements) -> dict[int, bool]:
    """Player -> whether all masks with a value keep it; without those that vary; {} if none failed."""
    kept = seen.masks[seen.ok]
    if len(kept) == len(seen) or not len(kept):
        return {}
    first = kept[0]
    same = (kept == first).all(axis=0)
    return {i: bool(first[i]) for i in range(seen.n_players) if same[i]}


def without_fixed(fit: Fit, seen: Measurements) -> Fit:
    """The fit that predicts the same wherever there is a value, and names no fixed player.

    The parity of a fixed player does not vary, so an engine can write one effect in several ways: on player 2
    alone, or on a fixed player and 2.
    """
    fixed = fixed_players(seen)
    if not fixed:
        return fit
    spectra = tuple(folded(one, fixed) for one in fit.fold_spectra)
    who = "1 player" if len(fixed) == 1 else f"{len(fixed)} players"
    note = f"of {who} no effect can be known: all masks that have a value agree on whether to keep them"
    whole = folded(fit.spectrum, fixed)
    return replace(fit, spectrum=whole, fold_spectra=spectra, intervals={}, notes=(*fit.notes, note))


def folded(spectrum: Spectrum, fixed: Mapping[int, bool]) -> Spectrum:
    """Each term without its fixed players: its sign is that of their parity, -1 for each that is kept."""
    coef: dict[Interaction, float] = {}
    for players, value in spectrum.coef.items():
        rest = tuple(i for i in players if i not in fixed)
        sign = (-1.0) ** sum(fixed.get(i, False) for i in players)
        coef[rest] = coef.get(rest, 0.0) + sign * value
    return Spectrum(spectrum.n_players, coef)
