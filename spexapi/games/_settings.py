"""What a game of text is asked with, checked when it is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from spexapi.backends.base import Capabilities, Reply
from spexapi.errors import InputError
from spexapi.prompts.render import MASKINGS
from spexapi.prompts.segments import shorten
from spexapi.scorers.base import Scorer
from spexapi.scorers.registry import find_scorer


@dataclass(frozen=True, slots=True)
class Settings:
    """How an answer is asked for, checked when built.

    scorer       None for the best the backend can give, which fitting() finds
    answer       the answer to explain, None to let the model write it
    options      answers to choose between, for scorers that compare
    masking      "drop", "placeholder" or "attention"
    placeholder  stands for what is removed; None takes the backend's
    samples      replies of one prompt, for scorers that read them; None for as many as the scorer likes
    """

    scorer: Scorer | None
    answer: str | None
    options: tuple[str, ...]
    masking: str
    placeholder: str | None
    max_new_tokens: int
    samples: int | None = None

    @property
    def calls_per_mask(self) -> int:
        """Requests that the value of one mask takes."""
        if self.scorer is None or self.scorer.of_texts is None:
            return 1
        return self.samples or self.scorer.samples


def settings(
    answer: str | None,
    score: str | Scorer | Callable[[Reply], float] | None,
    options: Sequence[str] | None,
    masking: str,
    placeholder: str | None,
    max_new_tokens: int,
    samples: int | None = None,
) -> Settings:
    """Settings from what the user gave. Raises InputError naming what does not fit together."""
    given = () if options is None else options if isinstance(options, str) else tuple(options)
    scorer = find_scorer(score or "choice") if score is not None or given else None
    _check_masking(masking, placeholder)
    _check_replies(max_new_tokens, samples, scorer)
    if answer is not None and not answer.strip():
        raise InputError(
            "the answer is empty: give the text to explain, or leave it out and the model writes it"
        )
    if isinstance(given, str) or not all(isinstance(o, str) and o.strip() for o in given):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"options must be a list of texts that are not empty, got {options!r}")
    if scorer is not None and scorer.options:
        answer = given[0] if answer is None and given else answer
        given = _other_options(scorer, given, answer)
    elif scorer is not None and given:
        raise InputError(
            f"options are given, but score {scorer.name!r} does not compare answers: use score='choice'"
        )
    return Settings(scorer, answer, given, masking, placeholder, max_new_tokens, samples)


def _check_masking(masking: str, placeholder: str | None) -> None:
    if masking not in MASKINGS:
        raise InputError(f"unknown masking {masking!r}: use one of {', '.join(MASKINGS)}")
    if placeholder is not None and masking != "placeholder":
        raise InputError(f"a placeholder is given, but masking is {masking!r}: use masking='placeholder'")


def _check_replies(max_new_tokens: int, samples: int | None, scorer: Scorer | None) -> None:
    for name, number in (("max_new_tokens", max_new_tokens), ("samples", samples)):
        if number is not None and number < 1:
            raise InputError(f"{name} must be 1 or more, got {number}")
    if samples is not None and scorer is not None and scorer.of_texts is None:
        raise InputError(
            f"samples={samples} is given, but score {scorer.name!r} reads no replies: use score='match'"
        )


def _other_options(scorer: Scorer, given: tuple[str, ...], answer: str | None) -> tuple[str, ...]:
    """The options besides the answer, each once."""
    others = tuple(dict.fromkeys(option for option in given if option != answer))
    if not others:
        raise InputError(f"score {scorer.name!r} needs at least two different options: options=['yes', 'no']")
    return others


def fitting(chosen: Settings, can: Capabilities, name: str, why: str = "") -> Settings:
    """The settings with a scorer the backend can serve: the one that was named, else the best it can.

    why  what the backend's probe saw of the ways that do not work

    Raises InputError naming what it can do if the named one is beyond it.
    """
    if chosen.scorer is None:
        return replace(chosen, scorer=find_scorer(_best(can, name)))
    scorer = chosen.scorer
    if scorer.of_texts is not None and not can.write:
        raise InputError(f"{name} writes no replies, which score {scorer.name!r} reads: {_instead(can)}")
    if scorer.of_texts is None and not (can.score_answer or (scorer.options and can.choose)):
        raise InputError(
            f"{name} gives no log-probability of a given answer, which score {scorer.name!r} needs:"
            f" {_instead(can)}{f' (tried: {shorten(why, 400)})' if why else ''}"
        )
    return chosen


def _best(can: Capabilities, name: str) -> str:
    if can.score_answer:
        return "logprob"
    if can.write:
        return "match"
    raise InputError(f"{name} shows no log-probability of a given answer: {_instead(can)}")


def _instead(can: Capabilities) -> str:
    possible = ["score='logprob'"] * can.score_answer
    possible += ["score='choice' with options=[...]"] * (can.score_answer or can.choose)
    possible += ["score='match' or 'chrf' over sampled replies"] * can.write
    return f"it can {'; '.join(possible)}" if possible else "nor can it be read in another way"
