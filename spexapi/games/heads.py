"""A game whose players are components of the model: attention heads, MLP blocks, layers, MLP neurons."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spexapi.backends.base import Reply
from spexapi.backends.huggingface.components import Component, Inventory, to_component
from spexapi.backends.huggingface.head_ablation import Ablated, components_of, local_model
from spexapi.errors import InputError
from spexapi.games._model_game import ModelGame, at_least_two
from spexapi.games.base import Player, Target
from spexapi.games.questions import Question, baseline, posed
from spexapi.prompts.inputs import Prompt
from spexapi.sampling.policy import RequestPolicy
from spexapi.scorers.base import Scorer

_KINDS = {"mlp": "MLP block"}  # a player's kind in words


class HeadGame(ModelGame):
    """Which components of a model, alone and together, make it answer as it does.

    model      "embedded" or "hf:<id or folder>", what open_backend() or from_transformers() gave, or a loaded
               causal model of transformers with its `tokenizer`
    prompt     a text, chat turns, or a list of Question: the value is then the mean over them
    answer     the answer to explain; None: the whole model writes it (greedy)
    unit       head, mlp, layer or neuron, or several: ("head", "mlp")
    score      logprob, mean_logprob, logit, choice or accuracy (both need options), match, ..., or a function
               of a Reply. None: choice if there are options, else logprob
    layers     only these, numbered from 0; None: all
    parts      in place of unit and layers, the players by name: "layer 2 head 5", "layer 2 MLP", "layer 2",
               "layer 2 neuron 117"
    masking    what stands in for a component that is removed. zero: nothing; mean: its mean over all
               positions of the prompts of `reference`; resample: its output at the same position of another
               prompt of equal length, `reference` holds one for each question. `ablation` is its older name
    samples, terms    as for PromptGame

    A layer that is removed adds nothing to the stream. Heads are query heads: those that share keys and
    values are players of their own. Raises InputError for a hosted model, a model whose attention is not
    understood, parts that are not there, an empty set of questions. Cost: a mask is one row of a batched pass
    for each question and option; each question counts towards the budget.
    """

    def __init__(
        self,
        model: object,
        prompt: Prompt | Sequence[Question],
        answer: str | None = None,
        unit: str | Sequence[str] = "head",
        score: str | Scorer | Callable[[Reply], float] | None = None,
        *,
        layers: Sequence[int] | None = None,
        parts: Sequence[str] | None = None,
        masking: str = "zero",
        reference: Sequence[Prompt] = (),
        options: Sequence[str] | None = None,
        tokenizer: object = None,
        max_new_tokens: int = 64,
        samples: int | None = None,
        terms: RequestPolicy = RequestPolicy(),  # noqa: B008 - frozen
        ablation: str | None = None,
    ) -> None:
        asked = posed(prompt, answer, options, score, max_new_tokens, samples)
        base = baseline(ablation or masking, reference, [each.prompt.whole for each in asked])
        own = local_model(model, tokenizer)
        chosen = _chosen(components_of(own), (unit,) if isinstance(unit, str) else tuple(unit), layers, parts)
        players = [Player(each.label, _KINDS.get(each.kind, each.kind), component=each) for each in chosen]
        at_least_two(players, "choose more layers, or unit='head'")
        target = Target(kind="heads", masking=base.masking)
        super().__init__(Ablated(own, chosen, base), players, asked, target, terms)


def _chosen(
    there: Inventory, units: tuple[str, ...], layers: Sequence[int] | None, parts: Sequence[str] | None
) -> tuple[Component, ...]:
    """The players. Raises InputError for what the model does not have, and if one is named twice."""
    if parts is None:
        return there.choose(units, layers)
    if isinstance(parts, str):
        raise InputError(f"parts must be a list of names, got the text {parts!r}")
    if layers is not None:
        raise InputError("parts and layers are both given: the names of parts hold their layers already")
    found = tuple(to_component(name) for name in parts)
    for each in found:
        there.check(each)
    if twice := [each for each in found if found.count(each) > 1]:
        raise InputError(f"{twice[0].label} is named twice among the parts")
    return found
