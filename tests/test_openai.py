"""The openai backend against a real socket: scores, errors, limits, keys."""

import asyncio
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest

import spexapi
from spexapi.backends.base import Message, Reply, Request
from spexapi.backends.huggingface.embedded import FOLDER, open_embedded
from spexapi.backends.openai.backend import OpenAI
from spexapi.backends.openai.connection_pool import pooled_client
from spexapi.backends.openai.dialect import RequestFormat
from spexapi.backends.openai.errors import Unfit, Unsupported, of_body, of_status, wait_of
from spexapi.backends.openai.rate_limits import seconds_of
from spexapi.backends.openai.schemas import Completion, read_completion
from spexapi.backends.openai.scoring_methods import why_empty
from spexapi.backends.registry import open_backend
from spexapi.errors import BackendError, InputError, RateLimited, Refused, Unavailable

TEMPLATE = (FOLDER / "chat_template.jinja").read_text()
KEY = "sk-verysecret-0123456789"
STORY = (
    "The lamp is in the attic.\n\nThe key is in the box.\n\nThe box is in the cellar.\n\nWhere is the key?"
)
ROOMS = ("the cellar", "the attic", "cellar")


def asking(text: str, *answers: str, **rest: object) -> Request:
    return Request((Message("user", text),), answers, **rest)  # type: ignore[arg-type]


def backend_at(server, model: str = "table", **options: object) -> OpenAI:
    found = open_backend(f"openai:{model}", base_url=server.base_url, api_key=KEY, **options)
    assert isinstance(found, OpenAI)
    return found


async def opened(backend: OpenAI, requests: list[Request]) -> list[Reply]:
    await backend.open()
    try:
        return await backend.score(requests)
    finally:
        await backend.close()


def score(backend: OpenAI, *requests: Request) -> list[Reply]:
    return asyncio.run(opened(backend, list(requests)))


# --- a given answer


def locally(requests: list[Request]) -> list[Reply]:
    async def run() -> list[Reply]:
        local = open_embedded()
        await local.open()
        try:
            return await local.score(requests)
        finally:
            await local.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def truth() -> list[Reply]:
    return locally([asking(STORY, room) for room in ROOMS])


@pytest.mark.parametrize(
    ("form", "way"),
    [
        ("chat", "prompt_logprobs"),
        ("completions", "echo"),
        ("completions", "prompt_logprobs"),
        ("completions", "forced"),
    ],
)
def test_a_given_answer_scores_as_it_does_locally(openai_server, truth, form, way):
    backend = backend_at(
        openai_server, "embedded", form=form, way=way, chat_template=TEMPLATE, bos_token="<bos>"
    )
    found = score(backend, *[asking(STORY, room) for room in ROOMS])
    for reply, local in zip(found, truth, strict=True):
        assert reply.error == ""
        assert reply.scores[0].logprobs == pytest.approx(local.scores[0].logprobs, abs=1e-3)
        assert reply.scores[0].offsets == local.scores[0].offsets
        assert reply.scores[0].bounded == ()


def test_options_are_scored_one_call_each(openai_server):
    backend = backend_at(openai_server, way="prompt_logprobs")
    [reply] = score(backend, asking("lamp key cellar where", "the cellar", "the attic"))
    assert len(reply.scores) == reply.calls == 2
    # the table: -9, +1 for the lamp, +4 for key and cellar
    assert reply.scores[0].logprobs.sum() == pytest.approx(-4.0)


@pytest.mark.parametrize("way", ["chosen_ids", "first_token", "systemone"])
def test_options_are_compared_by_their_first_token(openai_server, way):
    backend = backend_at(openai_server, way=way)
    found = score(
        backend, *[asking(t, "the", "unknown") for t in ("where", "lamp where", "lamp key cellar where")]
    )
    odds = [float(r.scores[0].logprobs[0] - r.scores[1].logprobs[0]) for r in found]
    assert odds == sorted(odds)
    # by the table the planned first word has probability exp(value / 2); "unknown" has half of what is left
    p = [np.exp(v / 2) for v in (-9.0, -8.0, -4.0)]
    if way != "systemone":
        assert odds == pytest.approx([np.log(x / ((1 - x) / 2)) for x in p], abs=1e-6)


