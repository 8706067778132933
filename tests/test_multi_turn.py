"""Conversations: the system prompt, chat turns and tools' results are players, on hosted and local models."""

import json

import numpy as np
import pytest
from openai_server import Server

import spexapi
from spexapi.backends.base import Message, Request
from spexapi.backends.openai.open import open_openai
from spexapi.backends.turns import chat_turns, response_items
from spexapi.errors import InputError, NothingMeasured, Refused
from spexapi.prompts.inputs import to_messages
from spexapi.sampling.keys import Keys

CALL = {"id": "a1", "type": "function", "function": {"name": "look", "arguments": '{"place": "house"}'}}
OTHER = {"id": "b2", "type": "function", "function": {"name": "ask", "arguments": {"who": "Mary"}}}
TALK = [
    {"role": "system", "content": "You look for a key."},
    {"role": "user", "content": "Where did it rain?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL, OTHER]},
    {"role": "tool", "tool_call_id": "a1", "content": "there is a cellar"},
    {"role": "tool", "tool_call_id": "b2", "content": "river and bridge"},
    {"role": "assistant", "content": "One moment."},
    {"role": "user", "content": "So, where?"},
]
BROKEN = {"name": "look", "arguments": "{"}
# players: system, user, two results, assistant; the table's rules join words across turns
SYSTEM_AND_TOOL, USER_AND_TOOL = (0, 2), (1, 3)


def explained(server: Server, **options) -> spexapi.Explanation:
    backend = open_openai("table", base_url=server.base_url, api_key="any", **options)
    more = {"options": ["unknown"]} if options.get("way") == "first_token" else {}
    game = spexapi.PromptGame(backend, TALK, "the cellar", unit="turn", pinned=[-1], **more)
    return spexapi.explain(game, engine="exact", budget=32, index="moebius")


def test_turns_and_tool_results_are_players_and_every_mask_is_a_valid_conversation(openai_server: Server):
    openai_server.set(quirks=["strict-tools"])
    found = explained(openai_server)
    assert [p.label.split(":")[0] for p in found.players] == ["system", "user", "tool", "tool", "assistant"]
    assert found.audit.n_failed == 0
    expected = {(): -9.0, SYSTEM_AND_TOOL: 4.0, USER_AND_TOOL: 3.0}
    strong = {players: value for players, value in found.interactions.items() if abs(value) > 1e-9}
    assert strong == pytest.approx(expected)


def test_the_responses_form_takes_the_same_conversation(openai_server: Server):
    found = explained(openai_server, form="responses", way="first_token")
    assert found.audit.n_failed == 0
    # of 0, 1, 2 and 3 rules the first token is the answer's in a growing share: both pairs stand out
    strongest = sorted(found.interactions.items(), key=lambda pair: -abs(pair[1]))
    assert {players for players, _ in strongest if players}.issuperset({SYSTEM_AND_TOOL, USER_AND_TOOL})
    sent = [json.loads(c["body"])["input"] for c in openai_server.log() if "function_call" in c["body"]]
    assert {item["type"] for items in sent for item in items if "type" in item} == {
        "function_call",
        "function_call_output",
    }


def test_a_result_without_its_call_is_the_endpoints_to_refuse(openai_server: Server):
    openai_server.set(quirks=["strict-tools"])
    bare = [{k: v for k, v in turn.items() if k in ("role", "content")} for turn in TALK if turn["content"]]
    backend = open_openai("table", base_url=openai_server.base_url, api_key="any")
    game = spexapi.PromptGame(backend, bare, "the cellar", unit="turn", pinned=["tool", -1])
    with pytest.raises((NothingMeasured, Refused), match="preceding message with 'tool_calls'"):
        spexapi.explain(game, engine="exact", budget=8)


def test_units_by_role_reach_into_the_turns(openai_server: Server):
    backend = open_openai("table", base_url=openai_server.base_url, api_key="any")
    units = {"system": "word", "tool": "turn"}
    game = spexapi.PromptGame(backend, TALK, "the cellar", units, pinned=[1])
    found = spexapi.explain(game, engine="exact", budget=128, index="moebius")
    key = next(i for i, player in enumerate(found.players) if player.text.startswith("key"))
    cellar = next(i for i, player in enumerate(found.players) if "cellar" in player.text)
    assert found.interactions[tuple(sorted((key, cellar)))] == pytest.approx(4.0)


def test_a_conversation_is_scored_as_the_local_model_scores_it(openai_server: Server):
    talk = [
        {"role": "system", "content": "The key is in the box."},
        {"role": "user", "content": "The box is in the cellar."},
        {"role": "assistant", "content": "box"},
        {"role": "user", "content": "The lamp is in the attic.\n\nQuestion: Which room is the key in?"},
    ]
    values = []
    for backend in (open_openai("embedded", base_url=openai_server.base_url, api_key="any"), "embedded"):
        game = spexapi.PromptGame(backend, talk, "cellar", unit="turn", pinned=[-1])
        found = spexapi.explain(game, engine="exact", budget=8)
        assert found.audit.n_failed == 0
        values.append(found.observations.values)
    np.testing.assert_allclose(values[0], values[1], atol=1e-3)


def test_a_call_travels_with_its_result():
    messages = to_messages(TALK)
    assert [m.role for m in messages] == ["system", "user", "tool", "tool", "assistant", "user"]
    turns = chat_turns(messages)
    assert [t["role"] for t in turns] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    call, result = turns[2], turns[3]
    assert result["tool_call_id"] == call["tool_calls"][0]["id"]
    assert call["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"place": "house"}'}
    assert chat_turns(messages, as_text=False)[2]["tool_calls"][0]["function"]["arguments"] == {
        "place": "house"
    }
    assert [item.get("type") for item in response_items(messages)].count("function_call_output") == 2
    assert chat_turns(()) == [{"role": "user", "content": ""}]  # what a mask that keeps nothing sends


def test_another_call_is_another_request():
    one = (Message("tool", "there is a cellar", '{"name": "look", "arguments": {}}'),)
    keys = Keys("endpoint", reads_whole=False)
    assert keys.of(Request(one, ("a",)))[0] != keys.of(Request((Message("tool", one[0].content),), ("a",)))[0]


@pytest.mark.parametrize(
    ("talk", "says"),
    [
        ([{"role": "tool", "tool_call_id": "x", "content": "?"}], "turn 0 answers the tool call 'x'"),
        ([TALK[1], TALK[2], TALK[3]], "'b2' has no result"),
        ([{"role": "assistant", "tool_calls": [{"id": 1}]}], "tool_calls of turn 0"),
        (
            [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{"}}]}],
            "JSON",
        ),
    ],
)
def test_a_broken_call_is_named(talk, says: str):
    with pytest.raises(InputError, match=says):
        to_messages(talk)
