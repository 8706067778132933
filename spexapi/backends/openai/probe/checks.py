"""The checks of the probe: are the numbers there, of the right tokens, before any bias, the same twice?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spexapi.backends.base import AnswerScore, Message, Request
from spexapi.backends.openai.choice_methods import ChosenIds, Decision
from spexapi.backends.openai.dialect import Dialect
from spexapi.backends.openai.endpoint import Endpoint
from spexapi.backends.openai.scoring_methods import GivenAnswer, force
from spexapi.backends.openai.tokens import CLAMPED, Token, bare
from spexapi.errors import LogprobsMisplaced, LogprobsMissing

ASKED = (Message("user", "The key is in the box. The box is in the cellar. Where is the key?"),)
# characters a template may write after an answer
_LONGEST_SUFFIX = 60
# nats; half-precision servers differ by a tenth
_MOST_NOISE, _CLOSE = 1.0, 0.15
_SAME = 1e-6


async def check_given(
    endpoint: Endpoint, method: GivenAnswer, listed: Token
) -> tuple[GivenAnswer, tuple[str, ...], bool]:
    """The method with what it learnt, notes, and whether the numbers came the same twice.

    listed  the likeliest first tokens as the endpoint itself generates them: a given answer that begins with
            one must be as likely as it

    Raises LogprobsMissing and LogprobsMisplaced.
    """
    words = _words(listed)
    tokens, _, prompt = await method.listed(endpoint, ASKED, words[0], with_top=True)
    if prompt is not None:
        check_beginning(endpoint.dialect, [token.text for token in tokens], prompt + words[0])
    else:
        method = replace(method, suffix=_end_of_turn(tokens, words[0]))
    first = await _given(endpoint, method, words[0], tokens, prompt)
    noise = _difference(first, await _given(endpoint, method, words[0]))
    problems = [_compare(words[0], first, listed, noise)]
    for word in words[1:]:  # the third only if the first two differ in what is wrong
        if len(problems) < 2 or len({p for p in problems if p}) > 1:
            longer = f"{word} {words[0]}"
            problems.append(_compare(longer, await _given(endpoint, method, longer), listed, noise))
    right, wrong = problems.count(""), [p for p in problems if p]
    compared = len(problems) - problems.count(None)
    if len(wrong) > right:
        raise LogprobsMisplaced(wrong[0])
    null_first = tokens[0].logprob is None
    if not compared and not null_first:
        raise LogprobsMisplaced(
            "the first token of a text has a log-probability, which nothing can have given"
        )
    notes = [
        f"agrees with {right} generated tokens" if compared else "not compared: no generated ones listed"
    ]
    notes.append("repeatable" if noise <= _SAME else f"repeats within {noise:.2g} nats")
    notes.append("first token null" if null_first else "first token has a number")
    return method, tuple(notes), noise <= _SAME


def check_beginning(dialect: Dialect, texts: Sequence[str], sent: str) -> None:
    """Raises LogprobsMisplaced if the token that begins a text, which the template writes, is missing or
    there twice.

    texts  of the listed tokens; the first is "" if its text is not shown
    sent   prompt and answer as they were sent
    """
    if "bos_token" not in (dialect.template or ""):
        return
    joined, whole = bare("".join(texts)), bare(sent)
    at = joined.find(whole)
    # of the first token some endpoints show no text: then the others lack it, or it is one of theirs
    if at < 0 and not (texts[0] == "" and whole.endswith(joined)):
        return
    adds = at > 0 or (at == 0 and texts[0] == "")
    begins = bool(dialect.bos) and sent.startswith(dialect.bos or "")
    if begins and adds:
        raise LogprobsMisplaced(
            "the endpoint begins every text with a token of its own, so that"
            f" bos_token={dialect.bos!r} stands there twice: leave bos_token out (--bos-token)"
        )
    if dialect.bos is None and not adds:
        raise LogprobsMisplaced(
            "the chat template begins with bos_token, which was not given, and the endpoint adds none: give"
            " its tokenizer's (--bos-token '<s>'), or '' if it has none"
        )


async def check_forced(endpoint: Endpoint, listed: Token) -> tuple[str, ...]:
    """Notes. Raises LogprobsMisplaced if the bias shows in the number, LogprobsMissing if there is none."""
    prompt = endpoint.dialect.prompt(ASKED)
    texts = [(value, text) for text, value in listed.top if value > CLAMPED and text.strip().isalpha()]
    if not texts:
        raise LogprobsMissing("no generated token is listed to compare a forced one with")
    problem = ""
    for natural, text in sorted(texts)[:3]:
        ids = await endpoint.ids_of(text)
        if len(ids) != 1:
            problem = problem or f"the token {text!r} is {len(ids)} tokens for /tokenize"
            continue
        forced, _ = await force(endpoint, prompt, ids[0])
        if forced.text.strip() != text.strip():
            raise LogprobsMisplaced(f"logit_bias=100 for {text!r} wrote {forced.text!r}")
        if forced.logprob is not None and abs(forced.logprob - natural) <= _CLOSE:
            return ("agrees with a generated token",)
        problem = (
            f"forced {text!r} reads {forced.logprob}, generated it reads {natural:.3f}: it is not the number "
            "before the bias"
        )
    raise LogprobsMisplaced(problem)


async def check_chosen(endpoint: Endpoint, method: ChosenIds, listed: Token) -> tuple[str, ...]:
    """Notes. Raises LogprobsMisplaced if a chosen token's number is not the listed one."""
    words = _words(listed)[:2]
    found = await method.score(endpoint, Request(ASKED, words))
    compared = 0
    for word, score in zip(words, found.scores, strict=True):
        for text, value in listed.top:
            # the option's number adds up the token with and without a space before it
            if text.strip() == word and value > CLAMPED:
                compared += 1
                if float(score.logprobs[0]) < value - _CLOSE:
                    raise LogprobsMisplaced(
                        f"{word!r} chosen reads {score.logprobs[0]:.3f}, listed it reads {value:.3f}"
                    )
    return (f"agrees with {compared} listed tokens",)


