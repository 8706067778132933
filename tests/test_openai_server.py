"""The server the hosted backends are tested against does what it says: asked with http.client alone."""

import http.client
import json
import time

import pytest
from openai_server import Server, start
from openai_server.settings import FAULTS

PROMPT = "A lamp, a key. The cellar is dark?"  # rules: lamp 1, key and cellar 4, base -9


def ask(server: Server, path: str, body: object, key: str = "any") -> tuple[int, dict, dict]:
    """(status, JSON, headers)"""
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    try:
        link.request("POST", path, json.dumps(body), {"authorization": f"Bearer {key}"})
        reply = link.getresponse()
        return reply.status, json.loads(reply.read()), {k.lower(): v for k, v in reply.getheaders()}
    finally:
        link.close()


def chat(**more: object) -> dict:
    return {"model": "table", "messages": [{"role": "user", "content": PROMPT}], "temperature": 0, **more}


def test_every_way_gives_the_planted_log_probability(openai_server: Server):
    turns = [*chat()["messages"], {"role": "assistant", "content": "the cellar"}]
    ends = {"continue_final_message": True, "add_generation_prompt": False, "max_tokens": 1}
    echo = {"model": "table", "prompt": PROMPT + " the cellar", "echo": True, "logprobs": 1, "max_tokens": 0}
    forced = chat(max_tokens=1, logprobs=True, logit_bias={})
    _, tokens, _ = ask(openai_server, "/tokenize", {"model": "table", "prompt": " the"})
    forced["logit_bias"] = {str(tokens["tokens"][0]): 100}

    _, by_chat, _ = ask(
        openai_server, "/v1/chat/completions", chat(messages=turns, prompt_logprobs=0, **ends)
    )
    _, by_echo, _ = ask(openai_server, "/v1/completions", echo)
    _, by_force, _ = ask(openai_server, "/v1/chat/completions", forced)

    last = [next(iter(row.values()))["logprob"] for row in by_chat["prompt_logprobs"][-2:]]
    assert last == pytest.approx([-2.0, -2.0])  # -9 + 1 + 4, over two words
    assert by_echo["choices"][0]["logprobs"]["token_logprobs"][-2:] == pytest.approx([-2.0, -2.0])
    assert by_echo["choices"][0]["logprobs"]["token_logprobs"][0] is None
    assert by_force["choices"][0]["message"]["content"] == " the"
    assert by_force["choices"][0]["logprobs"]["content"][0]["logprob"] == pytest.approx(-2.0)


def test_the_tokens_of_an_echo_are_the_prompt(openai_server: Server):
    body = {
        "model": "embedded",
        "prompt": "The lamp\n is HERE.",
        "echo": True,
        "logprobs": 0,
        "max_tokens": 0,
    }
    _, found, _ = ask(openai_server, "/v1/completions", body)
    listed = found["choices"][0]["logprobs"]
    assert "".join(listed["tokens"]) == body["prompt"]
    assert len(listed["token_logprobs"]) == len(listed["tokens"]) == len(listed["text_offset"])


def test_samples_follow_the_planted_probability(openai_server: Server):
    _, found, _ = ask(openai_server, "/v1/chat/completions", chat(n=400, temperature=1, max_tokens=1, seed=5))
    share = sum(c["message"]["content"] == " the" for c in found["choices"]) / 400
    assert share == pytest.approx(0.1353, abs=0.06)  # exp(-2)


def test_the_limiter_lets_one_second_of_burst_through(openai_server: Server):
    openai_server.set(rpm=300)
    began, found = time.monotonic(), []
    while not found or found[-1][0] == 200:  # on a busy machine some more go through: 5 a second
        found.append(ask(openai_server, "/v1/chat/completions", chat(max_tokens=1)))
        assert len(found) < 500
    *passed, (status, _, headers) = found
    assert 5 <= len(passed) <= 5 + 5 * (time.monotonic() - began)
    assert status == 429
    assert 0 <= float(headers["retry-after"]) <= 0.2
    assert headers["x-ratelimit-limit-requests"] == "300"
    assert openai_server.counts()["limited"] == 1


def test_a_wrong_key_an_unknown_model_and_an_empty_purse(openai_server: Server):
    openai_server.set(key="right", quota=1)
    assert ask(openai_server, "/v1/chat/completions", chat(), key="wrong")[0] == 401
    assert ask(openai_server, "/v1/chat/completions", chat(model="gpt-99"), key="right")[0] == 404
    assert ask(openai_server, "/v1/chat/completions", chat(), key="right")[0] == 200
    status, body, _ = ask(openai_server, "/v1/chat/completions", chat(), key="right")
    assert (status, body["error"]["code"]) == (429, "insufficient_quota")
    assert "right" not in json.dumps(openai_server.log())


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_happens_once_and_passes(openai_server: Server, fault: str):
    openai_server.set(slow=0.05)
    body = chat(max_tokens=2, logprobs=True)
    good = ask(openai_server, "/v1/chat/completions", body)[1]["choices"][0]["logprobs"]
    openai_server.next(fault)

    try:
        status, found, _ = ask(openai_server, "/v1/chat/completions", body)
    except (OSError, http.client.HTTPException, ValueError):
        assert fault in ("cut", "cut-mid", "truncated", "invalid", "502-html")
    else:
        spoilt = fault in ("slow", "no-logprobs", "null-logprobs", "wrong-length", "-9999")
        assert (status == 200) == spoilt
        assert not spoilt or (found["choices"][0]["logprobs"] == good) == (fault == "slow")
    assert openai_server.counts()["by_fault"] == {fault: 1}
    assert ask(openai_server, "/v1/chat/completions", body)[1]["choices"][0]["logprobs"] == good


def test_the_same_tries_meet_the_same_faults_in_any_order(openai_server: Server):
    bodies = [chat(max_tokens=1, user=str(i)) for i in range(60)]

    def fates(order: list[dict]) -> dict[str, list[int]]:
        openai_server.reset()
        openai_server.set(faults={"500": 0.3, "503": 0.2}, seed=7)
        found: dict[str, list[int]] = {}
        for body in order:
            found.setdefault(str(body["user"]), []).append(
                ask(openai_server, "/v1/chat/completions", body)[0]
            )
        return found

    first = fates(bodies + bodies)
    assert first == fates(bodies[::-1] + bodies)
    assert 0.15 < [status for pair in first.values() for status in pair].count(500) / 120 < 0.45


def test_a_server_ends_with_its_block():
    with start(rpm=60) as server:
        assert server.set()["rpm"] == 60
    with pytest.raises(OSError, match="refused"):
        http.client.HTTPConnection("127.0.0.1", server.port).request("GET", "/")


def test_an_unknown_setting_is_named(openai_server: Server):
    with pytest.raises(ValueError, match="nosuch"):
        openai_server.set(nosuch=1)
    with pytest.raises(ValueError, match="teapot"):
        openai_server.set(faults={"teapot": 1})
