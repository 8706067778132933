"""The forms of the API: what is sent for a prompt, and how an answer is read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from spexapi.backends.base import Message
from spexapi.backends.openai.tokens import Token, spell
from spexapi.backends.turns import chat_turns, response_items
from spexapi.errors import InputError, LogprobsMissing, Unavailable

Json = dict[str, Any]
FORMS = ("chat", "completions", "responses")
ROUTES = {"chat": "/chat/completions", "completions": "/completions", "responses": "/responses"}
# the Responses API refuses less
_LEAST_WRITTEN = {"chat": 1, "completions": 1, "responses": 16}


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back: a text, its tokens where they were listed, and what was used.

    finish  why the model stopped: "stop", "length", "content_filter", ...
    """

    text: str
    tokens: tuple[Token, ...] = ()
    finish: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    calls: int = 1


@dataclass(frozen=True, slots=True)
class Speech:
    """How this endpoint is spoken to; the probe finds the two fields that differ between models.

    form         chat, completions or responses
    length       name of the field for the most tokens written
    temperature  False where the model refuses the field (reasoning models)
    template     Jinja chat template for form completions; None: the turns follow each other on new lines
    bos          what the template's bos_token stands for, "" where there is none; None: the endpoint's
                 tokenizer begins every text with it
    least        tokens a written reply is given at least: reasoning models think first
    joiner       between prompt and answer in form completions; None: one space where the text wants one
    extra        fields added to every body
    """

    model: str
    form: str
    length: str = "max_tokens"
    temperature: bool = True
    template: str | None = None
    bos: str | None = None
    joiner: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    least: int = 1

    @property
    def route(self) -> str:
        return ROUTES[self.form]

    def asking(
        self,
        messages: Sequence[Message],
        most: int,
        *,
        temperature: float = 0.0,
        top: int | None = None,
        **fields: Any,
    ) -> Json:
        """The body for a reply of at most `most` tokens; `top`: with log-probabilities and so many others."""
        body: Json = {"model": self.model}
        most = max(most, _LEAST_WRITTEN[self.form])
        if self.temperature:
            body["temperature"] = temperature
        if self.form == "responses":
            body |= {"input": response_items(messages), "max_output_tokens": most, "store": False}
            body["stream"] = False  # `transformers serve` streams where nothing is said
            if top is not None:
                body |= {"include": ["message.output_text.logprobs"], "top_logprobs": top}
        elif self.form == "completions":
            body |= {"prompt": prompt_text(self, messages), "max_tokens": most}
            if top is not None:
                body["logprobs"] = top
        else:
            body |= {"messages": chat_turns(messages), self.length: most}
            if top is not None:
                body |= {"logprobs": True, "top_logprobs": top}
        return {**body, **fields, **self.extra}


def prompt_text(speech: Speech, messages: Sequence[Message], answer: str | None = None) -> str:
    """The prompt as one text, up to where an answer begins: with the joiner where the answer is given."""
    if speech.template is None:
        prompt = "\n".join(message.content for message in messages if message.content)
    else:
        prompt = _rendered(speech, messages, cue=True)
    return prompt if answer is None else prompt + _joined_by(speech, messages, prompt, answer)


def read(form: str, data: Json) -> Completion:
    """The reply in any form. Raises Unavailable where there is none in the answer."""
    try:
        return _read_responses(data) if form == "responses" else _read_choice(form, data)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise Unavailable(f"the answer has not the shape of a {form} reply: {error!r}") from None


def prompt_rows(form: str, data: Json) -> list[Token]:
    """The prompt's tokens from the field `prompt_logprobs`, as vLLM or as Mistral writes it.

    Raises LogprobsMissing where it lacks.
    """
    choices = _list(data.get("choices"))
    rows = data.get("prompt_logprobs") or (choices and choices[0].get("prompt_logprobs"))
    if not rows:
        raise LogprobsMissing(f"the {form} answer holds no prompt_logprobs")
    try:
        return _listed(_map(rows)["content"]) if isinstance(rows, dict) else [_row(row) for row in rows]
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise Unavailable(f"prompt_logprobs cannot be read: {error!r}") from None


def echoed(data: Json) -> list[Token]:
    """The tokens of an echoed prompt, with the generated ones behind: of completions, or as Together writes
    chat (`prompt[0].logprobs`). Raises LogprobsMissing where they are not there."""
    try:
        if prompt := _list(data.get("prompt")):
            return _legacy(_map(prompt[0].get("logprobs")))
        listed = _map(data["choices"][0].get("logprobs"))
        if not listed:
            raise LogprobsMissing("the answer to echo holds no logprobs")
        return _listed(listed["content"]) if listed.get("content") else _legacy(listed)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise Unavailable(f"the echoed log-probabilities cannot be read: {error!r}") from None


