"""The forms of the API: a JSON request -> a JSON answer. Pure but for the model; errors are `Problem`."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from openai_server.logprobs import (
    Ask,
    Json,
    Problem,
    Step,
    generated,
    legacy,
    listed_prompt,
    native,
    of_prompt,
)
from openai_server.models import END


def chat(ask: Ask) -> Json:
    body, model = ask.body, ask.model
    messages = _messages(body.get("messages"))
    if "strict-tools" in ask.settings.quirks:
        _must_answer(messages)
    if "renamed" in ask.settings.quirks and "max_tokens" in body:
        said = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        raise Problem(400, f"Unsupported parameter: {said}", "unsupported_parameter")
    continues = bool(body.get("continue_final_message"))
    if continues and body.get("add_generation_prompt", True):
        raise Problem(400, "continue_final_message needs add_generation_prompt=false")
    if "prefix" in ask.settings.ways:
        continues = _as_mistral(body)
    text = model.chat_text(messages, continues=continues)
    tokens = model.encode(text, special=bool(body.get("add_special_tokens", False)))
    most = _most_tokens(ask, tokens, body.get("max_completion_tokens") or body.get("max_tokens"), 64)
    if most < 1:
        raise Problem(400, "max_tokens must be at least 1", "invalid_value")
    asked = bool(body.get("logprobs")) and ask.serves("logprobs")
    top = ask.checked_top(int(body.get("top_logprobs") or 0))
    choices: list[Json] = []
    written = 0
    for number in range(_copies(ask)):
        steps, ended = _write(ask, [t for t, _, _ in tokens], most, number)
        written += len(steps)
        choice: Json = {
            "index": number,
            "message": {"role": "assistant", "content": "".join(s.text for s in steps), "refusal": None},
            "finish_reason": "stop" if ended else "length",
            "logprobs": {"content": [generated(ask, s, top) for s in steps], "refusal": None}
            if asked
            else None,
        }
        choices.append(choice)
    answer = _envelope(ask, "chat.completion", "chatcmpl", choices, tokens, written)
    if body.get("prompt_logprobs") is not None and ask.serves("chat_prompt_logprobs"):
        answer["prompt_logprobs"] = of_prompt(ask, text, tokens, int(body["prompt_logprobs"]))
    if body.get("prompt_logprobs") and "prefix" in ask.settings.ways and ask.serves("prefix"):
        top = int(body.get("top_prompt_logprobs") or 0)
        for choice in choices:
            choice["prompt_logprobs"] = {"content": listed_prompt(ask, text, tokens, top)}
    if body.get("echo") and ask.serves("chat_echo"):
        answer["prompt"] = [{"text": text, "logprobs": legacy(ask, text, tokens, [], top, True)}]
    return answer


def completions(ask: Ask) -> Json:
    body, model = ask.body, ask.model
    prompt = body.get("prompt", "")
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], int):
        text = model.decode(prompt)
        tokens = [(int(t), 0, 0) for t in prompt]
    elif isinstance(prompt, str):
        text = prompt
        tokens = _begun(ask, model.encode(text, special=bool(body.get("add_special_tokens", True))))
    else:
        raise Problem(400, "prompt must be a string or a list of token ids")
    if not tokens:
        raise Problem(400, "the prompt is empty")
    given = body.get("max_tokens")
    most = _most_tokens(ask, tokens, 16 if given is None else given, 16)
    asked = body.get("logprobs") is not None and ask.serves("logprobs")
    top = ask.checked_top(int(body.get("logprobs") or 0))
    echo = bool(body.get("echo")) and ask.serves("echo")
    choices: list[Json] = []
    written = 0
    for number in range(_copies(ask)):
        steps, ended = _write(ask, [t for t, _, _ in tokens], most, number)
        written += len(steps)
        out = "".join(s.text for s in steps)
        choice: Json = {
            "index": number,
            "text": text + out if echo else out,
            "finish_reason": "stop" if ended else "length",
            "logprobs": legacy(ask, text, tokens, steps, top, echo) if asked else None,
        }
        if body.get("prompt_logprobs") is not None and ask.serves("prompt_logprobs"):
            choice["prompt_logprobs"] = of_prompt(ask, text, tokens, int(body["prompt_logprobs"]))
        choices.append(choice)
    return _envelope(ask, "text_completion", "cmpl", choices, tokens, written)


def responses(ask: Ask) -> Json:
    body, given = ask.body, ask.body.get("input", "")
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else _of_items(given)
    if body.get("instructions"):
        messages.insert(0, {"role": "system", "content": body["instructions"]})
    tokens = ask.model.encode(ask.model.chat_text(_messages(messages), continues=False), special=False)
    most = _most_tokens(ask, tokens, body.get("max_output_tokens"), 64)
    if most < 16:
        raise Problem(400, "max_output_tokens must be at least 16", "integer_below_min_value")
    asked = "message.output_text.logprobs" in (body.get("include") or ()) and ask.serves("logprobs")
    top = ask.checked_top(int(body.get("top_logprobs") or 0))
    steps, ended = _write(ask, [t for t, _, _ in tokens], most, 0)
    part = {"type": "output_text", "text": "".join(s.text for s in steps), "annotations": []}
    part["logprobs"] = [generated(ask, s, top) for s in steps] if asked else []
    message = {"type": "message", "id": f"msg_{ask.call}", "role": "assistant", "content": [part]}
    usage = _usage(ask, tokens, len(steps))
    return {
        "id": f"resp_{ask.call}",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": body["model"],
        "status": "completed" if ended else "incomplete",
        "incomplete_details": None if ended else {"reason": "max_output_tokens"},
        "error": None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": body.get("temperature"),
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "output": [{**message, "status": "completed" if ended else "incomplete"}],
        "usage": {
            "input_tokens": usage["prompt_tokens"],
            "output_tokens": usage["completion_tokens"],
            "total_tokens": usage["total_tokens"],
            "input_tokens_details": usage["prompt_tokens_details"],
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def systemone(ask: Ask) -> Json:
    """Typed decisions: the option's own words are scored as the answer, the shares are over the options."""
    if unknown := set(ask.body) - {"model", "state", "questions", "assets"}:
        raise Problem(422, f"extra fields not permitted: {sorted(unknown)}")
    state, questions = ask.body.get("state"), ask.body.get("questions")
    if not isinstance(questions, dict) or not questions or state is None:
        raise Problem(422, "state and questions are needed")
    answers: Json = {}
    read = 0
    for name, question in questions.items():
        if not isinstance(question, dict) or question.get("type") not in ("choice", "score", "noul"):
            raise Problem(422, f"question {name!r}: type must be one of choice, score, noul")
        kind, criteria = question["type"], question.get("criteria")
        if kind != "noul" and not criteria:
            raise Problem(422, f"question {name!r}: a {kind} question needs criteria")
        text = state if isinstance(state, str) else json.dumps(state)
        text += f"\n\n{question['instructions']}" if question.get("instructions") else ""
        options = ["yes", "no"] if kind == "noul" else list(criteria)
        tokens, shares = _option_shares(ask, text, options)
        read += tokens
        answers[name] = _decision(kind, dict(zip(options, shares, strict=True)))
    usage = {"input_tokens": read, "output_tokens": 0}
    return {"model": ask.body["model"], "answers": answers, "usage": usage}


