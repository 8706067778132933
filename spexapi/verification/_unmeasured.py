"""Why a derivative has no measured value."""

from __future__ import annotations

import numpy as np

from spexapi.explanation.explanation import Explanation
from spexapi.explanation.failures import Cause, failures_of
from spexapi.measurements import Measurements


def unmeasured(ex: Explanation, seen: Measurements) -> str:
    """The players that leave its failed masks without a value, if the explanation knows; else a reason.

    seen  the masks of the derivative
    """
    lost = ~seen.ok
    known = failures_of(ex.observations)
    if known is not None:
        causes = [cause for cause in known.causes if cause.holds(seen.masks[lost]).any()]
        if causes and np.any([cause.holds(seen.masks[lost]) for cause in causes], axis=0).all():
            nothing = "there is no value"
            if known.infinite:
                nothing = f"the value is {'−' if known.infinite < 0 else '+'}inf"
            return f"{' and '.join(_when(ex, cause) for cause in causes)} {nothing}"
    return next((seen.reason[i] for i in np.flatnonzero(lost) if seen.reason[i]), "")


def _when(ex: Explanation, cause: Cause) -> str:
    labels = [ex.players[i].label for i in cause.players]
    called = labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"
    return f"with {called}" if cause.kept else f"without {called}"
