"""Answers that begin with white space where a chat template already ends: an optional `reads_chat` tells."""

from __future__ import annotations

from collections.abc import Iterable

from spexapi.backends.base import Backend


def note_on_white_space(backend: Backend, answers: Iterable[str]) -> tuple[str, ...]:
    """A sentence if a model that reads chat is given such answers; nothing for other models."""
    odd = [answer for answer in dict.fromkeys(answers) if answer[:1].isspace()]
    # a wrapped backend passes it on, isinstance is blind to it
    if not odd or not getattr(backend, "reads_chat", False):
        return ()
    given, better = (", ".join(map(repr, texts)) for texts in (odd[:4], [a.lstrip() for a in odd[:4]]))
    begins = f"{given} begins" if len(odd) == 1 else f"{given} begin"
    return (
        f"{begins} with white space, but this model's answer starts right after its chat template, which"
        f" is made for answers without it: such a one can be far less likely; write {better}",
    )