def embeddings(ask: Ask) -> Json:
    """Counts of words, hashed into 64 numbers of length one: texts with the same words are alike."""
    given = ask.body.get("input", "")
    texts = [given] if isinstance(given, str) else list(given)
    data: list[Json] = []
    for number, text in enumerate(texts):
        vector = [0.0] * 64
        for word in str(text).lower().split():
            vector[zlib.crc32(word.strip(".,:;!?").encode()) % 64] += 1.0
        length = math.sqrt(sum(x * x for x in vector)) or 1.0
        data.append({"object": "embedding", "index": number, "embedding": [x / length for x in vector]})
    read = sum(len(str(t).split()) for t in texts)
    return {
        "object": "list",
        "data": data,
        "model": ask.body["model"],
        "usage": {"prompt_tokens": read, "total_tokens": read},
    }


def generate(ask: Ask) -> Json:
    """SGLang's own route: no model is named, the answer is one object."""
    body, model = ask.body, ask.model
    text, given = body.get("text"), body.get("sampling_params") or {}
    if not isinstance(text, str) or not text:
        raise Problem(400, "text is needed")
    tokens = _begun(ask, model.encode(text))
    most = _most_tokens(ask, tokens, given.get("max_new_tokens"), 128)
    asked = Ask(model, {"temperature": given.get("temperature", 1.0)}, ask.settings, ask.call)
    steps, ended = _write(asked, [t for t, _, _ in tokens], most, 0)
    about: Json = {
        "id": f"gen-{ask.call}",
        "finish_reason": {"type": "stop" if ended else "length"},
        "prompt_tokens": len(tokens),
        "completion_tokens": len(steps),
        "cached_tokens": 0,
    }
    if body.get("return_logprob") and body.get("logprob_start_len") == 0 and ask.serves("generate"):
        about |= native(ask, tokens, int(body.get("top_logprobs_num") or 0))
    return {"text": "".join(s.text for s in steps), "meta_info": about}