def test_a_token_outside_the_list_is_a_bound_never_a_number(openai_server):
    openai_server.set(top=5)
    backend = backend_at(openai_server, way="first_token")
    [reply] = score(backend, asking("where is it", "the", "unknown"))
    planned, unknown = reply.scores
    assert planned.bounded == (True,)
    assert unknown.bounded == ()
    truth = -4.5  # by the table
    listed = [(1 - np.exp(truth)) * 2.0 ** -(i + 1) for i in range(5)]
    assert truth <= planned.logprobs[0] <= np.log(min(listed)) + 1e-9
    assert planned.logprobs[0] == pytest.approx(min(np.log(min(listed)), np.log(1 - sum(listed))))


@pytest.mark.parametrize(("form", "way"), [("chat", "prompt_logprobs"), ("completions", "echo")])
def test_minus_9999_is_asked_again_then_kept_as_a_bound(openai_server, form, way):
    backend = backend_at(openai_server, form=form, way=way)
    request = asking("where is it", "banana")

    async def run() -> Reply:
        await backend.open()
        openai_server.set(quirks=["clamps"])
        try:
            with pytest.raises(Unavailable, match="-9999"):
                await backend.score([request])
            [reply] = await backend.score([request])
            return reply
        finally:
            await backend.close()

    reply = asyncio.run(run())
    assert reply.scores[0].bounded == (True,)
    assert -20 < reply.scores[0].logprobs[0] < 0


def test_forced_tokens_are_counted_and_those_of_a_failed_try_not_asked_again(openai_server):
    backend = backend_at(openai_server, form="completions", way="forced")

    async def run():
        await backend.open()
        calls = [openai_server.counts()["calls"]]
        replies = []
        for text, faults in (
            ("where", ()),
            ("lamp where", ()),
            ("key where", ("", "500")),
            ("so", ("-9999",)),
        ):
            openai_server.next(*faults)
            if faults:
                with pytest.raises(Unavailable):
                    await backend.score([asking(text, "the cellar")])
            replies += await backend.score([asking(text, "the cellar")])
            calls.append(openai_server.counts()["calls"])
        await backend.close()
        return [reply.calls for reply in replies], np.diff(calls).tolist(), replies

    counted, seen, replies = asyncio.run(run())
    assert counted == [3, 2, 2, 2]  # the answer is cut into its two tokens once
    assert seen == [3, 2, 2 + 1, 2 + 1]  # and a failed call
    assert [r.scores[0].logprobs.sum() for r in replies] == pytest.approx([-9.0, -8.0, -9.0, -9.0])
    assert not any(r.scores[0].bounded for r in replies)


def test_chosen_tokens_are_looked_up_once_and_that_is_counted(openai_server):
    backend = backend_at(openai_server, way="chosen_ids")

    async def run():
        await backend.open()
        before = openai_server.counts()["calls"]
        replies = [
            (await backend.score([asking(text, "cellar", "unknown")]))[0] for text in ("where", "lamp where")
        ]
        await backend.close()
        return [reply.calls for reply in replies], openai_server.counts()["calls"] - before

    assert asyncio.run(run()) == ([2 * 2 + 1, 1], 6)  # with and without a space before it


def test_equal_requests_in_one_call_are_each_scored_once(openai_server):
    backend = backend_at(openai_server, way="prompt_logprobs")
    for reply in score(backend, *[asking("where", "the cellar", "the attic")] * 3):
        assert [len(s.logprobs) for s in reply.scores] == [2, 2]


def test_options_that_begin_alike_are_named(openai_server):
    backend = backend_at(openai_server, way="first_token")
    same = asking("where", "the cellar", "the attic")
    with pytest.raises(InputError, match="'the cellar', 'the attic' begin with the same token"):
        score(backend, same)
    assert "begin with the same token" in backend.check(same)


