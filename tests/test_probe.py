"""The probe: what an endpoint can do is tried, and numbers that are not what they seem are named."""

import asyncio
import json

import pytest
from openai_server.settings import PASSING
from typer.testing import CliRunner

import spexapi
from spexapi.backends.base import Message, Request
from spexapi.backends.openai.backend import OpenAI
from spexapi.backends.openai.dialect import Dialect, RequestFormat
from spexapi.backends.openai.endpoint import Endpoint
from spexapi.backends.openai.errors import Unfit, Unsupported
from spexapi.backends.openai.open import open_openai
from spexapi.backends.openai.probe.probe import Probe
from spexapi.backends.openai.probe.results import ProbeReport, ProbeResult
from spexapi.backends.openai.tokens import Token, answer_in, upper_bound
from spexapi.errors import LogprobsMisplaced, NothingMeasured, Unavailable

ANSWERING = {("chat", "prompt_logprobs"), ("completions", "echo"), ("completions", "prompt_logprobs")}


def at(server, **options) -> OpenAI:
    return open_openai("table", base_url=server.base_url, api_key="sk-probing-123", **options)


def probed(backend: OpenAI, *, thorough: bool = True) -> ProbeReport:
    async def run() -> ProbeReport:
        try:
            return await backend.probe(thorough=thorough)
        finally:
            await backend.close()

    return asyncio.run(run())


def working(found: ProbeReport) -> set[tuple[str, str]]:
    return {(f.dialect.format, f.method.name) for f in found.results if f.works}


def problem(found: ProbeReport, form: str, way: str) -> str:
    [finding] = [f for f in found.results if (f.dialect.format, f.method.name) == (form, way)]
    return finding.problem


OF_ALL = {("chat", "first_token"), ("completions", "first_token"), ("responses", "first_token")}
WRITES = {("chat", "sample"), ("completions", "sample"), ("responses", "sample")}


@pytest.mark.parametrize(
    ("served", "wanted", "used"),
    [
        (
            "vllm",
            ANSWERING
            | OF_ALL
            | WRITES
            | {("chat", "chosen_ids"), ("chat", "systemone"), ("completions", "forced")},
            "chat prompt_logprobs",
        ),
        (
            "openai",
            {("chat", "first_token"), ("responses", "first_token")} | WRITES - {("completions", "sample")},
            "chat first_token",
        ),
        (
            "together",
            {
                ("chat", "echo"),
                ("chat", "first_token"),
                ("completions", "echo"),
                ("completions", "first_token"),
            }
            | WRITES - {("responses", "sample")},
            "chat echo",
        ),
        (
            "llama.cpp",
            {("chat", "first_token"), ("completions", "first_token"), ("completions", "forced")}
            | WRITES - {("responses", "sample")},
            "chat first_token",
        ),
        (
            "sglang",
            {("completions", "echo"), ("completions", "generate"), ("chat", "systemone")}
            | (OF_ALL | WRITES) - {("responses", "first_token"), ("responses", "sample")},
            "chat first_token",
        ),
        ("mistral", {("chat", "prefix"), ("chat", "first_token"), ("chat", "sample")}, "chat prefix"),
        ("anthropic", {("chat", "sample")}, "chat sample"),
        ("transformers", {("chat", "systemone")} | WRITES, "chat systemone"),
    ],
)
def test_each_kind_of_endpoint_is_known_for_what_it_can_do(openai_server, served, wanted, used):
    openai_server.set(ways=served)
    backend = at(openai_server)
    assert working(probed(backend)) == wanted
    assert f" {used}" in backend.identity
    scores = used.split()[1] in ("prompt_logprobs", "prefix", "echo")
    assert backend.capabilities.score_answer == backend.capabilities.repeatable == scores
    assert backend.capabilities.choose == (used != "chat sample")


@pytest.mark.parametrize("refusing", [[], ["refuses"]])
def test_logprobs_dropped_in_silence_are_missed(openai_server, refusing):
    openai_server.set(quirks=["drops-logprobs", *refusing])
    found = probed(at(openai_server))
    assert problem(found, "chat", "prompt_logprobs").startswith("LogprobsMissing:")
    assert problem(found, "chat", "first_token").startswith("LogprobsMissing: asked for top_logprobs=20")
    assert not ANSWERING & working(found)


