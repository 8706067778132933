"""A local model as a backend: what it writes, when it loads and ends, and its errors."""

import asyncio
import sys
import threading
import time

import pytest
import tiny_models
import torch
from local_models import PROMPTS, alignment, generated, held, plain, read, scored, user

from spexapi.backends.base import Backend, Request
from spexapi.backends.huggingface import loading
from spexapi.backends.huggingface.open import open_hf
from spexapi.backends.registry import open_backend
from spexapi.errors import BackendError, InputError

__all__ = ["plain"]  # fixture


def wait_for_the_worker_to_end():
    deadline = time.monotonic() + 20
    while any(t.name.startswith("spexapi-model") for t in threading.enumerate()):
        assert time.monotonic() < deadline, "the worker thread is still there"
        time.sleep(0.01)


@pytest.mark.parametrize("chat_template", [None, tiny_models.WITH_BOS])
def test_generation_is_greedy_and_ends_at_the_end_token(tmp_path, chat_template):
    folder = tiny_models.llama(tmp_path, adds_bos=True, chat_template=chat_template)
    tiny_models.set_generation(folder, repetition_penalty=5.0, temperature=0.3, do_sample=True, top_k=3)
    model, tokenizer = read(folder)
    written = generated(open_hf(str(folder), dtype="float64"), "The key is in the", 12)

    ids = list(alignment(folder).prompt_ids(user("The key is in the")))
    first = len(ids)
    for _ in range(12):
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        if ids[-1] == 1:
            break
    assert written.text == tokenizer.decode(ids[first:], skip_special_tokens=True).strip()
    assert (written.tokens_in, written.tokens_out) == (first, len(ids) - first)


def test_generation_ends_where_the_models_settings_say(tmp_path):
    folder = tiny_models.llama(tmp_path, adds_bos=True)
    model, tokenizer = read(folder)
    ids = [0, *tokenizer("The key is in the", add_special_tokens=False)["input_ids"]]
    first = len(ids)
    for _ in range(3):
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    tiny_models.set_generation(folder, eos_token_id=[1, ids[-1]])
    written = generated(open_hf(str(folder), dtype="float64"), "The key is in the", 12)
    assert written.tokens_out == ids.index(ids[-1], first) - first + 1


def test_generation_stops_at_the_end_of_the_context(plain):
    written = generated(open_hf(str(plain)), "key " * 60, 500)
    assert written.tokens_in + written.tokens_out <= 128
    with pytest.raises(InputError, match="128"):
        generated(open_hf(str(plain)), "key " * 200, 5)


def test_running_out_of_memory_while_writing_is_the_backends_error(plain, monkeypatch):
    backend, model = held(plain)
    asyncio.run(backend.open())

    def short_of_memory(**inputs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model, "forward", short_of_memory)
    with pytest.raises(BackendError, match="out of memory"):
        generated(backend, "The key", 3)


def test_check_says_how_long_a_prompt_is_and_what_the_model_reads(plain):
    backend = open_hf(str(plain))
    assert backend.check(Request(user("the key"), ("no",))) == ""
    assert "the model reads 128" in backend.check(Request(user("key " * 300), ("no",)))
    assert "the model reads 128" in backend.check(Request(user("key " * 300), ()))
    assert "empty after tokenisation" in backend.check(Request(user("the key"), ("",)))
    (reply,) = scored(backend, Request(user("key " * 300), ("no",)))
    assert "the model reads 128" in reply.error


def test_the_event_loop_stays_free_and_threads_end(plain, monkeypatch):
    backend, model = held(plain, batch_tokens=1)
    begun, turned, seen = threading.Event(), threading.Event(), []

    async def main():
        await backend.open()
        forward = model.forward

        def waiting(**inputs):
            begun.set()
            seen.append(turned.wait(20))  # a loop that waits for the model does not set it
            return forward(**inputs)

        monkeypatch.setattr(model, "forward", waiting)
        work = asyncio.create_task(backend.score([Request(user(p), ("no",)) for p in PROMPTS * 2]))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        turned.set()
        replies = await work
        await backend.close()
        return replies

    assert len(asyncio.run(main())) == 8
    assert seen
    assert all(seen)
    wait_for_the_worker_to_end()