def test_replies_are_drawn_again_and_repeat_with_a_seed(openai_server):
    requests = [Request((Message("user", "where"),), (), write=8, sample=i) for i in range(6)]
    backend = backend_at(openai_server, way="sample", seed=5)
    texts = [reply.text for reply in score(backend, *requests)]
    assert len(set(texts)) > 1
    assert texts == [
        reply.text for reply in score(backend_at(openai_server, way="sample", seed=5), *requests)
    ]


def test_an_answer_is_written_greedily(openai_server):
    backend = backend_at(openai_server)

    async def run():
        await backend.open()
        try:
            return await backend.generate([Message("user", "lamp key cellar rain river bridge where")], 8)
        finally:
            await backend.close()

    written = asyncio.run(run())
    assert written.text == "the cellar"
    assert written.tokens_in > 0
    assert written.tokens_out == 2


# --- errors


def meets(server, fault: str, **options):
    """What a score meets when the call after the probe goes wrong."""
    backend = backend_at(server, **options)

    async def run() -> Reply:
        await backend.open()
        server.next(fault)
        try:
            [reply] = await backend.score([asking("lamp where", "the cellar")])
            return reply
        finally:
            await backend.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    "fault",
    [
        "500",
        "502-html",
        "cut",
        "cut-mid",
        "truncated",
        "invalid",
        "no-logprobs",
        "null-logprobs",
        "wrong-length",
        "-9999",
    ],
)
@pytest.mark.parametrize("form", ["chat", "completions"])
def test_what_may_pass_may_be_tried_again(openai_server, fault, form):
    with pytest.raises(Unavailable):
        meets(openai_server, fault, form=form)


@pytest.mark.parametrize(
    ("fault", "wait"), [("429", 0.05), ("503", 0.05), ("429-long", 300.0), ("429-bare", None)]
)
def test_a_request_to_wait_carries_its_seconds(openai_server, fault, wait):
    with pytest.raises(RateLimited) as caught:
        meets(openai_server, fault)
    assert caught.value.retry_after == wait


@pytest.mark.parametrize(
    ("fault", "said"), [("overflow", "too long"), ("refusal", "refused for its content")]
)
def test_what_one_prompt_alone_cannot_have_is_a_reply(openai_server, fault, said):
    assert said in meets(openai_server, fault).error


def test_a_used_up_quota_ends_the_run(openai_server):
    with pytest.raises(Refused, match="quota is used up"):
        meets(openai_server, "quota")


def test_a_slow_answer_runs_into_the_timeout(openai_server):
    openai_server.set(slow=5.0)
    with pytest.raises(Unavailable, match=r"within 1\.5 seconds"):
        meets(openai_server, "slow", timeout=1.5)


def test_a_wrong_key_an_unknown_model_and_nobody_there(openai_server):
    openai_server.set(key="another-key-123")
    with pytest.raises(Refused, match="key is wrong"):
        score(backend_at(openai_server), asking("where", "the cellar"))
    openai_server.reset()
    with pytest.raises(Refused, match="model is not known"):
        score(backend_at(openai_server, "gpt-99"), asking("where", "the cellar"))
    # a port that nobody listens on: tried some times, then said
    nobody = open_backend("openai:m", base_url="http://127.0.0.1:9/v1", api_key="k")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9/v1 failed"):
        asyncio.run(nobody.open())


def test_a_way_that_does_not_work_is_an_input_error_with_the_reason(openai_server):
    openai_server.set(ways="openai")
    with pytest.raises(InputError, match=r"'echo' does not work.*echo is ignored"):
        score(backend_at(openai_server, way="echo"), asking("where", "the cellar"))


