"""A prompt cut into parts + a mask -> the prompt that is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spexapi.measurements import Bools
from spexapi.prompts.messages import Hidden, Message
from spexapi.prompts.segments import Segment

MASKINGS = ("drop", "placeholder", "attention")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one message: a player's, or pinned.

    core    start and end within `text` of what a placeholder replaces; the rest is the white space it owns
    needs   a pinned part with needs is dropped with the last of these players: a title goes with its document
    group   parts of one group are one text (a document, a message): if its end is dropped, what is left ends
            with the white space that ended the group
    """

    text: str
    player: int | None = None
    core: tuple[int, int] = (0, 0)
    needs: tuple[int, ...] = ()
    group: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One message in parts; `player`: its number if the turn as a whole is one; `call` as in Message."""

    role: str
    parts: tuple[Part, ...]
    player: int | None = None
    call: str = ""

    @property
    def content(self) -> str:
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole prompt in parts; its players are numbered 0 to n_players - 1, the columns of a mask."""

    turns: tuple[Turn, ...]
    n_players: int

    @property
    def messages(self) -> tuple[Message, ...]:
        """The prompt with nothing masked."""
        return tuple(Message(turn.role, turn.content, turn.call) for turn in self.turns)


def parts_of(text: str, segments: Sequence[Segment], first_player: int, group: int = 0) -> list[Part]:
    """The text as parts: each segment a player, numbered from `first_player`; the rest is pinned."""
    parts: list[Part] = []
    done = 0
    for number, segment in enumerate(segments, first_player):
        if segment.start > done:
            parts.append(Part(text[done : segment.start], group=group))
        core = (segment.core_start - segment.start, segment.core_end - segment.start)
        parts.append(Part(text[segment.start : segment.end], number, core, group=group))
        done = segment.end
    if done < len(text):
        parts.append(Part(text[done:], group=group))
    return parts


def render(
    layout: Layout, mask: Bools, masking: str, placeholder: str = ""
) -> tuple[tuple[Message, ...], tuple[Hidden, ...]]:
    """(n,) bool -> the messages, and what the attention mask hides in them (masking "attention" alone).

    "drop" leaves removed parts out, "placeholder" puts `placeholder` in place of each core. All True is the
    prompt as it was given, character for character.
    """
    if masking == "attention":
        return layout.messages, _hidden(layout, mask)
    messages: list[Message] = []
    for turn in layout.turns:
        if turn.player is not None and not mask[turn.player]:
            if masking == "placeholder":
                messages.append(Message(turn.role, placeholder, turn.call))
        elif masking == "placeholder":
            text = "".join(_replaced(p, mask, placeholder) for p in turn.parts)
            messages.append(Message(turn.role, text, turn.call))
        else:
            messages.append(Message(turn.role, _dropped(turn.parts, mask), turn.call))
    return tuple(messages), ()


def _kept(part: Part, mask: Bools) -> bool:
    if part.player is not None:
        return bool(mask[part.player])
    return not part.needs or any(mask[i] for i in part.needs)


def _replaced(part: Part, mask: Bools, placeholder: str) -> str:
    if part.player is None or mask[part.player]:
        return part.text
    return part.text[: part.core[0]] + placeholder + part.text[part.core[1] :]


def _dropped(parts: Sequence[Part], mask: Bools) -> str:
    """The kept parts joined. "The cat sat" without "sat" is "The cat", not "The cat "."""
    last = {part.group: part for part in parts}
    kept = [part for part in parts if _kept(part, mask)]
    last_kept = {part.group: part for part in kept}
    texts: list[str] = []
    for part in kept:
        text, end = part.text, last[part.group]
        if (
            part is last_kept[part.group]
            and part is not end
            and part.player is not None
            and end.player is not None
        ):
            text = text[: part.core[1]] + end.text[end.core[1] :]
        texts.append(text)
    return "".join(texts)


def _hidden(layout: Layout, mask: Bools) -> tuple[Hidden, ...]:
    hidden: list[Hidden] = []
    for number, turn in enumerate(layout.turns):
        gone = turn.player is not None and not mask[turn.player]
        at = 0
        for part in turn.parts:
            if part.text and (gone or not _kept(part, mask)):
                hidden.append(Hidden(number, at, at + len(part.text)))
            at += len(part.text)
    return tuple(hidden)
