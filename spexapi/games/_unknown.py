"""Words that a model does not know, if its backend can tell: an optional method `unknown_words(text)`."""

from __future__ import annotations

from collections.abc import Sequence

from spexapi.backends.base import Backend
from spexapi.games._asked import Asked


def unknown_to(backend: Backend, asked: Sequence[Asked]) -> tuple[str, ...]:
    """Of what the model reads, then of a given answer; each word once.

    A word of the answer that the model reads in the prompt is judged there.
    """
    tell = getattr(
        backend, "unknown_words", None
    )  # a wrapped backend passes it on, isinstance is blind to it
    if tell is None:
        return ()
    read = "\n".join(message.content for each in asked for message in each.prompt.whole)
    known = {word.lower() for word in read.replace("?", " ").replace(".", " ").split()}
    answers = [each.chosen.answer or "" for each in asked]
    given = [word for text in answers for word in tell(text) if word.lower() not in known]
    return tuple(dict.fromkeys([*tell(read), *given]))