def test_what_cannot_work_is_said_before_any_call():
    with pytest.raises(InputError, match="no key: set the environment variable NO_SUCH_KEY"):
        open_backend("openai:gpt-4o-mini", key_env="NO_SUCH_KEY", base_url="https://api.openai.com/v1")
    with pytest.raises(InputError, match="needs a model"):
        open_backend("openai:")
    with pytest.raises(InputError, match="unknown way 'ech'"):
        open_backend("openai:m", api_key="k", way="ech")
    with pytest.raises(InputError, match="unknown form"):
        open_backend("openai:m", api_key="k", form="text")
    with pytest.raises(InputError, match="http"):
        open_backend("openai:m", api_key="k", base_url="localhost:8000")
    with pytest.raises(InputError, match="price_in and price_out"):
        open_backend("openai:m", api_key="k", price_in=1.0)


# --- limits, prices, keys, life


def test_limits_are_read_from_the_headers(openai_server):
    openai_server.set(rpm=6000, tpm=120_000)
    backend = backend_at(openai_server)
    score(backend, asking("where", "the cellar"))
    assert backend.limits is not None
    assert backend.limits.requests_per_minute == 6000
    assert backend.limits.tokens_per_minute == 120_000
    assert backend.limits.remaining_requests is not None


def test_prices_are_the_users_or_the_tables_and_unknown_elsewhere():
    at = {"api_key": "k"}
    known = open_backend("openai:gpt-4o-mini", base_url="https://api.openai.com/v1", **at).capabilities.price
    assert known is not None
    assert known.tokens_in < known.tokens_out
    assert "estimate" in known.source
    given = open_backend("openai:m", base_url="http://127.0.0.1:1/v1", price_in=1.0, price_out=2.0, **at)
    assert (given.capabilities.price.tokens_in, given.capabilities.price.source) == (1.0, "given by the user")
    assert (
        open_backend("openai:gpt-4o-mini", base_url="http://127.0.0.1:1/v1", **at).capabilities.price is None
    )


def test_no_secret_shows(openai_server):
    openai_server.set(key="another-key-123")
    secret = "hunter2-in-a-header"
    url = openai_server.base_url.replace("http://", "http://me:pass-word-9@")
    backend = open_backend(
        "openai:table", base_url=url, api_key=KEY, headers={"x-api": secret}, query={"code": "query-secret-1"}
    )
    with pytest.raises(BackendError) as caught:
        asyncio.run(backend.open())
    told = "".join(traceback.format_exception(caught.value))
    shown = f"{backend!r} {backend.identity} {backend.name} {caught.value!r} {told}"
    for hidden in (KEY, secret, "pass-word-9", "query-secret-1"):
        assert hidden not in shown


def test_the_identity_tells_what_changes_a_reply_and_nothing_else(openai_server):
    def identity(**options: object) -> str:
        backend = backend_at(openai_server, **options)
        assert backend.identity == ""
        score(backend, asking("where", "the cellar"))
        return backend.identity

    plain = identity()
    assert plain == identity(timeout=7.0, concurrency=3)
    assert (
        len({plain, identity(form="completions"), identity(temperature=0.5), identity(extra={"top_p": 0.9})})
        == 4
    )
    assert KEY not in plain


def test_it_opens_again_after_closing_and_probes_once(openai_server):
    backend = backend_at(openai_server)
    requests = [asking("where", "the cellar")]
    first = score(backend, *requests)
    probing = openai_server.counts()["calls"] - 1
    assert backend.setup.calls == probing
    second = score(backend, *requests)
    assert openai_server.counts()["calls"] == probing + 2
    assert first[0].scores[0].logprobs == pytest.approx(second[0].scores[0].logprobs)


def test_opened_by_many_at_once_it_probes_once(openai_server):
    backend = backend_at(openai_server)

    async def run() -> None:
        await asyncio.gather(*(backend.open() for _ in range(8)))
        await backend.close()

    asyncio.run(run())
    assert openai_server.counts()["calls"] == backend.setup.calls


