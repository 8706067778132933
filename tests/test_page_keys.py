"""Keys, logins and limits of a public page: what goes where, how much each visitor may ask, lent GPUs."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import view_samples as sample
from fake_backend import FakeBackend

import spexapi
from spexapi.backends.base import Message, Request

pytest.importorskip("gradio")

from spexapi.page import zero_gpu
from spexapi.page.requests.model import Model
from spexapi.page.requests.request import ExplainOptions
from spexapi.page.requests.text import Rag, TextRequest
from spexapi.page.runs.keys import key_for, key_of
from spexapi.page.runs.quota import HOUR, Quota, Visitor
from spexapi.page.runs.session_result import SessionResult
from spexapi.page.site import PROVIDERS, PUBLIC, Site

LOGIN = SimpleNamespace(token="hf_login", scope="inference-api", expires_at=0)
PAIR = ("The key is in the box.", "The box is in the cellar.")


# -- keys


@pytest.mark.parametrize(
    ("model", "typed", "login", "key"),
    [
        (Model("providers", "m"), "", LOGIN, "hf_login"),
        (Model("providers", "m"), "hf_typed", LOGIN, "hf_typed"),
        (Model("providers", "m"), "", None, ""),
        (Model("openai", "m", "https://elsewhere.org/v1"), "", LOGIN, ""),
        (Model("openai", "m"), None, LOGIN, ""),
        (Model("hf", "m"), "sk", LOGIN, ""),
        (Model(), "sk", LOGIN, ""),
    ],
)
def test_a_login_goes_to_inference_providers_and_nowhere_else(model, typed, login, key):
    assert key_of(model, typed, login) == key


def held(model: Model) -> SessionResult:
    ex = sample.documents(sample.and_of_two)
    return SessionResult(TextRequest(Rag("q?", PAIR), model), ex, ex)


@pytest.mark.parametrize(
    ("model", "where", "base_url", "key"),
    [
        (Model("openai", "m", "https://a.org/v1"), "openai", "https://a.org/v1", "typed"),
        (Model("openai", "m", "https://a.org/v1"), "openai", " https://b.org/v1", ""),
        (Model("openai", "m", "https://a.org/v1"), "providers", "https://a.org/v1", ""),
        (Model("openai", "m"), "openai", "", "typed"),
        (Model("providers", "m"), "providers", "https://left.over/v1", "typed"),
        (Model("providers", "m"), "openai", "", "hf_login"),
        (Model(), "openai", "", ""),
    ],
)
def test_a_key_goes_only_to_the_address_it_was_typed_for(model, where, base_url, key):
    assert key_for(held(model), where, base_url, "typed", login=LOGIN) == key
    assert key_for(replace(held(model), request=None), where, base_url, "typed", login=LOGIN) == ""


def test_inference_providers_need_a_login_on_a_space_and_the_environment_serves_at_home(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_owner")
    space = Site.here({"SPACE_ID": "me/page", "SYSTEM": "spaces", "OAUTH_CLIENT_ID": "x"})
    form = TextRequest(Rag("q?", PAIR), Model("providers", "org/m"))
    opened = []
    monkeypatch.setattr(spexapi, "open_backend", lambda *a, **k: opened.append((a, k)) or FakeBackend())

    with pytest.raises(spexapi.InputError, match="Log in with Hugging Face at the top"):
        form.game(space)
    form.game(space, "hf_visitor")
    form.game(Site())

    (_, public), (_, home) = opened
    assert public["api_key"] == "hf_visitor"
    assert "key_env" not in public
    assert "http_client" in public
    assert public["base_url"] == home["base_url"] == PROVIDERS
    assert "api_key" not in home
    assert home["key_env"] == "HF_TOKEN"


# -- visits


def visits(**more):
    now = [0.0]
    return Quota(runs=2, calls=100, clock=lambda: now[0], **more), now


ME, YOU = Visitor("me", "10.0.0.1"), Visitor("you", "10.0.0.1")


def test_a_visitor_has_so_many_runs_at_once():
    found, _ = visits()
    with (
        found.run(ME, 1),
        found.run(ME, 1),
        found.run(YOU, 1),
        pytest.raises(spexapi.InputError, match="as many as this page allows"),
        found.run(ME, 1),
    ):
        pass
    with found.run(ME, 1):
        pass


def test_a_visitor_asks_so_many_times_an_hour_and_what_was_not_asked_does_not_count():
    found, now = visits()
    with found.run(ME, 90) as run:
        run.calls = 40
    with (
        found.run(ME, 60),
        pytest.raises(spexapi.InputError, match=r"0 of the 100 .* in 60 minutes"),
        found.run(ME, 1),
    ):
        pass
    with found.run(YOU, 100):
        pass
    now[0] = HOUR + 1
    with found.run(ME, 100):
        pass
    assert len(found) == 2  # no one who left is kept


def test_a_program_that_renames_itself_meets_the_limit_of_its_address():
    found, _ = visits()
    for i in range(8):
        with found.run(Visitor(f"s{i}", "10.0.0.1"), 100):
            pass
    with pytest.raises(spexapi.InputError, match="800"), found.run(Visitor("s9", "10.0.0.1"), 100):
        pass
    with found.run(Visitor("s9", "10.0.0.2"), 100):
        pass


def test_a_failed_run_counts_and_ends():
    found, _ = visits()
    with pytest.raises(ZeroDivisionError), found.run(ME, 90):
        raise ZeroDivisionError
    with pytest.raises(spexapi.InputError, match="10 of the 100"), found.run(ME, 20):
        pass


# -- a lent GPU


class Spaces(ModuleType):
    """What `spaces` offers: notes what is wrapped and for how long each call asks."""

    def __init__(self) -> None:
        super().__init__("spaces")
        self.wrapped, self.asked, self.fails = [], [], None

    def GPU(self, *, duration):
        def wrap(function):
            assert not asyncio.iscoroutinefunction(function)
            self.wrapped.append(function.__name__)

            def call(*given):
                if self.fails:
                    raise self.fails
                self.asked.append(duration(*given))
                return function(*given)

            return call

        return wrap


@pytest.fixture
def spaces(monkeypatch):
    fake = Spaces()
    monkeypatch.setitem(sys.modules, "spaces", fake)
    monkeypatch.setattr(spexapi, "open_backend", lambda spec, **_: FakeBackend())
    zero_gpu.lent.cache_clear()
    zero_gpu.there.cache_clear()
    yield fake
    zero_gpu.lent.cache_clear()
    zero_gpu.there.cache_clear()


ZERO = Site(("embedded", "hf:org/m"), PUBLIC, local_urls=False, zero=True)


def test_a_gpu_model_is_asked_on_the_lent_gpu_in_chunks(spaces):
    backend = Model("hf", "org/m").open(ZERO)
    requests = [Request((Message("user", f"{i}"),), ("a",)) for i in range(70)]

    async def ask():
        await backend.open()
        return await backend.generate((Message("user", "x"),), 8), await backend.score(requests)

    _, replies = asyncio.run(ask())

    assert len(replies) == 70
    assert spaces.wrapped == ["_score", "_write"]
    assert len(spaces.asked) == 4  # one to write, three of at most 32 requests
    assert max(spaces.asked) < 60


def test_the_small_model_needs_no_gpu(spaces):
    Model().open(ZERO)
    Model("hf", "org/m").open(Site())
    assert spaces.wrapped == []


def test_a_quota_that_ends_keeps_what_was_measured(spaces, monkeypatch):
    def log_p(prompt, answer):
        if log_p.left == 0:
            spaces.fails = RuntimeError("You have exceeded your <b>GPU quota</b> (38s requested vs. 0s left)")
        log_p.left -= 1
        return -0.1 if "box." in prompt else -6.0

    log_p.left = 40
    backend = FakeBackend(log_p)
    monkeypatch.setattr(spexapi, "open_backend", lambda spec, **_: backend)
    texts = tuple(f"The thing {i} is in the box." for i in range(12))
    game = TextRequest(Rag("Where?", texts, "here"), Model("hf", "org/m"), ExplainOptions(budget=256)).game(
        ZERO
    )
    ex = spexapi.explain(game, budget=256)

    assert ex.stopped
    assert 32 <= ex.observations.ok.sum() < 256
    assert any("GPU quota (38s requested" in note for note in ex.notes)
    assert np.isfinite(ex.spectrum.predict(np.ones((1, 12), dtype=bool))).all()


def test_another_failure_of_the_lent_gpu_is_told(spaces):
    spaces.fails = RuntimeError("'ZeroGPU worker error'")
    backend = Model("hf", "org/m").open(ZERO)
    with pytest.raises(spexapi.Refused, match="the lent GPU failed: ZeroGPU worker error"):
        asyncio.run(backend.score([Request((Message("user", "x"),), ("a",))]))