def tokenize(ask: Ask) -> Json:
    """As vLLM's /tokenize: a text or chat turns -> ids."""
    if ask.body.get("messages"):
        text, special = ask.model.chat_text(_messages(ask.body["messages"]), continues=False), False
    else:
        text, special = str(ask.body.get("prompt", "")), True
    tokens = ask.model.encode(text, special=bool(ask.body.get("add_special_tokens", special)))
    return {
        "count": len(tokens),
        "max_model_len": ask.model.context or 100_000,
        "tokens": [t for t, _, _ in tokens],
    }


FORMS = {
    "/v1/chat/completions": (chat, "chat"),
    "/v1/completions": (completions, "completions"),
    "/v1/responses": (responses, "responses"),
    "/v1/systemone": (systemone, "systemone"),
    "/v1/embeddings": (embeddings, "embeddings"),
    "/tokenize": (tokenize, "tokenize"),
    "/generate": (generate, "generate"),
}


_MISTRAL = {"model", "messages", "temperature", "max_tokens", "random_seed", "n", "stop", "response_format"}
_MISTRAL |= {"logprobs", "top_logprobs", "prompt_logprobs", "top_prompt_logprobs", "tools", "tool_choice"}


def _as_mistral(body: Json) -> bool:
    """Whether the last message is to be gone on with. Fields of others are refused, as are odd turns."""
    if unknown := sorted(set(body) - _MISTRAL):
        raise Problem(422, f"Extra inputs are not permitted: {', '.join(unknown)}", "invalid_request_error")
    last = body["messages"][-1]
    if last["role"] == "assistant" and not last.get("prefix"):
        raise Problem(
            400, "Expected last role User or Tool (or Assistant with prefix True) but got assistant"
        )
    return bool(last.get("prefix"))


