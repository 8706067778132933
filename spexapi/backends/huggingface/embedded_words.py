"""The words that the embedded model was trained on, and which words of a text are none of them."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "embedded_words.json"
_NAME = r"(?:(?:the|a|an|my|our|your|his|her|their) )?[^\W\d_]+"


def unknown_words(text: str) -> list[str]:
    """The words of a text that the embedded model does not know, as written, each once, in reading order.

    It learnt to read made-up names ("the zorbit is in the attic"), so any word may stand where one of its
    sentences has a name; in other sentences only the words of its training are known.
    """
    found: dict[str, str] = {}
    named: set[str] = set()
    for sentence in re.split(r"[.!?:;\n]+", text):
        written = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", sentence)
        lower = [word.lower() for word in written]
        if _frames().fullmatch(" ".join(lower)):
            named.update(lower)
            continue
        for word, known_as in zip(written, lower, strict=True):
            if known_as.removesuffix("'s").removesuffix("’s") not in _words():
                found.setdefault(known_as, word)
    return [word for known_as, word in found.items() if known_as not in named]


@cache
def _words() -> frozenset[str]:
    return frozenset(str(json.loads(_FILE.read_text(encoding="utf-8"))["words"]).split())


@cache
def _frames() -> re.Pattern[str]:
    frames: list[str] = json.loads(_FILE.read_text(encoding="utf-8"))["frames"]
    return re.compile("|".join(re.escape(frame).replace(r"\{\}", _NAME) for frame in frames))
