"""Messages and an answer -> token ids, with every token's place in the text; knows no model."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from spexapi.backends.base import Hidden, Message, Request
from spexapi.backends.huggingface.pretrained import Tokenizer
from spexapi.backends.turns import chat_turns
from spexapi.errors import InputError
from spexapi.prompts.segments import joined_by_space, shorten

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class AnswerTokens:
    """An answer's tokens after a prompt; after every masked version of the prompt they are the same.

    ids      t token ids
    offsets  t pairs (start, end) of characters of the answer; together they cover it
    lead     ids between prompt and answer that belong to neither: the space that joins them, if it is a token
             of its own
    overlap  the end of the prompt that the first token includes ("The answer is " + "yes": the space)
    """

    ids: tuple[int, ...]
    offsets: Spans
    lead: tuple[int, ...]
    overlap: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """One sequence: the prompt's ids (blank if hidden), which of them may be seen, the answer's tokens."""

    prompt: tuple[int, ...]
    visible: tuple[bool, ...]
    answer: AnswerTokens

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer.ids)


class Alignment:
    """Writes prompts as the model was trained to read them and finds the tokens of an answer in them.

    A chat template writes everything, the beginning-of-sequence token too. Without one the contents of the
    turns follow each other with one newline between: no role markers are made up, and one user turn is
    exactly its text. The answer continues that text; `joiner` stands between them if neither has white space
    at the border and the script uses spaces.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, joiner: str | None = None, chat_template: str | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._joiner = joiner
        self._template: str | None = chat_template or getattr(tokenizer, "chat_template", None)
        self._start = _start_ids(tokenizer)
        self._blank = _any_start(tokenizer)
        self.answer_tokens = functools.lru_cache(256)(self._answer_tokens)
        self._whole_text = functools.lru_cache(256)(self.text)

    @property
    def reads_chat(self) -> bool:
        """Whether a chat template writes the prompt."""
        return bool(self._template)

    def text(self, messages: tuple[Message, ...], *, repair: bool = False) -> str:
        """The prompt as the model reads it, up to the answer. Raises InputError if the template refuses.

        repair  the turns are what a mask has left: make them alternate if the template insists
        """
        if not self._template:
            return "\n".join(message.content for message in messages if message.content)
        try:
            return self._apply(messages, prompt=True)
        except Exception as error:
            if repair and (repaired := _alternating(messages)):
                try:
                    return self._apply(repaired, prompt=True)
                except Exception:  # the first refusal says more
                    pass
            raise InputError(
                f"the model's chat template refuses these turns: {shorten(str(error), 200)}"
            ) from error

    def prompt_ids(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        """What the model reads before it writes an answer."""
        return self._encode_prompt(self.text(messages))[0]

    def encode(self, request: Request, number: int) -> Encoded:
        """The prompt of a request and its answer `number` as the model reads them.

        Raises InputError if the template refuses the turns or hidden text is not found in what it wrote.
        """
        answer = self.answer_tokens(request.whole or request.messages, request.answers[number])
        written = self.text(
            request.messages, repair=bool(request.whole) and request.whole != request.messages
        )
        text = written
        if answer.overlap and text.endswith(answer.overlap):
            text = text[: -len(answer.overlap)]
        ids, spans = self._encode_prompt(text)
        visible = [True] * len(ids)
        if request.hidden:
            gone = self._gone(request.messages, request.hidden, written)
            visible = [not _is_hidden(text, span, gone) for span in spans]
            # What may not be seen must not be read at its own position either.
            ids = tuple(token if seen else self._blank for token, seen in zip(ids, visible, strict=True))
        return Encoded((*ids, *answer.lead), (*visible, *[True] * len(answer.lead)), answer)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of every token of a plain text."""
        return list(self._encode(text)[1])

    def _answer_tokens(self, messages: tuple[Message, ...], answer: str) -> AnswerTokens:
        prompt = self._whole_text(messages)
        begin = len(prompt) + len(self._joined_by(messages, prompt, answer))
        ids, spans = self._encode(prompt + self._joined_by(messages, prompt, answer) + answer)
        first = next((i for i, (start, end) in enumerate(spans) if end > max(begin, start)), len(ids))
        lead = tuple(
            token for token, (start, _) in zip(ids[:first], spans, strict=False) if start >= len(prompt)
        )
        border = spans[first][0] if first < len(ids) else begin
        overlap = prompt[border:]
        return AnswerTokens(ids[first:], _covering(spans[first:], begin, len(answer)), lead, overlap)

    def _joined_by(self, messages: tuple[Message, ...], prompt: str, answer: str) -> str:
        if self._template:
            return self._template_joiner(messages, prompt, answer)
        if self._joiner is None:
            return " " if joined_by_space(prompt, answer) else ""
        return self._joiner if prompt and not prompt[-1].isspace() and not answer[:1].isspace() else ""

    def _template_joiner(self, messages: tuple[Message, ...], prompt: str, answer: str) -> str:
        """The white space that the template itself writes between its cue ("Answer:") and an answer."""
        if self._joiner is not None:
            return self._joiner
        try:
            written = self._apply((*messages, Message("assistant", answer)), prompt=False)
        except Exception:  # a template may know no assistant turns: then nothing is written between
            return ""
        rest = written[len(prompt) :] if written.startswith(prompt) else ""
        at = rest.find(answer)
        return rest[:at] if at > 0 and rest[:at].isspace() else ""

    def _apply(self, messages: Sequence[Message], *, prompt: bool) -> str:
        turns = chat_turns(messages, as_text=False)
        return str(
            self._tokenizer.apply_chat_template(
                turns, chat_template=self._template, tokenize=False, add_generation_prompt=prompt
            )
        )

    def _encode_prompt(self, text: str) -> tuple[tuple[int, ...], Spans]:
        """Ids and spans, with the beginning-of-sequence token once: a template may have written it."""
        ids, spans = self._encode(text)
        if not self._template and ids[: len(self._start)] != self._start:
            ids, spans = (*self._start, *ids), (*[(0, 0)] * len(self._start), *spans)
        if not ids:  # a model predicts nothing from nothing
            ids, spans = (self._blank,), ((0, 0),)
        return ids, spans

    def _encode(self, text: str) -> tuple[tuple[int, ...], Spans]:
        if not getattr(self._tokenizer, "is_fast", False):
            raise InputError(
                "this model's tokenizer gives no character offsets; spexapi needs a fast one (tokenizer.json)"
            )
        found = self._tokenizer(
            text,
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_token_type_ids=False,
            verbose=False,  # too long a text is our own error to tell
        )
        ids, spans = cast("list[int]", found["input_ids"]), cast("Spans", found["offset_mapping"])
        return tuple(map(int, ids)), tuple((int(a), int(b)) for a, b in spans)

    def _gone(
        self, messages: tuple[Message, ...], hidden: Sequence[Hidden], text: str
    ) -> list[tuple[int, int]]:
        """The hidden stretches as characters of the whole written prompt."""
        starts = self._starts(messages, text)
        return [(starts[h.message] + h.start, starts[h.message] + h.end) for h in hidden]

    def _starts(self, messages: tuple[Message, ...], text: str) -> list[int]:
        """Where each message's content begins in the written prompt."""
        marks = [f"\ue000{i}\ue001" for i in range(len(messages))]
        marked = self.text(
            tuple(Message(m.role, mark, m.call) for m, mark in zip(messages, marks, strict=True))
        )
        starts: list[int] = []
        at = done = 0
        for message, mark in zip(messages, marks, strict=True):
            if not self._template and not message.content:  # left out of the text, with its newline
                starts.append(at)
                continue
            found = marked.find(mark, done)
            between = marked[done:found] if self._template else ("\n" if at else "")
            content = (
                message.content
                if text.startswith(message.content, at + len(between))
                else message.content.strip()
            )
            if found < 0 or not text.startswith(between + content, at):
                raise InputError(
                    "the chat template rewrites the turns, so masked text cannot be found: use masking='drop'"
                )
            at, done = at + len(between), found + len(mark)
            # a template that strips a turn moves its text to the left
            starts.append(
                at - (len(message.content) - len(message.content.lstrip())) * (content != message.content)
            )
            at += len(content)
        return starts


def _start_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The beginning-of-sequence token, if the tokenizer adds one to a plain text."""
    added = tuple(map(int, cast("list[int]", tokenizer("", add_special_tokens=True)["input_ids"])))
    return added[:1] if added and added[0] == tokenizer.bos_token_id else ()


def _any_start(tokenizer: Tokenizer) -> int:
    """A token that stands for nothing: what a text begins with, or ends with."""
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id):
        if token is not None:
            return int(token)
    return 0


def _alternating(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """What a mask has left of the turns, as strict templates want them: no role twice in a row."""
    repaired: list[Message] = []
    for message in messages:
        if repaired and repaired[-1].role == message.role and not message.call:
            repaired[-1] = Message(message.role, f"{repaired[-1].content}\n{message.content}")
        else:
            if message.role == "assistant" and (not repaired or repaired[-1].role == "system"):
                repaired.append(Message("user", ""))
            repaired.append(message)
    if not repaired or repaired[-1].role in ("system", "assistant"):
        repaired.append(Message("user", ""))
    return tuple(repaired) if tuple(repaired) != messages else ()


def _covering(spans: Spans, begin: int, length: int) -> Spans:
    """Spans relative to the answer, stretched over gaps (of tokenizers that skip white space) to cover it.

    Tokens that are bytes of one character all get that character.
    """
    found: list[tuple[int, int]] = []
    reached = 0
    for start, end in spans:
        start = min(max(0, start - begin), reached)
        end = max(start, min(length, end - begin))
        found.append((start, end))
        reached = max(reached, end)
    if found:
        found[-1] = (found[-1][0], length)
    return tuple(found)


def _is_hidden(text: str, span: tuple[int, int], gone: Sequence[tuple[int, int]]) -> bool:
    """True if any inked character of a token is hidden; for a token of white space, if all of it is."""
    start, end = span
    if end <= start:
        return False
    hidden = [any(a <= i < b for a, b in gone) for i in range(start, end)]
    inked = [h for h, character in zip(hidden, text[start:end], strict=True) if not character.isspace()]
    return any(inked) if inked else all(hidden)
