"""The page for programs: named endpoints, agents, many sessions, code that does the same run again."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from page_server import HERE, served

import spexapi

pytest.importorskip("gradio")

from spexapi.page.requests.model import Model
from spexapi.page.requests.request import ExplainOptions
from spexapi.page.requests.text import Chat, Rag, TextRequest
from spexapi.page.result.downloads import command, python
from spexapi.page.runs.run_loop import results
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.site import Site

pytestmark = pytest.mark.slow


ROOMS = ("cellar", "attic", "kitchen", "garden", "office") * 2
QUESTION = "Which room is the key in?"


def texts(room: str) -> list[str]:
    return ["The key is in the box.", f"The box is in the {room}.", "John has the coin."]


def client(address: str) -> Any:
    from gradio_client import Client

    return Client(address, verbose=False)


def test_ten_sessions_at_once_get_their_own_results(address):
    def ask(room: str) -> tuple[str, str]:
        found = client(address).predict(
            QUESTION, texts(room), budget=16, everything=True, api_name="/explain_rag"
        )
        return found["answer"], found["explanation"]["players"][1]["text"]

    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(ask, ROOMS))

    assert [text for _, text in found] == [f"The box is in the {room}." for room in ROOMS]
    assert sum(answer == room for (answer, _), room in zip(found, ROOMS, strict=True)) >= 8


def test_a_program_asks_about_a_prompt_too(address):
    prompt = f"Documents:\n\nThe key is in the box. The box is in the cellar.\n\nQuestion: {QUESTION}"
    found = client(address).predict(prompt, unit="sentence", budget=16, api_name="/explain_prompt")
    assert found["answer"] == "cellar"
    assert len(found["parts"]) == 4
    assert "explanation" not in found


@pytest.fixture(scope="module")
def limited():
    with served(str(HERE / "limited_page.py")) as found:
        yield found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"budget": 81}, "81 questions to the model are more than this page takes (80)"),
        ({"documents": ["a"] * 7}, "7 documents"),
        ({"documents": ["a" * 2_001, "b"]}, "characters of text"),
        ({"question": " "}, "no question yet"),
        ({"unit": "planet"}, "planet"),
        ({"model": "openai:gpt"}, "keys are not taken here"),
        ({"model": "hf:somebody/large"}, "this page runs embedded"),
        ({"budget": 0}, "budget"),
    ],
)
def test_the_limits_of_the_page_hold_for_programs(limited, given, message):
    from gradio_client.exceptions import AppError

    asked = {"question": QUESTION, "documents": texts("cellar"), "budget": 16} | given
    with pytest.raises(AppError) as refused:
        client(limited).predict(**asked, api_name="/explain_rag")
    assert message in str(refused.value)


def test_a_session_of_a_program_asks_so_many_times_an_hour(limited):
    from gradio_client.exceptions import AppError

    one = client(limited)
    six = [f"The thing {i} is in the box." for i in range(6)]
    one.predict("What is in the box?", six, budget=64, api_name="/explain_rag")
    with pytest.raises(AppError, match="36 of the 100 that this page allows within an hour"):
        one.predict("What is in the box?", six, budget=64, api_name="/explain_rag")
    client(limited).predict(QUESTION, texts("cellar"), budget=16, api_name="/explain_rag")


def test_a_session_of_a_program_has_so_many_runs_at_once(limited):
    from gradio_client.exceptions import AppError

    one = client(limited)
    words = ["The key is in the old red box.", "The box is in the cellar of the house.", "Anna is here."]
    jobs = [one.submit(QUESTION, words, unit="word", budget=40, api_name="/explain_rag") for _ in range(4)]
    said = [str(job.exception() or "") for job in jobs]
    assert "" in said
    assert any("as many as this page allows at once" in text for text in said)
    assert issubclass(AppError, Exception)


def with_agent(address: str, work: Any) -> Any:
    """The result of work(session) in a session of the official MCP client."""
    mcp = pytest.importorskip("mcp")
    from mcp.client.streamable_http import streamable_http_client

    async def run() -> Any:
        async with (
            streamable_http_client(f"{address}gradio_api/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await work(session)

    return asyncio.run(run())


def test_an_agent_finds_the_tool_and_reads_which_documents_were_needed(limited):
    async def work(session):
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        name = next(name for name in tools if name.endswith("explain_rag"))
        given = {"question": QUESTION, "documents": texts("cellar"), "budget": 16}
        return tools, tools[name], await session.call_tool(name, given)

    tools, tool, answer = with_agent(limited, work)
    found = ast.literal_eval(answer.content[0].text)  # gradio writes a result as Python does

    assert len(tools) == 2  # no event of the page is a tool
    assert "which documents, alone or in combination" in tool.description
    assert set(tool.inputSchema["properties"]) == {
        "question",
        "documents",
        "answer",
        "unit",
        "budget",
        "model",
        "everything",
    }
    assert not answer.isError
    assert "documents 1 and 2 together" in found["story"]
    assert found["combinations"][0]["words"] == "both needed"


def test_an_agent_meets_the_same_limits(limited):
    async def work(session):
        given = {"question": QUESTION, "documents": texts("cellar"), "budget": 10_000}
        tool = next(t.name for t in (await session.list_tools()).tools if t.name.endswith("explain_rag"))
        return await session.call_tool(tool, given)

    answer = with_agent(limited, work)
    assert answer.isError
    assert "10,000 questions to the model" in answer.content[0].text


# -- the code that is shown does the same run again

DOCUMENTS = (
    "Mary is in the garden.",
    "The key is in the box.",
    "The lamp isn't in the attic, it's in \"the hall\".",
    "The box is in the cellar.",
    "John has the coin.",
    "Anna has $5 and `nothing` else.",
    "Tom is in the kitchen.\n\nHe cooks.",
    "The cat sleeps.",
)
TURNS = (
    ("system", "Answer in a word."),
    ("user", "The box is in the cellar. The key is in the box. Where is the key?"),
)


@pytest.fixture
def shown_and_run(tmp_path, monkeypatch):
    """Gives the explanation of the page, of the Python code it shows, and of the command it shows."""

    async def on_the_page(form: TextRequest, key: str) -> SessionResult:
        return [update async for update in results(form, key, Site(), Event())][-1]

    def run(form: TextRequest, key: str = "", **env: str) -> list[spexapi.Explanation]:
        on_page = asyncio.run(on_the_page(form, key))
        assert on_page.ended == ""
        monkeypatch.chdir(tmp_path)
        for name, value in {"HF_HUB_OFFLINE": "1", "SPEXAPI_STORE": "off", **env}.items():
            monkeypatch.setenv(name, value)
        exec(python(form, on_page.kept) + "explanation.to_json('python.json')\n", {})
        line = command(form, on_page.kept).rstrip() + " --json command.json --quiet\n"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-ec", line],
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found = [spexapi.Explanation.from_json(f"{name}.json") for name in ("python", "command")]
        return [on_page.whole, *found]

    return run


@pytest.mark.parametrize(
    "form",
    [
        TextRequest(Rag(QUESTION, DOCUMENTS), options=ExplainOptions(budget=64)),
        TextRequest(
            Rag(QUESTION, DOCUMENTS[:4], "attic"), options=ExplainOptions("word", 48, index="fsii", seed=3)
        ),
        TextRequest(Chat(TURNS), options=ExplainOptions("word", 64, engine="proxyspex")),
        TextRequest(
            Rag(QUESTION, DOCUMENTS[:4]),
            options=ExplainOptions("document", 16, score="choice", choices=("attic", "hall")),
        ),
    ],
    ids=["documents", "words", "chat", "choice"],
)
def test_the_code_that_is_shown_gives_the_same_explanation(form, shown_and_run):
    on_page, by_python, by_command = shown_and_run(form)

    for found in (by_python, by_command):
        assert found.target.answer == on_page.target.answer
        assert found.index == on_page.index
        assert dict(found.interactions) == pytest.approx(dict(on_page.interactions))
        assert found.audit.r2 == pytest.approx(on_page.audit.r2)
    assert (by_command.verification is None) == (on_page.verification is None)


def test_the_code_of_a_hosted_run_has_its_address_and_no_key(openai_server, shown_and_run):
    model = Model("openai", "table", openai_server.base_url)
    form = TextRequest(Rag("Where is the key?", DOCUMENTS, "the cellar"), model, ExplainOptions(budget=64))
    on_page, by_python, by_command = shown_and_run(form, "sk-x1", OPENAI_API_KEY="sk-x2")

    for code in (python(form), command(form)):
        assert openai_server.base_url in code
        assert "sk-x" not in code
    for found in (by_python, by_command):
        assert dict(found.interactions) == pytest.approx(dict(on_page.interactions), abs=1e-6)


def test_the_code_for_inference_providers_reads_the_token_from_the_environment():
    form = TextRequest(Rag("q?", DOCUMENTS), Model("providers", "org/m", max_cost=1.5))
    assert "terms=spexapi.Terms(max_cost=1.5)" in python(form)
    assert "--max-cost 1.5" in command(form)
    assert "base_url='https://router.huggingface.co/v1', key_env='HF_TOKEN'" in python(form)
    assert "--base-url https://router.huggingface.co/v1" in command(form)
    assert "--key-env HF_TOKEN" in command(form)