def test_a_cancelled_run_stops_after_the_batch_in_flight(plain, monkeypatch):
    backend, model = held(plain, batch_tokens=1)
    calls, cancelled = [], threading.Event()

    async def main():
        await backend.open()
        forward = model.forward

        def counted(**inputs):
            calls.append(1)
            assert cancelled.wait(20)
            return forward(**inputs)

        monkeypatch.setattr(model, "forward", counted)
        work = asyncio.create_task(backend.score([Request(user("the key"), ("no",))] * 50))
        while not calls:
            await asyncio.sleep(0.001)
        work.cancel()
        await asyncio.sleep(0)  # the task learns of it
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await work
        await backend.close()

    asyncio.run(main())
    wait_for_the_worker_to_end()
    assert len(calls) == 1


def test_two_runs_on_one_backend_object_work(plain):
    backend = open_hf(str(plain))
    request = Request(user("The key is in the"), ("cellar",))

    async def one():
        await backend.open()
        try:
            return (await backend.score([request]))[0].scores[0].logprobs
        finally:
            await backend.close()

    async def both():
        return await asyncio.gather(one(), one())

    first, second = asyncio.run(both())
    third = asyncio.run(one())
    assert first == pytest.approx(second)
    assert first == pytest.approx(third)


def test_scoring_before_opening_says_so(plain):
    with pytest.raises(BackendError, match="open"):
        asyncio.run(open_hf(str(plain)).score([Request(user("a"), ("b",))]))


def test_it_is_a_backend_and_nothing_is_loaded_before_it_is_asked(plain, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("loaded at once")

    monkeypatch.setattr("spexapi.backends.huggingface.loading.load_model", refuse)
    monkeypatch.setattr("spexapi.backends.huggingface.loading.load_tokenizer", refuse)
    backend = open_backend(f"hf:{plain}")
    assert isinstance(backend, Backend)
    assert backend.name == f"hf:{plain}"


def test_wrong_options_are_plain_errors(plain, tmp_path):
    with pytest.raises(InputError, match=r"devise.*it takes.*device"):
        open_backend(f"hf:{plain}", devise="cpu")
    with pytest.raises(InputError, match="padding_side"):
        open_hf(str(plain), padding_side="top")
    with pytest.raises(InputError, match="batch_tokens"):
        open_hf(str(plain), batch_tokens=0)
    for wrong in ({"device": "gpu9"}, {"dtype": "float7"}):
        with pytest.raises(InputError, match=r"gpu9|float7"):
            asyncio.run(open_hf(str(plain), **wrong).open())
    with pytest.raises(InputError, match=r"config\.json"):
        open_hf(str(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        open_hf(str(tmp_path / "file"))


def test_broken_weights_and_unknown_models_are_plain_errors(plain, tmp_path, monkeypatch):
    broken = tiny_models.llama(tmp_path, adds_bos=True)
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match="cannot be loaded"):
        asyncio.run(open_hf(str(broken)).open())
    (broken / "config.json").write_text("{")
    with pytest.raises(InputError, match="cannot be loaded"):
        asyncio.run(open_hf(str(broken)).open())

    def offline(*_, **__):
        raise OSError("We couldn't connect to 'https://huggingface.co'")

    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", offline)
    with pytest.raises(BackendError, match=r"Hub.*network"):
        asyncio.run(open_hf("nobody/nothing").open())


@pytest.mark.parametrize("name", ["torch", "transformers"])
def test_a_missing_extra_says_what_to_install(plain, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"pip install \"spexapi\[local\]\""):
        loading.library(name)


def test_loading_is_quiet_and_leaves_the_settings_as_they_were(plain, capfd):
    import transformers

    before = transformers.utils.logging.get_verbosity()
    asyncio.run(open_hf(str(plain)).open())
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert transformers.utils.logging.get_verbosity() == before


def test_a_backend_has_the_name_it_is_given(plain):
    assert held(plain, name="embedded")[0].name == "embedded"
