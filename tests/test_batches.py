"""The Batch API: one file for many prompts, found again after a restart, failed lines sent again."""

import asyncio
import json

import pytest
from openai_server import Server

import spexapi
from spexapi.backends.base import Message, Price, Request
from spexapi.backends.openai import batch_api
from spexapi.backends.openai.open import open_openai
from spexapi.errors import Refused
from spexapi.plan import preview

WORDS = ["lamp", "key", "cellar", "rain", "river", "bridge", "stone"]


def requests(count: int = 12) -> list[Request]:
    prompts = [" ".join(word for k, word in enumerate(WORDS) if i >> k & 1) for i in range(count)]
    return [Request((Message("user", f"so {prompt} where?"),), ("the cellar",)) for prompt in prompts]


def planted(request: Request) -> float:
    """The table's rules, written out."""
    said = set(request.messages[0].content.split())
    value = -9.0 + ("lamp" in said) + 4 * ({"key", "cellar"} <= said)
    return value + 3 * ({"rain", "river", "bridge"} <= said)


def opened(server: Server, **options):
    return open_openai("table", base_url=server.base_url, api_key="any", poll=0.01, **options)


def scored(backend, asked):
    async def main():
        await backend.open()
        try:
            return await backend.score(asked)
        finally:
            await backend.close()

    return asyncio.run(main())


def values(replies) -> list[float]:
    return [float(reply.scores[0].logprobs.sum()) for reply in replies]


def submitted(server: Server) -> int:
    """Batches made. Each is also listed and looked at, by GET, which has no body."""
    return sum(call["path"] == "/v1/batches" and bool(call["body"]) for call in server.log())


def test_many_prompts_are_one_batch_with_the_planted_values(openai_server: Server):
    backend, asked = opened(openai_server, batch=True), requests()
    assert values(scored(backend, asked)) == pytest.approx([planted(request) for request in asked])
    assert submitted(openai_server) == 1
    direct = [c for c in openai_server.log() if c["body"] and "so lamp" in c["body"] and "chat" in c["path"]]
    assert not direct


def test_a_game_is_explained_through_batches(openai_server: Server):
    prompt = "the lamp the key the cellar where?"
    direct = spexapi.PromptGame(opened(openai_server), prompt, "the cellar")
    expected = spexapi.explain(direct, engine="exact", budget=128, index="moebius")
    asked = openai_server.counts()["calls"]

    batched = spexapi.PromptGame(opened(openai_server, batch=True), prompt, "the cellar")
    found = spexapi.explain(batched, engine="exact", budget=128, index="moebius")

    assert dict(found.interactions) == pytest.approx(dict(expected.interactions))
    assert found.interactions[(3, 5)] == pytest.approx(4.0)  # key and cellar
    assert openai_server.counts()["calls"] - asked < 20  # the probe
    assert submitted(openai_server) <= 2


@pytest.mark.parametrize(("engine", "batches"), [("lime", 1), ("adaptive", None)])
def test_the_masks_of_the_audit_wait_for_no_batch_of_their_own(openai_server: Server, engine, batches):
    words = WORDS

    def game(**more):
        return spexapi.PromptGame(opened(openai_server, **more), " ".join(words), "the cellar")

    asked = {"engine": engine, "budget": 60, "held_out": 24, "claims": 0}
    direct = spexapi.explain(game(), **asked)
    found = spexapi.explain(game(batch=True), **asked)

    assert found.audit.n_held_out == direct.audit.n_held_out >= 24
    assert found.audit.r2 == pytest.approx(direct.audit.r2)
    assert dict(found.interactions) == pytest.approx(dict(direct.interactions))
    assert (found.observations.masks == direct.observations.masks).all()
    assert found.cost.calls == direct.cost.calls
    if batches is not None:
        assert submitted(openai_server) == batches


