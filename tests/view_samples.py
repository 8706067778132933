"""Explanations built by hand for the tests of the views: every value is written out, no engine takes part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np

from spexapi.explanation.claims.belief import Belief
from spexapi.explanation.claims.search import search
from spexapi.explanation.explanation import Cost, Explanation
from spexapi.explanation.reading import Reading
from spexapi.explanation.recipe import Recipe
from spexapi.explanation.values import Ablation
from spexapi.fourier.indices import to_index
from spexapi.fourier.spectrum import Spectrum
from spexapi.games.base import Piece, Player, Target
from spexapi.measurements import exact_values, join, nothing
from spexapi.trust.audit import Audit

Kept = frozenset[int]

TEXTS = (
    "The key is in the red box.",
    "The red box is in the cellar.",
    "Anna is in the garden.",
    "The lamp is on the shelf.",
    "The shelf is in the attic.",
    "Tom has the map.",
    "The map is old.",
    "The cat sleeps all day.",
    "The coin is in the vase.",
    "The vase is in the hall.",
)


def and_of_two(kept: Kept) -> float:
    """Nats: only both documents make the answer likely."""
    return -0.02 if {0, 1} <= kept else -5.0


def or_of_two(kept: Kept) -> float:
    return -0.05 if kept & {0, 2} else -6.0


def hurt_by_one(kept: Kept) -> float:
    """Document 2 makes the answer, document 4 speaks against it."""
    return (-0.3 if 1 in kept else -6.0) - (1.5 if 3 in kept else 0.0)


def audit(
    r2: float | None = 0.94, low: float = 0.88, high: float = 0.97, method: str = "out-of-fold"
) -> Audit:
    return Audit(
        r2=r2,
        r2_interval=None if r2 is None else (low, high),
        n_held_out=64,
        n_failed=0,
        method=method,
        notes=(),
    )


def spectrum_of(value: Callable[[Kept], float], n: int) -> Spectrum:
    """The Fourier coefficients of a function of n players, by their definition: a mean over all masks."""
    masks = [frozenset(i for i in range(n) if bits[i]) for bits in product((False, True), repeat=n)]
    values = [value(kept) for kept in masks]
    coef: dict[tuple[int, ...], float] = {}
    for chosen in product((False, True), repeat=n):
        s = tuple(i for i in range(n) if chosen[i])
        c = sum(v * (-1.0) ** len(kept & set(s)) for v, kept in zip(values, masks, strict=True)) / len(masks)
        if abs(c) > 1e-12:
            coef[s] = c
    return Spectrum(n, coef)


def documents(
    value: Callable[[Kept], float],
    *,
    n: int = 10,
    active: int = 5,
    found: Audit | None = None,
    answer: str = "cellar",
    question: str = "Which room is the key in?",
    texts: tuple[str, ...] = TEXTS,
    generated: bool = True,
) -> Explanation:
    """A RAG explanation with a planted value of the first `active` of n documents."""
    small = spectrum_of(value, active)
    spectrum = Spectrum(n, small.coef)
    rng = np.random.default_rng(0)
    masks = rng.random((64, n)) < 0.5
    values = np.array(
        [value(frozenset(np.flatnonzero(row).tolist()) & frozenset(range(active))) for row in masks]
    )
    pieces = [Piece("Documents:\n\n", None)]
    for i in range(n):
        pieces.append(Piece(texts[i % len(texts)] + "\n\n", i))
    pieces.append(Piece(f"Question: {question}", None))
    explanation = Explanation(
        players=tuple(Player(texts[i % len(texts)], "document", texts[i % len(texts)]) for i in range(n)),
        index="fbii",
        max_order=3,
        spectrum=spectrum,
        interactions=to_index(spectrum, "fbii", 3),
        observations=exact_values(masks, values),
        audit=found or audit(),
        recipe=Recipe("proxyspex", 64, fitted=64),
        target=Target(
            "rag",
            "logprob",
            "nats",
            question,
            answer,
            ((0, len(answer)),),
            generated,
            None,
            tuple(pieces),
            "drop",
        ),
        backend="embedded",
        cost=Cost(calls=64, tokens_in=4096, seconds=2.4),
    )
    return confirmed(explanation, lambda kept: value(kept & frozenset(range(active))))


def words(value: Callable[[Kept], float], text: str, *, answer: str = "yes") -> Explanation:
    """A prompt whose words are the players."""
    parts = text.split(" ")
    base = documents(value, n=len(parts), active=min(len(parts), 6))
    pieces = tuple(Piece(w if i == len(parts) - 1 else w + " ", i) for i, w in enumerate(parts))
    return replace(
        base,
        players=tuple(Player(w, "word", w) for w in parts),
        target=replace(base.target, kind="prompt", question="", answer=answer, pieces=pieces),
    )


def function(spectrum: Spectrum, labels: list[str]) -> Explanation:
    """A plain function of players without text; nothing measured but what the story tells."""
    explanation = Explanation(
        players=tuple(Player(label) for label in labels),
        index="fbii",
        max_order=3,
        spectrum=spectrum,
        interactions=to_index(spectrum, "fbii", 3),
        observations=nothing(len(labels)),
        audit=audit(),
        recipe=Recipe("proxyspex", 64),
    )

    def value(kept: Kept) -> float:
        signs = {i: -1.0 if i in kept else 1.0 for i in range(len(labels))}
        return sum(c * float(np.prod([signs[i] for i in players])) for players, c in spectrum.coef.items())

    return confirmed(explanation, value)


def unconfirmed(explanation: Explanation) -> Explanation:
    """Without what the model was asked for the story."""
    rows = np.arange(len(explanation.observations) - explanation.recipe.asked)
    recipe = replace(explanation.recipe, asked=0)
    return replace(explanation, observations=explanation.observations.take(rows), recipe=recipe)


def confirmed(explanation: Explanation, value: Callable[[Kept], float]) -> Explanation:
    """With the model, whose values are planted, asked for what the story tells."""
    steps = search(Belief(Reading.of(explanation)))
    asked: list[Kept] = []
    try:
        wanted = next(steps)
        while True:
            asked += wanted
            wanted = steps.send([Ablation(kept, value(kept), True) for kept in wanted])
    except StopIteration:
        pass
    masks = np.zeros((len(asked), explanation.n_players), dtype=np.bool_)
    for row, kept in enumerate(asked):
        masks[row, list(kept)] = True
    measured = exact_values(masks, np.array([value(kept) for kept in asked], dtype=np.float64))
    recipe = replace(explanation.recipe, asked=len(asked))
    return replace(explanation, observations=join([explanation.observations, measured]), recipe=recipe)