@pytest.mark.parametrize("model", ["table", "embedded"])
def test_logprobs_shifted_by_a_token_are_caught(openai_server, model):
    openai_server.set(quirks=["shifted"])
    found = probed(open_openai(model, base_url=openai_server.base_url, api_key="any"))
    assert not ANSWERING & working(found)
    for form, way in ANSWERING:
        said = problem(found, form, way)
        assert said.startswith("LogprobsMisplaced: given as an answer,"), said
        assert "the list is shifted" in said


def test_a_bias_that_shows_in_the_number_is_caught(openai_server):
    openai_server.set(quirks=["biased"])
    found = probed(at(openai_server))
    assert "not the number before the bias" in problem(found, "completions", "forced")
    assert working(found) >= ANSWERING


@pytest.mark.parametrize("quirk", ["noisy", "no-null-first", "clamps"])
def test_what_is_odd_but_right_is_noted(openai_server, quirk):
    openai_server.set(quirks=[quirk])
    found = probed(at(openai_server))
    assert working(found) >= ANSWERING
    [notes] = [
        f.notes for f in found.results if f.method.name == "prompt_logprobs" and f.dialect.format == "chat"
    ]
    said = "; ".join(notes)
    assert ("repeats within" in said) == (quirk == "noisy")
    assert ("first token has a number" in said) == (quirk == "no-null-first")


def test_numbers_that_differ_from_call_to_call_are_not_called_repeatable(openai_server):
    openai_server.set(quirks=["noisy"], ways="vllm")
    backend = at(openai_server)
    probed(backend, thorough=False)
    assert backend.capabilities.score_answer
    assert not backend.capabilities.repeatable


@pytest.mark.parametrize("form", ["chat", "completions", "responses"])
def test_a_form_that_answers_with_a_page_is_reported_and_the_others_are_tried(openai_server, form):
    openai_server.set(pages=[form])
    found = probed(at(openai_server))
    [finding] = [f for f in found.results if f.dialect.format == form]
    assert finding.problem.startswith("Unavailable:")
    assert "no JSON object" in finding.problem
    assert {f for f, way in working(found)} == {"chat", "completions", "responses"} - {form}


def test_pages_everywhere_are_an_error_with_the_reason(openai_server):
    openai_server.set(pages=["chat", "completions", "responses"])
    for thorough in (True, False):
        with pytest.raises(Unavailable, match="no JSON object"):
            probed(at(openai_server), thorough=thorough)


def test_a_run_does_not_fall_back_on_another_form_where_one_answers_with_a_page(openai_server):
    openai_server.set(pages=["chat"], ways="vllm")
    with pytest.raises(Unavailable, match="no JSON object"):
        probed(at(openai_server), thorough=False)


@pytest.mark.parametrize(
    ("quirks", "bos", "said"),
    [
        ([], None, "the endpoint adds none: give"),
        (["begins"], "<s>", "stands there twice: leave bos_token out"),
        (["begins"], None, ""),
        ([], "<s>", ""),
        ([], "", ""),
    ],
)
def test_a_template_that_wants_a_first_token_gets_it_once(openai_server, quirks, bos, said):
    openai_server.set(ways="vllm", quirks=quirks)
    template = "{{ bos_token }} {% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    found = probed(at(openai_server, form="completions", chat_template=template, bos_token=bos))
    for way in ("echo", "prompt_logprobs"):
        assert said in problem(found, "completions", way)
        assert bool(said) == bool(problem(found, "completions", way))


def test_fewer_top_logprobs_than_asked_for_are_enough(openai_server):
    openai_server.set(top=5)
    backend = at(openai_server, way="first_token")
    found = probed(backend).best("options", method="first_token")
    assert found is not None
    assert found.method.top == 5  # type: ignore[attr-defined]


def test_faults_of_the_moment_do_not_hide_what_works(openai_server):
    kinds = [*PASSING, "-9999", "overflow", "refusal"]
    openai_server.set(faults={kind: 0.1 / len(kinds) for kind in kinds}, slow=0.01, wait=0.01)
    for seed in range(2):
        openai_server.set(seed=seed)
        assert working(probed(at(openai_server))) >= ANSWERING, seed


