"""A game whose players are parts of the model itself: attention heads, MLP blocks, layers, MLP neurons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spexapi.backends.base import Reply, Request, Scoring, TooLong
from spexapi.backends.huggingface.components import Component, Inventory, to_component
from spexapi.backends.huggingface.head_ablation import Ablated, local_model, parts_of
from spexapi.errors import BackendError, InputError
from spexapi.games._senders import Senders
from spexapi.games._settings import fitting
from spexapi.games._text_measurer import at_least_two
from spexapi.games._values import of_scores, of_texts
from spexapi.games.base import GameTraits, Piece, Player, Target
from spexapi.games.questions import Posed, Question, filling, posed
from spexapi.measurements import Bools, Measurements, exact_values
from spexapi.prompts.inputs import Prompt
from spexapi.sampling.forecast import Forecast, forecast
from spexapi.sampling.policy import RequestPolicy
from spexapi.sampling.usage import Usage
from spexapi.scorers.base import Scorer

_KINDS = {"mlp": "MLP block"}  # a player's kind in words


class HeadGame:
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
        self._posed = posed(prompt, answer, options, score, max_new_tokens, samples)
        fill = filling(ablation, reference, [each.messages for each in self._posed])
        own = local_model(model, tokenizer)
        chosen = _chosen(parts_of(own), (unit,) if isinstance(unit, str) else tuple(unit), layers, parts)
        self._players = tuple(
            Player(part.label, _KINDS.get(part.kind, part.kind), component=part) for part in chosen
        )
        at_least_two(self._players, "choose more layers, or unit='head'")
        self._filling = fill
        self._backend = Ablated(own, chosen, fill)
        self._senders = Senders(self._backend, terms)
        self._terms = terms
        self._answers: tuple[tuple[str, ...], ...] = ()

    @property
    def players(self) -> tuple[Player, ...]:
        return self._players

    @property
    def batch(self) -> int:
        return max(1, self._backend.capabilities.batch // max(1, self.calls_per_mask // 4))

    @property
    def calls_per_mask(self) -> int:
        """Passes that the value of one mask takes: one a question, times the replies a score reads."""
        return len(self._posed) * self._posed[0].chosen.calls_per_mask

    @property
    def traits(self) -> GameTraits:
        trouble = self._senders.main.trouble
        return GameTraits(calls_per_mask=self.calls_per_mask, notes=(trouble,) if trouble else ())

    @property
    def backend_name(self) -> str:
        return self._backend.name

    @property
    def spent(self) -> Usage:
        return self._senders.spent

    async def prepare(self) -> Target:
        await self._senders.open()
        can = self._backend.capabilities
        self._posed = tuple(replace(p, chosen=fitting(p.chosen, can, self.backend_name)) for p in self._posed)
        self._senders.help_with(self._scorer.helper)
        for each in self._posed:
            self._refuse_misfits(each, each.chosen.answer)
        generated = self._posed[0].chosen.answer is None
        answers = [each.chosen.answer or await self._written(each) for each in self._posed]
        self._answers = tuple(
            (answer, *each.chosen.options) for answer, each in zip(answers, self._posed, strict=True)
        )
        for each, answer in zip(self._posed, answers, strict=True):
            self._refuse_misfits(each, answer)
        self._senders.afford(self._request(0, np.ones(len(self._players), dtype=np.bool_)))
        return self._target(answers, generated)

    async def measure(self, masks: Bools) -> Measurements:
        if not self._answers:
            raise InputError("measure() needs prepare() first: it fixes the answer")
        if masks.shape[1] != len(self._players):
            raise InputError(
                f"masks have {masks.shape[1]} columns, the game has {len(self._players)} players"
            )
        k = self._posed[0].chosen.calls_per_mask
        requests = [
            replace(self._request(q, mask), sample=sample)
            for q in range(len(self._posed))
            for mask in masks
            for sample in range(k)
        ]
        replies = await self._senders.main.send_all(requests)
        each, found = len(masks) * k, list[Measurements]()
        for q in range(len(self._posed)):
            own = replies[q * each : (q + 1) * each]
            found.append(await self._values(masks, own, self._answers[q][0], k))
        return found[0] if len(found) == 1 else _averaged(masks, found)

    async def write(self, mask: Bools) -> str:
        """What the model answers to the first question with only mask (n,) left of it; one call."""
        request = replace(self._request(0, mask), answers=(), write=self._posed[0].chosen.max_new_tokens)
        reply = await self._senders.main.send(request)
        if reply.error:
            raise BackendError(f"{self.backend_name} wrote no answer: {reply.error}")
        return reply.text.strip()

    def halt(self) -> None:
        """Sends nothing more until prepare(); the batch under way ends by itself."""
        self._senders.halt()

    async def close(self) -> None:
        await self._senders.close()

    def forecast(self, masks: Bools) -> Forecast:
        """What measuring these masks would take; no call is made."""
        texts = [
            "\n".join([*(m.content for m in p.messages), p.chosen.answer or "", *p.chosen.options])
            for p in self._posed
        ]
        counts = [self._backend.count_tokens(text) for text in texts]
        total = None if None in counts else sum(count or 0 for count in counts) * len(masks)
        prompts = tuple(each.messages for each in self._posed[:3])
        calls = len(masks) * self.calls_per_mask
        return forecast(calls, total, 0, self._backend.capabilities, self._terms.limits, prompts)

    @property
    def _scorer(self) -> Scorer:
        scorer = self._posed[0].chosen.scorer
        assert scorer is not None, "prepare() finds one"
        return scorer

    def _request(self, question: int, mask: Bools) -> Request:
        removed = tuple(np.flatnonzero(~mask).tolist())
        each = self._posed[question]
        if self._scorer.of_texts is not None:
            return Request(each.messages, (), write=each.chosen.max_new_tokens, removed=removed)
        return Request(each.messages, self._answers[question], removed=removed)

    async def _values(self, masks: Bools, replies: Sequence[Reply], answer: str, k: int) -> Measurements:
        if self._scorer.of_texts is None:
            return of_scores(self._scorer, masks, replies)
        groups = [replies[start : start + k] for start in range(0, len(replies), k)]
        return await of_texts(self._scorer, masks, groups, answer, self._senders.ask_helper)

    def _refuse_misfits(self, each: Posed, answer: str | None) -> None:
        answers = () if answer is None else (answer, *each.chosen.options)
        if reason := self._backend.check(Request(each.messages, answers)):
            long = isinstance(reason, TooLong)
            raise InputError(each.named(f"it does not fit: {reason}" if long else reason))

    async def _written(self, each: Posed) -> str:
        text = (await self._senders.main.generate(each.messages, each.chosen.max_new_tokens)).text
        if not text.strip():
            raise BackendError(
                each.named(
                    f"{self.backend_name} wrote an empty answer: give the one to explain, answer='...'"
                )
            )
        return text

    def _target(self, answers: Sequence[str], generated: bool) -> Target:
        scorer, first = self._scorer, self._posed[0]
        found = Target(kind="heads", score=scorer.name, unit=scorer.unit, masking=self._filling.ablation)
        if len(self._posed) > 1:
            return replace(found, question=f"{len(self._posed)} questions")
        offsets = self._backend.answer_offsets(first.messages, answers[0]) if scorer.of_texts is None else ()
        return replace(
            found,
            answer=answers[0],
            answer_offsets=offsets or (),
            generated=generated,
            pieces=tuple(Piece(m.content, None, m.role) for m in first.messages if m.content),
        )


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


def _averaged(masks: Bools, found: Sequence[Measurements]) -> Measurements:
    """The mean over questions; NaN with the first reason where one of them failed."""
    values = np.mean([each.values for each in found], axis=0)
    reasons = [
        next((f"question {q}: {why}" for q, why in enumerate(whys, 1) if why), "")
        for whys in zip(*(each.reason for each in found), strict=True)
    ]
    noise = np.sum([each.variance for each in found], axis=0) / len(found) ** 2
    return replace(exact_values(masks, values, reason=reasons), variance=noise)
