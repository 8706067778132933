"""One language of colours, safe for the colour-blind: blue helps, orange hurts, violet is either, grey mixed.

The style sheet of the report has the same; every colour is doubled by a sign, a dash or a word.
"""

from __future__ import annotations

from dataclasses import dataclass

from spexapi.fourier.ranking import exceeds, step_of


@dataclass(frozen=True, slots=True)
class Palette:
    """help, hurt: of values; either, mix: of combinations; ink, soft, line: of words and rules."""

    help: str
    hurt: str
    either: str
    mix: str
    ink: str
    soft: str
    line: str
    paper: str

    def of(self, style: str) -> str:
        """The colour of a combination: "and", "or", "vs" or "mix"."""
        return {"and": self.help, "or": self.either, "vs": self.hurt}.get(style, self.mix)

    def signed(self, value: float) -> str:
        """Blue for what helps, orange for what hurts."""
        return self.help if value >= 0 else self.hurt


LIGHT = Palette("#1f6fb2", "#c2570c", "#6b4fa0", "#5a6473", "#1c2430", "#5a6473", "#e3e6eb", "#ffffff")
DARK = Palette("#5aa9e6", "#f39a53", "#b79ae6", "#a3adbb", "#e8ebf0", "#a3adbb", "#343b46", "#171b21")


def tone(share: float, scale: float) -> str:
    """ "h0".."h5" helps, "x0".."x5" hurts, 0 next to nothing; scale is the share of full strength."""
    strength = min(abs(share) / scale, 1.0) if scale > 0 else 0.0
    step = 0 if exceeds(0.04, strength) else 1 + step_of(strength, 5)
    return f"{'h' if share >= 0 else 'x'}{step}"
