"""What an explanation says, measured: interactions and optimal sets on the game itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from spexapi.errors import BudgetError, InputError
from spexapi.explain import in_one_loop
from spexapi.explanation.explanation import Explanation
from spexapi.explanation.verification import Check, SetCheck, Verification
from spexapi.fourier.masks import all_masks, uniform_masks
from spexapi.fourier.optimize import Optimum
from spexapi.fourier.spectrum import Interaction
from spexapi.games.base import Game
from spexapi.measurements import NORMAL_95, Bools, Floats, Measurements
from spexapi.verification._unmeasured import unmeasured
from spexapi.verification.again import check_players, measuring

# Part of the predicted effect: an error up to it counts as none, however exact the fit.
_CLOSE = 0.25
# Part of the largest value.
_ROUNDING = 1e-9
# Players of one derivative, which takes 2^16 masks.
_HIGHEST = 16


def verify(
    game: Game, ex: Explanation, k: int = 5, backgrounds: int = 4, *, budget: int = 256, seed: int = 0
) -> Verification:
    """The k strongest interactions, measured as discrete derivatives and compared with the spectrum.

    game         the one that was explained
    backgrounds  random choices of the other players, none twice, besides keeping them all
    budget       most masks that are newly measured; weaker interactions and later backgrounds that do not
                 fit are left out and counted
    seed         of the backgrounds

    A derivative of |S| players takes 2^|S| masks, fewer if the explanation or another derivative has them: up
    to k (1 + backgrounds) 2^|S| calls. It is confirmed if it lies within 1.645 sqrt(2^|S| r² + noise) of the
    prediction. r is the standard deviation of the error on a mask the fit did not see, from the audit's R²
    (without one, of the residuals, which is too small); noise is the sum of the variances of the measured
    values. r is of uniform masks, and errors near the full input may be larger: a quarter of the predicted
    effect is allowed in any case.

    Raises InputError if the game is another one, BudgetError if not one derivative fits, both before any
    call; RunningLoopError inside a running loop. Derivatives: Fujimoto, Kojadinovic & Marichal (2006).
    """
    return in_one_loop("verify", averify(game, ex, k, backgrounds, budget=budget, seed=seed))


async def averify(
    game: Game, ex: Explanation, k: int = 5, backgrounds: int = 4, *, budget: int = 256, seed: int = 0
) -> Verification:
    """verify() for notebooks and servers."""
    check_players(game, ex)
    if k < 1 or backgrounds < 0 or budget < 0:
        raise InputError(
            f"k={k}, backgrounds={backgrounds}, budget={budget}: at least 1 interaction, 0 backgrounds and 0"
            " masks"
        )
    cubes, skipped = _plan(ex, k, backgrounds, budget, np.random.default_rng(seed))
    masks = np.concatenate([cube.masks for cube in cubes])
    seen, calls = await _measure(game, ex, masks)
    fresh = ~_known(masks, ex.observations)
    residual, notes = _residual(ex)
    floor = _ROUNDING * _largest(ex, seen)
    checks: list[Check] = []
    for cube, rows in zip(cubes, _slices(cubes), strict=True):
        noise = float(seen.variance[rows].sum())
        chance = NORMAL_95 * float(np.sqrt(len(cube.masks) * residual**2 + noise))
        measured = float(cube.signs @ seen.values[rows])
        predicted = float(cube.signs @ ex.spectrum.predict(cube.masks))
        tolerance = max(chance, _CLOSE * abs(predicted)) + floor
        confirmed = abs(measured - predicted) <= tolerance if np.isfinite(measured) else None
        new = int(fresh[rows].sum())
        why = "" if np.isfinite(measured) else unmeasured(ex, seen.take(np.arange(len(seen))[rows]))
        checks.append(Check(cube.players, cube.kept, measured, predicted, tolerance, confirmed, new, why))
    if skipped:
        checks_left = "1 more check" if skipped == 1 else f"{skipped} more checks"
        notes = (*notes, f"not within the budget of {budget}, so not made: {checks_left}")
    labels = tuple(p.label for p in game.players)
    return Verification(tuple(checks), labels, ex.n_players, residual, calls, skipped, notes)


def check_sets(game: Game, ex: Explanation, optima: Sequence[Optimum]) -> tuple[SetCheck, ...]:
    """The masks of optimal sets, such as of spexapi.sufficient_set(), measured on the game: one call each.

    The tolerance is that of verify() for one mask. At an optimum the spectrum tends to err upwards, so that
    measured values fall short of the prediction more often than 5% of the time. Errors as verify().
    """
    return in_one_loop("check_sets", acheck_sets(game, ex, optima))


async def acheck_sets(game: Game, ex: Explanation, optima: Sequence[Optimum]) -> tuple[SetCheck, ...]:
    """check_sets() for notebooks and servers."""
    check_players(game, ex)
    for optimum in optima:
        if optimum.n_players != ex.n_players:
            raise InputError(f"a set of {optimum.n_players} players, the game has {ex.n_players}")
    if not optima:
        return ()
    seen, _ = await _measure(game, ex, np.stack([optimum.mask for optimum in optima]))
    residual, _ = _residual(ex)
    floor = _ROUNDING * _largest(ex, seen)
    found: list[SetCheck] = []
    for i, optimum in enumerate(optima):
        value = float(seen.values[i])
        tolerance = NORMAL_95 * float(np.sqrt(residual**2 + seen.variance[i])) + floor
        failed = not np.isfinite(value)
        low, high = optimum.within
        confirmed = None if failed else abs(value - optimum.predicted) <= tolerance
        holds = None if failed else low - floor <= value <= high + floor
        found.append(SetCheck(optimum, value, tolerance, confirmed, holds))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Cube:
    """The masks of one derivative: every choice among `players`, with `kept` of the others.

    masks  (2^|players|, n) bool
    signs  (2^|players|,) (-1)^(number of `players` removed)
    """

    players: Interaction
    kept: Interaction
    masks: Bools
    signs: Floats

    @classmethod
    def of(cls, n: int, players: Interaction, others: Bools) -> _Cube:
        """others  (n - |players|,) bool, True if that one of the others is kept."""
        d = len(players)
        choices, rest = all_masks(d), np.setdiff1d(np.arange(n), players)
        masks = np.zeros((2**d, n), dtype=np.bool_)
        masks[:, list(players)] = choices
        masks[:, rest] = others
        kept = tuple(rest[others].tolist())
        signs: Floats = np.where((d - choices.sum(axis=1)) % 2 == 1, -1.0, 1.0)
        return cls(players, kept, masks, signs)


def _plan(
    ex: Explanation, k: int, backgrounds: int, budget: int, rng: np.random.Generator
) -> tuple[list[_Cube], int]:
    """The derivatives that fit the budget, by interaction, and the number of those that do not.

    All interactions with all others kept come before the first random background.
    """
    strongest = [s for s, _ in ex.top(k)]
    if not strongest:
        raise InputError("the explanation has no interaction apart from the constant: nothing to verify")
    highest = max(map(len, strongest))
    if highest > _HIGHEST:
        raise InputError(
            f"an interaction of {highest} players takes 2^{highest} masks; {_HIGHEST} players is the most"
        )
    others = [_backgrounds(ex.n_players - len(s), backgrounds, rng) for s in strongest]
    bought = _settled(ex.observations)
    chosen: list[tuple[int, _Cube]] = []
    left, skipped, least = budget, 0, 2**_HIGHEST
    for turn in range(1 + backgrounds):
        for place, players in enumerate(strongest):
            if turn >= len(others[place]):
                continue  # too few others for one more choice of them
            cube = _Cube.of(ex.n_players, players, others[place][turn])
            new = {row.tobytes() for row in cube.masks} - bought
            least = min(least, len(new))
            if len(new) > left:
                skipped += 1
                continue
            chosen.append((place, cube))
            bought |= new
            left -= len(new)
    if not chosen:
        raise BudgetError(
            f"a budget of {budget} masks holds not one of {len(strongest)} interactions: the cheapest takes"
            f" {least}"
        )
    return [cube for _, cube in sorted(chosen, key=lambda item: item[0])], skipped


def _backgrounds(n: int, count: int, rng: np.random.Generator) -> Bools:
    """(k, n) bool, all kept first, then uniform draws, none twice; k <= 1 + count."""
    every = np.ones((1, n), dtype=np.bool_)
    return np.concatenate([every, uniform_masks(n, count, rng, exclude=every)])


async def _measure(game: Game, ex: Explanation, masks: Bools) -> tuple[Measurements, int]:
    """The masks in the value that was explained, and how many were newly measured."""
    before = game.spent.calls
    async with measuring(game, ex, known=ex.observations) as measure:
        seen = await measure(masks)
    return seen, game.spent.calls - before


def _residual(ex: Explanation) -> tuple[float, tuple[str, ...]]:
    """Standard deviation of the spectrum's error on a uniform mask, with a note if it is a guess."""
    seen = ex.observations.take(ex.observations.ok)
    kept = seen.masks.sum(axis=1)
    values = seen.values[(kept > 0) & (kept < ex.n_players)]
    if ex.audit.method == "exact":
        return 0.0, ()
    if ex.audit.r2 is not None and len(values):
        return float(np.sqrt(max(0.0, 1 - ex.audit.r2) * values.var())), ()
    missed = seen.values - ex.spectrum.predict(seen.masks)
    spread = float(np.sqrt((missed**2).mean())) if len(missed) else 0.0
    return spread, ("there is no R², so the tolerance comes from the fit's own residuals: too strict",)


def _largest(ex: Explanation, seen: Measurements) -> float:
    return float(max(chain([0.0], np.abs(ex.observations.values[ex.observations.ok]), _finite(seen))))


def _finite(seen: Measurements) -> Floats:
    return np.abs(seen.values[seen.ok])


def _known(masks: Bools, seen: Measurements) -> Bools:
    """(m,) True if the mask has a value already."""
    rows = _settled(seen)
    return np.array([row.tobytes() in rows for row in masks], dtype=np.bool_)


def _settled(seen: Measurements) -> set[bytes]:
    """The masks that need not be asked again: a value, or an infinite one."""
    return {row.tobytes() for row in seen.masks[seen.ok | (seen.infinite != 0)]}


def _slices(cubes: Sequence[_Cube]) -> Iterator[slice]:
    top = 0
    for cube in cubes:
        yield slice(top, top + len(cube.masks))
        top += len(cube.masks)