async def check_decision(endpoint: Endpoint, method: Decision) -> tuple[str, ...]:
    """Notes. Raises LogprobsMisplaced if the numbers are no shares."""
    found = await method.score(endpoint, Request(ASKED, ("cellar", "attic")))
    logs = [float(score.logprobs[0]) for score in found.scores]
    shares = [2.718281828459045**value for value in logs]
    if not 0.98 < sum(shares) < 1.02:
        raise LogprobsMisplaced(f"the shares of two options are {shares}, not 1 together")
    return ("shares of the options alone",)


async def _given(
    endpoint: Endpoint,
    method: GivenAnswer,
    answer: str,
    tokens: Sequence[Token] = (),
    prompt: str | None = None,
) -> AnswerScore:
    """The score of an answer after the probe's prompt, asked for unless its tokens are here already."""
    if not tokens:
        tokens, _, prompt = await method.listed(endpoint, ASKED, answer, with_top=True)
    if not any(token.logprob is not None for token in tokens):
        raise LogprobsMissing(f"{len(tokens)} tokens came back, none with a log-probability")
    return method.read(tokens, answer, prompt)


def _difference(first: AnswerScore, again: AnswerScore) -> float:
    """The most that two answers to one request differ in, nats."""
    if len(first.logprobs) != len(again.logprobs):
        raise LogprobsMisplaced(f"{len(first.logprobs)} log-probabilities, then {len(again.logprobs)}")
    noise = float(abs(first.logprobs - again.logprobs).max())
    if noise > _MOST_NOISE:
        raise LogprobsMisplaced(f"the same request differs by {noise:.2f} nats from one call to the next")
    return noise


def _end_of_turn(tokens: Sequence[Token], answer: str) -> str:
    """What the endpoint's chat template writes after an answer that is the final message."""
    joined = "".join(token.text for token in tokens)
    at = joined.rfind(answer)
    rest = joined[at + len(answer) :]
    if at < 0 or len(rest) > _LONGEST_SUFFIX:
        raise LogprobsMisplaced(f"the listed tokens end in {joined[-60:]!r}, not in the answer {answer!r}")
    return rest


def _words(listed: Token) -> tuple[str, ...]:
    """Three listed first words, the least likely ones first; plain words if none are listed.

    A likely word would not show a shifted list: its neighbours are likely as well.
    """
    words = sorted((v, text.strip()) for text, v in listed.top if text.strip().isalpha() and v > CLAMPED)
    return tuple(dict.fromkeys([word for _, word in words] + ["cellar", "The", "nobody"]))[:3]


def _compare(answer: str, score: AnswerScore, listed: Token, noise: float) -> str | None:
    """What is wrong with the log-probability of the answer's first token, next to that of the same token as
    generated: "" if they agree, None if it is not listed."""
    piece = answer[slice(*score.offsets[0])].strip()
    same = [value for text, value in listed.top if text.strip() == piece]
    value = float(score.logprobs[0])
    if not same or (score.bounded and score.bounded[0]):
        return None
    if min(abs(value - other) for other in same) <= _CLOSE + 4 * noise:
        return ""
    return (
        f"given as an answer, {piece!r} reads {value:.3f}; generated after the same prompt, {max(same):.3f}:"
        " the list is shifted, or of another prompt"
    )
