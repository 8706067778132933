"""Between which ends a value can lie: a prediction beyond them is none that the model could give."""

from __future__ import annotations

import math
import re

from spexapi.games.base import Target
from spexapi.measurements import Measurements

Bounds = tuple[float, float]

_ANYTHING = (-math.inf, math.inf)
_NEGATIVE = re.compile(r"(mean_)?logprob|neg_\w+")
_SHARE = re.compile(
    r"probability|written|embedding|chrf|rouge|(balanced_|top_k_)?accuracy|average_precision"
    r"|(f1|precision|recall|jaccard)(_(micro|macro|weighted|samples))?|roc_auc(_ov[ro](_weighted)?)?"
)
_UP_TO_ONE = re.compile(r"r2|explained_variance|d2_\w+")


def bounds_of(target: Target, seen: Measurements) -> Bounds:
    """The least and the largest value of a score that has them; infinite if it has none.

    A score is known by its name, so a user's own may be called like another: bounds that a measured value
    breaks are not the score's.
    """
    low, high = _of_score(target.score)
    values = seen.values[seen.ok]
    return (low, high) if ((low <= values) & (values <= high)).all() else _ANYTHING


def _of_score(score: str) -> Bounds:
    if _NEGATIVE.fullmatch(score):
        return -math.inf, 0.0
    if _SHARE.fullmatch(score):
        return 0.0, 1.0
    return (-math.inf, 1.0) if _UP_TO_ONE.fullmatch(score) else _ANYTHING
