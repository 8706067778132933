"""What a game asks its model: prompts of which a mask takes something away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spexapi.backends.base import Backend, Message, Request
from spexapi.errors import InputError
from spexapi.games._settings import Settings
from spexapi.games.base import Piece, Player
from spexapi.measurements import Bools
from spexapi.prompts.render import Layout, render

Count = Callable[[str], int | None]  # a text -> its tokens, None if the backend cannot know


class MaskedPrompt(Protocol):
    """A prompt, and what is left of it under a mask (n,)."""

    @property
    def whole(self) -> tuple[Message, ...]:
        """With nothing taken away."""
        ...

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """In reading order, for the views."""
        ...

    def request(self, mask: Bools, chosen: Settings) -> Request:
        """What the model reads if only mask (n,) is kept, before any answer."""
        ...

    def count_tokens(self, masks: Bools, chosen: Settings, count: Count) -> int | None:
        """About how many tokens the model reads for these masks (m, n), answers apart; None if unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt of a game, and how its answer is asked for.

    number      from 1 among several questions, 0 if it is the only one
    to_shorten  what the user can shorten, for the error of a prompt that is too long
    """

    prompt: MaskedPrompt
    chosen: Settings
    number: int = 0
    to_shorten: Callable[[Count], str] = lambda count: "; shorten it"

    def named(self, reason: str) -> str:
        """The reason, with the number of the question if there are several."""
        return f"question {self.number}: {reason}" if self.number else reason


@dataclass(frozen=True, slots=True)
class LayoutPrompt:
    """Text some of whose parts are players."""

    layout: Layout
    players: tuple[Player, ...]

    @property
    def whole(self) -> tuple[Message, ...]:
        return self.layout.messages

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return tuple(
            Piece(part.text, turn.player if turn.player is not None else part.player, turn.role)
            for turn in self.layout.turns
            for part in turn.parts
            if part.text
        )

    def request(self, mask: Bools, chosen: Settings) -> Request:
        messages, hidden = render(self.layout, mask, chosen.masking, chosen.placeholder or "")
        return Request(messages, (), hidden, self.whole)

    def count_tokens(self, masks: Bools, chosen: Settings, count: Count) -> int | None:
        """The pinned text counts every time, a player's if it or a placeholder is there."""
        whole = count("\n".join(message.content for message in self.whole))
        if whole is None:
            return None
        sizes = np.array([count(player.text) or 0 for player in self.players])
        kept = masks.sum(axis=0) if chosen.masking == "drop" else np.full(len(sizes), len(masks))
        return int(max(0, whole - sizes.sum()) * len(masks) + kept @ sizes)


@dataclass(frozen=True, slots=True)
class FixedPrompt:
    """Text that stays as it is: the players are parts of the model that reads it."""

    whole: tuple[Message, ...]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return tuple(Piece(m.content, None, m.role) for m in self.whole if m.content)

    def request(self, mask: Bools, chosen: Settings) -> Request:
        return Request(self.whole, (), removed=tuple(np.flatnonzero(~mask).tolist()))

    def count_tokens(self, masks: Bools, chosen: Settings, count: Count) -> int | None:
        counted = count("\n".join(message.content for message in self.whole))
        return None if counted is None else counted * len(masks)


def token_spans(backend: Backend, text: str) -> list[tuple[int, int]]:
    """(start, end) of each token, for unit "token". Raises InputError if the backend has no tokenizer."""
    spans = backend.token_spans(text)
    if spans is None:
        raise InputError(f"{backend.name} does not show its tokens: use unit='word'")
    return spans
