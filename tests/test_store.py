"""What was paid for is kept: at once, exactly, for every process, and without a secret."""

import asyncio
import json
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fake_backend import FakeBackend
from hypothesis import given, settings
from hypothesis import strategies as st

from spexapi.backends.base import AnswerScore, Capabilities, Hidden, Message, Reply, Request
from spexapi.errors import StoreError
from spexapi.games.prompt import PromptGame
from spexapi.measure import collect
from spexapi.sampling.keys import Keys, reply_from_json, reply_to_json
from spexapi.sampling.policy import RequestPolicy
from spexapi.sampling.store import Store, default_path, open_store

KEY = bytes(range(32))
REPLY = Reply((AnswerScore(np.array([-0.1, -2.5]), ((0, 3), (4, 10))),), tokens_in=7)
PLAIN = Request((Message("user", "the cat sat"),), ("yes",))


def same(one, other):
    scores = [
        (a.logprobs.tolist(), a.offsets, a.bounded) == (b.logprobs.tolist(), b.offsets, b.bounded)
        for a, b in zip(one.scores, other.scores, strict=True)
    ]
    rest = [name for name in Reply.__dataclass_fields__ if name != "scores"]
    return all(scores) and all(getattr(one, name) == getattr(other, name) for name in rest)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "replies.sqlite"


def test_a_reply_is_there_for_another_process_as_soon_as_it_is_put(path):
    with Store(path) as store:
        store.put(KEY, "endpoint", '{"messages": []}', REPLY)
        code = (
            "import sys; from spexapi.sampling.store import Store\n"
            "with Store(sys.argv[1]) as store: reply = store.get(bytes(range(32)))\n"
            "print(reply.scores[0].logprobs.tolist(), reply.tokens_in)"
        )
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
        assert done.stdout == "[-0.1, -2.5] 7\n", done.stderr
        assert store.get(bytes(32)) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@settings(max_examples=100, deadline=None)
@given(
    logprobs=st.lists(st.floats(max_value=0, allow_nan=False), max_size=5),
    text=st.text(max_size=20),
    numbers=st.tuples(*[st.integers(0, 10**9)] * 3),
    calls=st.integers(1, 40),
)
def test_replies_come_back_bit_for_bit(logprobs, text, numbers, calls):
    offsets = tuple((i, i + 1) for i in range(len(logprobs)))
    score = AnswerScore(np.array(logprobs), offsets, tuple(v < -5 for v in logprobs))
    reply = Reply((score,), text, numbers[0], text, numbers[1], numbers[2], calls)
    assert same(reply_from_json(reply_to_json(reply)), reply)


def test_the_key_is_what_changes_the_reply_and_nothing_else():
    keys = Keys("endpoint", reads_whole=True)
    others = [
        Request((Message("user", "the cat"),), ("yes",)),
        Request((Message("system", "the cat sat"),), ("yes",)),
        Request((Message("user", "the cat"), Message("user", " sat")), ("yes",)),
        Request(PLAIN.messages, ("no",)),
        Request(PLAIN.messages, ("yes", "no")),
        Request(PLAIN.messages, ("yes",), (Hidden(0, 4, 7),)),
        Request(PLAIN.messages, ("yes",), (), (Message("user", "the cat sat down"),)),
        Request(PLAIN.messages, (), write=8),
        Request(PLAIN.messages, (), write=9),
        Request(PLAIN.messages, (), write=8, sample=1),
    ]
    found = {keys.of(request)[0] for request in [PLAIN, *others]}
    found.add(Keys("another", reads_whole=True).of(PLAIN)[0])
    assert len(found) == len(others) + 2
    assert keys.of(PLAIN)[0] == Keys("endpoint", reads_whole=True).of(PLAIN)[0]
    deaf = Keys("endpoint", reads_whole=False)
    assert deaf.of(PLAIN)[0] == deaf.of(others[6])[0]


def measure(backend, where):
    async def main():
        game = PromptGame(backend, "the cat sat", "yes", terms=RequestPolicy(store=where))
        await game.prepare()
        found = await collect(game, np.array([[1, 1, 1], [1, 0, 1], [0, 0, 0]], dtype=bool))
        await game.close()
        return found.values.tolist(), game.spent

    return asyncio.run(main())


def test_a_second_run_pays_for_nothing_and_another_model_for_all(path):
    first, again, other = FakeBackend(), FakeBackend(), FakeBackend()
    other.identity = "fake of another make"
    values, spent = measure(first, path)
    assert spent.calls == 3
    same_values, spent = measure(again, path)
    assert (same_values, spent.calls, again.asked) == (values, 0, [])
    assert measure(other, path)[1].calls == 3
    with Store(path) as store:
        assert [(kept.identity, kept.replies, kept.failed) for kept in store.stats()] == [
            ("fake", 3, 0),
            ("fake of another make", 3, 0),
        ]