def test_opening_costs_four_calls_where_the_best_way_works(openai_server):
    backend = at(openai_server)
    probed(backend, thorough=False)
    assert openai_server.counts()["calls"] == backend.setup.calls == 4
    assert 0 < backend.setup.tokens_out < 12


def test_every_finding_says_what_it_costs_or_what_is_wrong(openai_server):
    openai_server.set(ways="openai")
    found = probed(at(openai_server))
    for (form, way, _, works, said), finding in zip(found.rows, found.results, strict=True):
        assert (form, way) == (finding.dialect.format, finding.method.name)
        assert said
        assert ("call" in said) if works == "works" else not isinstance(finding, type(None))
        assert "sk-probing" not in said
    assert isinstance(found.results[0], ProbeResult)


# --- tokens and the answer's characters


def listed(*texts: str) -> list[Token]:
    return [Token(text, None if i == 0 else -float(i)) for i, text in enumerate(texts)]


def test_an_answer_is_found_by_the_characters_of_its_tokens():
    found = answer_in(listed("<s>", "Where", "?", " the", " cell", "ar", " extra"), "the cellar", "Where? ")
    assert found.logprobs.tolist() == [-3.0, -4.0, -5.0]
    assert found.offsets == ((0, 3), (3, 8), (8, 10))


def test_an_answer_at_the_end_is_not_taken_from_the_question():
    tokens = listed("the", " cellar", "?", "\n", "the", " cellar", "<|end|>")
    assert answer_in(tokens, "the cellar", suffix="<|end|>").logprobs.tolist() == [-4.0, -5.0]
    with pytest.raises(LogprobsMisplaced, match="not in the answer 'the cellar'"):
        answer_in(tokens[:-1], "the cellar", suffix="<|end|>")
    with pytest.raises(LogprobsMisplaced, match="not in the answer"):
        answer_in(tokens[:5], "the cellar")


def test_bytes_of_one_character_all_get_it():
    tokens = listed("<s>", "Q", "\ufffd", "\ufffd", " ok", "\ufffd")
    found = answer_in(tokens, "é ok", "Q")
    assert found.logprobs.tolist() == [-2.0, -3.0, -4.0]
    assert found.offsets == ((0, 1), (0, 1), (1, 4))
    assert answer_in(listed("Q", " ok", "\ufffd", "\ufffd"), "oké").logprobs.tolist() == [-1.0, -2.0, -3.0]


def test_lost_white_space_and_case_do_not_matter():
    found = answer_in(listed("where", "?", "the", "cellar"), "The cellar", "Where? ")
    assert found.logprobs.tolist() == [-2.0, -3.0]
    assert found.offsets == ((0, 3), (3, 10))


def test_tokens_of_another_text_and_null_ones_are_no_answer():
    with pytest.raises(LogprobsMisplaced, match="the text sent ends in"):
        answer_in(listed("Where", "?", " an", " attic"), "the cellar", "Where? ")
    with pytest.raises(Unavailable, match="came back as null"):
        answer_in([Token("Q", None), Token(" a", None)], "a", "Q ")


def test_an_answer_with_nothing_before_it_is_not_asked_for_again():
    with pytest.raises(Unfit, match="nothing stands before the answer"):
        answer_in(listed("the", " cellar", " more"), "the cellar", "")
    assert answer_in(listed("<s>", "the", " cellar"), "the cellar", "").logprobs.tolist() == [-1.0, -2.0]


def test_a_bound_is_the_least_listed_or_what_the_list_leaves():
    assert upper_bound(Token("x", -9999.0, (("a", -1.0), ("b", -2.0)))) == -2.0
    assert upper_bound(Token("x", -9999.0, (("a", -0.1), ("b", -3.0)))) == pytest.approx(-3.0928, abs=1e-3)
    assert upper_bound(Token("x", -9999.0, (("a", -0.001),))) == pytest.approx(-6.908, abs=1e-2)
    assert upper_bound(Token("x", -9999.0, (("a", -9999.0),))) is None


# --- the command


