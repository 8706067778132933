"""A game whose players are parts of a prompt: words, sentences, chat turns, tool results, own spans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from spexapi.backends.base import Message, Reply, Scoring
from spexapi.errors import InputError
from spexapi.games._asked import Asked, LayoutPrompt, token_spans
from spexapi.games._model_game import ModelGame, at_least_two, opened
from spexapi.games._settings import settings
from spexapi.games.base import Player, Target
from spexapi.prompts.inputs import ROLES, Prompt, to_messages
from spexapi.prompts.render import Layout, Part, Turn, parts_of
from spexapi.prompts.segments import UNITS, own_spans, shorten, split
from spexapi.sampling.policy import RequestPolicy
from spexapi.scorers.base import Scorer

Unit = str | Mapping[str, str | None] | None
Pin = int | str | tuple[int, int, int]


class PromptGame(ModelGame):
    """Which parts of a prompt drive the answer.

    backend   what open_backend() gives, or its name
    prompt    a text, or chat turns ({"role", "content"} or Message)
    answer    the answer to explain; None lets the model write it (greedy)
    unit      word, token, sentence, line, paragraph, document (a turn's whole text) or turn (the turn with
              its role); or a unit for each role, None for roles whose text stays: {"user": "sentence",
              "tool": "turn"}. None: words, or nothing besides `spans` if those are given
    spans     players of the user's own: (start, end) in a prompt of one turn, or (turn, start, end); a turn
              that has some has no other players unless `unit` names one for its text between them
    pinned    what is never removed: turn numbers (-1 is the last), roles, or (turn, start, end)
    score     logprob, mean_logprob, logit, choice (needs `options`), match, chrf, ..., a plug-in or a
              function of a Reply. None: choice if there are options, else logprob, or what the backend can
    masking   drop, placeholder (`placeholder`, or the backend's), or attention (local models)

    samples, terms    replies of one prompt for scores that read them; caps, limits and the store (Terms)

    Raises InputError naming what does not fit. Cost: one model call a mask (`samples` of them if replies
    are read), and one more to write the answer. The prompt keeps its order: if an endpoint has a prefix
    cache, put what is pinned (instructions, the question) before what may be removed.
    """

    def __init__(
        self,
        backend: Scoring | str,
        prompt: Prompt,
        answer: str | None = None,
        unit: Unit = None,
        score: str | Scorer | Callable[[Reply], float] | None = None,
        *,
        options: Sequence[str] | None = None,
        masking: str = "drop",
        placeholder: str | None = None,
        pinned: Sequence[Pin] = ("system",),
        spans: Sequence[tuple[int, ...]] | None = None,
        max_new_tokens: int = 64,
        samples: int | None = None,
        terms: RequestPolicy = RequestPolicy(),  # noqa: B008 - frozen
    ) -> None:
        chosen = settings(answer, score, options, masking, placeholder, max_new_tokens, samples)
        messages = to_messages(prompt)
        model = opened(backend)
        cutter = _Cutter(
            _units(unit, messages, spans),
            _pins(pinned, messages),
            _by_turn(spans or (), messages),
            lambda text: token_spans(model, text),
        )
        players, layout = cutter.cut(messages)
        at_least_two(players, "use a smaller unit, such as unit='word', or pin less")
        asked = Asked(LayoutPrompt(layout, players), chosen)
        super().__init__(model, players, [asked], Target(kind="prompt", masking=masking), terms)


@dataclass(frozen=True, slots=True)
class _Cutter:
    """Cuts turns into players. By the number of the turn:

    units   None if the text stays
    pinned  (start, end) of what is never removed
    spans   (start, end) of the user's own players
    tokens  for unit "token"
    """

    units: Sequence[str | None]
    pinned: Mapping[int, list[tuple[int, int]]]
    spans: Mapping[int, list[tuple[int, int]]]
    tokens: Callable[[str], list[tuple[int, int]]]

    def cut(self, messages: Sequence[Message]) -> tuple[tuple[Player, ...], Layout]:
        turns: list[Turn] = []
        players: list[Player] = []
        for number, message in enumerate(messages):
            if self.units[number] == "turn" and number not in self.spans and number not in self.pinned:
                parts = (Part(message.content, group=number),)
                turns.append(Turn(message.role, parts, len(players), message.call))
                label = shorten(f"{message.role}: {message.content}")
                players.append(Player(label, "turn", message.content))
            else:
                parts = tuple(self._parts(message.content, number, players))
                turns.append(Turn(message.role, parts, call=message.call))
        return tuple(players), Layout(tuple(turns), len(players))

    def _parts(self, text: str, number: int, players: list[Player]) -> list[Part]:
        """One turn as parts: the user's spans and the pinned ones first, the unit between them."""
        taken = [(start, end, "span") for start, end in self.spans.get(number, ())]
        begun = {start for start, _, _ in taken}
        taken += [(start, _past_space(text, end, begun), "") for start, end in self.pinned.get(number, ())]
        own_spans(text, [(start, end) for start, end, _ in taken])
        parts: list[Part] = []
        at = 0
        for start, end, kind in [*sorted(taken), (len(text), len(text), "")]:
            parts += self._by_unit(text[at:start], number, players)
            inside = text[start:end]
            if kind:
                parts += parts_of(inside, own_spans(inside, [(0, len(inside))]), len(players), number)
                players.append(Player(shorten(inside), kind, inside.strip()))
            elif inside:
                parts.append(Part(inside, group=number))
            at = end
        return parts

    def _by_unit(self, text: str, number: int, players: list[Player]) -> list[Part]:
        unit = self.units[number]
        if unit is None or not text.strip():
            return [Part(text, group=number)] if text else []
        tokens = self.tokens(text) if unit == "token" else None
        segments = split(text, unit, token_spans=tokens)
        parts = parts_of(text, segments, len(players), number)
        players.extend(
            Player(shorten(core), unit, core) for core in (text[s.core_start : s.core_end] for s in segments)
        )
        return parts


def _units(
    unit: Unit, messages: Sequence[Message], spans: Sequence[tuple[int, ...]] | None
) -> list[str | None]:
    """The unit of each turn."""
    if isinstance(unit, Mapping):
        if wrong := [role for role in unit if role not in ROLES]:
            raise InputError(f"unit names the role {wrong[0]!r}: use {', '.join(ROLES)}")
        chosen = [unit.get(message.role) for message in messages]
    else:
        chosen = [unit if unit is not None or spans else "word" for _ in messages]
    for name in chosen:
        if name is not None and name not in UNITS:
            raise InputError(f"unknown unit {name!r}: use one of {', '.join(UNITS)}")
    return chosen


def _pins(pinned: Sequence[Pin], messages: Sequence[Message]) -> dict[int, list[tuple[int, int]]]:
    """Turn number -> what of it is never removed."""
    pins: dict[int, list[tuple[int, int]]] = {}
    for pin in [pinned] if isinstance(pinned, (str, int)) else pinned:
        if isinstance(pin, tuple):
            pins.setdefault(_turn(pin[0], messages), []).append((pin[1], pin[2]))
        elif isinstance(pin, str):
            if pin not in ROLES:
                raise InputError(f"pinned names the role {pin!r}: use {', '.join(ROLES)}")
            for number, message in enumerate(messages):
                if message.role == pin:
                    pins[number] = [(0, len(message.content))]
        else:
            number = _turn(pin, messages)
            pins[number] = [(0, len(messages[number].content))]
    return {number: [(a, b) for a, b in found if b > a] for number, found in pins.items()}


def _past_space(text: str, end: int, begun: set[int]) -> int:
    """The end of what is pinned with the white space after it: it stays where the next word goes."""
    while end < len(text) and text[end].isspace() and end not in begun:
        end += 1
    return end


def _by_turn(
    spans: Sequence[tuple[int, ...]], messages: Sequence[Message]
) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = {}
    for span in spans:
        if len(span) == 2 and len(messages) == 1:
            span = (0, *span)
        if len(span) != 3:
            raise InputError(
                f"span {span} must be (turn, start, end); (start, end) is enough for a prompt of one turn"
            )
        found.setdefault(_turn(span[0], messages), []).append((span[1], span[2]))
    return found


def _turn(number: int, messages: Sequence[Message]) -> int:
    if not -len(messages) <= number < len(messages):
        raise InputError(f"there is no turn {number}: the prompt has {len(messages)}, numbered from 0")
    return number % len(messages)
