"""The one measurer behind prompts, documents and heads: it asks a model, and reads each reply as a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from spexapi.backends.adapter import complete
from spexapi.backends.base import Backend, Message, Reply, Request, Scoring, TooLong
from spexapi.backends.registry import open_backend
from spexapi.errors import BackendError, InputError
from spexapi.games._asked import Asked
from spexapi.games._senders import Senders
from spexapi.games._settings import Settings, fitting
from spexapi.games._unknown import unknown_to
from spexapi.games._values import averaged, of_scores, of_texts
from spexapi.games._white_space import note_on_white_space
from spexapi.games.base import GameTraits, Player, Target
from spexapi.measurements import Bools, Measurements
from spexapi.sampling.forecast import Forecast, forecast
from spexapi.sampling.policy import RequestPolicy
from spexapi.sampling.usage import Usage
from spexapi.scorers.base import Scorer

_SHOWN = 3  # prompts of a forecast


class ModelGame:
    """A game that is measured by asking a model: one prompt, or several, whose values are then averaged.

    PromptGame, RagGame and HeadGame are this class with a constructor of their own, and nothing else.

    asked   one prompt or more, read by one score
    target  what is known of it before the model is asked
    """

    def __init__(
        self,
        backend: Backend,
        players: Sequence[Player],
        asked: Sequence[Asked],
        target: Target,
        policy: RequestPolicy,
    ) -> None:
        self.backend = backend
        self._players, self._asked = tuple(players), tuple(asked)
        self._target, self._policy = target, policy
        self._senders = Senders(backend, policy)
        self._notes: tuple[str, ...] = ()
        self._written: dict[int, str] = {}  # by the model, for questions without an answer
        self._answers: tuple[tuple[str, ...], ...] = ()  # of each question: the one explained, then options

    @property
    def players(self) -> tuple[Player, ...]:
        return self._players

    @property
    def unknown_words(self) -> tuple[str, ...]:
        """Words of the prompts and the given answers that the model does not know, if it can tell."""
        return unknown_to(self.backend, self._asked)

    @property
    def batch(self) -> int:
        """Fewer masks if each takes many calls: a stop is obeyed after some hundred of them."""
        return max(1, self.backend.capabilities.batch // max(1, self.calls_per_mask // 4))

    @property
    def calls_per_mask(self) -> int:
        """Replies that the value of one mask takes: one a question, times the samples a score reads."""
        return len(self._asked) * self._chosen.calls_per_mask

    @property
    def traits(self) -> GameTraits:
        """Calls that keep the backend busy; notes on a score no one named and on a full store."""
        can, k, trouble = self.backend.capabilities, self.calls_per_mask, self._senders.main.trouble
        return GameTraits(
            concurrency=can.concurrency if k == 1 else can.concurrency // k + 1,
            batched=can.batched,
            calls_per_mask=k,
            notes=(*self._notes, trouble) if trouble else self._notes,
        )

    @property
    def backend_name(self) -> str:
        return self.backend.name

    @property
    def spent(self) -> Usage:
        return self._senders.spent

    async def prepare(self) -> Target:
        """Checks what can fail without a model call; then the model writes the answers that are not given."""
        await self._senders.open()
        self._fit_to_backend()
        for each in self._asked:
            self._refuse_misfits(each, each.chosen.answer)
        answers = [each.chosen.answer or await self._write_answer(each) for each in self._asked]
        self._answers = tuple(
            (answer, *each.chosen.options) for answer, each in zip(answers, self._asked, strict=True)
        )
        for each, answer in zip(self._asked, answers, strict=True):
            self._refuse_misfits(each, answer)
        self._senders.afford(self._request(0, np.ones(len(self._players), dtype=np.bool_)))
        return self._explained(answers[0])

    async def measure(self, masks: Bools) -> Measurements:
        """(m, n) bool -> one value a mask, with token log-probabilities if all replies agree on tokens.

        Raises CapReached if the next call would pass a cap, and what ends a run: Refused, Unavailable.
        """
        if not self._answers:
            raise InputError("measure() needs prepare() first: it fixes the answer")
        if masks.shape[1] != len(self._players):
            raise InputError(
                f"masks have {masks.shape[1]} columns, the game has {len(self._players)} players"
            )
        k = self._chosen.calls_per_mask
        requests = [
            replace(self._request(number, mask), sample=sample)
            for number in range(len(self._asked))
            for mask in masks
            for sample in range(k)
        ]
        replies = await self._senders.main.send_all(requests)
        each = len(masks) * k
        found = [
            await self._values(masks, replies[number * each : (number + 1) * each], answers[0])
            for number, answers in enumerate(self._answers)
        ]
        return found[0] if len(found) == 1 else averaged(masks, found)

    async def write(self, mask: Bools) -> str:
        """The model's own answer to the first prompt with only mask (n,) kept; not of the budget.

        It may be somewhat longer than the answer that is explained.
        """
        if not self._answers:
            raise InputError("write() needs prepare() first: it opens the model")
        request = self._asked[0].prompt.request(mask, self._chosen)
        if request.hidden:
            raise InputError("no answer can be written with text hidden from attention: use masking='drop'")
        most = self._most_written(self._answers[0][0])
        if not request.removed:
            return (await self._senders.main.generate(request.messages, most)).text
        reply = await self._senders.main.write(replace(request, write=most))
        if reply.error:
            raise BackendError(f"{self.backend_name} wrote no answer: {reply.error}")
        return reply.text.strip()

    def halt(self) -> None:
        """Sends nothing more until prepare(); calls under way end by themselves."""
        self._senders.halt()

    async def close(self) -> None:
        """Waits for the calls under way, so that their replies are kept."""
        await self._senders.close()

    def estimate_tokens(self, masks: Bools) -> int | None:
        """About how many tokens the model would read for these masks; None if the backend cannot count."""
        count = self.backend.count_tokens
        counts = [each.prompt.count_tokens(masks, each.chosen, count) for each in self._asked]
        return None if None in counts else sum(filter(None, counts))

    def forecast(self, masks: Bools, writes: int = 0) -> Forecast:
        """What measuring these masks and writing a few answers would take, and three of the prompts."""
        can, k = self.backend.capabilities, self._chosen.calls_per_mask
        tokens = self.estimate_tokens(masks)
        answers = "".join(a for each in self._asked for a in (each.chosen.answer or "", *each.chosen.options))
        scored = (self.backend.count_tokens(answers) or 0) * len(masks) if k == 1 else 0
        reads = self._chosen.scorer is not None and self._chosen.scorer.of_texts is not None
        written = self._chosen.max_new_tokens if reads else int(can.concurrency > 1 or can.batched)
        total = None if tokens is None else (tokens + scored) * k
        calls = len(masks) * self.calls_per_mask
        expected = forecast(calls, total, written, can, self._policy.limits, self._shown(masks))
        most = self._most_written(self._chosen.answer or "")
        return expected.with_writes(writes if can.write else 0, most, can.price)

    def _most_written(self, answer: str) -> int:
        """Tokens of an answer that the model writes for the story."""
        tokens, most = self.backend.count_tokens(answer) if answer else None, self._chosen.max_new_tokens
        return most if tokens is None else min(most, 2 * tokens + 8)

    @property
    def _chosen(self) -> Settings:
        """Those of the first prompt; all have one score."""
        return self._asked[0].chosen

    @property
    def _scorer(self) -> Scorer:
        assert self._chosen.scorer is not None, "prepare() finds one"
        return self._chosen.scorer

    def _shown(self, masks: Bools) -> tuple[tuple[Message, ...], ...]:
        """Some prompts as they would be sent: everything kept, masks that remove parts, other questions."""
        filled = self._filled(self._asked[0])
        some = [np.ones(len(self._players), dtype=np.bool_), *masks[~masks.all(axis=1)][: _SHOWN - 1]]
        masked = (filled.prompt.request(mask, filled.chosen).messages for mask in some)
        others = (each.prompt.whole for each in self._asked[1:])
        return tuple(dict.fromkeys(chain(masked, others)))[:_SHOWN]

    def _request(self, number: int, mask: Bools) -> Request:
        each = self._asked[number]
        request = each.prompt.request(mask, each.chosen)
        if self._scorer.of_texts is not None:
            return replace(request, write=each.chosen.max_new_tokens)
        return replace(request, answers=self._answers[number])

    async def _values(self, masks: Bools, replies: Sequence[Reply], answer: str) -> Measurements:
        if self._scorer.of_texts is None:
            return of_scores(self._scorer, masks, replies)
        k = self._chosen.calls_per_mask
        groups = [replies[start : start + k] for start in range(0, len(replies), k)]
        return await of_texts(self._scorer, masks, groups, answer, self._senders.ask_helper)

    def _fit_to_backend(self) -> None:
        """Settles the score and the placeholder, now that it is known what the backend can."""
        can, name = self.backend.capabilities, self.backend_name
        why = str(getattr(self.backend, "cannot", ""))
        if self._chosen.masking == "attention" and not can.attention_mask:
            raise InputError(f"{name} cannot hide text from attention: use masking='drop' or 'placeholder'")
        named = self._chosen.scorer is not None
        filled = map(self._filled, self._asked)
        self._asked = tuple(replace(each, chosen=fitting(each.chosen, can, name, why)) for each in filled)
        if not named and not can.score_answer:
            self._notes = (
                f"{name} shows no log-probability of a given answer{f' ({why})' if why else ''}, so the score"
                f" is {self._scorer.name}: {self.calls_per_mask} sampled replies a mask",
            )
        given = (a for each in self._asked for a in (each.chosen.answer or "", *each.chosen.options))
        if self._scorer.of_texts is None:
            self._notes = tuple(dict.fromkeys([*self._notes, *note_on_white_space(self.backend, given)]))
        self._senders.help_with(self._scorer.helper)

    def _filled(self, each: Asked) -> Asked:
        """With the backend's placeholder if the user named none."""
        if each.chosen.placeholder is not None:
            return each
        return replace(each, chosen=replace(each.chosen, placeholder=self.backend.capabilities.placeholder))

    def _refuse_misfits(self, each: Asked, answer: str | None) -> None:
        answers = () if answer is None else (answer, *each.chosen.options)
        full = np.ones(len(self._players), dtype=np.bool_)
        for mask in (full, ~full):  # placeholders can make a masked prompt the longer one
            request = each.prompt.request(mask, each.chosen)
            reason = self.backend.check(replace(request, answers=answers))
            if isinstance(reason, TooLong):
                hint = each.to_shorten(self.backend.count_tokens)
                raise InputError(each.named(f"the prompt does not fit: {reason}{hint}"))
            if reason:
                raise InputError(each.named(reason))

    async def _write_answer(self, each: Asked) -> str:
        """The model's own, once a game: the model is greedy, it would write the same again."""
        if each.number not in self._written:
            most = each.chosen.max_new_tokens
            text = (await self._senders.main.generate(each.prompt.whole, most)).text
            if not text.strip():
                raise BackendError(
                    each.named(
                        f"{self.backend_name} wrote an empty answer: give the one to explain, answer='...'"
                    )
                )
            self._written[each.number] = text
        return self._written[each.number]

    def _explained(self, answer: str) -> Target:
        scorer, first = self._scorer, self._asked[0]
        target = replace(self._target, score=scorer.name, unit=scorer.unit)
        if len(self._asked) > 1:
            return replace(target, question=f"{len(self._asked)} questions")
        tokens = self.backend.answer_offsets(first.prompt.whole, answer) if scorer.of_texts is None else ()
        return replace(
            target,
            answer=answer,
            answer_offsets=tokens or (),
            generated=first.chosen.answer is None,
            pieces=first.prompt.pieces,
            options=(answer, *first.chosen.options) if scorer.options else (),
            unknown=self.unknown_words,
        )


def opened(backend: Scoring | str) -> Backend:
    """The backend, or the one of that name, with every method a game needs."""
    return open_backend(backend) if isinstance(backend, str) else complete(backend)


def at_least_two(players: Sequence[Player], hint: str) -> None:
    """Raises InputError if there is nothing to combine."""
    if len(players) < 2:
        found = ", ".join(f"{player.kind} {player.label!r}" for player in players)
        raise InputError(f"a game needs at least 2 players to remove, this one has {found or 'none'}: {hint}")
