"""Ways that read the log-probability of a given answer, and the one that reads what the model writes."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from spexapi.backends.base import AnswerScore, Message, Reply, Request
from spexapi.backends.openai.endpoint import Endpoint, Scored, added, joined, reply_of
from spexapi.backends.openai.errors import MORE, Unfit
from spexapi.backends.openai.schemas import Completion, Json, echoed, native, prompt_rows, prompt_text, read
from spexapi.backends.openai.tokens import CLAMPED, Clamped, Token, answer_in, spelled
from spexapi.backends.turns import chat_turns
from spexapi.errors import LogprobsMisplaced, LogprobsMissing, Unavailable


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """The prompt with the answer behind it is read, and the answer's tokens are among those listed.

    name    "echo" (Together, Cerebras, SGLang, vLLM, OpenAI's old models), "prompt_logprobs" (vLLM), "prefix"
            (the same field as Mistral has it, the answer as a message to go on with) or "generate" (SGLang's
            own route)
    behind  what the chat template writes behind the answer
    """

    name: str
    behind: str = ""
    gives: str = "answer"

    async def score(self, endpoint: Endpoint, request: Request) -> Reply:
        """One call an answer."""
        return joined(await _each_answer(endpoint, request, self._one))

    def read(self, tokens: Sequence[Token], answer: str, prompt: str | None) -> AnswerScore:
        """The answer's part of what `listed` returned."""
        if self.name in ("echo", "generate"):
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
    ) -> tuple[list[Token], Completion, str | None]:
        """All listed tokens, what was used, and the prompt's text where it was written here."""
        speech = endpoint.speech
        # max_tokens=0 would do on most servers, but llama-cpp-python then writes to the end of its context
        body = speech.asking(messages, 1)
        prompt: str | None = None
        if speech.form == "completions":
            prompt = prompt_text(speech, messages, answer)
            body["prompt"] = prompt + answer
        else:
            body |= self._as_turns(messages, answer)
        if self.name == "generate":
            tokens, written = native(await endpoint.post("/generate", _native(body, with_top), root=True))
            return tokens, written, prompt
        if self.name == "echo":
            body |= {"echo": True, "logprobs": 1}
            data = await endpoint.post(speech.route, body)
            tokens, written = echoed(data), read(speech.form, data)
            if len(tokens) <= max(1, written.tokens_out):
                raise LogprobsMissing("echo is ignored: only what was generated is listed")
            return tokens, written, prompt
        if self.name == "prefix":
            body |= {"prompt_logprobs": True, **({"top_prompt_logprobs": 1} if with_top else {})}
        else:
            body["prompt_logprobs"] = int(with_top)
        data = await endpoint.post(speech.route, body)
        written = read(speech.form, data)
        tokens = prompt_rows(speech.form, data)
        first_left_out = self.name == "prefix" and len(tokens) == written.tokens_in - 1
        if written.tokens_in and len(tokens) != written.tokens_in and not first_left_out:
            raise LogprobsMisplaced(f"{len(tokens)} prompt_logprobs for {written.tokens_in} tokens read")
        return tokens, written, prompt

    def _as_turns(self, messages: Sequence[Message], answer: str) -> Json:
        turns = chat_turns(messages)
        if self.name == "prefix":
            return {"messages": [*turns, {"role": "assistant", "content": answer, "prefix": True}]}
        whole = [*turns, {"role": "assistant", "content": answer}]
        return {"messages": whole, "add_generation_prompt": False, "continue_final_message": True}


async def _each_answer(
    endpoint: Endpoint, request: Request, one: Callable[[Endpoint, Request, int], Awaitable[Scored]]
) -> list[Scored]:
    """Every answer's score; those of an earlier try are not asked again."""
    # taken out: the same request may be under way twice
    done = endpoint.part_done.pop(request, [])
    try:
        for number in range(len(done), len(request.answers)):
            done.append(await one(endpoint, request, number))
    except BaseException:
        endpoint.part_done[request] = done
        raise
    return done


