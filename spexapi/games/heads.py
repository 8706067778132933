"""A game whose players are parts of the model itself: attention heads, MLP blocks, layers, MLP neurons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from spexapi.backends.base import Reply, Scoring
from spexapi.backends.huggingface.components import Component, Inventory, to_component
from spexapi.backends.huggingface.head_ablation import Ablated, local_model, parts_of
from spexapi.errors import InputError
from spexapi.games._model_game import ModelGame, at_least_two
from spexapi.games.base import Player, Target
from spexapi.games.questions import Question, filling, posed
from spexapi.prompts.inputs import Prompt
from spexapi.sampling.policy import RequestPolicy
from spexapi.scorers.base import Scorer

_KINDS = {"mlp": "MLP block"}  # a player's kind in words


class HeadGame(ModelGame):
    """Which parts of a model, alone and together, make it answer as it does.

    model      "embedded" or "hf:<id or folder>", what open_backend() gave for one, or a loaded causal model
               of transformers with its `tokenizer`
    prompt     a text, chat turns, or a list of Question: the value is then the mean over them
    answer     the answer to explain; None lets the whole model write it (greedy)
    unit       head, mlp, layer or neuron, or several: ("head", "mlp")
    layers     only these, numbered from 0; None: all
    parts      in place of unit and layers, the players by name: "layer 2 head 5", "layer 2 MLP", "layer 2",
               "layer 2 neuron 117"
    ablation   what stands in for a part that is out. zero: nothing; mean: its mean over all positions of the
               prompts of `reference`; resample: what it says at the same position of another prompt of as
               many tokens: `reference` holds one for each question
    score      logprob, mean_logprob, logit, choice or accuracy (both need options), match, ..., or a function
               of a Reply. None: choice where there are options, else logprob
    samples, terms    as for PromptGame

    A layer that is out adds nothing to the stream. Heads are query heads: those that share keys and values
    are players of their own. Raises InputError for a hosted model, a model whose attention is not understood,
    parts that are not there, an empty set of questions. Cost: a mask is one row of a batched pass for each
    question and option; each question counts towards the budget.
    """

    def __init__(
        self,
        model: Scoring | str | Any,
        prompt: Prompt | Sequence[Question],
        answer: str | None = None,
        unit: str | Sequence[str] = "head",
        score: str | Scorer | Callable[[Reply], float] | None = None,
        *,
        layers: Sequence[int] | None = None,
        parts: Sequence[str] | None = None,
        ablation: str = "zero",
        reference: Sequence[Prompt] = (),
        options: Sequence[str] | None = None,
        tokenizer: Any = None,
        max_new_tokens: int = 64,
        samples: int | None = None,
        terms: RequestPolicy = RequestPolicy(),  # noqa: B008 - frozen
    ) -> None:
        asked = posed(prompt, answer, options, score, max_new_tokens, samples)
        fill = filling(ablation, reference, [each.prompt.whole for each in asked])
        own = local_model(model, tokenizer)
        chosen = _chosen(parts_of(own), (unit,) if isinstance(unit, str) else tuple(unit), layers, parts)
        players = [Player(part.label, _KINDS.get(part.kind, part.kind), component=part) for part in chosen]
        at_least_two(players, "choose more layers, or unit='head'")
        target = Target(kind="heads", masking=fill.ablation)
        super().__init__(Ablated(own, chosen, fill), players, asked, target, terms)


def _chosen(
    there: Inventory, units: tuple[str, ...], layers: Sequence[int] | None, parts: Sequence[str] | None
) -> tuple[Component, ...]:
    """The players. Raises InputError for what the model does not have, and where one is named twice."""
    if parts is None:
        return there.choose(units, layers)
    if isinstance(parts, str):
        raise InputError(f"parts must be a list of names, got the text {parts!r}")
    if layers is not None:
        raise InputError("parts and layers are both given: the names of parts hold their layers already")
    found = tuple(to_component(name) for name in parts)
    for part in found:
        there.check(part)
    if twice := [part for part in found if found.count(part) > 1]:
        raise InputError(f"{twice[0].label} is named twice among the parts")
    return found
