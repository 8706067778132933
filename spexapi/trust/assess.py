"""How far to trust a fit: its audit and the estimates behind its intervals, from one set of cross-fits.

What the cross-fits show may also change the fit: see `anchors` and `no_worse`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spexapi.engines.base import Design, Engine, Fit
from spexapi.measurements import Measurements
from spexapi.trust.anchors import choose_anchors
from spexapi.trust.audit import Audit, audit, is_exact
from spexapi.trust.cross_fitting import cross_fit
from spexapi.trust.estimates import Estimates, coded_estimates, estimate, exact_estimates
from spexapi.trust.no_worse import no_worse_than_mean


@dataclass(frozen=True, slots=True, eq=False)
class Trust:
    """A fit that was checked out of fold, its audit and the estimates for its intervals.

    fit        what the engine fitted, or what is better by its out-of-fold predictions
    estimates  None if there can be none; notes say why
    """

    fit: Fit
    audit: Audit
    estimates: Estimates | None
    notes: tuple[str, ...] = ()


def unaudited(seen: Measurements, fit: Fit) -> Trust:
    """For a run in progress: cross-fitting would take longer than the next measurements."""
    return Trust(fit, Audit(None, None, 0, seen.n_failed, "none", ("still measuring",), pending=True), None)


def judge(
    engine: Engine, design: Design, seen: Measurements, fit: Fit, held_out: Measurements, seed: int
) -> Trust:
    """R², stability and the estimates for intervals, all from the same fits without a fold.

    held_out  fresh uniform masks that the engine did not see; may be empty

    The fits without a fold are the engine's own if it made them, else five more. By their predictions it is
    decided whether the fit uses outlying masks that keep all or nothing, and whether it is shrunk.
    """
    rng = np.random.default_rng(seed)
    exact = is_exact(design, seen)
    cross_fits = None if exact else cross_fit(engine, design, seen, fit, rng)
    if not exact:
        chooser = np.random.default_rng([seed, len(seen)])
        fit, cross_fits = choose_anchors(engine, design, seen, fit, cross_fits, chooser)
        fit, cross_fits = no_worse_than_mean(seen, fit, cross_fits)
    fresh = held_out if len(held_out) else None
    found = audit(engine, design, seen, fit, held_out=fresh, cross_fits=cross_fits, rng=rng)
    # without R² the verdict has them
    said = () if found.r2 is None else found.notes
    if exact:
        return Trust(fit, found, exact_estimates(seen, fit.spectrum), said)
    estimates = None if cross_fits is None else estimate(seen, fit.spectrum, cross_fits)
    if cross_fits is None and design.uniform and fit.out_of_fold is not None:
        estimates = coded_estimates(seen, fit.spectrum, rng)
    if estimates is not None:
        return Trust(fit, found, estimates, said)
    why = "they need 8 or more masks predicted by a fit without them"
    if not design.uniform:
        why = "they need uniform masks, and these are not uniform draws"
    elif cross_fits is None:
        why = f"they need fits to four fifths of the masks, and {engine.name} needs all of them"
    return Trust(fit, found, None, (*said, f"no intervals: {why}"))
