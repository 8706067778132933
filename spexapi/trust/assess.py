"""How far to trust a fit: its audit and the estimates behind its intervals, from one set of cross-fits."""

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
    """The audit of a fit and the estimates for its intervals; None if there can be none, notes say why."""

    audit: Audit
    estimates: Estimates | None
    notes: tuple[str, ...] = ()


def unaudited(seen: Measurements) -> Trust:
    """For a run in progress: cross-fitting would take longer than the next measurements."""
    return Trust(Audit(None, None, 0, seen.n_failed, "none", ("still measuring",), pending=True), None)


def judge(
    engine: Engine, design: Design, seen: Measurements, fit: Fit, held_out: Measurements, seed: int
) -> Trust:
    """R², stability and the estimates for intervals, all from the same fits without a fold.

    held_out  fresh uniform masks that the engine did not see; may be empty

    The fits without a fold are the engine's own if it made them, else five more.
    """
    rng = np.random.default_rng(seed)
    exact = is_exact(design, seen)
    cross_fits = None if exact else cross_fit(engine, design, seen, fit, rng)
    fresh = held_out if len(held_out) else None
    found = audit(engine, design, seen, fit, held_out=fresh, cross_fits=cross_fits, rng=rng)
    if exact:
        return Trust(found, exact_estimates(seen, fit.spectrum))
    estimates = None if cross_fits is None else estimate(seen, fit.spectrum, cross_fits)
    if cross_fits is None and design.uniform and fit.out_of_fold is not None:
        estimates = coded_estimates(seen, fit.spectrum, rng)
    if estimates is not None:
        return Trust(found, estimates)
    why = "they need 8 or more masks predicted by a fit without them"
    if not design.uniform:
        why = "they need uniform masks, and these are not uniform draws"
    elif cross_fits is None:
        why = f"they need fits to four fifths of the masks, and {engine.name} needs all of them"
    return Trust(found, None, (f"no intervals: {why}",))
