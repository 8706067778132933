"""A key, typed or of a login, is used and then nowhere: not in memory, files, logs, other sessions."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import logging
import sys
import time
import urllib.request
from pathlib import Path
from types import FrameType, ModuleType

import pytest
from openai_server import Server
from page_server import HERE, PAIR, free_port, keep, served, visit, write

pytest.importorskip("gradio")

from spexapi.page.app import build, launch

# the page runs in this process, so what Gradio's libraries deprecate is heard here
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def made(kind: str) -> str:
    """A key that stands in no object of this file."""
    return f"{kind}-leak-{7 * 11 * 13 * 17}"


@pytest.fixture
def served_here(tmp_path, monkeypatch):
    """A page in this process, whose memory can be looked through: (address, gr.Blocks)."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    port = free_port()
    demo = build()
    launch(port, demo=demo, block=False)
    yield f"http://127.0.0.1:{port}/", demo
    demo.close()


def holders(root: object, secret: str, most: int = 3_000_000) -> list[str]:
    """The texts with the secret in them that can be reached from an object."""
    seen, found, queue = {id(root)}, [], [root]
    while queue and len(seen) < most:
        thing = queue.pop()
        for part in gc.get_referents(thing):
            if isinstance(part, (str, bytes, bytearray)):
                text = part if isinstance(part, str) else bytes(part).decode(errors="replace")
                if secret in text:
                    found.append(f"{type(thing).__name__}: {text[:120]}")
            elif id(part) not in seen and not isinstance(part, (ModuleType, FrameType, type)):
                seen.add(id(part))
                queue.append(part)
    return found


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read().decode(errors="replace")


def asks_hosted(page, server: Server, key: str) -> None:
    write(page, "Where is the key?", PAIR)
    page.get_by_label("Answer to explain").first.fill("the cellar")
    page.get_by_label("Hosted model (API)").first.check()
    page.get_by_label("Model name").first.fill("table")
    page.get_by_label("Address").first.fill(server.base_url)
    page.locator("input[type=password] >> visible=true").fill(key)


def test_a_key_is_used_and_then_nowhere(browser, served_here, openai_server, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    key = made("sk")
    address, demo = served_here
    openai_server.set(key=key)
    exports = {}
    with visit(browser, address) as page:
        asks_hosted(page, openai_server, key)
        page.click("#run")
        page.wait_for_selector("#data")
        page.wait_for_selector("#run:not([disabled])")
        page.get_by_role("button", name="Smallest set").click()
        page.wait_for_selector("#outcome .told")
        page.locator("#result .player").first.click()
        page.get_by_role("button", name="Look inside").click()
        page.wait_for_selector(".crumbs >> text=inside document 1")
        page.wait_for_selector("#run:not([disabled])")
        for button in ("report", "data", "csv", "svg"):
            with page.expect_download() as download:
                page.click(f"#{button}")
            exports[button] = Path(download.value.path()).read_text(encoding="utf-8")
        page.click("#code")
        page.wait_for_selector("text=spexapi rag")
        exports["html"] = page.content()
        assert len(openai_server.log()) > 16  # it was asked, with the key

        with visit(browser, address) as other:
            exports["another session"] = other.content()
        exports["/info"] = fetched(f"{address}gradio_api/info")
        exports["/config"] = fetched(f"{address}config")
        time.sleep(1)
        gc.collect()
        assert holders([demo, demo.app, sys.modules["spexapi.page.runs.forecast"].__dict__], key) == []
    assert [name for name, text in exports.items() if key in text] == []
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in files if key.encode() in path.read_bytes()] == []
    out, err = capfd.readouterr()
    assert key not in out + err + caplog.text


def test_the_search_finds_a_key_that_is_kept():
    class Holder:
        def __init__(self):
            self.field = {"deep": [("inside", f"Bearer {made('sk')}")]}

    assert len(holders(Holder(), made("sk"))) == 1
    assert holders(Holder(), "another") == []


def test_a_wrong_key_is_told_in_plain_words_and_not_shown(browser, served_here, openai_server):
    openai_server.set(key="the right one")
    key = made("sk")
    with visit(browser, served_here[0]) as page:
        asks_hosted(page, openai_server, key)
        page.click("#run")
        page.wait_for_selector(".banner")
        keep(page, "wrong-key")
        assert key not in page.content()
        said = page.inner_text(".banner")
    assert "key" in said.lower()
    assert "Traceback" not in said


def cookie_of(token: str) -> str:
    """Gradio's session cookie in the browser of somebody who logged in with Hugging Face."""
    itsdangerous = pytest.importorskip("itsdangerous")
    login = {
        "access_token": token,
        "scope": "inference-api",
        "expires_at": time.time() + 3_600,
        "userinfo": {"preferred_username": "somebody", "name": "S", "profile": "", "picture": ""},
    }
    secret = hashlib.sha256(b"of this test-v4").hexdigest()
    data = base64.b64encode(json.dumps({"oauth_info": login}).encode())
    return itsdangerous.TimestampSigner(secret).sign(data).decode()


def test_a_login_pays_for_inference_providers_and_shows_nowhere(browser, openai_server, tmp_path):
    token, log = made("hf"), tmp_path / "log"
    openai_server.set(key=token)
    command = (str(HERE / "login_page.py"), openai_server.base_url)
    with served(*command, log=log, GRADIO_TEMP_DIR=str(tmp_path / "gradio")) as address:
        context = browser.new_context()
        context.add_cookies([{"name": "session", "value": cookie_of(token), "url": address}])
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#login:has-text('Log out (somebody)')")
        write(page, "Where is the key?", PAIR)
        page.get_by_label("Answer to explain").first.fill("the cellar")
        page.get_by_label("Hugging Face Inference Providers").first.check()
        page.get_by_label("Model name").first.fill("table")
        page.click("#run")
        page.wait_for_selector("#data")
        page.click("#code")
        page.wait_for_selector("text=--key-env HF_TOKEN")
        shown = page.content()
        context.close()
        stranger = browser.new_page()
        stranger.goto(address)
        stranger.wait_for_selector("#login:has-text('Log in with Hugging Face')")
        told = shown + stranger.content() + fetched(f"{address}config") + fetched(f"{address}gradio_api/info")
        stranger.close()
    assert len(openai_server.log()) >= 16
    assert token not in told
    assert token.encode() not in log.read_bytes()
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and token.encode() in p.read_bytes()]
