"""The result: what was found, how far to trust it, what it cost. Every view reads this and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from spexapi.engines.base import Design, Engine
from spexapi.engines.registry import find_engine
from spexapi.errors import InputError
from spexapi.explanation.behaviour import Behaviour
from spexapi.explanation.equality import same
from spexapi.explanation.fitted import fitted
from spexapi.explanation.interaction import interaction_of
from spexapi.explanation.pruned import Pruned
from spexapi.explanation.recipe import Recipe, options_of, rebuilt
from spexapi.explanation.values import MaskValues
from spexapi.explanation.verification import Verification
from spexapi.fourier.indices import to_index
from spexapi.fourier.ranking import ranked
from spexapi.fourier.spectrum import Interaction, Spectrum
from spexapi.games.base import Player, Target
from spexapi.measurements import Measurements
from spexapi.sampling.usage import Usage
from spexapi.scorers.logprobs import span_values
from spexapi.scorers.registry import find_scorer
from spexapi.trust.audit import Audit
from spexapi.trust.estimates import Estimates
from spexapi.trust.intervals import intervals

Path_ = str | Path
Cost = Usage  # the older name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation:
    """Which combinations of players drive the value, with a measure of how far to trust it.

    interactions  in `index` up to `max_order`: player numbers -> value in `target.unit`; () is constant
    spectrum      predicts the value of any mask
    intervals     90% interval of each interaction; empty if there is none, with the reason in notes
    observations  the masks and values the spectrum was fitted to, the audit's own masks last
    stopped       True if the run ended before its plan was measured
    stopped_by    what ended it, in the words of the cap or the backend; "" if the user did
    fitted_by     the engine itself, for span(); a saved explanation finds it by name instead
    verification  the strongest interactions measured directly, if that was asked for
    pruned        what keeping only the best k players does, if that was asked for
    estimates     what the intervals rest on, for in_index(); None if there are none
    written       what the model wrote itself with few players kept: (those kept, its text) pairs
    """

    players: tuple[Player, ...]
    index: str
    max_order: int | None
    spectrum: Spectrum
    interactions: Mapping[Interaction, float]
    observations: Measurements
    audit: Audit
    recipe: Recipe
    target: Target = field(default_factory=Target)
    backend: str = ""
    cost: Usage = field(default_factory=Usage)
    intervals: Mapping[Interaction, tuple[float, float]] = field(
        default_factory=dict[Interaction, tuple[float, float]]
    )
    notes: tuple[str, ...] = ()
    stopped: bool = False
    stopped_by: str = ""
    fitted_by: Engine | None = field(default=None, compare=False)
    verification: Verification | None = None
    pruned: tuple[Pruned, ...] = ()
    estimates: Estimates | None = None
    written: tuple[tuple[Interaction, str], ...] = ()

    @property
    def engine(self) -> str:
        return self.recipe.engine

    @property
    def seed(self) -> int:
        return self.recipe.seed

    @property
    def n_players(self) -> int:
        return len(self.players)

    def values(self, index: str, max_order: int | None = None) -> Mapping[Interaction, float]:
        """The same spectrum in another index; no new calls. Raises InputError naming the known ones."""
        return to_index(self.spectrum, index, max_order)

    def top(self, k: int = 10) -> list[tuple[Interaction, float]]:
        """The k interactions with the largest absolute value, the constant apart.

        Values within a relative 1e-9 are equal: the smaller set is then first, then the one of lower players.
        """
        strongest = ranked({s: v for s, v in self.interactions.items() if s})
        return [(s, self.interactions[s]) for s in strongest[:k]]

    def label(self, interaction: Interaction, joiner: str = " + ") -> str:
        """The players of an interaction in words."""
        return joiner.join(self.players[i].label for i in interaction) or "(nothing)"

    def meaning(self, players: int | Iterable[int]) -> str:
        """What these players do to the value, in words: "needed together", "hurt only together"."""
        from spexapi.narrative.meaning import meaning_of

        return meaning_of(self, interaction_of(players, self.n_players))

    def value_of(self, *, kept: bool) -> float:
        """The value with every player kept, or none: the mean of its measurements, else the prediction."""
        known = MaskValues(self.observations, self.spectrum, self.target)
        return known.at(range(self.n_players) if kept else ()).value

    def behaviour(self, kept: Iterable[int]) -> Behaviour | None:
        """What the model did in place of the answer (or span) with exactly the players `kept`.

        None if that mask was not measured, or the backend does not say which tokens are its first choice.
        """
        return MaskValues(self.observations, self.spectrum, self.target).at(kept).behaviour

    def __getitem__(self, players: int | Iterable[int]) -> float:
        """The value of an interaction, its players in any order; 0 if it is not among `interactions`."""
        return self.interactions.get(interaction_of(players, self.n_players), 0.0)

    def __contains__(self, players: object) -> bool:
        try:
            return interaction_of(players, self.n_players) in self.interactions
        except InputError:
            return False

    def __iter__(self) -> Iterator[Interaction]:
        return iter(self.interactions)

    def __len__(self) -> int:
        return len(self.interactions)

    def __bool__(self) -> bool:
        return True  # with no interaction it is an explanation still

    def __eq__(self, other: object) -> bool:
        return same(self, other) if isinstance(other, Explanation) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.players, self.index, self.max_order, self.backend, self.seed, len(self)))

    def in_index(self, index: str, max_order: int | None = None) -> Explanation:
        """The same explanation, read in another index."""
        found = self.values(index, max_order)
        ranges = {} if self.estimates is None else intervals(self.estimates, self.spectrum, index, max_order)
        return replace(self, index=index, max_order=max_order, interactions=found, intervals=ranges)

    def span(self, start: int, end: int) -> Explanation:
        """The same run explaining characters start:end of the answer; no new call.

        A token counts when any of its characters lies in the span. Raises InputError without token values, or
        if no token lies in the span.
        """
        tokens = self.observations.token_values
        if tokens is None or not self.target.answer_offsets:
            raise InputError(
                f"this explanation (score {self.target.score!r}) has no log-probability for each token of "
                "the answer, so a span cannot be explained: use a backend that returns them, score 'logprob'"
            )
        values = span_values(find_scorer(self.target.score), tokens, self.target.answer_offsets, (start, end))
        return self._again(self.observations.with_values(values), replace(self.target, span=(start, end)))

    def with_engine(self, engine: str | Engine) -> Explanation:
        """The same observations fitted by another engine; no new call."""
        found = find_engine(engine)
        recipe = replace(self.recipe, engine=found.name, options=options_of(found))
        return replace(self, recipe=recipe, fitted_by=found)._again(self.observations, self.target)

    def _again(self, observations: Measurements, target: Target) -> Explanation:
        engine = self.fitted_by or rebuilt(self.recipe)
        rng = np.random.default_rng(self.recipe.seed)
        planned = self.recipe.planned or self.recipe.budget - self.recipe.held_out
        design = engine.plan(self.n_players, planned, rng)
        design = replace(design, uniform=self.recipe.uniform)
        found = fitted(engine, design, observations, self.recipe, self.index, self.max_order)
        recipe = replace(self.recipe, order=design.order)
        done = replace(self, observations=observations, target=target, recipe=recipe, **found.fields())
        done = replace(done, fitted_by=engine)
        return replace(done, verification=None, pruned=())

    def to_json(self, path: Path_ | None = None) -> str:
        """All of it, observations included, as JSON text; written to `path` if one is given."""
        from spexapi.explanation.export import dump

        return dump(self, path)

    @classmethod
    def from_json(cls, path: Path_) -> Explanation:
        """Opens a saved explanation; it can still change span, index and engine. Raises InputError."""
        from spexapi.explanation.export import load

        return load(path)

    def to_html(self, path: Path_ | None = None) -> str:
        """A report in one self-contained page; written to `path` if one is given."""
        from spexapi.explanation.export import written
        from spexapi.views.html.report import report

        return written(report(self), path)

    def plot(self, kind: str = "text", *, dark: bool = False) -> Any:
        """A plotly figure; needs plotly.

        "text"     players in reading order with their shares, and the strongest combinations as arcs
        "network"  players on a circle, lines between those that act in combination
        "matrix"   a cell for each two players
        "upset"    a column for each combination of any size
        "heads"    layers by heads; for a HeadGame

        Raises InputError for another kind, and if plotly is not installed.
        """
        from spexapi.views.plots.kinds import plot

        return plot(self, kind, dark=dark)

    def svg(self, path: Path_ | None = None) -> str:
        """The picture of the report as SVG text; written to `path` if one is given."""
        from spexapi.explanation.export import written
        from spexapi.views.svg.picture import picture

        return written(picture(self), path)

    def to_dataframe(self) -> Any:
        """A row an interaction, strongest first: players, labels, order, value, low, high. Needs pandas."""
        from spexapi.explanation.interop import to_dataframe

        return to_dataframe(self)

    def to_shapiq(self) -> Any:
        """The interactions as shapiq.InteractionValues, for its plots. Needs shapiq; no Fourier values."""
        from spexapi.explanation.interop import to_shapiq

        return to_shapiq(self)

    def _repr_html_(self) -> str:
        from spexapi.views.html.report import snippet

        return snippet(self)

    def __str__(self) -> str:
        from spexapi.views.terminal import plain

        return plain(self)

    def __repr__(self) -> str:
        from spexapi.views.terminal import in_a_line

        return in_a_line(self)


def read(
    engine: Engine,
    design: Design,
    observations: Measurements,
    *,
    players: tuple[Player, ...],
    recipe: Recipe,
    index: str,
    max_order: int | None,
    target: Target,
    backend: str,
    cost: Usage,
    stopped: bool,
    stopped_by: str = "",
    audited: bool = True,
) -> Explanation:
    """The second half of the line: fit -> audit -> interactions -> Explanation.

    observations  the `recipe.fitted` rows the engine asked for, then the fresh masks of the audit
    audited       False leaves R² and intervals out, which cost several fits: for snapshots of a run
    """
    found = fitted(engine, design, observations, recipe, index, max_order, audited=audited)
    return Explanation(
        players=players,
        index=index,
        max_order=max_order,
        observations=observations,
        recipe=recipe,
        target=target,
        backend=backend,
        cost=cost,
        stopped=stopped,
        stopped_by=stopped_by,
        fitted_by=engine,
        **found.fields(),
    )