def test_nothing_is_kept_for_a_backend_without_identity_or_that_asks_not_to_be(path):
    for identity, keep in (("", True), ("fake", False)):
        backend = FakeBackend(capabilities=Capabilities(batch=4, keep=keep))
        backend.identity = identity
        measure(backend, path)
        if path.exists():
            with Store(path) as store:
                assert store.stats() == []


def test_what_it_holds_can_be_read_and_cleared(path):
    with Store(path) as store:
        store.put(KEY, "one", '{"messages": [["user", "hi"]]}', REPLY)
        store.put(bytes(32), "two", "{}", Reply(error="refused"))
        rows = list(store.export())
        assert json.loads(json.dumps(rows)) == rows
        assert [row["backend"] for row in rows] == ["one", "two"]
        assert rows[0]["request"] == {"messages": [["user", "hi"]]}
        assert store.clear(failed_only=True) == 1
        assert store.get(bytes(32)) is None
        assert store.clear("none") == 0
        assert store.clear("one") == 1
        assert store.stats() == []


def test_a_broken_file_is_a_clear_error_and_stays_as_it_is(path):
    path.parent.mkdir()
    path.write_bytes(b"this is no database, but somebody's notes" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"replies\.sqlite.*broken.*move it away"):
        Store(path)
    assert path.read_bytes() == before


def test_a_file_torn_in_the_middle_is_an_error_before_anything_is_paid(path):
    with Store(path) as store:
        for i in range(200):
            store.put(i.to_bytes(32, "big"), "one", "x" * 500, REPLY)
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(b ^ 0x5A for b in data[4096:])
    path.write_bytes(bytes(data))
    backend = FakeBackend()
    with pytest.raises(StoreError, match="broken"):
        measure(backend, path)
    assert backend.asked == []


def test_a_database_of_something_else_and_of_a_newer_version_are_left_alone(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    with pytest.raises(StoreError, match="something else"):
        Store(path)
    newer = path.with_name("newer.sqlite")
    Store(newer).close()
    with sqlite3.connect(newer) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(StoreError, match="newer spexapi"):
        Store(newer)


def test_a_locked_store_is_an_error_at_the_start(path):
    Store(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another process holds it"):
        Store(path, lock_seconds=0.01)
    holder.close()


def test_many_may_make_the_same_new_store_at_once(tmp_path):
    starting = threading.Barrier(4)

    def make(round):
        starting.wait(60)
        with Store(tmp_path / f"{round}.sqlite") as store:
            store.put(KEY, "one", "{}", REPLY)
        return store.trouble

    for round in range(20):
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(make, [round] * 4)) == [""] * 4


def test_a_store_locked_later_loses_nothing(path):
    with Store(path) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        store.put(KEY, "one", "{}", REPLY)
        assert "1 replies are not yet in the store" in store.trouble
        holder.execute("ROLLBACK")
        store.put(bytes(32), "one", "{}", REPLY)
        assert store.trouble == ""
        assert same(store.get(KEY), REPLY)
        holder.close()


def test_a_full_disk_ends_no_run_and_the_store_still_closes(path):
    with Store(path) as store:
        store.put(KEY, "one", "{}", REPLY)
        store._file.connection.execute("PRAGMA max_page_count = 1")  # as many pages as there are: SQLITE_FULL
        for i in range(4):
            store.put(bytes([i]) * 32, "one", "x" * 5000, REPLY)
        assert "4 replies are not yet in the store" in store.trouble
        assert "full" in store.trouble
        assert same(store.get(KEY), REPLY)
        store.close()
        store.put(bytes(32), "one", "{}", REPLY)  # a straggler
        assert "5 replies are not yet in the store" in store.trouble
    with Store(path) as store:
        assert [kept.replies for kept in store.stats()] == [1]


def test_what_is_forgotten_is_forgotten_also_if_the_file_cannot_shrink(path):
    with Store(path, lock_seconds=0.01) as store:
        store.put(KEY, "one", "{}", REPLY)
        writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        between = {"VACUUM": lambda: writer.execute("BEGIN IMMEDIATE")}  # another process, just then
        store._file.connection.set_trace_callback(lambda said: between.pop(said, lambda: None)())
        assert store.clear() == 1
        assert "as large as before: another process holds it" in store.trouble
        assert store.stats() == []
        writer.execute("ROLLBACK")
        writer.close()
        assert store.clear() == 0
        assert store.trouble == ""


def test_where_it_is(tmp_path, monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.setenv("SPEXAPI_STORE", str(tmp_path / "named.sqlite"))
    assert default_path() == tmp_path / "named.sqlite"
    monkeypatch.setenv("SPEXAPI_STORE", "off")
    assert default_path() is None
    assert open_store(True) is None
    monkeypatch.delenv("SPEXAPI_STORE")
    assert default_path().name == "replies.sqlite"
    monkeypatch.setenv("SPACE_ID", "someone/public")
    assert default_path() is None
    assert open_store(None) is open_store("off") is open_store(False) is None