def test_a_run_that_was_ended_finds_its_batch_again(openai_server: Server):
    openai_server.set(polls=1_000)
    asked = requests()

    async def cut_short():
        backend = opened(openai_server, batch=True)
        await backend.open()
        run = asyncio.ensure_future(backend.score(asked))
        while not submitted(openai_server):
            await asyncio.sleep(0.01)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await backend.close()

    asyncio.run(cut_short())
    openai_server.set(polls=1)
    found = scored(opened(openai_server, batch=True), asked)
    assert values(found) == pytest.approx([planted(request) for request in asked])
    assert submitted(openai_server) == 1
    scored(opened(openai_server, batch=True), asked[:3])  # other lines are another batch
    assert submitted(openai_server) == 2


def test_a_stop_leaves_the_batch_to_the_next_run(openai_server: Server):
    openai_server.set(polls=1_000_000)

    def game():
        return spexapi.PromptGame(
            opened(openai_server, batch=True), "the lamp the key the cellar?", "the cellar"
        )

    with pytest.raises(spexapi.NothingMeasured):
        spexapi.explain(game(), engine="exact", budget=64, should_stop=lambda: submitted(openai_server) > 0)
    openai_server.set(polls=1)
    found = spexapi.explain(game(), engine="exact", budget=64, index="moebius")
    assert found.interactions[(3, 5)] == pytest.approx(4.0)
    assert submitted(openai_server) == 1


def test_failed_lines_alone_go_into_a_second_batch(openai_server: Server):
    backend, asked = opened(openai_server, batch=True), requests()
    asyncio.run(probed(backend))
    openai_server.next(*[""] * 4, "500", "", "refusal", "", "429", "null-logprobs")

    found = scored(backend, asked)

    assert "content" in found[6].error
    good = [i for i in range(len(asked)) if i != 6]
    assert values([found[i] for i in good]) == pytest.approx([planted(asked[i]) for i in good])
    counts = [
        json.loads(c["body"])["input_file_id"]
        for c in openai_server.log()
        if c["path"] == "/v1/batches" and c["body"]
    ]
    assert len(counts) == 2
    files = [c["body"] for c in openai_server.log() if c["path"] == "/v1/files"]
    assert [file.count('"custom_id"') for file in files] == [12, 3]


async def probed(backend):
    await backend.open()
    await backend.close()


def test_a_file_that_would_be_too_long_is_several(openai_server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batch_api, "MOST_LINES", 5)
    asked = requests()
    found = scored(opened(openai_server, batch=True), asked)
    assert values(found) == pytest.approx([planted(request) for request in asked])
    assert submitted(openai_server) == 3


def test_a_batch_costs_half_and_is_kept_like_the_rest(openai_server: Server):
    prices = {"price_in": 2.0, "price_out": 8.0, "price_cached": 1.0}
    whole, half = opened(openai_server, **prices), opened(openai_server, batch=True, **prices)
    asyncio.run(probed(whole))
    asyncio.run(probed(half))
    assert half.capabilities.price == Price(1.0, 4.0, 0.5, "given by the user, half of it for a batch")
    assert half.identity == whole.identity  # a reply bought one way is worth the same the other


@pytest.mark.parametrize(
    ("engine", "batches", "said"),
    [
        ("lime", 1, "$0.0099 (given by the user, half of it for a batch), 1 batch, up to a day each"),
        ("exact", 1, "1 batch,"),
        ("adaptive", None, "a batch for each round of the engine, one after the other, up to a day each"),
    ],
)
def test_a_forecast_says_how_many_batches_are_waited_for(engine, batches, said):
    prices = {"price_in": 50.0, "price_out": 8.0, "base_url": "http://127.0.0.1:9/v1", "api_key": "any"}
    backend = open_openai("table", batch=True, **prices)
    game = spexapi.PromptGame(backend, " ".join(WORDS[:6]), "the cellar")
    plan = preview(game, engine=engine, budget=64)
    assert plan.forecast.paid
    assert plan.forecast.batches == batches
    assert said in plan.forecast.line
    assert any("adaptive waits for the batch of each" in note for note in plan.notes) == (batches is None)
    held = preview(game, engine="lime", budget=64, held_out=8)
    assert held.forecast.batches == 1  # the audit's are in it


def test_an_endpoint_without_batches_is_named(openai_server: Server):
    backend = opened(openai_server, batch=True)
    asyncio.run(probed(backend))
    openai_server.set(ways="vllm")
    with pytest.raises(Refused, match="takes no batches"):
        scored(backend, requests())
