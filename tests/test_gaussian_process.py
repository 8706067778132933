"""The Gaussian process: its closed forms hold, it finds what was planted, its intervals hold the truth."""

from __future__ import annotations

from itertools import chain, combinations, product

import numpy as np
import pytest

from spexapi.engines.base import Fit
from spexapi.engines.gaussian_process import GaussianProcess
from spexapi.engines.stack.gp_kernel import (
    MarginalLikelihood,
    Scales,
    coefficients,
    condition,
    energy,
    most_probable_sets,
    predict,
    spreads,
)
from spexapi.engines.stack.gp_learners import largest, process_learners
from spexapi.errors import BudgetError, InputError
from spexapi.measurements import Measurements, exact_values


def every_mask(n: int) -> np.ndarray:
    return np.array(list(product([False, True], repeat=n)))


def every_set(n: int) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(range(n), d) for d in range(n + 1)))


def character(masks: np.ndarray, players: tuple[int, ...]) -> np.ndarray:
    """Written out here: the oracle shares no code with the subject."""
    total = np.ones(len(masks))
    for i in players:
        total = total * np.where(masks[:, i], -1.0, 1.0)
    return total


SCALES = Scales(1.7, np.array([0.3, 2.0, 0.05, 0.9, 0.6]), 0.1)