def native(data: Json) -> tuple[list[Token], Completion]:
    """The tokens of a text and what was used, from SGLang's own route /generate.

    Raises LogprobsMissing where they are not there.
    """
    try:
        about: Json = data["meta_info"]
        listed = _list(about.get("input_token_logprobs"))
        tops = _list(about.get("input_top_logprobs")) or [None] * len(listed)
        if not listed:
            raise LogprobsMissing("the answer of /generate holds no input_token_logprobs")
        tokens = [
            Token(spell(text), _number(value), tuple((spell(t), float(v)) for v, _, t in _list(top)))
            for (value, _, text), top in zip(listed, tops, strict=True)
        ]
        read, wrote, cached = (
            int(about.get(n) or 0) for n in ("prompt_tokens", "completion_tokens", "cached_tokens")
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise Unavailable(f"the answer of /generate cannot be read: {error!r}") from None
    return tokens, Completion(str(data.get("text") or ""), (), "", read, wrote, cached)


def _read_choice(form: str, data: Json) -> Completion:
    choice = data["choices"][0]
    text = choice["text"] if form == "completions" else _said(choice["message"])
    listed = _map(choice.get("logprobs"))
    tokens = _listed(listed["content"]) if listed.get("content") else _legacy(listed)
    usage = _map(data.get("usage"))
    details = _map(usage.get("prompt_tokens_details"))
    return Completion(
        text=str(text),
        tokens=tuple(tokens),
        finish=str(choice.get("finish_reason") or ""),
        tokens_in=int(usage.get("prompt_tokens") or 0),
        tokens_out=int(usage.get("completion_tokens") or 0),
        tokens_cached=int(details.get("cached_tokens") or 0),
    )


def _said(message: Json) -> str:
    """A refusal is what the model said, under another name."""
    return message.get("content") or message.get("refusal") or ""


def _read_responses(data: Json) -> Completion:
    parts = [
        part
        for item in data["output"]
        if item.get("type") == "message"
        for part in item["content"]
        if part.get("type") == "output_text"
    ]
    usage = _map(data.get("usage"))
    details = _map(usage.get("input_tokens_details"))
    stopped = str(_map(data.get("incomplete_details")).get("reason") or "stop")
    return Completion(
        text="".join(str(part["text"]) for part in parts),
        tokens=tuple(token for part in parts for token in _listed(_list(part.get("logprobs")))),
        finish={"max_output_tokens": "length"}.get(stopped, stopped),
        tokens_in=int(usage.get("input_tokens") or 0),
        tokens_out=int(usage.get("output_tokens") or 0),
        tokens_cached=int(details.get("cached_tokens") or 0),
    )


def _listed(content: Sequence[Json]) -> list[Token]:
    """Tokens as chat and responses list them."""
    return [
        Token(
            spell(entry["token"], entry.get("bytes")),
            _number(entry.get("logprob")),
            tuple(
                (spell(other["token"], other.get("bytes")), float(other["logprob"]))
                for other in _list(entry.get("top_logprobs"))
            ),
        )
        for entry in content
    ]


def _legacy(listed: Json) -> list[Token]:
    """Tokens as completions list them. Raises Unavailable where the lists differ in length."""
    texts, values = _list(listed.get("tokens")), _list(listed.get("token_logprobs"))
    tops = _list(listed.get("top_logprobs")) or [None] * len(texts)
    if not len(texts) == len(values) == len(tops):
        raise Unavailable(f"{len(values)} log-probabilities and {len(tops)} lists for {len(texts)} tokens")
    return [
        Token(spell(text), _number(value), tuple((spell(t), float(v)) for t, v in _map(top).items()))
        for text, value, top in zip(texts, values, tops, strict=True)
    ]


def _row(row: Json | None) -> Token:
    """One place of prompt_logprobs: the prompt's own token stands first, the likeliest ones follow."""
    if not row:
        return Token("", None)
    entries: list[Json] = list(row.values())
    own = entries[0]
    top = tuple((spell(str(e["decoded_token"])), float(e["logprob"])) for e in entries[1:])
    return Token(spell(str(own["decoded_token"])), _number(own["logprob"]), top)


def _map(value: Any) -> Json:
    return value or {}


def _list(value: Any) -> list[Any]:
    return value or []


def _number(value: object) -> float | None:
    return None if value is None else float(cast("float", value))


def _joined_by(speech: Speech, messages: Sequence[Message], prompt: str, answer: str) -> str:
    if speech.joiner is not None:
        return speech.joiner if prompt and not prompt[-1].isspace() and not answer[:1].isspace() else ""
    if speech.template is None:
        from spexapi.prompts.segments import joined_by_space

        return " " if joined_by_space(prompt, answer) else ""
    whole = _rendered(speech, (*messages, Message("assistant", answer)), cue=False)
    rest = whole[len(prompt) :] if whole.startswith(prompt) else ""
    at = rest.find(answer)
    return rest[:at] if at > 0 and rest[:at].isspace() else ""


def _rendered(speech: Speech, messages: Sequence[Message], *, cue: bool) -> str:
    """The text that the chat template makes of the turns."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise TemplateError(message)

    house = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    given: Json = {
        "messages": chat_turns(messages, as_text=False),
        "add_generation_prompt": cue,
        "bos_token": speech.bos or "",
        "eos_token": "",
    }
    try:
        return house.from_string(speech.template or "").render(**given, raise_exception=refuse)
    except TemplateError as error:
        raise InputError(f"the chat template refuses these turns: {error}") from error