def test_the_command_prints_what_works_and_what_it_costs(openai_server, monkeypatch):
    from spexapi.cli.commands import app

    monkeypatch.setenv("PROBE_KEY", "sk-probing-123")
    openai_server.set(quirks=["shifted"])
    done = CliRunner().invoke(
        app,
        [
            "probe",
            "--backend",
            "openai:table",
            "--base-url",
            openai_server.base_url,
            "--key-env",
            "PROBE_KEY",
        ],
    )
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "prompt_logprobs" in said
    assert "LogprobsMisplaced" in said
    assert "first_token" in said
    assert "sk-probing" not in said
    assert f"{openai_server.counts()['calls']} calls" in said
    assert "is used by chat chosen_ids. Of --score work choice (with --option), match" in said
    assert "used chat chosen_ids 1 call: prompt read" in said
    assert openai_server.base_url not in said


def test_the_command_knows_local_models_too():
    from spexapi.cli.commands import app

    done = CliRunner().invoke(app, ["probe", "--backend", "embedded"])
    assert done.exit_code == 0
    assert "runs here" in done.output


# --- models that take other fields


def asked_to_write(server) -> list[int]:
    bodies = [json.loads(call["body"]) for call in server.log()]
    return [body.get("max_completion_tokens") or body.get("max_tokens") for body in bodies]


@pytest.mark.parametrize(
    "quirks", [["thinks"], ["thinks", "refuses-few"], ["thinks", "refuses-few", "renamed"]]
)
def test_a_model_that_thinks_first_gets_room_to(openai_server, quirks):
    openai_server.set(ways="anthropic", quirks=quirks)
    backend = at(openai_server)
    game = spexapi.PromptGame(backend, "key cellar rain river bridge", samples=1, max_new_tokens=8)
    found = spexapi.explain(game, engine="exact", budget=32)
    assert found.target.answer == "the cellar"
    assert found.audit.n_failed == 0
    assert set(asked_to_write(openai_server)[-16:]) == {64}
    assert any("64 tokens a reply at least" in row[4] for row in probed(backend).rows)


def test_a_reply_that_is_too_short_to_hold_a_word_names_the_option(openai_server):
    for quirks in (["thinks"], ["thinks", "refuses-few"]):
        openai_server.reset()
        openai_server.set(ways="anthropic")
        backend = at(openai_server)
        probed(backend, thorough=False)  # before it thinks
        openai_server.set(quirks=quirks)
        game = spexapi.PromptGame(backend, "lamp key cellar", "the cellar", samples=1, max_new_tokens=8)
        with pytest.raises(NothingMeasured, match="max_new_tokens"):
            spexapi.explain(game, engine="exact", budget=8)


class Picky:
    """A connection to a reasoning model: other names for fields, no temperature, no log-probabilities."""

    address = type("Address", (), {"shown": "http://picky"})

    def __init__(self) -> None:
        self.bodies: list[dict] = []

    async def post(self, path, body, *, root=False):
        self.bodies.append(body)
        if path != "/chat/completions":
            raise Unsupported("HTTP 404: no such route", no_route=True)
        for field, said in (
            (
                "max_tokens",
                "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            ),
            ("temperature", "'temperature' does not support 1 with this model."),
            ("logprobs", "You are not allowed to request logprobs from this model."),
        ):
            if field in body:
                raise Unsupported(f"HTTP 400: Unsupported parameter: {said}")
        message = {"role": "assistant", "content": "In the cellar."}
        usage = {"prompt_tokens": 20, "completion_tokens": 4}
        return {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}, {}


def test_a_reasoning_model_is_asked_as_it_wants_to_be():
    picky = Picky()
    endpoint = Endpoint(picky, Dialect("o9", RequestFormat.CHAT))  # type: ignore[arg-type]
    found = asyncio.run(Probe(endpoint, form=None, method=None, thorough=False).run())
    assert working(found) == {("chat", "sample")}
    sampled = found.best("text")
    assert sampled is not None
    assert sampled.dialect.length_field == "max_completion_tokens"
    assert not sampled.dialect.temperature
    asyncio.run(sampled.method.score(endpoint, Request((Message("user", "Where?"),), (), write=9)))
    assert picky.bodies[-1] == {
        "model": "o9",
        "messages": [{"role": "user", "content": "Where?"}],
        "max_completion_tokens": 9,
    }
