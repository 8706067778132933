"""`spexapi heads --prune`: the best k parts to keep, by the explanation, measured on the model itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spexapi.cli.console import note
from spexapi.errors import InputError
from spexapi.explanation.explanation import Explanation
from spexapi.games.base import Game, traits_of
from spexapi.verification.budget import affords_all
from spexapi.verification.prune import prune

# One call in four: the best set of a spectrum is where it errs upwards, so that a search pays.
_SHARE = 4


@dataclass(frozen=True, slots=True)
class Pruning:
    """What a run does with --prune once the explanation is there. sizes: how many parts to keep."""

    sizes: tuple[int, ...]
    option: str = "--prune"

    def calls(self, game: Game, allowed: int) -> int:
        """A quarter of them, at least a mask a size; 0 if all masks are measured. Raises InputError."""
        n = len(game.players)
        for size in self.sizes:
            if not 1 <= size < n:
                raise InputError(f"--prune {size} of {n} parts: write sizes from 1 to {n - 1}, such as 4,8")
        if affords_all(game, allowed):
            return 0
        each = traits_of(game).calls_per_mask
        return max(len(self.sizes), allowed // _SHARE // each) * each

    def __call__(self, game: Game, ex: Explanation, calls: int) -> Explanation:
        """The explanation with the best measured set of each size."""
        if ex.stopped:
            note("not pruned: the run was stopped")
            return ex
        search = max(0, calls // traits_of(game).calls_per_mask - len(self.sizes))
        return replace(ex, pruned=prune(game, ex, self.sizes, budget=search))
