"""The scales of largest posterior density, to the same digits on every processor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from spexapi.measurements import Floats

# log noise below which rounding of the density is as large as what a step of L-BFGS gains
_ILL_CONDITIONED = float(np.log(1e-4))
# steps of the second search, and of the descent on the gradient
_STEPS, _DESCENTS = 300, 40
# largest slope at which the second search ends, and at which the descent does
_FLAT, _ZERO = 1e-6, 1e-11
# steps without a smaller gradient, after which rounding is all that is left of it
_PATIENCE = 12

Density = Callable[[Floats], tuple[float, Floats]]  # point -> minus the log density and its gradient


def search(density: Density, start: Floats, bounds: Sequence[tuple[float, float]], steps: int) -> Floats:
    """(p,) the point from `start` on at which `density` is least: L-BFGS, then BFGS on the gradient.

    start   (p,) its third number is the log of the noise
    bounds  p pairs (low, high)
    steps   of L-BFGS, after which it has not converged

    If the steps are spent, or the kernel is ill-conditioned, rounding decides where L-BFGS stops. The search
    then goes on, at last on the gradient alone: near the optimum the density changes by less than its own
    rounding, the gradient does not. Byrd, Lu, Nocedal & Zhu (1995); Broyden (1970).
    """
    from scipy.optimize import minimize

    found = minimize(density, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps})
    if found.success and found.x[2] > _ILL_CONDITIONED:
        return found.x
    further = minimize(
        density,
        found.x,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": _STEPS, "ftol": 0.0, "gtol": _FLAT, "maxcor": 30},
    )
    return _descend(density, further.x, further.hess_inv @ np.eye(len(further.x)), bounds)


def _descend(
    density: Density, point: Floats, inverse: Floats, bounds: Sequence[tuple[float, float]]
) -> Floats:
    """The point of smallest gradient on a quasi-Newton path; numbers pressed against a bound stay there.

    inverse  (p, p) of the Hessian, to begin with
    """
    low, high = np.array(bounds).T
    gradient = density(point)[1]
    free = ~((point <= low) & (gradient > 0) | (point >= high) & (gradient < 0))
    inverse, gradient = inverse[np.ix_(free, free)], gradient[free]
    best, least, waited = point, _steepest(gradient), 0
    for _ in range(_DESCENTS):
        if _steepest(gradient) <= _ZERO or waited == _PATIENCE:
            break
        there = point.copy()
        there[free] = np.clip(point[free] - inverse @ gradient, low[free], high[free])
        slope = density(there)[1][free]
        inverse = _updated(inverse, (there - point)[free], slope - gradient)
        waited += 1
        if _steepest(slope) > 2 * _steepest(gradient):
            continue  # too far: from here again, with what the step told of the curvature
        point, gradient = there, slope
        if _steepest(gradient) < least:
            best, least, waited = point, _steepest(gradient), 0
    return best


def _updated(inverse: Floats, step: Floats, turn: Floats) -> Floats:
    """The BFGS update of the inverse Hessian; a quarter of it if the curvature of the step is not above 0."""
    curvature = float(step @ turn)
    if curvature <= 0:
        return inverse / 4
    pushed = inverse @ turn
    inverse = inverse + (1 + float(turn @ pushed) / curvature) / curvature * np.outer(step, step)
    return inverse - (np.outer(pushed, step) + np.outer(step, pushed)) / curvature


def _steepest(gradient: Floats) -> float:
    return float(np.abs(gradient).max(initial=0.0))
