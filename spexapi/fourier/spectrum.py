"""The spectrum: a value over masks as a short sum of signed parities, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from spexapi.errors import BudgetError, InputError
from spexapi.fourier.parity import check_masks, check_support, weighted_sum, write_parities
from spexapi.fourier.ranking import EQUAL, ranked
from spexapi.fourier.ridge import ridge
from spexapi.fourier.subset_sums import superset_sums
from spexapi.measurements import Bools, Floats

Interaction = tuple[int, ...]
Scalar = TypeVar("Scalar", bound=np.generic)

HIGHEST_ORDER = 20  # an interaction of order d is 2^d Möbius terms


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A value over masks, written as a short sum of signed parities.

    value(mask) = sum over S in coef of coef[S] * prod_{i in S} s_i,  s_i = -1 if i is kept, +1 if removed

    n_players  n
    coef       sorted tuples of player numbers -> coefficient, in the unit of the value; () is the constant

    Raises InputError if an interaction is not sorted, repeats a player or names one that does not exist, or
    if a coefficient is not finite.
    """

    n_players: int
    coef: Mapping[Interaction, float]

    def __post_init__(self) -> None:
        coef = dict(zip(_interactions(self.coef), map(float, self.coef.values()), strict=True))
        check_support(self.n_players, list(coef))
        values = np.fromiter(coef.values(), dtype=np.float64, count=len(coef))
        if not np.isfinite(values).all():
            bad = next(s for s, value in coef.items() if not np.isfinite(value))
            raise InputError(f"the coefficient of {bad} is {coef[bad]}; every coefficient must be finite")
        object.__setattr__(self, "coef", MappingProxyType(coef))

    def __reduce__(self) -> tuple[type[Spectrum], tuple[int, dict[Interaction, float]]]:
        # a read-only view of a dict cannot be pickled
        return Spectrum, (self.n_players, dict(self.coef))

    def __len__(self) -> int:
        return len(self.coef)

    @property
    def constant(self) -> float:
        """The mean over uniform masks."""
        return self.coef.get((), 0.0)

    @property
    def variance(self) -> float:
        """Over uniform masks: the sum of the squared coefficients without the constant (Parseval)."""
        return float(sum(value**2 for s, value in self.coef.items() if s))

    @property
    def order(self) -> int:
        """The size of the largest interaction, 0 if there is none."""
        return max(map(len, self.coef), default=0)

    def predict(self, masks: Bools) -> Floats:
        """The value of each mask, (m, n) bool -> (m,) float64, in the unit of the coefficients.

        Raises InputError if the masks are not bool or of another number of players. 10,000 masks of 1,000
        players and 5,000 interactions take tenths of a second: parities are bits, combined 64 masks at a
        time.
        """
        check_masks(masks, self.n_players)
        weights = np.fromiter(self.coef.values(), dtype=np.float64, count=len(self.coef))
        return weighted_sum(masks, list(self.coef), weights)


@overload
def parities(masks: Bools, support: Sequence[Interaction]) -> NDArray[np.int8]: ...
@overload
def parities(masks: Bools, support: Sequence[Interaction], dtype: type[Scalar]) -> NDArray[Scalar]: ...
def parities(
    masks: Bools, support: Sequence[Interaction], dtype: type[np.generic] = np.int8
) -> NDArray[np.generic]:
    """The design matrix: (m, s), column j is prod_{i in support[j]} s_i, +1 or -1; in Fortran order.

    masks    (m, n) bool
    support  s interactions
    dtype    int8, or a float type for eight times the memory

    Raises InputError if an interaction does not fit the players. Time and memory O(m s).
    """
    check_masks(masks, masks.shape[-1])
    check_support(masks.shape[1], support)
    columns = np.empty((len(support), len(masks)), dtype=dtype)
    write_parities(masks, support, columns)
    return columns.T


def refit(
    masks: Bools,
    values: Floats,
    support: Sequence[Interaction],
    *,
    penalty: float | None = None,
    weights: Floats | None = None,
) -> Spectrum:
    """Ridge coefficients for interactions already chosen; penalty=0 is least squares.

    masks    (m, n) bool, True if the player is kept
    values   (m,) in the unit of the value function (nats for log-probabilities), all finite
    support  s interactions; the constant () is not added for you, and never penalised
    penalty  minimises sum of weight * residual² + penalty * sum of coef²; None takes,
             of 60 and 0, the one with the smallest leave-one-out error
    weights  (m,) above 0, such as one over the variance; 1 if not given

    Raises BudgetError when penalty is 0 and m < s, InputError if the inputs do not fit together. Time
    O(m s min(m, s)). Last step of ProxySPEX (Butler et al., 2025).
    """
    _check_regression(len(masks), values, support, penalty, weights)
    columns = parities(masks, support)
    constant = support.index(()) if () in support else None
    found = ridge(columns, values, constant=constant, penalty=penalty, weights=weights)
    return Spectrum(masks.shape[1], dict(zip(support, found.coef.tolist(), strict=True)))


