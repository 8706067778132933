"""What keeping only k players does, measured."""

from __future__ import annotations

from dataclasses import dataclass

from spexapi.fourier.optimize import Optimum


@dataclass(frozen=True, slots=True)
class Pruned:
    """What keeping k players does.

    optimum   who is kept, and the value the spectrum predicts; its goal is "best", its proof "optimal" only
              if no set of this size is better on the spectrum
    measured  the value with only these kept, NaN if the measurement failed
    labels    of those kept
    held_out  the value on the game given as `on`; NaN if there was none
    """

    optimum: Optimum
    measured: float
    labels: tuple[str, ...]
    held_out: float = float("nan")
