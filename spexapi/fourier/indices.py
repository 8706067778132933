"""Reading a spectrum as interaction values: nine indices, each a weighted sum of Fourier coefficients.

Every index is linear, so its value on a spectrum follows from its value on one parity. With r = |R| players
in the parity and S a subset of s of them, index_S(parity of R) depends on r and s alone; sets that are not
inside R get 0. So n never enters, only the number of terms and their orders do. Below, a_T are the Möbius
terms (dividends) and F_R the Fourier coefficients.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import comb

from spexapi.errors import InputError
from spexapi.fourier.spectrum import Interaction, Spectrum, to_moebius
from spexapi.fourier.subset_sums import superset_sums

Values = dict[Interaction, float]


def fourier(spectrum: Spectrum, max_order: int | None) -> Values:
    """F_S, the coefficients: value(mask) = sum_S F_S prod_{i in S} s_i; () is the mean over uniform masks.

    O'Donnell, Analysis of Boolean Functions (2014), chapter 1.
    """
    return {s: value for s, value in spectrum.coef.items() if max_order is None or len(s) <= max_order}


def moebius(spectrum: Spectrum, max_order: int | None) -> Values:
    """a_T = sum_{S subset of T} (-1)^(|T| - |S|) value(S) = (-2)^|T| sum_{R superset of T} F_R.

    value(mask) is the sum of a_T over T inside the kept players; () is value(nobody).
    Harsanyi (1963), "A simplified bargaining model for the n-person cooperative game"; Rota (1964).
    """
    if max_order is None:
        return to_moebius(spectrum)
    return superset_sums(spectrum.coef, lambda _, s: (-2.0) ** s, max_order)


def sii(spectrum: Spectrum, max_order: int | None) -> Values:
    """SII_S = sum_{T superset of S} a_T / (|T| - |S| + 1), the Shapley interaction index.

    On a parity: (-2)^s / (r - s + 1) if r - s is even, else 0. () is the same sum for the empty set: the
    value averaged over sizes, then over masks of a size. Grabisch & Roubens (1999), "An axiomatic approach to
    the concept of interaction among players in cooperative games".
    """
    return superset_sums(spectrum.coef, _shapley_weight, max_order)


def stii(spectrum: Spectrum, max_order: int | None) -> Values:
    """STII_S = a_S for |S| < k, sum_{T superset of S} a_T / C(|T|, k) for |S| = k = max_order.

    () is value(nobody), and all of them add up to value(everybody). On a parity and s = k:
    (-1)^k k sum_l C(k - 1, l) 2 / (r - k + l + 1) over the l in 0..k-1 with r - k + l even. Sundararajan,
    Dhamdhere & Agarwal (2020), "The Shapley Taylor interaction index".
    """
    k = _known(max_order)

    def weight(r: int, s: int) -> float:
        if s < k:
            return (-2.0) ** s
        reach = range((r - k) % 2, k, 2)
        return (-1.0) ** k * k * sum(comb(k - 1, j) * 2 / (r - k + j + 1) for j in reach)

    return superset_sums(spectrum.coef, weight, k)


def fsii(spectrum: Spectrum, max_order: int | None) -> Values:
    """FSII_S = a_S + (-1)^(k - s) s / (k + s) C(k, s) sum_T C(t - 1, k) / C(t + k - 1, k + s) a_T.

    The sum is over the supersets T of S with t > k = max_order players. The Möbius terms of the best
    approximation of order k under Shapley weights that is right for nobody, which () is, and for everybody.
    Tsai, Yeh & Ravikumar (2023), "Faith-Shap: the faithful Shapley interaction index".
    """
    k = _known(max_order)
    return superset_sums(spectrum.coef, lambda r, s: _faith_shap_weight(r, s, k), k)


def fbii(spectrum: Spectrum, max_order: int | None) -> Values:
    """FBII_S = (-2)^s sum_{R superset of S, |R| <= k} F_R, with k = max_order.

    The Möbius terms of the best approximation of order k over uniform masks: parities are orthogonal, so that
    is the spectrum cut at order k. () is its value for nobody. In dividends, a_S + (-1)^(k - s) sum_T 2^(s -
    t) C(t - s - 1, k - s) a_T over the supersets T of S with t > k players. Tsai, Yeh & Ravikumar (2023);
    Hammer & Holzman (1992), "Approximations of pseudo-Boolean functions".
    """
    k = _known(max_order)
    kept = {r: value for r, value in spectrum.coef.items() if len(r) <= k}
    return superset_sums(kept, lambda _, s: (-2.0) ** s, k)


def bii(spectrum: Spectrum, max_order: int | None) -> Values:
    """BII_S = sum_{T superset of S} a_T / 2^(|T| - |S|) = (-2)^|S| F_S, the Banzhaf interaction index.

    The discrete derivative averaged over uniform masks of the others; () is the mean. Grabisch & Roubens
    (1999).
    """
    kept = {s: (-2.0) ** len(s) * value for s, value in fourier(spectrum, max_order).items()}
    return {(): 0.0} | kept


def sv(spectrum: Spectrum, max_order: int | None) -> Values:
    """SV_i = sum_{T with i} a_T / |T| = -2 sum_{R with i, |R| odd} F_R / |R|, the Shapley value.

    () is value(nobody), and all of them add up to value(everybody). Shapley (1953), "A value for n-person
    games".
    """
    return superset_sums(spectrum.coef, _shapley_weight, 1) | {(): sum(spectrum.coef.values())}


def bv(spectrum: Spectrum, max_order: int | None) -> Values:
    """BV_i = sum_{T with i} a_T / 2^(|T| - 1) = -2 F_i, the Banzhaf value.

    () is the mean over uniform masks. Banzhaf (1965), "Weighted voting doesn't work"; Penrose (1946).
    """
    return bii(spectrum, 1)


INDICES: dict[str, Callable[[Spectrum, int | None], Values]] = {
    "fourier": fourier,
    "moebius": moebius,
    "sii": sii,
    "stii": stii,
    "fsii": fsii,
    "fbii": fbii,
    "bii": bii,
    "sv": sv,
    "bv": bv,
}


def default_order(index: str, n: int) -> int | None:
    """The highest order if none is asked for.

    3, at most n, for SII, STII, FSII, FBII and BII; 1 for SV and BV; None, which is all, for Fourier and
    Möbius.
    """
    name = _name(index)
    if name in ("fourier", "moebius"):
        return None
    return 1 if name in ("sv", "bv") else min(3, n)


def check_index(index: str, max_order: int | None, n: int) -> tuple[str, int | None]:
    """The index's plain name and the order it will have for n players.

    Raises InputError, naming the known ones, for an unknown index; for an order below 1, and for SV and BV
    above 1.
    """
    name = _name(index)
    if max_order is None:
        return name, default_order(name, n)
    if max_order < 1:
        raise InputError(f"max_order is {max_order}: it must be 1 or more, or None for the default")
    if name in ("sv", "bv") and max_order > 1:
        other = {"sv": "sii, stii or fsii", "bv": "bii or fbii"}[name]
        raise InputError(f"{name} has values of single players only, not of order {max_order}: use {other}")
    return name, max_order


def to_index(spectrum: Spectrum, index: str, max_order: int | None = None) -> Values:
    """The spectrum's values in one of INDICES: sorted tuples of players -> value, in the value's unit.

    index      in any case; "möbius" and "mobius" are moebius
    max_order  the largest interaction; None for the default of that index

    () is always there, in the sense that each index gives it. A set that is missing has the value 0: none of
    its supersets is in the spectrum, or they cancel to rounding error. Raises InputError as check_index does,
    and if the subsets of the terms are too many to hold. Time O(sum over terms of their subsets up to
    max_order), whatever n is.
    """
    name, order = check_index(index, max_order, spectrum.n_players)
    return INDICES[name](spectrum, order)


def _name(index: str) -> str:
    name = index.strip().lower().replace("ö", "oe")
    name = "moebius" if name == "mobius" else name
    if name not in INDICES:
        raise InputError(f"there is no index {index!r}; the known ones are {', '.join(INDICES)}")
    return name


def _known(max_order: int | None) -> int:
    assert max_order is not None, "check_index gives these indices an order"
    return max_order


def _shapley_weight(r: int, s: int) -> float:
    # sum_j C(r - s, j) (-2)^(s + j) / (j + 1) is (-2)^s times the integral of (1 - 2u)^(r - s) over [0, 1]
    return 0.0 if (r - s) % 2 else (-2.0) ** s / (r - s + 1)


@lru_cache(maxsize=4096)
def _faith_shap_weight(r: int, s: int, k: int) -> float:
    """FSII of order k for s of the r players of a parity; in fractions, as the terms alternate and cancel."""
    if s == 0 or r <= k:
        return (-2.0) ** s
    tail = sum(
        Fraction(comb(r - s, t - s) * (-2) ** t * comb(t - 1, k), comb(t + k - 1, k + s))
        for t in range(k + 1, r + 1)
    )
    return float((-2) ** s + (-1) ** (k - s) * Fraction(s, k + s) * comb(k, s) * tail)