def test_connections_are_kept_and_shared_by_later_calls(openai_server):
    backend = backend_at(openai_server)

    async def run() -> None:
        await backend.open()
        for start in range(0, 120, 8):
            await asyncio.gather(
                *(backend.score([asking(f"where {i}", "the cellar")]) for i in range(start, start + 8))
            )
        await backend.close()

    asyncio.run(run())
    seen = [call["connection"] for call in openai_server.log()]
    assert len(seen) >= 120
    assert len(set(seen)) <= 16 + 8  # one a pool of the client, and what ran beside it


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_left_to_the_package(monkeypatch, name):
    for other in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.lower(), raising=False)
    assert pooled_client() is not None
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert pooled_client() is not None
    monkeypatch.setenv(name, "http://proxy.example:3128")
    assert pooled_client() is None


def test_importing_it_loads_no_client():
    code = (
        "import sys, spexapi.backends.openai.backend; print('openai' in sys.modules, 'jinja2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    assert done.stdout.split() == ["False", "False"]


def test_a_score_the_endpoint_cannot_give_is_refused_with_what_was_tried(openai_server):
    openai_server.set(quirks=["drops-logprobs"])
    game = spexapi.PromptGame(backend_at(openai_server), "lamp key cellar", "the cellar", score="logprob")
    with pytest.raises(InputError, match=r"it can .*'match'.*tried: chat prompt_logprobs: LogprobsMissing"):
        spexapi.explain(game, engine="exact", budget=8)


def said(**choice: object) -> Completion:
    usage = {"prompt_tokens": 9, "completion_tokens": 4}
    message = {"role": "assistant", "content": None, **choice.pop("message", {})}  # type: ignore[dict-item]
    return read_completion(RequestFormat.CHAT, {"choices": [{"message": message, **choice}], "usage": usage})


def test_a_refusal_is_a_reply_and_an_empty_one_has_its_reason():
    assert said(message={"refusal": "I cannot help."}, finish_reason="stop").text == "I cannot help."
    assert "reasoning model" in why_empty(said(finish_reason="length"), 64)
    assert "content filter" in why_empty(said(finish_reason="content_filter"), 64)
    assert why_empty(said(finish_reason="stop"), 64) == ""
    assert why_empty(said(message={"content": "so"}, finish_reason="length"), 1) == ""


def test_waits_and_durations_are_read_as_servers_write_them():
    assert wait_of({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert wait_of({"retry-after": "300"}) == 300.0
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert wait_of({"retry-after": later}) == pytest.approx(100, abs=3)
    assert wait_of({"retry-after": "soon"}) is None
    assert wait_of({}) is None
    read_as = {"6m0s": 360.0, "12ms": 0.012, "1h2m3.5s": 3723.5, "17": 17.0, "soon": None, "5 parsecs": None}
    assert {text: seconds_of(text) for text in read_as} == pytest.approx(read_as)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (429, {"code": "rate_limit_exceeded"}, RateLimited),
        (429, {"code": "insufficient_quota"}, Refused),
        (402, {"message": "Insufficient credits"}, Refused),
        (401, {"code": "invalid_api_key"}, Refused),
        (404, {"code": "model_not_found", "message": "The model does not exist"}, Refused),
        (400, {"message": "unknown model: gpt-99"}, Refused),
        (400, {"code": "context_length_exceeded"}, Unfit),
        (413, {"message": "payload"}, Unfit),
        (400, {"code": "content_filter"}, Unfit),
        (422, {"message": "Extra inputs are not permitted"}, Unsupported),
        (529, {"message": "Overloaded"}, Unavailable),
        (409, {}, Unavailable),
    ],
)
def test_each_answer_of_an_endpoint_is_known_for_what_it_means(status, error, kind):
    assert type(of_status(status, {"error": error}, {})) is kind


def test_an_error_inside_a_good_answer_is_an_error():
    assert type(of_body({"error": {"code": 429, "message": "slow down"}})) is RateLimited
    assert type(of_body({"error": {"message": "Provider returned error"}})) is Unavailable
    assert of_body({"choices": [], "error": None}) is None
