"""Tokens as an endpoint lists them -> those of the answer, with their places in its text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spexapi.backends.base import AnswerScore
from spexapi.backends.json_values import is_list, to_count
from spexapi.backends.openai.errors import Unfit
from spexapi.errors import LogprobsMisplaced, Unavailable

# vLLM and DeepSeek write -9999.0 for "less than we can say".
CLAMPED = -9000.0
Spans = tuple[tuple[int, int], ...]
_UNKNOWN = "\ufffd"  # a token that is only some bytes of a character reads like this
_LEAST_REST = 2.0**-24  # a float32 probability is not known to be nearer to 1 than this


class Clamped(Unavailable):
    """A log-probability came back as -9999, and nothing says how likely its token is at most."""


@dataclass(frozen=True, slots=True)
class Token:
    """One listed token.

    logprob  nats, None if the endpoint wrote null
    top      (text, nats) of the likeliest tokens in its place, as listed
    rank     its place among all tokens as the endpoint has it, 1 = the likeliest; 0 if it does not say
    """

    text: str
    logprob: float | None
    top: tuple[tuple[str, float], ...] = ()
    rank: int = 0

    @property
    def known_rank(self) -> int:
        """The endpoint's rank, else what the listed tokens show of it; 0 = unknown.

        As many listed tokens as are likelier stand before it. With none of them it is the first choice.
        """
        if self.rank or not self.top or self.logprob is None or self.logprob <= CLAMPED:
            return self.rank
        likelier = sum(value > self.logprob and text != self.text for text, value in self.top)
        # outside the list, or with an equal beside it, its place is not known: only that it is not the first
        return 1 + likelier

    @property
    def first_choice(self) -> str:
        """The text of the likeliest token in its place, "" if that is not known."""
        if self.known_rank == 1:
            return self.text
        return max(self.top, key=lambda pair: pair[1])[0] if self.top else ""


def token_text(text: str, raw: object = None) -> str:
    r"""A token's text, from its bytes if there are any; OpenAI writes the text as "bytes:\xe2" then."""
    if is_list(raw) and raw:
        return bytes(map(to_count, raw)).decode("utf-8", errors="replace")
    return _UNKNOWN if text.startswith("bytes:\\x") else text


def answer_in(
    tokens: Sequence[Token], answer: str, prompt: str | None = None, *, suffix: str = ""
) -> AnswerScore:
    """The answer's part of the tokens of a prompt that ends with it.

    prompt  the text before the answer, None if the endpoint's own template wrote it: then the tokens end
            with the answer and `suffix`
    suffix  what the template writes after the answer (the end of the turn)

    Text before the prompt (a beginning-of-sequence token) and after the answer (the end of the turn, what
    was generated) is left out. Raises LogprobsMisplaced if the tokens do not spell the text, Unavailable if
    a log-probability of the answer is null, Unfit if that is the first token of all.
    """
    texts = [token.text for token in tokens]
    if prompt is None:
        rows, offsets = _from_the_end(texts, answer, suffix)
    else:
        rows, offsets = _from_the_start(texts, prompt, answer)
    if not rows:
        raise LogprobsMisplaced(f"no token of the answer {_quoted(answer)} is among the {len(tokens)} listed")
    if rows[0] == 0 and tokens[0].logprob is None:
        raise Unfit(
            "nothing stands before the answer, so that its first token has no log-probability: pin a word of"
            " the prompt, or give a chat_template (--chat-template)"
        )
    return _score([tokens[i] for i in rows], offsets)


def upper_bound(token: Token) -> float | None:
    """Upper bound of the log-probability of a token outside the list, in nats; None if nothing is listed.

    Its probability is at most that of the least likely token listed, and at most what they all leave of 1.
    """
    listed = [value for _, value in token.top if value > CLAMPED]
    if not listed:
        return None
    rest = max(_LEAST_REST, 1.0 - float(np.exp(np.logaddexp.reduce(listed))))
    return min(min(listed), float(np.log(rest)))


def _score(tokens: Sequence[Token], offsets: Spans) -> AnswerScore:
    values: list[float] = []
    bounded: list[bool] = []
    for token in tokens:
        if token.logprob is None or np.isnan(token.logprob):
            raise Unavailable(f"the log-probability of {token.text!r} came back as null")
        clamped = token.logprob <= CLAMPED
        most = upper_bound(token) if clamped else token.logprob
        if most is None:
            raise Clamped(
                f"the log-probability of {token.text!r} came back as {token.logprob:g}, which stands for none"
            )
        values.append(min(0.0, most))
        bounded.append(clamped)
    ranks, choices = [token.known_rank for token in tokens], [token.first_choice for token in tokens]
    return AnswerScore(
        np.array(values),
        offsets,
        tuple(bounded) if any(bounded) else (),
        tuple(ranks) if any(ranks) else (),
        tuple(choices) if any(choices) else (),
    )


def _from_the_start(texts: Sequence[str], prompt: str, answer: str) -> tuple[list[int], Spans]:
    joined, wanted = "".join(texts), prompt + answer
    at = joined.find(wanted)
    places = _exact(texts, at) if at >= 0 else _loose(texts, wanted)
    return _inside(places, len(prompt), len(wanted))