def _begun(ask: Ask, tokens: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The tokens behind one that begins every text, where this server adds one."""
    if "begins" not in ask.settings.quirks:
        return tokens
    [(token, _, _)] = ask.model.encode("<s>", special=False)[:1]
    return [(token, 0, 0), *tokens]


def _messages(given: Any) -> list[Json]:
    if not isinstance(given, list) or not given:
        raise Problem(400, "messages must be a list of at least one message")
    for message in given:
        if message.get("role") not in ("system", "developer", "user", "assistant", "tool"):
            raise Problem(400, f"unknown role {message.get('role')!r}", "invalid_value")
    return given


def _of_items(items: list[Json]) -> list[Json]:
    """Items of the responses form as turns: what a tool gave back follows its call."""
    found: list[Json] = []
    called = ""
    for item in items:
        kind = item.get("type", "message")
        if kind == "function_call_output":
            if item["call_id"] != called:
                raise Problem(400, f"No tool call found for the output with call_id {item['call_id']}.")
            found.append({"role": "tool", "content": item["output"]})
        elif kind == "message":
            if item["role"] == "tool":
                raise Problem(400, "Invalid value: 'tool'. Supported: 'assistant', 'system', 'user'.")
            found.append(item)
        called = item["call_id"] if kind == "function_call" else ""
    return found


def _must_answer(messages: list[Json]) -> None:
    """OpenAI's own rule for tools."""
    open_calls: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise Problem(
                    400,
                    "messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
                )
            open_calls.remove(message["tool_call_id"])
        elif open_calls:
            break
        open_calls |= {call["id"] for call in message.get("tool_calls") or ()}
    if open_calls:
        raise Problem(
            400,
            "An assistant message with 'tool_calls' must be followed by tool messages for each tool_call_id",
        )


def _most_tokens(ask: Ask, tokens: Sequence[Any], given: int | None, default: int) -> int:
    most = default if given is None else int(given)
    context = ask.settings.context or ask.model.context
    if context and len(tokens) + max(most if given is not None else 1, 0) > context:
        raise Problem(
            400,
            f"This model's maximum context length is {context} tokens. However, you requested {most} output "
            f"tokens and your prompt contains {len(tokens)} tokens.",
            "context_length_exceeded",
        )
    return min(most, context - len(tokens)) if context else most


def _copies(ask: Ask) -> int:
    return 1 if "ignores-n" in ask.settings.quirks else max(1, int(ask.body.get("n") or 1))


def _write(ask: Ask, ids: list[int], most: int, number: int) -> tuple[list[Step], bool]:
    """At most `most` tokens behind the prompt, and whether the model ended by itself."""
    body, model = ask.body, ask.model
    temperature = float(1.0 if body.get("temperature") is None else body["temperature"])
    bias = {int(k): float(v) for k, v in (body.get("logit_bias") or {}).items()}
    bias = bias if bias and ask.serves("logit_bias") else {}
    seed = None if "ignores-seed" in ask.settings.quirks else body.get("seed")
    random = Random(f"{ask.settings.seed} {ask.call if seed is None else seed} {number}")
    steps: list[Step] = []
    sequence, said = list(ids), ""
    if "thinks" in ask.settings.quirks:
        if most <= 40:
            if "refuses-few" in ask.settings.quirks:
                raise Problem(
                    400,
                    "Could not finish the message because max_tokens or model output limit was reached. "
                    "Please try again with higher max_tokens.",
                )
            return steps, False
        most -= 40
    while len(steps) < most:
        [place] = model.following(sequence, len(sequence), len(sequence))
        token = place.draw(random, temperature, bias)
        if token == END:
            return steps, True
        text = model.decode([*sequence[len(ids) :], token])
        forced = token in bias and "biased" in ask.settings.quirks and bias[token] >= 50
        steps.append(Step(token, text[len(said) :], 0.0 if forced else place.logprob(token), place))
        sequence.append(token)
        said = text
    return steps, False


def _option_shares(ask: Ask, text: str, options: Sequence[str]) -> tuple[int, list[float]]:
    logs: list[float] = []
    read = 0
    for option in options:
        turns = [{"role": "user", "content": text}, {"role": "assistant", "content": option}]
        prompt = ask.model.encode(ask.model.chat_text(turns[:1], continues=False), special=False)
        whole = ask.model.encode(ask.model.chat_text(turns, continues=True), special=False)
        ids = [token for token, _, _ in whole]
        places = ask.model.following(ids, len(prompt), len(ids) - 1)
        logs.append(sum(p.logprob(t) for t, p in zip(ids[len(prompt) :], places, strict=True)))
        read += len(ids)
    most = max(logs)
    total = sum(math.exp(value - most) for value in logs)
    return read, [math.exp(value - most) / total for value in logs]


def _decision(kind: str, shares: Mapping[str, float]) -> Json:
    if kind == "noul":
        return {"type": "noul", "noul": shares["yes"]}
    best = max(shares, key=lambda option: shares[option])
    found = {"type": kind, "confidence": shares[best], "probabilities": dict(shares)}
    return {**found, "choice": best} if kind == "choice" else found


def _envelope(
    ask: Ask, kind: str, prefix: str, choices: list[Json], tokens: Sequence[Any], written: int
) -> Json:
    return {
        "id": f"{prefix}-{ask.call}",
        "object": kind,
        "created": 1_700_000_000,
        "model": ask.body["model"],
        "system_fingerprint": "fp_test",
        "choices": choices,
        "usage": _usage(ask, tokens, written),
    }


def _usage(ask: Ask, tokens: Sequence[Any], written: int) -> Json:
    thought = 40 if "thinks" in ask.settings.quirks else 0
    cached = _cached(ask, tokens) if "caches" in ask.settings.quirks else 0
    return {
        "prompt_tokens": len(tokens),
        "completion_tokens": written + thought,
        "total_tokens": len(tokens) + written + thought,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0},
    }


def _cached(ask: Ask, tokens: Sequence[tuple[int, int, int]]) -> int:
    """Tokens of the longest beginning, in pieces of 16, that an earlier prompt had too."""
    ids = tuple(token for token, _, _ in tokens)
    known = 0
    for end in range(16, len(ids) + 1, 16):
        mark = hash((ask.model.name, ids[:end]))
        if mark in ask.beginnings and known == end - 16:
            known = end
        ask.beginnings.add(mark)
    return known
