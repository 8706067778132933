"""The extended BIC: which of many candidate terms explain more than the best of them would by chance."""

from __future__ import annotations

from collections.abc import Sequence
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from spexapi.fourier.ranking import first_least
from spexapi.fourier.spectrum import Interaction
from spexapi.measurements import Floats

# values are standardised: what is left of them below this share of their variance is rounding
NO_RESIDUAL = 1e-12
# in twice log-likelihood, beyond the price of the choice among all sets of a size
_MARGIN = 6.0
# of the diagonal: keeps the Gram matrix of equal parities invertible
_JITTER = 1e-9


def ebic_price(orders: NDArray[np.intp], n: int) -> Floats:
    """What a term must explain, in twice log-likelihood: 2 log C(n, order) + 6.

    orders  how many players each term has
    n       players of the game

    Chen & Chen (2008), "Extended Bayesian information criteria for model selection with large model spaces".
    """
    highest = int(orders.max(initial=0))
    log_count = [lgamma(n + 1) - lgamma(d + 1) - lgamma(n - d + 1) for d in range(highest + 1)]
    return 2.0 * np.array(log_count)[orders] + _MARGIN


def jittered(gram: Floats, m: int) -> Floats:
    """The Gram matrix of m rows of parities, invertible even if two columns are equal."""
    return gram + _JITTER * m * np.eye(len(gram))


def select_by_ebic(
    support: Sequence[Interaction], gram: Floats, pull: Floats, target: Floats, n: int
) -> tuple[list[Interaction], Floats]:
    """Backward elimination: drops the weakest term, refits, until each explains more than its price.

    support  s terms, the constant first; the constant is never dropped
    gram     (s, s) columns' @ columns
    pull     (s,) columns' @ target
    target   (m,) of variance about 1

    Returns the terms that are left and their least-squares coefficients. Time O(s^4) if most are dropped.
    """
    m, kept = len(target), np.arange(len(support))
    price = ebic_price(np.array([len(s) for s in support]), n)
    price[0] = -np.inf
    # of equally weak terms the larger set is dropped, and the one of higher players
    place = {s: p for p, s in enumerate(sorted(support, key=lambda s: (len(s), s), reverse=True))}
    order = np.array([place[s] for s in support], dtype=np.intp)
    while True:
        inverse = np.linalg.inv(jittered(gram[np.ix_(kept, kept)], m))
        coef = inverse @ pull[kept]
        residual = max(float(target @ target - coef @ pull[kept]), NO_RESIDUAL * m)
        gain = m * np.log1p(coef**2 / np.diag(inverse) / residual) - price[kept]
        last_first = np.argsort(order[kept])
        worst = int(last_first[first_least(gain[last_first])])
        if gain[worst] >= 0:
            return [support[i] for i in kept.tolist()], coef
        kept = np.delete(kept, worst)