def _native(body: Json, with_top: bool) -> Json:
    """A completion's body as SGLang's /generate takes it (0.5.23, managers/io_struct.py)."""
    sampling = {"max_new_tokens": body["max_tokens"], "temperature": body.get("temperature", 0.0)}
    asked = {"return_logprob": True, "logprob_start_len": 0, "return_text_in_logprobs": True}
    return {"text": body["prompt"], "sampling_params": sampling, **asked, "top_logprobs_num": int(with_top)}


@dataclass(frozen=True, slots=True)
class Forced:
    """Each token of the answer is forced by `logit_bias`, and its log-probability before the bias is read.

    Only where the probe saw that it is the one before the bias. A call a token, and one more to cut an
    answer that is new; form completions. A try that fails goes on where it was.
    """

    name: str = "forced"
    gives: str = "answer"
    known: dict[str, list[int]] = field(default_factory=dict[str, "list[int]"], compare=False)

    async def score(self, endpoint: Endpoint, request: Request) -> Reply:
        return joined(await _each_answer(endpoint, request, self._one))

    async def _one(self, endpoint: Endpoint, request: Request, number: int) -> Scored:
        speech, messages, answer = endpoint.speech, request.messages, request.answers[number]
        prompt = prompt_text(speech, messages, answer)
        joiner = prompt[len(prompt_text(speech, messages)) :]
        cutting = 0
        if joiner + answer not in self.known:
            self.known[joiner + answer] = await endpoint.ids_of(joiner + answer)
            cutting = 1
        begun = endpoint.part_forced.pop((request, number), [])
        try:
            for token in self.known[joiner + answer][len(begun) :]:
                said = answer[: spelled([t.text for t, _ in begun], answer)]
                before = (prompt + said).removesuffix("" if said else joiner)
                found, written = await force(endpoint, before, token)
                self._believe(endpoint, (request, number), found)
                begun.append((found, written))
        except BaseException:
            endpoint.part_forced[request, number] = begun
            raise
        used = [Completion("", calls=cutting), *(written for _, written in begun)]
        return answer_in([token for token, _ in begun], answer, ""), added(used)

    def _believe(self, endpoint: Endpoint, of: tuple[Request, int], token: Token) -> None:
        """Raises Unavailable for a number that may be another the next time; a bound is believed then."""
        if token.logprob is None:
            raise Unavailable(f"the log-probability of the forced {token.text!r} came back as null")
        if token.logprob <= CLAMPED and of not in endpoint.doubted:
            endpoint.doubted.add(of)
            raise Clamped(f"the log-probability of the forced {token.text!r} came back as {token.logprob:g}")
        endpoint.doubted.discard(of)


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
        written = await endpoint.write(
            request.messages, request.write, temperature=self.temperature, **fields
        )
        if why := nothing_said(written, request.write):
            return Reply(error=why, tokens_in=written.tokens_in, tokens_out=written.tokens_out)
        return reply_of((), [written], written.text.strip())

    def _seed_of(self, request: Request) -> int:
        """Draws of different prompts stay independent: one seed for all would tie their noise together."""
        prompt = "\n".join(f"{m.role} {m.content}" for m in request.messages)
        return zlib.crc32(f"{self.seed} {request.sample} {prompt}".encode()) & 0x7FFFFFFF


def nothing_said(written: Completion, most: int) -> str:
    """Why there is no text to compare, "" where the model meant to say nothing or said something."""
    if written.text.strip():
        return ""
    if written.finish == "content_filter":
        return "the endpoint's content filter held the reply back"
    if written.finish == "length":
        return f"no word within {max(most, written.tokens_out)} tokens: {MORE}"
    return ""


async def force(endpoint: Endpoint, prompt: str, token: int) -> tuple[Token, Completion]:
    """One token forced behind a text: as it was listed."""
    body = endpoint.speech.asking((), 1, temperature=0.0, top=1, logit_bias={str(token): 100})
    written = read("completions", await endpoint.post("/completions", {**body, "prompt": prompt}))
    if not written.tokens:
        raise Unavailable("the reply with a forced token lists no log-probability")
    return written.tokens[0], written
