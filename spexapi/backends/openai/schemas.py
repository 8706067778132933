"""How the replies of an endpoint are read: their text, their tokens, what was used. Pure."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from spexapi.backends.json_values import (
    Json,
    is_map,
    to_count,
    to_list,
    to_map,
    to_number,
    to_number_or_none,
    to_text,
)
from spexapi.backends.openai.dialect import RequestFormat
from spexapi.backends.openai.tokens import Token, token_text
from spexapi.errors import LogprobsMissing, Unavailable


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back: a text, its tokens if they were listed, and what was used.

    finish  why the model stopped: "stop", "length", "content_filter", ...
    """

    text: str
    tokens: tuple[Token, ...] = ()
    finish: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    calls: int = 1


def read_completion(form: RequestFormat, data: Json) -> Completion:
    """The reply in any format. Raises Unavailable if the answer has another shape."""
    with _readable(f"the answer has not the shape of a {form} reply"):
        return _of_responses(data) if form is RequestFormat.RESPONSES else _of_choice(form, data)


def read_prompt_logprobs(form: RequestFormat, data: Json) -> list[Token]:
    """The prompt's tokens from the field `prompt_logprobs`, as vLLM or as Mistral writes it.

    Raises LogprobsMissing if it is not there, Unavailable if it cannot be read.
    """
    with _readable("prompt_logprobs cannot be read"):
        choices = to_list(data.get("choices"))
        found = data.get("prompt_logprobs") or (choices and to_map(choices[0]).get("prompt_logprobs"))
        if not found:
            raise LogprobsMissing(f"the {form} answer holds no prompt_logprobs")
        if is_map(found):
            return _of_chat(to_list(found["content"]))
        return [_prompt_token(to_map(row)) for row in to_list(found)]


def read_echo(data: Json) -> list[Token]:
    """The tokens of an echoed prompt, followed by the generated ones: of completions, or as Together writes
    chat (`prompt[0].logprobs`).

    Raises LogprobsMissing if they are not there, Unavailable if they cannot be read.
    """
    with _readable("the echoed log-probabilities cannot be read"):
        if prompt := to_list(data.get("prompt")):
            return _of_completions(to_map(to_map(prompt[0]).get("logprobs")))
        listed = to_map(_first_choice(data).get("logprobs"))
        if not listed:
            raise LogprobsMissing("the answer to echo holds no logprobs")
        return _listed(listed)


def read_sglang(data: Json) -> tuple[list[Token], Completion]:
    """The tokens of a text and what was used, from SGLang's own route /generate.

    Raises LogprobsMissing if they are not there, Unavailable if they cannot be read.
    """
    with _readable("the answer of /generate cannot be read"):
        about = to_map(data["meta_info"])
        listed = to_list(about.get("input_token_logprobs"))
        tops = to_list(about.get("input_top_logprobs")) or [None] * len(listed)
        if not listed:
            raise LogprobsMissing("the answer of /generate holds no input_token_logprobs")
        tokens: list[Token] = []
        for row, top in zip(listed, tops, strict=True):
            value, _, text = to_list(row)
            others = ((v, t) for v, _, t in map(to_list, to_list(top)))
            likeliest = tuple((token_text(to_text(t)), to_number(v)) for v, t in others)
            tokens.append(Token(token_text(to_text(text)), to_number_or_none(value), likeliest))
        return tokens, Completion(
            text=str(data.get("text") or ""),
            tokens_in=to_count(about.get("prompt_tokens")),
            tokens_out=to_count(about.get("completion_tokens")),
            tokens_cached=to_count(about.get("cached_tokens")),
        )


