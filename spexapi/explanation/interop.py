"""The interactions as other packages have them: a table of pandas, the values of shapiq."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from spexapi.errors import InputError

if TYPE_CHECKING:
    from spexapi.explanation.explanation import Explanation


def to_dataframe(ex: Explanation) -> Any:
    """A row an interaction, strongest first: players, labels, order, value, low, high. Needs pandas."""
    pd: Any = importlib.import_module("pandas")
    rows = [
        (s, ex.label(s), len(s), v, *ex.intervals.get(s, (np.nan, np.nan)))
        for s, v in ex.top(len(ex.interactions))
    ]
    return pd.DataFrame(rows, columns=["players", "labels", "order", "value", "low", "high"])


SHAPIQ_NAMES = {"moebius": "Moebius"} | {
    name: name.upper() for name in ("sii", "stii", "fsii", "fbii", "bii", "sv", "bv")
}


def to_shapiq(ex: Explanation) -> Any:
    """The interactions as shapiq.InteractionValues (shapiq >= 1.4). Raises InputError for Fourier values."""
    shapiq: Any = importlib.import_module("shapiq")
    if ex.index not in SHAPIQ_NAMES:
        raise InputError(
            f"shapiq has no index {ex.index!r}; read the explanation in another one first: "
            f"ex.in_index('fsii').to_shapiq(); known to both: {', '.join(SHAPIQ_NAMES)}"
        )
    kept = {(): 0.0, **ex.interactions}
    order = max(len(s) for s in kept)
    return shapiq.InteractionValues(
        values=np.array(list(kept.values())),
        index=SHAPIQ_NAMES[ex.index],
        max_order=order,
        min_order=0,
        n_players=ex.n_players,
        interaction_lookup={s: i for i, s in enumerate(kept)},
        estimated=ex.audit.method != "exact",
        estimation_budget=ex.cost.calls,
        baseline_value=float(kept[()]),
    )
