"""What prompt and RAG games share: a layout, an answer, a backend, and how a mask becomes a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spexapi.backends.base import Message, Reply, Request, Scoring
from spexapi.backends.complete import complete
from spexapi.backends.registry import open_backend
from spexapi.errors import BackendError, InputError
from spexapi.games.base import Piece, Player, Spent, Target
from spexapi.measurements import Bools, Measurements, exact_values
from spexapi.render import MASKINGS, Layout, render
from spexapi.scorers import Scorer, find_scorer


@dataclass(frozen=True, slots=True)
class Settings:
    """How an answer is asked for, checked when built.

    answer       the answer to explain, None to let the model write it
    options      answers to choose between, for scorers that compare
    masking      "drop", "placeholder" or "attention"
    placeholder  stands for what is removed; None takes the backend's
    """

    scorer: Scorer
    answer: str | None
    options: tuple[str, ...]
    masking: str
    placeholder: str | None
    max_new_tokens: int


def settings(
    answer: str | None,
    score: str | Scorer | Callable[[Reply], float],
    options: Sequence[str] | None,
    masking: str,
    placeholder: str | None,
    max_new_tokens: int,
) -> Settings:
    """Settings from what the user gave. Raises InputError naming what does not fit together."""
    scorer = find_scorer(score)
    if masking not in MASKINGS:
        raise InputError(f"unknown masking {masking!r}: use one of {', '.join(MASKINGS)}")
    if placeholder is not None and masking != "placeholder":
        raise InputError(f"a placeholder is given, but masking is {masking!r}: use masking='placeholder'")
    if max_new_tokens < 1:
        raise InputError(f"max_new_tokens must be 1 or more, got {max_new_tokens}")
    if answer is not None and not answer.strip():
        raise InputError(
            "the answer is empty: give the text to explain, or leave it out and the model writes it"
        )
    given = tuple(options or ())
    if isinstance(options, str) or not all(isinstance(o, str) and o.strip() for o in given):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"options must be a list of texts that are not empty, got {options!r}")
    if given and not scorer.options:
        raise InputError(
            f"options are given, but score {scorer.name!r} does not compare answers: use score='choice'"
        )
    if scorer.options:
        answer = given[0] if answer is None and given else answer
        given = tuple(dict.fromkeys(o for o in given if o != answer))
        if not given:
            raise InputError(
                f"score {scorer.name!r} needs at least two different options: options=['yes', 'no']"
            )
    return Settings(scorer, answer, given, masking, placeholder, max_new_tokens)


class Asking:
    """Asks a backend for the values of a layout's masks; made by a game, used by it alone."""

    def __init__(self, backend: Scoring | str, chosen: Settings) -> None:
        self.backend = complete(open_backend(backend) if isinstance(backend, str) else backend)
        self.chosen = chosen
        self.spent = Spent()
        self._layout: Layout | None = None
        self._answers: tuple[str, ...] = ()
        self._placeholder = self._written = ""

    @property
    def batch(self) -> int:
        return self.backend.capabilities.batch

    async def prepare(self, layout: Layout, target: Target, too_long: Callable[[str], str]) -> Target:
        """Checks what can fail without a model call, then lets the model write the answer where none was
        given.

        too_long  a backend's reason -> the same with what the user can shorten
        """
        await self.backend.open()
        self._check_backend()
        self._layout = layout
        answer, generated = self.chosen.answer, False
        self._refuse_misfits(layout, (answer, *self.chosen.options) if answer is not None else (), too_long)
        if answer is None:
            # once a game: the model is greedy, it would write the same again
            self._written = self._written or await self._generate(layout)
            answer, generated = self._written, True
            self._refuse_misfits(layout, (answer, *self.chosen.options), too_long)
        self._answers = (answer, *self.chosen.options)
        scorer = self.chosen.scorer
        return replace(
            target,
            score=scorer.name,
            unit=scorer.unit,
            answer=answer,
            answer_offsets=self.backend.answer_offsets(layout.messages, answer) or (),
            generated=generated,
            pieces=_pieces(layout),
            masking=self.chosen.masking,
        )

    async def measure(self, masks: Bools) -> Measurements:
        """(m, n) bool -> one value a mask, with token log-probabilities where all replies agree on tokens."""
        if self._layout is None:
            raise InputError("measure() needs prepare() first: it fixes the answer")
        n = self._layout.n_players
        if masks.shape[1] != n:
            raise InputError(f"masks have {masks.shape[1]} columns, the game has {n} players")
        replies = await self.backend.score([self._request(self._layout, mask) for mask in masks])
        self._count(replies)
        values = np.full(len(masks), np.nan)
        reasons = [reply.error for reply in replies]
        for i, reply in enumerate(replies):
            if not reply.error:
                values[i] = self.chosen.scorer.of_reply(reply)
                if not np.isfinite(values[i]):
                    reasons[i] = f"score {self.chosen.scorer.name} is {values[i]}"
        return exact_values(masks, values, reason=reasons, token_values=_token_values(replies))

    async def write(self, mask: Bools) -> str:
        """What the model itself answers where only mask (n,) is kept; not of the budget."""
        if self._layout is None:
            raise InputError("write() needs prepare() first: it opens the model")
        messages, hidden = render(self._layout, mask, self.chosen.masking, self._placeholder)
        if hidden:
            raise InputError("no answer can be written with text hidden from attention: use masking='drop'")
        return await self._written_by_model(messages)

    async def close(self) -> None:
        await self.backend.close()

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

    def _request(self, layout: Layout, mask: Bools) -> Request:
        messages, hidden = render(layout, mask, self.chosen.masking, self._placeholder)
        return Request(messages, self._answers, hidden, layout.messages)

    def _check_backend(self) -> None:
        can = self.backend.capabilities
        if self.chosen.masking == "attention" and not can.attention_mask:
            raise InputError(
                f"{self.backend.name} cannot hide text from attention: use masking='drop' or 'placeholder'"
            )
        if not can.score_answer:
            raise InputError(
                f"{self.backend.name} gives no log-probability of a given answer, which this score needs"
            )
        self._placeholder = can.placeholder if self.chosen.placeholder is None else self.chosen.placeholder

    def _refuse_misfits(
        self, layout: Layout, answers: tuple[str, ...], too_long: Callable[[str], str]
    ) -> None:
        full = np.ones(layout.n_players, dtype=np.bool_)
        for mask in (full, ~full):  # placeholders can make a masked prompt the longer one
            messages, hidden = render(layout, mask, self.chosen.masking, self._placeholder)
            reason = self.backend.check(Request(messages, answers, hidden, layout.messages))
            if reason:
                raise InputError(too_long(reason))

    async def _generate(self, layout: Layout) -> str:
        text = await self._written_by_model(layout.messages)
        if not text.strip():
            raise BackendError(
                f"{self.backend.name} wrote an empty answer: give the answer to explain with answer='...'"
            )
        return text

    async def _written_by_model(self, messages: Sequence[Message]) -> str:
        written = await self.backend.generate(messages, self.chosen.max_new_tokens)
        self.spent = replace(
            self.spent,
            setup_calls=self.spent.setup_calls + 1,
            tokens_in=self.spent.tokens_in + written.tokens_in,
            tokens_out=self.spent.tokens_out + written.tokens_out,
        )
        return written.text

    def _count(self, replies: Sequence[Reply]) -> None:
        self.spent = replace(
            self.spent,
            calls=self.spent.calls + len(replies),
            tokens_in=self.spent.tokens_in + sum(reply.tokens_in for reply in replies),
        )


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


def _token_values(replies: Sequence[Reply]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]] | None:
    """(m, t) with NaN rows for failed replies; None where no reply came or they differ in length."""
    lengths = {len(reply.scores[0].logprobs) for reply in replies if reply.scores}
    if len(lengths) != 1:
        return None
    table = np.full((len(replies), lengths.pop()), np.nan)
    for i, reply in enumerate(replies):
        if reply.scores:
            table[i] = reply.scores[0].logprobs
    return table
