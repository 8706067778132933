"""What prompt and RAG games share: a layout, an answer, a backend, and how a mask becomes a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from spexapi.backends.adapter import complete
from spexapi.backends.base import Message, Request, Scoring, TooLong
from spexapi.backends.registry import open_backend
from spexapi.errors import BackendError, InputError
from spexapi.games._senders import Senders
from spexapi.games._settings import Settings, fitting
from spexapi.games._values import of_scores, of_texts
from spexapi.games.base import GameTraits, Piece, Player, Target
from spexapi.measurements import Bools, Measurements
from spexapi.prompts.render import Layout, render
from spexapi.sampling.forecast import Forecast, forecast
from spexapi.sampling.policy import RequestPolicy
from spexapi.sampling.usage import Usage
from spexapi.scorers.base import Scorer


class TextMeasurer:
    """Asks a backend for the values of a layout's masks; made by a game, used by it alone."""

    def __init__(self, backend: Scoring | str, chosen: Settings, terms: RequestPolicy) -> None:
        self.backend = complete(open_backend(backend) if isinstance(backend, str) else backend)
        self.chosen, self.terms = chosen, terms
        self._notes: tuple[str, ...] = ()
        self._senders = Senders(self.backend, terms)
        self._layout: Layout | None = None
        self._whole: tuple[Message, ...] = ()
        self._answers: tuple[str, ...] = ()
        self._placeholder = self._written = ""

    @property
    def batch(self) -> int:
        return self.backend.capabilities.batch

    @property
    def traits(self) -> GameTraits:
        """Calls that keep the backend busy; notes on a score no one named and on a full store."""
        can, k, trouble = self.backend.capabilities, self.chosen.calls_per_mask, self._senders.main.trouble
        return GameTraits(
            concurrency=can.concurrency if k == 1 else can.concurrency // k + 1,
            batched=can.batched,
            calls_per_mask=k,
            notes=(*self._notes, trouble) if trouble else self._notes,
        )

    @property
    def spent(self) -> Usage:
        return self._senders.spent

    async def prepare(self, layout: Layout, target: Target, to_shorten: Callable[[], str]) -> Target:
        """Checks what can fail without a model call, then lets the model write the answer if none was given.

        to_shorten  what the user can shorten, for the error of a prompt that is too long
        """
        await self._senders.open()
        self._check_backend()
        self._layout, self._whole = layout, layout.messages
        answer, generated = self.chosen.answer, False
        self._refuse_misfits(layout, (answer, *self.chosen.options) if answer is not None else (), to_shorten)
        if answer is None:
            # once a game: the model is greedy, it would write the same again
            self._written = self._written or await self._generate()
            answer, generated = self._written, True
            self._refuse_misfits(layout, (answer, *self.chosen.options), to_shorten)
        self._answers = (answer, *self.chosen.options)
        self._senders.afford(self._request(layout, np.ones(layout.n_players, dtype=np.bool_)))
        scorer = self._scorer
        of_tokens = scorer.of_texts is None
        return replace(
            target,
            score=scorer.name,
            unit=scorer.unit,
            answer=answer,
            answer_offsets=(self.backend.answer_offsets(self._whole, answer) or ()) if of_tokens else (),
            generated=generated,
            pieces=_pieces(layout),
            masking=self.chosen.masking,
        )

    async def measure(self, masks: Bools) -> Measurements:
        """(m, n) bool -> one value a mask, with token log-probabilities where all replies agree on tokens.

        Raises CapReached where the next call would pass a cap, and what ends a run: Refused, Unavailable.
        """
        if self._layout is None:
            raise InputError("measure() needs prepare() first: it fixes the answer")
        n = self._layout.n_players
        if masks.shape[1] != n:
            raise InputError(f"masks have {masks.shape[1]} columns, the game has {n} players")
        requests = [self._request(self._layout, mask) for mask in masks]
        if self._scorer.of_texts is None:
            return of_scores(self._scorer, masks, await self._senders.main.send_all(requests))
        k = self.chosen.calls_per_mask
        drawn = [replace(request, sample=number) for request in requests for number in range(k)]
        replies = await self._senders.main.send_all(drawn)
        groups = [replies[start : start + k] for start in range(0, len(replies), k)]
        return await of_texts(self._scorer, masks, groups, self._answers[0], self._senders.ask_helper)

    async def write(self, mask: Bools) -> str:
        """What the model itself answers where only mask (n,) is kept; not of the budget."""
        if self._layout is None:
            raise InputError("write() needs prepare() first: it opens the model")
        messages, hidden = render(self._layout, mask, self.chosen.masking, self._placeholder)
        if hidden:
            raise InputError("no answer can be written with text hidden from attention: use masking='drop'")
        return (await self._senders.main.generate(messages, self.chosen.max_new_tokens)).text

    def halt(self) -> None:
        """Sends nothing more until prepare(); calls under way end by themselves."""
        self._senders.halt()

    async def close(self) -> None:
        """Waits for the calls under way, so that their replies are kept."""
        await self._senders.close()

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """For unit "token". Raises InputError where the backend has no tokenizer."""
        spans = self.backend.token_spans(text)
        if spans is None:
            raise InputError(f"{self.backend.name} does not show its tokens: use unit='word'")
        return spans

    def estimate_tokens(self, layout: Layout, players: Sequence[Player], masks: Bools) -> int | None:
        """About how many tokens would be read: the pinned text every time, a player's where it is kept."""
        counts = [self.backend.count_tokens(player.text) for player in players]
        whole = self.backend.count_tokens("\n".join(message.content for message in layout.messages))
        if whole is None:
            return None
        sizes = np.array([count or 0 for count in counts])
        kept = masks.sum(axis=0) if self.chosen.masking == "drop" else np.full(len(sizes), len(masks))
        return int(max(0, whole - sizes.sum()) * len(masks) + kept @ sizes)

    def forecast(self, layout: Layout, players: Sequence[Player], masks: Bools) -> Forecast:
        """What these masks would take, and three of the prompts."""
        can, k = self.backend.capabilities, self.chosen.calls_per_mask
        tokens = self.estimate_tokens(layout, players, masks)
        answers = "".join((self.chosen.answer or "", *self.chosen.options))
        behind = (self.backend.count_tokens(answers) or 0) * len(masks) if k == 1 else 0
        reads = self.chosen.scorer is not None and self.chosen.scorer.of_texts is not None
        written = self.chosen.max_new_tokens if reads else int(can.concurrency > 1 or can.batched)
        shown = [np.ones(layout.n_players, dtype=np.bool_), *masks[~masks.all(axis=1)][:2]]
        filler = can.placeholder if self.chosen.placeholder is None else self.chosen.placeholder
        prompts = tuple(render(layout, mask, self.chosen.masking, filler)[0] for mask in shown)
        total = None if tokens is None else (tokens + behind) * k
        return forecast(len(masks) * k, total, written, can, self.terms.limits, prompts)

    @property
    def _scorer(self) -> Scorer:
        assert self.chosen.scorer is not None, "prepare() finds one"
        return self.chosen.scorer

    def _request(self, layout: Layout, mask: Bools) -> Request:
        messages, hidden = render(layout, mask, self.chosen.masking, self._placeholder)
        if self._scorer.of_texts is not None:
            return Request(messages, (), hidden, self._whole, write=self.chosen.max_new_tokens)
        return Request(messages, self._answers, hidden, self._whole)

    def _check_backend(self) -> None:
        can, name = self.backend.capabilities, self.backend.name
        if self.chosen.masking == "attention" and not can.attention_mask:
            raise InputError(f"{name} cannot hide text from attention: use masking='drop' or 'placeholder'")
        named = self.chosen.scorer is not None
        self.chosen = fitting(self.chosen, can, name, str(getattr(self.backend, "cannot", "")))
        if not named and not can.score_answer:
            why = str(getattr(self.backend, "cannot", ""))
            self._notes = (
                f"{name} shows no log-probability of a given answer{f' ({why})' if why else ''}, so the score"
                f" is {self._scorer.name}: {self.chosen.calls_per_mask} sampled replies a mask",
            )
        self._senders.help_with(self._scorer.helper)
        self._placeholder = can.placeholder if self.chosen.placeholder is None else self.chosen.placeholder

    def _refuse_misfits(
        self, layout: Layout, answers: tuple[str, ...], to_shorten: Callable[[], str]
    ) -> None:
        full = np.ones(layout.n_players, dtype=np.bool_)
        for mask in (full, ~full):  # placeholders can make a masked prompt the longer one
            messages, hidden = render(layout, mask, self.chosen.masking, self._placeholder)
            reason = self.backend.check(Request(messages, answers, hidden, layout.messages))
            if isinstance(reason, TooLong):
                raise InputError(f"the prompt does not fit: {reason}{to_shorten()}")
            if reason:
                raise InputError(reason)

    async def _generate(self) -> str:
        text = (await self._senders.main.generate(self._whole, self.chosen.max_new_tokens)).text
        if not text.strip():
            raise BackendError(
                f"{self.backend.name} wrote an empty answer: give the answer to explain with answer='...'"
            )
        return text


def at_least_two(players: Sequence[Player], hint: str) -> None:
    """Raises InputError where there is nothing to combine."""
    if len(players) < 2:
        found = ", ".join(f"{player.kind} {player.label!r}" for player in players)
        raise InputError(f"a game needs at least 2 players to remove, this one has {found or 'none'}: {hint}")


def _pieces(layout: Layout) -> tuple[Piece, ...]:
    """The prompt in reading order, for the views."""
    return tuple(
        Piece(part.text, turn.player if turn.player is not None else part.player, turn.role)
        for turn in layout.turns
        for part in turn.parts
        if part.text
    )
