"""Values with a heavy tail: what R² may be, as a region of masks that is far from the rest may be unseen."""

from __future__ import annotations

from dataclasses import dataclass

from spexapi.measurements import Floats, centre_and_scale

# the chance that normal values are said to have a heavy tail
_ALARM = 0.01
# with 90% confidence a region was met if this many masks of it were expected: -ln(0.1)
_EXPECTED = 2.302585092994046


@dataclass(frozen=True, slots=True)
class Tail:
    """What a heavy tail hides.

    r2        that the fit has if it misses a region of as many masks as may be unseen
    share     of all masks: the largest region that may be unseen, with 90% confidence
    farthest  standard deviations between the farthest value and the mean
    """

    r2: float
    share: float
    farthest: float

    @property
    def note(self) -> str:
        """In words."""
        return (
            f"the values have a heavy tail (the farthest is {self.farthest:.1f} standard deviations from the"
            f" mean): other such masks, up to {100 * self.share:.1f}% of all, may not have been measured. The"
            " interval of R² allows for them"
        )


def heavy_tail(values: Floats, squares: Floats) -> Tail | None:
    """What a heavy tail of the values hides; None if their tail is not heavy.

    values   (m,) of uniform masks, not all equal
    squares  (m,) squared residuals of predictions, in the unit of the values squared

    The tail is heavy if the farthest value lies farther from the mean than that of normal values does in 99
    of 100 samples: Grubbs (1969), "Procedures for detecting outlying observations in samples". A region of
    masks not met in m draws has, with 90% confidence, a probability of at most 1 - 0.1^(1/m), about 2.3 / m
    (the rule of three, at 90%: Hanley & Lippman-Hand, 1983, "If nothing goes wrong, is everything all
    right?"). So 2.3 masks as far from the mean as the farthest one are added to both sums of squares of R²,
    none of it explained.
    """
    from scipy.special import stdtrit

    m = len(values)
    _, scale = centre_and_scale(values)
    apart = ((values - values.mean()) / scale) ** 2
    farthest = float(apart.max())
    t = float(stdtrit(m - 2, 1 - _ALARM / (2 * m)))
    if farthest <= (m - 1) * t**2 / (m - 2 + t**2):
        return None
    hidden = _EXPECTED * farthest
    missed = float((squares / scale / scale).sum())
    return Tail(1 - (missed + hidden) / (m + hidden), 1 - 0.1 ** (1 / m), farthest**0.5)
