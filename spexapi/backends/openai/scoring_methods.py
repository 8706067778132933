"""Methods that read the log-probability of a given answer, and the one that reads what the model writes."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from spexapi.backends.base import AnswerScore, Message, Reply, Request
from spexapi.backends.json_values import Json
from spexapi.backends.openai.dialect import RequestFormat
from spexapi.backends.openai.endpoint import Endpoint, Gives, Scored, added, joined, reply_of
from spexapi.backends.openai.errors import MORE, Unfit
from spexapi.backends.openai.schemas import (
    Completion,
    read_completion,
    read_echo,
    read_prompt_logprobs,
    read_sglang,
)
from spexapi.backends.openai.tokens import CLAMPED, Clamped, Token, answer_in, spelled_length
from spexapi.backends.turns import chat_turns
from spexapi.errors import LogprobsMisplaced, LogprobsMissing, Unavailable


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """The prompt is read with the answer after it, and the answer's tokens are among those listed.

    name    "echo" (Together, Cerebras, SGLang, vLLM, OpenAI's old models), "prompt_logprobs" (vLLM), "prefix"
            (the same field as Mistral has it, the answer as a message to go on with) or "generate" (SGLang's
            own route)
    suffix  what the chat template writes after the answer
    """

    name: str
    suffix: str = ""
    gives: Gives = "answer"
    cost: str = "1 call an answer: prompt and answer read, 1 token written"

    async def score(self, endpoint: Endpoint, request: Request) -> Reply:
        """One call an answer."""
        return joined(await _each_answer(endpoint, request, self._one))

    def read(self, tokens: Sequence[Token], answer: str, prompt: str | None) -> AnswerScore:
        """The answer's part of what `listed` returned."""
        if self.name in ("echo", "generate"):
            return answer_in(tokens, answer, prompt, suffix=self.suffix)
        if prompt is not None:  # the first token of all is null there, text and number
            seen = "".join(token.text for token in tokens)
            if "\ufffd" not in seen and not (prompt + answer).endswith(seen):
                raise LogprobsMisplaced(f"prompt_logprobs spell {seen[-60:]!r}, not what was sent")
        return answer_in(tokens, answer, suffix=self.suffix)

    async def listed(
        self, endpoint: Endpoint, messages: Sequence[Message], answer: str, with_top: bool = False
    ) -> tuple[list[Token], Completion, str | None]:
        """All listed tokens, what was used, and the prompt's text if it was written here."""
        dialect = endpoint.dialect
        # max_tokens=0 would do on most servers, but llama-cpp-python then writes to the end of its context
        body = dialect.body(messages, 1)
        prompt: str | None = None
        if dialect.format is RequestFormat.COMPLETIONS:
            prompt = dialect.prompt(messages, answer)
            body["prompt"] = prompt + answer
        else:
            body |= self._as_turns(messages, answer)
        if self.name == "generate":
            data = await endpoint.post("/generate", _sglang_body(body, with_top), root=True)
            return *read_sglang(data), prompt
        if self.name == "echo":
            return *await self._echoed(endpoint, body), prompt
        if self.name == "prefix":
            body |= {"prompt_logprobs": True, **({"top_prompt_logprobs": 1} if with_top else {})}
        else:
            body["prompt_logprobs"] = int(with_top)
        data = await endpoint.post(dialect.route, body)
        completion = read_completion(dialect.format, data)
        tokens = read_prompt_logprobs(dialect.format, data)
        first_left_out = self.name == "prefix" and len(tokens) == completion.tokens_in - 1
        if completion.tokens_in and len(tokens) != completion.tokens_in and not first_left_out:
            raise LogprobsMisplaced(f"{len(tokens)} prompt_logprobs for {completion.tokens_in} tokens read")
        return tokens, completion, prompt

    async def _one(self, endpoint: Endpoint, request: Request, number: int) -> Scored:
        """The score of one answer.

        An upper bound is believed when it comes a second time; then the likeliest token is asked for as well.
        """
        answer, doubt = request.answers[number], (request, number)
        again = doubt in endpoint.doubted
        tokens, completion, prompt = await self.listed(endpoint, request.messages, answer, again)
        try:
            found = self.read(tokens, answer, prompt)
        except Clamped as error:
            endpoint.doubted.add(doubt)
            if again:
                raise Unfit(f"{error}, twice") from None
            raise
        if found.bounded and not again:
            endpoint.doubted.add(doubt)
            raise Clamped("a log-probability of the answer came back as -9999, which stands for none")
        endpoint.doubted.discard(doubt)
        return found, completion

    async def _echoed(self, endpoint: Endpoint, body: Json) -> tuple[list[Token], Completion]:
        data = await endpoint.post(endpoint.dialect.route, {**body, "echo": True, "logprobs": 1})
        tokens, completion = read_echo(data), read_completion(endpoint.dialect.format, data)
        if len(tokens) <= max(1, completion.tokens_out):
            raise LogprobsMissing("echo is ignored: only what was generated is listed")
        return tokens, completion

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
    scored = endpoint.scored_so_far.pop(request, [])
    try:
        for number in range(len(scored), len(request.answers)):
            scored.append(await one(endpoint, request, number))
    except BaseException:
        endpoint.scored_so_far[request] = scored
        raise
    return scored


def _sglang_body(body: Json, with_top: bool) -> Json:
    """A completion's body as SGLang's /generate takes it (0.5.23, managers/io_struct.py)."""
    sampling = {"max_new_tokens": body["max_tokens"], "temperature": body.get("temperature", 0.0)}
    asked: Json = {"return_logprob": True, "logprob_start_len": 0, "return_text_in_logprobs": True}
    return {"text": body["prompt"], "sampling_params": sampling, **asked, "top_logprobs_num": int(with_top)}


@dataclass(frozen=True, slots=True)
class Forced:
    """Each token of the answer is forced by `logit_bias`, and its log-probability before the bias is read.

    Used only if the probe saw that the number is the one before the bias. Takes a call a token, and one more
    to cut an answer that is new; format completions. A try that fails goes on after the tokens it had.
    """

    name: str = "forced"
    gives: Gives = "answer"
    cost: str = "1 call a token of the answer: prompt read, 1 token written"
    known_ids: dict[str, list[int]] = field(default_factory=dict[str, "list[int]"], compare=False)

    async def score(self, endpoint: Endpoint, request: Request) -> Reply:
        return joined(await _each_answer(endpoint, request, self._one))

    async def _one(self, endpoint: Endpoint, request: Request, number: int) -> Scored:
        dialect, messages, answer = endpoint.dialect, request.messages, request.answers[number]
        prompt = dialect.prompt(messages, answer)
        joiner = prompt[len(dialect.prompt(messages)) :]
        tokenizing = 0
        if joiner + answer not in self.known_ids:
            self.known_ids[joiner + answer] = await endpoint.ids_of(joiner + answer)
            tokenizing = 1
        forced = endpoint.forced_so_far.pop((request, number), [])
        try:
            for token_id in self.known_ids[joiner + answer][len(forced) :]:
                said = answer[: spelled_length([token.text for token, _ in forced], answer)]
                before = (prompt + said).removesuffix("" if said else joiner)
                token, completion = await force(endpoint, before, token_id)
                self._must_be_believable(endpoint, (request, number), token)
                forced.append((token, completion))
        except BaseException:
            endpoint.forced_so_far[request, number] = forced
            raise
        used = [Completion("", calls=tokenizing), *(completion for _, completion in forced)]
        found = answer_in([token for token, _ in forced], answer, "")
        # the list beside a forced token may be the one after the bias: it does not show the first choice
        return replace(found, ranks=(), choices=()), added(used)

    def _must_be_believable(self, endpoint: Endpoint, of: tuple[Request, int], token: Token) -> None:
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
    gives: Gives = "text"
    cost: str = "1 call a reply: prompt read, reply written"

    async def score(self, endpoint: Endpoint, request: Request) -> Reply:
        seed: Json = {} if self.seed is None else {"seed": self._seed_of(request)}
        completion = await endpoint.write(
            request.messages, request.write, temperature=self.temperature, top=None, **seed
        )
        if why := why_empty(completion, request.write):
            return Reply(error=why, tokens_in=completion.tokens_in, tokens_out=completion.tokens_out)
        return reply_of((), [completion], completion.text.strip())

    def _seed_of(self, request: Request) -> int:
        """Draws of different prompts stay independent: one seed for all would tie their noise together."""
        prompt = "\n".join(f"{m.role} {m.content}" for m in request.messages)
        return zlib.crc32(f"{self.seed} {request.sample} {prompt}".encode()) & 0x7FFFFFFF


def why_empty(completion: Completion, most: int) -> str:
    """Why there is no text to compare; "" if there is one, or if the model meant to say nothing."""
    if completion.text.strip():
        return ""
    if completion.finish == "content_filter":
        return "the endpoint's content filter held the reply back"
    if completion.finish == "length":
        return f"no word within {max(most, completion.tokens_out)} tokens: {MORE}"
    return ""


async def force(endpoint: Endpoint, prompt: str, token_id: int) -> tuple[Token, Completion]:
    """One token forced after a text, as it was listed, and what was used."""
    bias = {str(token_id): 100}
    body = endpoint.dialect.body((), 1, temperature=0.0, top=1, logit_bias=bias)
    data = await endpoint.post("/completions", {**body, "prompt": prompt})
    completion = read_completion(RequestFormat.COMPLETIONS, data)
    if not completion.tokens:
        raise Unavailable("the reply with a forced token lists no log-probability")
    return completion.tokens[0], completion