def _check_regression(
    m: int, values: Floats, support: Sequence[Interaction], penalty: float | None, weights: Floats | None
) -> None:
    s = len(support)
    if values.shape != (m,) or not np.isfinite(values).all():
        raise InputError(
            f"values must be {m} finite floats, got shape {values.shape} with"
            f" {int((~np.isfinite(values)).sum())} that are not finite: leave those masks out"
        )
    if len(set(support)) != s:
        raise InputError(f"the support holds {s - len(set(support))} interactions twice")
    if weights is not None and (weights.shape != (m,) or not (np.isfinite(weights) & (weights > 0)).all()):
        raise InputError(f"weights must be {m} finite floats above 0, got shape {weights.shape}")
    if penalty is not None and not (np.isfinite(penalty) and penalty >= 0):
        raise InputError(f"penalty must be 0 or more, got {penalty}")
    if m == 0 or (penalty == 0 and m < s):
        raise BudgetError(
            f"{m} masks cannot fix {s} coefficients: measure {max(s, 1)} or more, lower max_order, or allow"
            " a penalty"
        )


def truncate(spectrum: Spectrum, energy: float = 0.95) -> Spectrum:
    """The fewest, largest coefficients that hold this share of the variance; the constant is always kept.

    Raises InputError if energy is not in [0, 1]. Time O(s log s). Step 4 of ProxySPEX (Butler et al.,
    2025).
    """
    if not 0 <= energy <= 1:
        raise InputError(f"energy is a share from 0 to 1, got {energy}")
    terms = ranked({s: value for s, value in spectrum.coef.items() if s})
    held = np.cumsum([spectrum.coef[s] ** 2 for s in terms])
    wanted = energy * (1 - EQUAL) * held[-1] if terms else 0.0
    count = int(np.searchsorted(held, wanted)) + 1 if wanted > 0 else 0
    kept = {(), *terms[:count]}
    return Spectrum(spectrum.n_players, {s: value for s, value in spectrum.coef.items() if s in kept})


def to_moebius(spectrum: Spectrum) -> dict[Interaction, float]:
    """Möbius terms: value(mask) = sum of m_T over T inside the kept players; () is the value for nobody.

    m_T = (-2)^|T| sum_{S superset of T} F_S. Terms that cancel to rounding error are left out, () never.

    Raises InputError for an interaction above order 20. Time O(sum over S of 2^|S|), or O(u² 2^u) for the u
    players that appear, whichever is less. Rota (1964), "On the foundations of combinatorial theory".
    """
    _check_order(spectrum.coef)
    return superset_sums(spectrum.coef, lambda _, t: (-2.0) ** t, None)


def from_moebius(n_players: int, moebius: Mapping[Interaction, float]) -> Spectrum:
    """The spectrum of a sum of Möbius terms: F_S = (-1)^|S| sum_{T superset of S} 2^-|T| m_T.

    Raises InputError for a term above order 20. Time O(sum over T of 2^|T|).
    """
    checked = Spectrum(n_players, moebius).coef
    _check_order(checked)
    return Spectrum(n_players, superset_sums(checked, lambda t, s: (-1.0) ** s * 0.5**t, None))


def _check_order(terms: Iterable[Interaction]) -> None:
    highest = max(map(len, terms), default=0)
    if highest > HIGHEST_ORDER:
        raise InputError(
            f"an interaction of order {highest} is 2^{highest} terms, which cannot be held; the highest is"
            f" {HIGHEST_ORDER}: leave it out, or use an index with a max_order"
        )


def _interactions(coef: Mapping[Interaction, float]) -> list[Interaction]:
    """The keys as tuples of int; numpy integers become int, anything else is refused."""
    keys = list(coef)
    for key in keys:
        if not isinstance(key, tuple):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"an interaction is a sorted tuple of player numbers, got {key!r}")
    kinds = {type(i) for key in keys for i in key}
    if kinds <= {int}:
        return keys
    for key in keys:
        if any(type(i) is not int and not issubclass(type(i), np.integer) for i in key):
            raise InputError(f"an interaction is a sorted tuple of player numbers, got {key!r}")
    return [tuple(map(int, key)) for key in keys]
