"""Text -> segments with exact character offsets that rejoin to the text, in any script."""

from __future__ import annotations

import importlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import regex

from spexapi.errors import InputError

UNITS = ("token", "word", "sentence", "line", "paragraph", "document", "turn")

# Scripts written without spaces between words: a word there is one of Unicode's default words (UAX #29).
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]")
_CHUNK = regex.compile(r"\S+")
_CLUSTER = regex.compile(r"\X")
_WORD_BORDER = regex.compile(r"(?w)\b")
_OPENING = regex.compile(r"[\p{Ps}\p{Pi}]+$")
_NO_WORD = regex.compile(r"\W+$")
_LINE_END = regex.compile(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
_PARAGRAPH_END = regex.compile(r"(?>\r\n|[\n\r])[^\S\r\n]*(?>\r\n|[\n\r])\s*|\u2029\s*")
_SENTENCE_END = regex.compile(r"[.!?。！？।؟…]+[\p{Pe}\p{Pf}\"']*(?:\s+|(?<=[。！？][\p{Pe}\p{Pf}\"']*))")


@dataclass(frozen=True, slots=True)
class Segment:
    """Characters start:end of a text; core_start:core_end of them without the white space around.

    A segment owns the white space after it (the first one also that before it), so that dropping it leaves
    well-formed text. A placeholder replaces the core alone.
    """

    start: int
    end: int
    core_start: int
    core_end: int


def split(
    text: str,
    unit: str,
    *,
    token_spans: Iterable[tuple[int, int]] | None = None,
    language: str = "en",
) -> list[Segment]:
    """The text cut into segments of one unit; together they are the text, and none cuts a grapheme cluster.

    unit         one of UNITS; "document" and "turn" give the whole text. In scripts without spaces (Chinese,
                 Japanese, Thai, ...) a word is what UAX #29 calls one: a Han character, a run of katakana, a
                 Thai cluster
    token_spans  (start, end) of each token, for unit "token"
    language     ISO code for unit "sentence": abbreviations differ by language

    White space is no segment of its own; a text of white space alone is one segment with an empty core.
    Raises InputError for an unknown unit and for unit "token" without spans.
    """
    if unit in ("document", "turn"):
        starts: Iterable[int] = ()
    elif unit == "token":
        if token_spans is None:
            raise InputError(
                "unit 'token' needs the model's tokenizer, and this backend has none: use unit='word'"
            )
        starts = [start for start, end in token_spans if end > start]
    elif unit == "word":
        starts = _word_starts(text)
    elif unit == "sentence":
        starts = _sentence_starts(text, language)
    elif unit == "line":
        starts = [m.end() for m in _LINE_END.finditer(text)]
    elif unit == "paragraph":
        starts = [m.end() for m in _PARAGRAPH_END.finditer(text)]
    else:
        raise InputError(f"unknown unit {unit!r}: use one of {', '.join(UNITS)}")
    return _partition(text, starts)


def own_spans(text: str, spans: Sequence[tuple[int, int]]) -> list[Segment]:
    """The user's spans as segments, in reading order. InputError if one is empty, outside or overlaps."""
    segments: list[Segment] = []
    for start, end in sorted(spans):
        if not 0 <= start < end <= len(text):
            raise InputError(
                f"span {start}:{end} does not lie in the text of {len(text)} characters (start < end)"
            )
        if segments and start < segments[-1].end:
            before = segments[-1]
            raise InputError(
                f"spans {before.start}:{before.end} and {start}:{end} overlap; a character has one player"
            )
        segments.append(_segment(text, start, end))
    return segments


def joined_by_space(left: str, right: str) -> bool:
    """True if a writer would put a space between: neither text has one there and their scripts use spaces."""
    if not left or not right or left[-1].isspace() or right[0].isspace():
        return False
    return not (_UNSPACED.match(left[-1]) or _UNSPACED.match(right[0]))


def shorten(text: str, limit: int = 40) -> str:
    """One line of up to `limit` characters that says which text is meant."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    clusters = [m.group() for m in _CLUSTER.finditer(line[: 4 * limit])]
    return "".join(clusters[: limit - 1]).rstrip() + "…"


def _segment(text: str, start: int, end: int) -> Segment:
    inside = text[start:end]
    core_end = start + len(inside.rstrip())
    core_start = min(end - len(inside.lstrip()), core_end) if core_end > start else start
    return Segment(start, end, core_start, core_end)


def _partition(text: str, starts: Iterable[int]) -> list[Segment]:
    """Segments cut at `starts`, moved back to the border of a grapheme cluster; none is white space alone."""
    if not text:
        return []
    clusters = [m.start() for m in _CLUSTER.finditer(text)]
    borders = sorted({0, *(clusters[bisect_right(clusters, s) - 1] for s in starts if 0 < s < len(text))})
    cut = [_segment(text, a, b) for a, b in zip(borders, [*borders[1:], len(text)], strict=True)]
    merged: list[Segment] = []
    for piece in cut:
        if merged and (piece.core_start == piece.core_end or merged[-1].core_start == merged[-1].core_end):
            merged[-1] = _segment(text, merged[-1].start, piece.end)
        else:
            merged.append(piece)
    return merged


def _word_starts(text: str) -> list[int]:
    starts: list[int] = []
    for chunk in _CHUNK.finditer(text):
        starts.append(chunk.start())
        if _UNSPACED.search(chunk.group()):
            starts.extend(_unspaced_starts(chunk.group(), chunk.start()))
    return starts


def _unspaced_starts(chunk: str, offset: int) -> list[int]:
    """Starts of the words in a chunk without spaces; closing marks stay with the word before."""
    clusters = {m.start() for m in _CLUSTER.finditer(chunk)}
    borders = [0, *(m.start() for m in _WORD_BORDER.finditer(chunk) if m.start() in clusters), len(chunk)]
    pieces = [chunk[a:b] for a, b in pairwise(borders)]
    starts: list[int] = []
    for left, right, start in zip(pieces, pieces[1:], borders[1:], strict=False):
        of_unspaced = _UNSPACED.search(left) or _UNSPACED.search(right) or _NO_WORD.match(left)
        closing = _NO_WORD.match(right) and not _OPENING.match(right)
        if of_unspaced and not closing and not _OPENING.search(left):
            starts.append(offset + start)
    return starts


def _sentence_starts(text: str, language: str) -> list[int]:
    """By sentencex (no download, some 300 languages); by full stops and the like in text it cannot read."""
    library: Any = importlib.import_module("sentencex")
    try:
        found = library.get_sentence_boundaries(language, _plain_twin(text))
    except BaseException as error:  # a Rust panic is no Exception
        if type(error).__name__ != "PanicException" and not isinstance(error, Exception):
            raise
        return [m.end() for m in _SENTENCE_END.finditer(text)]
    return [int(sentence["start_index"]) for sentence in found]


def _plain_twin(text: str) -> str:
    """The text with rare white space as a plain space and lone surrogates as "?", in the same length.

    sentencex 1.0.32 panics at white space of several bytes between a letter and a full stop ("B\xa0.").
    """
    return "".join(_twin(c) if ord(c) > 0x7E else c for c in text)


def _twin(character: str) -> str:
    if character.isspace():
        return "\n" if character in "\x85\u2028\u2029" else " "
    return "?" if 0xD800 <= ord(character) < 0xE000 else character
