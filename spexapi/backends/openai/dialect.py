"""How an endpoint is spoken to: the body that is sent for a prompt. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from spexapi.backends.base import Message
from spexapi.backends.json_values import Json
from spexapi.backends.turns import chat_turns, response_items
from spexapi.errors import InputError


class RequestFormat(StrEnum):
    """The formats of a request that OpenAI-shaped endpoints know."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    RESPONSES = "responses"

    @property
    def route(self) -> str:
        return "/chat/completions" if self is RequestFormat.CHAT else f"/{self.value}"

    @property
    def fewest_tokens(self) -> int:
        """A reply may not be limited to fewer: the Responses API refuses that."""
        return 16 if self is RequestFormat.RESPONSES else 1


@dataclass(frozen=True, slots=True)
class Dialect:
    """How this endpoint is spoken to; the probe finds the fields that differ between models.

    format        of requests and replies
    length_field  name of the field that limits the tokens written
    temperature   False if the model refuses the field (reasoning models)
    template      Jinja chat template for format completions; None: the turns follow each other on new lines
    bos           what the template's bos_token stands for, "" if there is none; None: the endpoint's
                  tokenizer begins every text with it
    joiner        between prompt and answer in format completions; None: one space if the text wants one
    extra         fields added to every body
    fewest        tokens that every written reply is allowed: reasoning models think first
    """

    model: str
    format: RequestFormat
    length_field: str = "max_tokens"
    temperature: bool = True
    template: str | None = None
    bos: str | None = None
    joiner: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict[str, object])
    fewest: int = 1

    @property
    def route(self) -> str:
        return self.format.route

    def body(
        self,
        messages: Sequence[Message],
        most: int,
        *,
        temperature: float = 0.0,
        top: int | None = None,
        **fields: object,
    ) -> Json:
        """The body that asks for a reply of up to `most` tokens.

        top  asks for log-probabilities too: of each token written, and of the `top` likeliest in its place
        """
        body: Json = {"model": self.model}
        most = max(most, self.format.fewest_tokens)
        if self.temperature:
            body["temperature"] = temperature
        if self.format is RequestFormat.RESPONSES:
            body |= {"input": response_items(messages), "max_output_tokens": most, "store": False}
            body["stream"] = False  # `transformers serve` streams unless it is told not to
            if top is not None:
                body |= {"include": ["message.output_text.logprobs"], "top_logprobs": top}
        elif self.format is RequestFormat.COMPLETIONS:
            body |= {"prompt": self.prompt(messages), "max_tokens": most}
            if top is not None:
                body["logprobs"] = top
        else:
            body |= {"messages": chat_turns(messages), self.length_field: most}
            if top is not None:
                body |= {"logprobs": True, "top_logprobs": top}
        return {**body, **fields, **self.extra}

    def prompt(self, messages: Sequence[Message], answer: str | None = None) -> str:
        """The prompt as one text, up to where the answer begins: with the joiner if the answer is given."""
        if self.template is None:
            prompt = "\n".join(message.content for message in messages if message.content)
        else:
            prompt = self._rendered(messages, cue=True)
        return prompt if answer is None else prompt + self._joined_by(messages, prompt, answer)

    def _joined_by(self, messages: Sequence[Message], prompt: str, answer: str) -> str:
        if self.joiner is not None:
            return self.joiner if prompt and not prompt[-1].isspace() and not answer[:1].isspace() else ""
        if self.template is None:
            from spexapi.prompts.segments import joined_by_space

            return " " if joined_by_space(prompt, answer) else ""
        whole = self._rendered((*messages, Message("assistant", answer)), cue=False)
        rest = whole[len(prompt) :] if whole.startswith(prompt) else ""
        at = rest.find(answer)
        return rest[:at] if at > 0 and rest[:at].isspace() else ""

    def _rendered(self, messages: Sequence[Message], *, cue: bool) -> str:
        """The text that the chat template makes of the turns; `cue`: up to the beginning of an answer."""
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        def refuse(message: str) -> None:
            raise TemplateError(message)

        sandbox = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        given: Json = {
            "messages": chat_turns(messages, as_text=False),
            "add_generation_prompt": cue,
            "bos_token": self.bos or "",
            "eos_token": "",
        }
        try:
            return sandbox.from_string(self.template or "").render(**given, raise_exception=refuse)
        except TemplateError as error:
            raise InputError(f"the chat template refuses these turns: {error}") from error
