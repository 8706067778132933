"""Ways that read the log-probability of a given answer, and the one that reads what the model writes."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from spexapi.backends._openai_endpoint import Endpoint, Scored, added, joined, reply_of
from spexapi.backends._openai_errors import Unfit
from spexapi.backends._openai_forms import Written, echoed, prompt_rows, prompt_text, read
from spexapi.backends._openai_tokens import Clamped, Token, answer_in, spelled
from spexapi.backends._turns import chat_turns
from spexapi.backends.base import AnswerScore, Message, Reply, Request
from spexapi.errors import LogprobsMisplaced, LogprobsMissing, Unavailable


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """The prompt with the answer behind it is read, and the answer's tokens are among those listed.

    name    "echo" (Together, Cerebras, SGLang, vLLM, OpenAI's old models) or "prompt_logprobs" (vLLM)
    behind  what the chat template writes behind the answer
    """

    name: str
    behind: str = ""
    gives: str = "answer"

    async def score(self, endpoint: Endpoint, request: Request) -> Reply:
        """One call an answer; answers scored by an earlier try of the same request are not asked again."""
        done = endpoint.part_done.setdefault(request, [])
        for number in range(len(done), len(request.answers)):
            done.append(await self._one(endpoint, request, number))
        endpoint.part_done.pop(request, None)
        return joined(done)

    def read(self, tokens: Sequence[Token], answer: str, prompt: str | None) -> AnswerScore:
        """The answer's part of what `listed` returned."""
        if self.name == "echo":
            return answer_in(tokens, answer, prompt, behind=self.behind)
        if prompt is not None:  # the first token of all is null there, text and number
            seen = "".join(token.text for token in tokens)
            if "\ufffd" not in seen and not (prompt + answer).endswith(seen):
                raise LogprobsMisplaced(f"prompt_logprobs spell {seen[-60:]!r}, not what was sent")
        return answer_in(tokens, answer, behind=self.behind)

    async def _one(self, endpoint: Endpoint, request: Request, number: int) -> Scored:
        """A bound is believed when it comes a second time; then the likeliest token is asked for as well."""
        doubt = (request, number)
        again = doubt in endpoint.doubted
        tokens, written, prompt = await self.listed(
            endpoint, request.messages, request.answers[number], again
        )
        try:
            found = self.read(tokens, request.answers[number], prompt)
        except Clamped as error:
            endpoint.doubted.add(doubt)
            if again:
                raise Unfit(f"{error}, twice") from None
            raise
        if found.bounded and not again:
            endpoint.doubted.add(doubt)
            raise Clamped("a log-probability of the answer came back as -9999, which stands for none")
        endpoint.doubted.discard(doubt)
        return found, written

    async def listed(
        self, endpoint: Endpoint, messages: Sequence[Message], answer: str, with_top: bool = False
    ) -> tuple[list[Token], Written, str | None]:
        """All listed tokens, what was used, and the prompt's text where it was written here."""
        speech = endpoint.speech
        # max_tokens=0 would do on most servers, but llama-cpp-python then writes to the end of its context
        body = speech.asking(messages, 1)
        prompt: str | None = None
        if speech.form == "completions":
            prompt = prompt_text(speech, messages, answer)
            body["prompt"] = prompt + answer
        else:
            body["messages"] = [*chat_turns(messages), {"role": "assistant", "content": answer}]
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        if self.name == "echo":
            body |= {"echo": True, "logprobs": 1}
            data = await endpoint.post(speech.route, body)
            tokens, written = echoed(data), read(speech.form, data)
            if len(tokens) <= max(1, written.tokens_out):
                raise LogprobsMissing("echo is ignored: only what was generated is listed")
            return tokens, written, prompt
        data = await endpoint.post(speech.route, {**body, "prompt_logprobs": int(with_top)})
        written = read(speech.form, data)
        tokens = prompt_rows(speech.form, data)
        if written.tokens_in and len(tokens) != written.tokens_in:
            raise LogprobsMisplaced(f"{len(tokens)} prompt_logprobs for {written.tokens_in} tokens read")
        return tokens, written, prompt


@dataclass(frozen=True, slots=True)
class Forced:
    """Each token of the answer is forced by `logit_bias`, and its log-probability before the bias is read.

    Only where the probe saw that it is the one before the bias. A call a token; form completions.
    """

    name: str = "forced"
    gives: str = "answer"

    async def score(self, endpoint: Endpoint, request: Request) -> Reply:
        done = endpoint.part_done.setdefault(request, [])
        for number in range(len(done), len(request.answers)):
            done.append(await self._one(endpoint, request.messages, request.answers[number]))
        endpoint.part_done.pop(request, None)
        return joined(done)

    async def _one(self, endpoint: Endpoint, messages: Sequence[Message], answer: str) -> Scored:
        speech = endpoint.speech
        prompt = prompt_text(speech, messages, answer)
        joiner = prompt[len(prompt_text(speech, messages)) :]
        tokens: list[Token] = []
        used: list[Written] = []
        said = ""  # of the answer
        for token in await endpoint.ids_of(joiner + answer):
            forced, written = await force(
                endpoint, (prompt + said).removesuffix("" if said else joiner), token
            )
            tokens.append(forced)
            used.append(written)
            said = answer[: spelled([t.text for t in tokens], answer)]
        return answer_in(tokens, answer, ""), added(used)


@dataclass(frozen=True, slots=True)
class Sampled:
    """A reply as the model writes it, drawn at `temperature`.

    seed  None: none is sent; else each draw of each prompt gets its own, made from this one
    """

    temperature: float = 1.0
    seed: int | None = None
    name: str = "sample"
    gives: str = "text"

    async def score(self, endpoint: Endpoint, request: Request) -> Reply:
        fields = {} if self.seed is None else {"seed": self._seed_of(request)}
        written = await endpoint.ask(request.messages, request.write, temperature=self.temperature, **fields)
        if why := nothing_said(written, request.write):
            return Reply(error=why, tokens_in=written.tokens_in, tokens_out=written.tokens_out)
        return reply_of((), [written], written.text.strip())

    def _seed_of(self, request: Request) -> int:
        """Draws of different prompts stay independent: one seed for all would tie their noise together."""
        prompt = "\n".join(f"{m.role} {m.content}" for m in request.messages)
        return zlib.crc32(f"{self.seed} {request.sample} {prompt}".encode()) & 0x7FFFFFFF


def nothing_said(written: Written, most: int) -> str:
    """Why there is no text to compare, "" where the model meant to say nothing or said something."""
    if written.text.strip():
        return ""
    if written.finish == "content_filter":
        return "the endpoint's content filter held the reply back"
    if written.finish == "length":
        return f"no word within {most} tokens: a reasoning model needs a larger max_new_tokens"
    return ""


async def force(endpoint: Endpoint, prompt: str, token: int) -> tuple[Token, Written]:
    """One token forced behind a text: as it was listed."""
    body = endpoint.speech.asking((), 1, temperature=0.0, top=1, logit_bias={str(token): 100})
    written = read("completions", await endpoint.post("/completions", {**body, "prompt": prompt}))
    if not written.tokens:
        raise Unavailable("the reply with a forced token lists no log-probability")
    return written.tokens[0], written