def _from_the_end(texts: Sequence[str], answer: str, suffix: str) -> tuple[list[int], Spans]:
    joined = "".join(texts)
    for wanted in dict.fromkeys((answer, answer.rstrip(), answer.strip())):
        if (start := _start(joined, wanted, suffix)) is not None:
            text = joined[:start] + wanted
            places = _exact(texts, 0) if joined.startswith(text) else _loose(texts, text)
            rows, offsets = _inside(places, start, len(text))
            lead = len(answer) - len(answer.lstrip()) if wanted != answer.rstrip() else 0
            return rows, tuple((a + lead, b + lead) for a, b in offsets)
    raise LogprobsMisplaced(
        f"the listed tokens end in {_quoted(joined, -60)}, not in the answer {_quoted(answer)}"
    )


def _start(joined: str, wanted: str, suffix: str) -> int | None:
    """Where in the joined tokens the text begins that they end with; None if they end otherwise."""
    if not wanted:
        return None
    if joined.endswith(wanted + suffix):
        return len(joined) - len(wanted) - len(suffix)
    found = re.search(f"({_pattern(wanted)}){re.escape(suffix)}\\Z", joined, re.IGNORECASE)
    return None if found is None else found.start(1)


def _pattern(text: str) -> str:
    """A regular expression for the text: white space may be lost, characters outside ASCII be bytes."""
    return "".join(
        r"\s*" if c.isspace() else re.escape(c) if c.isascii() else f"(?:{re.escape(c)}|{_UNKNOWN}{{1,4}})"
        for c in text
    )


def _exact(texts: Sequence[str], at: int) -> list[tuple[int, int] | None]:
    """(start, end) of each token, if the tokens spell the text from character `at` on."""
    places: list[tuple[int, int] | None] = []
    reached = -at
    for text in texts:
        places.append((reached, reached + len(text)))
        reached += len(text)
    return places


def _loose(texts: Sequence[str], wanted: str) -> list[tuple[int, int] | None]:
    """_exact() without regard to white space and case, which some tokenizers lose when they list a token.

    White space goes to the token after it. Raises LogprobsMisplaced if the tokens spell another text.
    """
    at = [i for i, c in enumerate(wanted) if not c.isspace()]
    ends = [0, *(i + 1 for i in at)]
    places = _tolerant([bare(text) for text in texts], bare(wanted), _quoted("".join(texts), -60))
    return [None if p is None else (ends[p[0]], ends[p[1]]) for p in places]


def bare(text: str) -> str:
    """Without white space and case, which some tokenizers lose when they list a token."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text if not c.isspace())


def _tolerant(texts: Sequence[str], wanted: str, listed: str) -> list[tuple[int, int] | None]:
    """(start, end) of each token; tokens that are bytes of one character all get the whole character.

    Tokens before the text (beginning of sequence) and after its end get None.
    """
    places: list[tuple[int, int] | None] = [None] * len(texts)
    reached, waiting = 0, list[int]()
    for i, text in enumerate(texts):
        if _UNKNOWN in text:
            waiting.append(i)
            continue
        most = reached + 4 * len(waiting) + len(text)
        found = wanted.find(text, reached + bool(waiting), most)
        if found < 0 or (not waiting and found != reached):
            if reached == 0 and i < 2:
                continue
            break
        for k in waiting:
            places[k] = (reached, found)
        places[i] = (found, found + len(text))
        reached, waiting = found + len(text), []
    rest = len(wanted[reached:].encode())
    for k in waiting[:rest]:
        places[k] = (reached, len(wanted))
    if reached < len(wanted) and not waiting:
        raise LogprobsMisplaced(
            f"the listed tokens spell {listed}, the text sent ends in {_quoted(wanted, -60)}"
        )
    return places


def _inside(places: Sequence[tuple[int, int] | None], begin: int, end: int) -> tuple[list[int], Spans]:
    """The tokens that share a character with begin:end, and their part of it, stretched over gaps.

    A token without text (the first bytes of a character that the next token ends) counts by its place.
    """
    rows: list[int] = []
    offsets: list[tuple[int, int]] = []
    reached = 0
    for i, place in enumerate(places):
        if place is None or place[0] >= end or place[1] < begin or (place[1] == begin and place[0] < begin):
            continue
        if place[1] == begin and (begin == 0 or place[0] == 0):
            continue
        start = min(max(0, place[0] - begin), reached)
        stop = max(start, min(end, place[1]) - begin)
        rows.append(i)
        offsets.append((start, stop))
        reached = max(reached, stop)
    if offsets:
        offsets[-1] = (offsets[-1][0], end - begin)
    return rows, tuple(offsets)


def _quoted(text: str, most: int = 40) -> str:
    short = text[most:] if most < 0 else text[:most]
    return repr(short)


def spelled_length(texts: Sequence[str], answer: str) -> int:
    """How many characters of the answer these tokens spell, without regard to white space and case."""
    letters = len(bare("".join(texts)))
    at = [i for i, c in enumerate(answer) if not c.isspace()]
    return at[min(letters, len(at)) - 1] + 1 if letters and at else 0
