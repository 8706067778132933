"""How far to trust a fit: its audit and the ground of its intervals, from one set of refits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spexapi.engines.base import Design, Engine, Fit
from spexapi.measurements import Measurements
from spexapi.trust.audit import Audit, audit, is_exact
from spexapi.trust.cross_fitting import cross_fit
from spexapi.trust.estimates import Estimates, coded_estimates, estimate, exact_estimates


@dataclass(frozen=True, slots=True, eq=False)
class Trust:
    """estimates is None where there can be no intervals; notes say why."""

    audit: Audit
    estimates: Estimates | None
    notes: tuple[str, ...] = ()


def unaudited(seen: Measurements) -> Trust:
    """Of a run that goes on: refits would cost more than the next measurements."""
    return Trust(Audit(None, None, 0, seen.n_failed, "none", ("still measuring",)), None)


def judge(
    engine: Engine, design: Design, seen: Measurements, fit: Fit, held_out: Measurements, seed: int
) -> Trust:
    """Five refits without a fold, where the engine has none itself, serve R², stability and intervals.

    held_out  fresh uniform masks that the engine did not see, perhaps none
    """
    rng = np.random.default_rng(seed)
    exact = is_exact(design, seen)
    again = None if exact else cross_fit(engine, design, seen, fit, rng)
    fresh = held_out if len(held_out) else None
    found = audit(engine, design, seen, fit, held_out=fresh, again=again, rng=rng)
    if exact:
        return Trust(found, exact_estimates(seen, fit.spectrum))
    estimates = None if again is None else estimate(seen, fit.spectrum, again)
    if again is None and design.uniform and fit.out_of_fold is not None:
        estimates = coded_estimates(seen, fit.spectrum, rng)
    if estimates is not None:
        return Trust(found, estimates)
    why = "they rest on 8 or more masks that were predicted by a fit without them"
    if not design.uniform:
        why = "they rest on uniform masks, and these are not uniform draws"
    elif again is None:
        why = f"they rest on fits without a fifth of the masks, which {engine.name} cannot do without"
    return Trust(found, None, (f"no intervals: {why}",))