@contextmanager
def _readable(otherwise: str) -> Generator[None]:
    """What does not have the shape that was expected is Unavailable: the next answer may have it."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Unavailable(f"{otherwise}: {error!r}") from None


def _first_choice(data: Json) -> Json:
    return to_map(to_list(data["choices"])[0])


def _of_choice(form: RequestFormat, data: Json) -> Completion:
    choice = _first_choice(data)
    text = choice["text"] if form is RequestFormat.COMPLETIONS else _said(to_map(choice["message"]))
    usage = to_map(data.get("usage"))
    return Completion(
        text=str(text),
        tokens=tuple(_listed(to_map(choice.get("logprobs")))),
        finish=str(choice.get("finish_reason") or ""),
        tokens_in=to_count(usage.get("prompt_tokens")),
        tokens_out=to_count(usage.get("completion_tokens")),
        tokens_cached=to_count(to_map(usage.get("prompt_tokens_details")).get("cached_tokens")),
    )


def _said(message: Json) -> object:
    """A refusal is what the model said, under another name."""
    return message.get("content") or message.get("refusal") or ""


def _of_responses(data: Json) -> Completion:
    items = [to_map(item) for item in to_list(data["output"])]
    contents = [to_list(item["content"]) for item in items if item.get("type") == "message"]
    parts = [part for content in contents for part in map(to_map, content)]
    parts = [part for part in parts if part.get("type") == "output_text"]
    usage = to_map(data.get("usage"))
    stopped = str(to_map(data.get("incomplete_details")).get("reason") or "stop")
    return Completion(
        text="".join(str(part["text"]) for part in parts),
        tokens=tuple(token for part in parts for token in _of_chat(to_list(part.get("logprobs")))),
        finish={"max_output_tokens": "length"}.get(stopped, stopped),
        tokens_in=to_count(usage.get("input_tokens")),
        tokens_out=to_count(usage.get("output_tokens")),
        tokens_cached=to_count(to_map(usage.get("input_tokens_details")).get("cached_tokens")),
    )


def _listed(logprobs: Json) -> list[Token]:
    """Tokens in either of the two shapes of the field `logprobs`."""
    content = to_list(logprobs.get("content"))
    return _of_chat(content) if content else _of_completions(logprobs)


def _of_chat(content: Sequence[object]) -> list[Token]:
    """Tokens as chat and responses list them."""
    tokens: list[Token] = []
    for entry in map(to_map, content):
        others = map(to_map, to_list(entry.get("top_logprobs")))
        top = tuple((_text(other), to_number(other["logprob"])) for other in others)
        tokens.append(Token(_text(entry), to_number_or_none(entry.get("logprob")), top))
    return tokens


def _text(entry: Json) -> str:
    return token_text(to_text(entry["token"]), entry.get("bytes"))


def _of_completions(logprobs: Json) -> list[Token]:
    """Tokens as completions list them. Raises Unavailable if the lists differ in length."""
    texts, values = to_list(logprobs.get("tokens")), to_list(logprobs.get("token_logprobs"))
    tops = to_list(logprobs.get("top_logprobs")) or [None] * len(texts)
    if not len(texts) == len(values) == len(tops):
        raise Unavailable(f"{len(values)} log-probabilities and {len(tops)} lists for {len(texts)} tokens")
    return [
        Token(token_text(to_text(text)), to_number_or_none(value), _likeliest(to_map(top)))
        for text, value, top in zip(texts, values, tops, strict=True)
    ]


def _likeliest(top: Mapping[str, object]) -> tuple[tuple[str, float], ...]:
    return tuple((token_text(text), to_number(value)) for text, value in top.items())


def _prompt_token(row: Json) -> Token:
    """One place of prompt_logprobs: the prompt's own token stands first, the likeliest ones follow."""
    if not row:
        return Token("", None)
    own, *others = map(to_map, row.values())
    top = tuple((token_text(str(other["decoded_token"])), to_number(other["logprob"])) for other in others)
    text, logprob = token_text(str(own["decoded_token"])), to_number_or_none(own["logprob"])
    rank = own.get("rank")  # vLLM's; a number that cannot be one is no reason to lose the rest
    return Token(text, logprob, top, rank if isinstance(rank, int) and rank > 0 else 0)