def seen_by_hand(m: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    masks = every_mask(5)[rng.permutation(32)[:m]]
    return masks, rng.normal(size=m), rng.random(m) * 0.2


def prior_of(players: tuple[int, ...]) -> float:
    r = np.tanh(SCALES.rates / 2)
    return float(SCALES.height * np.prod(r[list(players)]) / np.prod(1 + r))


def covariance_by_hand(masks: np.ndarray) -> np.ndarray:
    """The kernel as a sum over all sets, not as a product over players."""
    return sum(
        prior_of(s) * np.outer(character(masks, s), character(masks, s)) for s in every_set(masks.shape[1])
    )


def test_coefficients_and_their_spread_are_the_posterior_of_bayesian_regression_on_every_set():
    masks, values, variance = seen_by_hand()
    columns = np.column_stack([character(masks, s) for s in every_set(5)])
    prior = np.array([prior_of(s) for s in every_set(5)])
    # weight space, Rasmussen & Williams (2006), equation 2.8: precision = X' N^-1 X + P^-1
    weighed = columns.T / (SCALES.noise + variance)
    posterior = np.linalg.inv(weighed @ columns + np.diag(1 / prior))
    mean = dict(zip(every_set(5), posterior @ weighed @ values, strict=True))
    deviation = dict(zip(every_set(5), np.sqrt(np.diag(posterior)), strict=True))

    process = condition(masks, values, variance, SCALES)
    support, coef, priors = coefficients(process, 32)

    assert sorted(support) == sorted(every_set(5))
    assert dict(zip(support, coef, strict=True)) == pytest.approx(mean, abs=1e-10)
    assert dict(zip(support, spreads(process, support, priors), strict=True)) == pytest.approx(deviation)
    assert energy(process) == pytest.approx(sum(value**2 for value in mean.values()))
    at = every_mask(5)
    told = sum(value * character(at, s) for s, value in mean.items())
    assert predict(process, at) == pytest.approx(told)


def test_left_out_predictions_are_those_of_a_process_without_the_row():
    masks, values, variance = seen_by_hand()
    process = condition(masks, values, variance, SCALES)

    for j in range(len(values)):
        rest = np.arange(len(values)) != j
        kernel = covariance_by_hand(masks)
        solved = np.linalg.solve(
            kernel[np.ix_(rest, rest)] + np.diag(SCALES.noise + variance[rest]), values[rest]
        )
        assert process.left_out[j] == pytest.approx(kernel[j, rest] @ solved)


def test_the_evidence_is_that_of_a_normal_and_its_slopes_are_its_own():
    masks, values, variance = seen_by_hand()
    evidence = MarginalLikelihood(np.where(masks, -1.0, 1.0), values, variance)
    ratios = np.array([-0.7, 0.4, 0.2, -0.1, 0.9])
    moved = np.array([0.3, 0.5, -0.4])
    point = np.concatenate([evidence.start + moved, ratios])

    def away(point: np.ndarray) -> float:
        return evidence.of_each(point, spread=0.8)[0]

    rates = np.exp(point[1] + ratios)
    differ = masks[:, None, :] != masks[None, :, :]
    kernel = np.exp(point[0]) * np.exp(-(differ * rates).sum(axis=2))
    noisy = kernel + np.diag(np.exp(point[2]) + variance)
    off = 0.5 * values @ np.linalg.solve(noisy, values) + 0.5 * np.linalg.slogdet(noisy)[1]
    priors = 0.5 * ((moved / 3) ** 2).sum() + 0.5 * (ratios**2).sum() / 0.64
    slopes = [(away(point + 1e-5 * unit) - away(point - 1e-5 * unit)) / 2e-5 for unit in np.eye(len(point))]

    assert away(point) == pytest.approx(off + priors)
    assert evidence.of_each(point, spread=0.8)[1] == pytest.approx(np.array(slopes), abs=1e-6)


@pytest.mark.parametrize("most", [1, 2, 7, 31, 32, 100])
def test_the_likeliest_sets_are_those_of_a_full_list(most: int):
    strength = {s: prior_of(s) / SCALES.height for s in every_set(5)}
    best = sorted(strength, key=lambda s: -strength[s])[:most]

    support, prior = most_probable_sets(SCALES.rates, most)

    assert support == best
    assert prior == pytest.approx(np.array([strength[s] for s in best]))


def test_a_hundred_players_are_not_enumerated():
    rates = np.random.default_rng(1).random(100) * 0.1
    support, prior = most_probable_sets(rates, 300)

    assert len(set(support)) == 300
    assert (np.diff(prior) <= 0).all()
    assert set(support) >= {()} | {(i,) for i in np.argsort(-rates)[:20].tolist()}


def pair_and_triple(masks: np.ndarray) -> np.ndarray:
    both = 0.75 * character(masks, (1, 4)) - 0.5 * character(masks, (2,))
    return 3 + both + 2.0 * (masks[:, 0] & masks[:, 3] & masks[:, 5])


def fitted(n: int, budget: int, seed: int = 0, noise: float = 0.0) -> tuple[Fit, Measurements]:
    design = GaussianProcess().plan(n, budget, np.random.default_rng(seed))
    values = pair_and_triple(design.masks) + noise * np.random.default_rng(seed + 1).normal(size=budget)
    seen = exact_values(design.masks, values)
    return GaussianProcess().fit(design, seen), seen


def r_squared(fit: Fit, n: int) -> float:
    fresh = np.random.default_rng(999).random((2000, n)) < 0.5
    truth = pair_and_triple(fresh)
    return 1 - np.mean((fit.spectrum.predict(fresh) - truth) ** 2) / np.var(truth)


def test_five_masks_a_player_recover_a_planted_game():
    fit, _ = fitted(12, 60)

    assert r_squared(fit, 12) > 0.99
    assert fit.spectrum.coef[(1, 4)] == pytest.approx(0.75, abs=0.05)
    assert fit.spectrum.coef[(0, 3, 5)] == pytest.approx(-0.25, abs=0.05)


def test_nine_of_ten_intervals_hold_the_truth_in_games_drawn_from_the_model():
    rng = np.random.default_rng(0)
    prior = np.array([prior_of(s) for s in every_set(5)]) / SCALES.height
    every, inside = every_mask(5), []
    for _ in range(12):
        truth = dict(zip(every_set(5), rng.normal(size=32) * np.sqrt(prior), strict=True))
        values = sum(value * character(every, s) for s, value in truth.items())
        rows = rng.permutation(32)[:24]
        design = GaussianProcess().plan(5, 24, rng)
        seen = exact_values(every[rows], values[rows] + 0.2 * rng.normal(size=24))
        fit = GaussianProcess().fit(design, seen)
        inside += [low <= truth[s] <= high for s, (low, high) in fit.intervals.items()]

    assert 0.8 <= np.mean(inside) <= 0.96


def test_rows_are_predicted_by_fits_that_did_not_see_them():
    fit, seen = fitted(8, 50, noise=0.3)

    assert fit.fold is not None
    assert fit.out_of_fold is not None
    for k, spectrum in enumerate(fit.fold_spectra):
        rows = fit.fold == k
        assert spectrum.predict(seen.masks[rows]) == pytest.approx(fit.out_of_fold[rows])
    other = seen.values.copy()
    other[fit.fold == 1] = other[fit.fold == 1][::-1]  # the same mean and spread: the units stay
    again = GaussianProcess().fit(GaussianProcess().plan(8, 50, np.random.default_rng(0)),
                                  exact_values(seen.masks, other))  # fmt: skip
    rows = fit.fold == 1
    assert again.fold_spectra[1].predict(seen.masks[rows]) == pytest.approx(fit.out_of_fold[rows], abs=1e-4)


def test_a_value_known_to_be_noisy_counts_less():
    design = GaussianProcess().plan(8, 100, np.random.default_rng(3))
    truth = pair_and_triple(design.masks)
    loud = np.arange(100) % 3 == 0
    values = truth + np.where(loud, 3.0, 0.0) * np.random.default_rng(4).normal(size=100)
    told = np.where(loud, 9.0, 0.0)
    plain = exact_values(design.masks, values)
    known = Measurements(design.masks, values, told, values.copy(), values.copy(), plain.reason)

    assert r_squared(GaussianProcess().fit(design, plain), 8) < 0.5
    assert r_squared(GaussianProcess().fit(design, known), 8) > 0.99


def test_two_masks_and_a_constant_are_no_trouble():
    design = GaussianProcess().plan(6, 20, np.random.default_rng(0))
    few = GaussianProcess().fit(design, exact_values(design.masks[:2], np.array([1.0, 0.0])))
    same = GaussianProcess().fit(design, exact_values(design.masks, np.full(20, 2.5)))

    assert np.isfinite(list(few.spectrum.coef.values())).all()
    assert dict(same.spectrum.coef) == {(): 2.5}


def test_budgets_it_cannot_serve_are_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"2,000 measurements at most.*proxyspex"):
        GaussianProcess().plan(50, 2001, np.random.default_rng(0))
    with pytest.raises(BudgetError, match="raise it to 52"):
        GaussianProcess().plan(50, 40, np.random.default_rng(0))


def test_what_is_left_out_of_the_list_is_measured():
    rng = np.random.default_rng(5)
    masks = rng.random((200, 12)) < 0.5
    scales = Scales(1.0, np.full(12, 1.5), 0.01)
    process = condition(masks, rng.normal(size=200), np.zeros(200), scales)
    support, coef, _, left = largest(process, 200)

    every = every_mask(12)
    whole = predict(process, every)
    listed = sum(c * character(every, s) for s, c in zip(support, coef, strict=True))
    assert left == pytest.approx(np.mean((whole - listed) ** 2) / np.mean(whole**2))
    assert left > 0.3


def test_members_are_named_and_predict_in_the_units_given():
    masks = every_mask(6)[::2]
    values = 5.0 + character(masks, (1, 3))
    members = process_learners(masks, values, np.zeros(len(values)), seed=0)

    assert [m.name for m in members] == ["Gaussian process", "Gaussian process on few players"]
    for member in members:
        assert member.predict(masks)[:, 0] == pytest.approx(values, abs=0.1)
