"""A Gaussian process over masks with a product kernel: its scales by marginal likelihood, its spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spexapi.engines.stack.gp_search import search
from spexapi.fourier.parity import blocks
from spexapi.fourier.ranking import EQUAL, largest_first
from spexapi.fourier.spectrum import Interaction, parities
from spexapi.measurements import Bools, Floats

# of L-BFGS: with one rate for all players, then with one for each
_SHARED_STEPS, _STEPS = 20, 40
# of a random sample that decides the scales: a step then takes hundredths of a second
_ROWS = 512
# prior standard deviation of the log of height, shared rate and noise
_WIDE = 3.0
# prior median of the noise, as a share of the variance
_NOISE = 1e-2
# below, the Cholesky factor is rounding
_LEAST_NOISE = 1e-6
# solutions of a linear system, each of what the ones before it left
_REFINEMENTS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """The hyperparameters of the kernel and of the noise.

    height  variance of the values
    rates   (n,) above 0: a player on which two masks differ multiplies their covariance by exp(-rate)
    noise   variance of the values around any function of the mask
    """

    height: float
    rates: Floats
    noise: float


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """A Gaussian process conditioned on the values of masks.

    k(x, x') = height * prod_i (1 + r_i z_i z'_i) / (1 + r_i) with z = 1 - 2x, r_i = tanh(rate_i / 2): a
    factor is 1 if the masks agree on player i and (1 - r_i) / (1 + r_i) = exp(-rate_i) if they differ.
    Multiplied out over players, k(x, x') = sum over S of p_S chi_S(x) chi_S(x') with
    p_S = height * prod_{i in S} r_i / prod_i (1 + r_i): a priori the coefficients of the spectrum are
    independent with variances p_S. Their posterior is that of Rasmussen & Williams (2006), chapter 2.

    scales   of the kernel
    signs    (m, n) float64, -1 if the player is kept
    weights  (m,) alpha = (K + noise)^-1 values
    factor   (m, m) lower Cholesky factor of K + noise
    left_out (m,) the leave-one-out prediction of each row (section 5.4.2, equation 5.12)
    """

    scales: Scales
    signs: Floats
    weights: Floats
    factor: Floats
    left_out: Floats


def scales_of(
    masks: Bools, values: Floats, variance: Floats, spreads: Sequence[float], seed: int = 0
) -> list[Scales]:
    """For each spread the scales of largest posterior density, with one rate for each player.

    masks     (m, n) bool
    values    (m,) of mean about 0 and variance about 1
    variance  (m,) of the sampling noise, in the same unit squared
    spreads   prior standard deviations of a player's log rate around the shared one
    seed      of the sample of 512 rows that decides, if there are more

    Marginal likelihood (Rasmussen & Williams 2006, equations 5.8 and 5.9) with weak log-normal priors; L-BFGS
    with analytic gradients, first with one rate for all players, and BFGS if it does not converge. Time
    O(m² (m + n)) a step, tens of them for each spread.
    """
    n = masks.shape[1]
    if len(values) > _ROWS:
        rows = np.random.default_rng(seed).permutation(len(values))[:_ROWS]
        masks, values, variance = masks[rows], values[rows], variance[rows]
    likelihood = MarginalLikelihood(np.where(masks, -1.0, 1.0), values, variance)
    low = np.log([1e-4, 1e-4 / n, _LEAST_NOISE])
    bounds = [*zip(low, np.log([1e3, 20.0, 2.0]), strict=True), *[(-8.0, 5.0)] * n]
    shared = search(likelihood.of_shared, likelihood.start, bounds[:3], _SHARED_STEPS)
    found: list[Scales] = []
    for spread in spreads:
        start = np.append(shared, np.zeros(n))
        point = search(partial(likelihood.of_each, spread=spread), start, bounds, _STEPS)
        height, rate, noise = np.exp(point[:3]).tolist()
        found.append(Scales(height, rate * np.exp(point[3:]), noise))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class MarginalLikelihood:
    """The density that the scales maximise, with its gradient.

    signs     (m, n) -1 if the player is kept
    values    (m,)
    variance  (m,)
    """

    signs: Floats
    values: Floats
    variance: Floats

    @property
    def start(self) -> Floats:
        """Log height, log shared rate, log noise. At a rate of 2 / n uniform masks correlate by about 1/e."""
        return np.log([1.0, 2.0 / self.signs.shape[1], _NOISE])

    def of_shared(self, point: Floats) -> tuple[float, Floats]:
        minus_log, slope = self.of_each(np.append(point, np.zeros(self.signs.shape[1])), spread=1.0)
        return minus_log, slope[:3]

    def of_each(self, point: Floats, *, spread: float) -> tuple[float, Floats]:
        """Minus the log posterior density of (log height, rate, noise, n log ratios), and its gradient."""
        shared, ratios = point[:3], point[3:]
        rates = np.exp(point[1] + ratios)
        kernel = _covariance(self.signs, self.signs, float(np.exp(point[0])), rates)
        noise = float(np.exp(point[2]))
        factor, inverse = _factor(kernel, noise + self.variance)
        weights = inverse @ self.values
        minus_log = 0.5 * self.values @ weights + np.log(np.diag(factor)).sum()
        pull = np.outer(weights, weights) - inverse
        noise_slope = -0.5 * noise * np.trace(pull)
        pull *= kernel
        total = pull.sum()
        slopes = 0.25 * rates * (total - (self.signs * (pull @ self.signs)).sum(axis=0))
        away = (shared - self.start) / _WIDE
        minus_log += 0.5 * (away @ away) + 0.5 * (ratios @ ratios) / spread**2
        first = np.array([-0.5 * total, slopes.sum(), noise_slope]) + away / _WIDE
        return float(minus_log), np.concatenate([first, slopes + ratios / spread**2])


def _covariance(one: Floats, other: Floats, height: float, rates: Floats) -> Floats:
    """(m, m') height * exp(-sum of the rates of the players on which the masks differ)."""
    agreement = (one * rates) @ other.T
    return height * np.exp(0.5 * (agreement - rates.sum()))


def _factor(kernel: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Lower Cholesky factor and inverse of kernel + diag(noise)."""
    from scipy.linalg import lapack

    noisy = kernel + np.diag(noise)
    factor, failed = lapack.dpotrf(noisy, lower=1, clean=1)
    if failed:
        # rounding has made it singular: a millionth of the variance on the diagonal mends that
        noisy[np.diag_indices_from(noisy)] += 1e-6 * float(kernel[0, 0])
        factor, _ = lapack.dpotrf(noisy, lower=1, clean=1)
    inverse, _ = lapack.dpotri(factor, lower=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    return factor, inverse


def _solved(kernel: Floats, noise: Floats, factor: Floats, values: Floats) -> Floats:
    """(m,) (kernel + diag(noise))^-1 values, by the Cholesky factor and iterative refinement.

    Residuals in extended precision give back the digits that the condition number costs. Wilkinson (1963).
    """
    from scipy.linalg.lapack import dpotrs

    wide, target = kernel.astype(np.longdouble), values.astype(np.longdouble)
    found = np.zeros(len(values), dtype=np.longdouble)
    for _ in range(_REFINEMENTS):
        missed = target - wide @ found - noise * found
        found = found + dpotrs(factor, missed.astype(np.float64), lower=1)[0]
    return found.astype(np.float64)


def condition(masks: Bools, values: Floats, variance: Floats, scales: Scales) -> Process:
    """The process with these scales, conditioned on the values. Time O(m³)."""
    signs = np.where(masks, -1.0, 1.0)
    kernel = _covariance(signs, signs, scales.height, scales.rates)
    factor, inverse = _factor(kernel, scales.noise + variance)
    weights = _solved(kernel, scales.noise + variance, factor, values)
    return Process(scales, signs, weights, factor, values - weights / np.diag(inverse))


def predict(process: Process, masks: Bools) -> Floats:
    """(m,) the posterior mean of the value of each mask."""
    there = np.where(masks, -1.0, 1.0)
    return _covariance(there, process.signs, process.scales.height, process.scales.rates) @ process.weights


def most_probable_sets(rates: Floats, most: int) -> tuple[list[Interaction], Floats]:
    """The `most` interactions of largest prior variance, and that variance as a share of the height.

    Each player multiplies the variance by r_i < 1, so no set has more than its subsets: sets are extended
    player by player in falling order of r_i, and dropped for good once `most` others are better. Time O(most
    * order).
    """
    r = np.tanh(rates / 2)
    order = np.array(largest_first(r), dtype=np.intp)
    falling = r[order]
    sets, prior, last = [np.zeros((1, 0), np.intp)], [np.ones(1)], [np.zeros(1, np.intp)]
    least = 0.0
    while len(prior[-1]) and sets[-1].shape[1] < len(r):
        grown, strength, after = _extended(sets[-1], prior[-1], last[-1], falling, least, most)
        both = np.concatenate([*prior, strength])
        if len(both) > most:
            least = (1 - EQUAL) * float(np.partition(both, len(both) - most)[len(both) - most])
            kept = strength >= least
            grown, strength, after = grown[kept], strength[kept], after[kept]
        sets.append(grown)
        prior.append(strength)
        last.append(after)
    names = [tuple(sorted(row)) for part in sets for row in order[part].tolist()]
    every = np.concatenate(prior)
    best = largest_first(every)[:most]
    return [names[j] for j in best], every[best] / np.prod(1 + r)


def _extended(
    sets: NDArray[np.intp], prior: Floats, after: NDArray[np.intp], falling: Floats, least: float, most: int
) -> tuple[NDArray[np.intp], Floats, NDArray[np.intp]]:
    """Each set with one later player added, if its prior variance is then at least `least`."""
    with np.errstate(divide="ignore"):
        # players are sorted by falling r: the first `reach` of them keep the product large enough
        reach = np.searchsorted(-falling, -(least / prior), side="right")
    reach = np.minimum(reach, after + most)
    count = np.maximum(reach - after, 0)
    parent = np.repeat(np.arange(len(sets)), count)
    player = np.arange(len(parent)) - np.repeat(np.cumsum(count) - count, count) + after[parent]
    grown = np.column_stack([sets[parent], player])
    return grown, prior[parent] * falling[player], player + 1


def coefficients(process: Process, most: int) -> tuple[list[Interaction], Floats, Floats]:
    """Support, posterior means of its coefficients, and their prior variances.

    F_S = p_S * sum_j alpha_j chi_S(x_j), for the `most` sets of largest p_S. Time O(m * most).
    """
    support, share = most_probable_sets(process.scales.rates, most)
    prior = process.scales.height * share
    columns = parities(process.signs < 0, support)
    return support, prior * _products(columns, process.weights), prior


def _products(columns: NDArray[np.int8], weights: Floats) -> Floats:
    """(s,) the products of the columns with the weights, in blocks of columns."""
    parts = blocks(columns.shape[1], len(weights))
    return np.concatenate([weights @ columns[:, part].astype(np.float64) for part in parts])


def energy(process: Process) -> float:
    """The sum of all 2^n squared coefficients: the mean square of the posterior mean over uniform masks.

    Averaged over x, k(x, x_j) k(x, x_l) = height² prod_i (1 + r_i² z_ji z_li) / (1 + r_i)².
    """
    r = np.tanh(process.scales.rates / 2)
    squared = 2 * np.arctanh(np.minimum(r**2, 1 - 1e-12))
    height = process.scales.height**2 * float(np.prod((1 + r**2) / (1 + r) ** 2))
    overlap = _covariance(process.signs, process.signs, height, squared)
    return float(process.weights @ overlap @ process.weights)


def spreads(process: Process, support: list[Interaction], prior: Floats) -> Floats:
    """(s,) posterior standard deviations of coefficients, in closed form.

    var F_S = p_S - p_S² chi_S' (K + noise)^-1 chi_S. Time O(m² s). Rasmussen & Williams (2006), eq. 2.24.
    """
    from scipy.linalg import solve_triangular

    columns = parities(process.signs < 0, support)
    explained = np.empty(len(support))
    for part in blocks(len(support), len(columns)):
        block = columns[:, part].astype(np.float64)
        half = solve_triangular(process.factor, block, lower=True, check_finite=False)
        explained[part] = (half**2).sum(axis=0)
    return np.sqrt(np.maximum(prior - prior**2 * explained, 0.0))
