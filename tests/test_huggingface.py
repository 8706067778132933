"""Local models: log-probabilities against a plain loop, templates, borders, memory, threads, errors."""

import asyncio
import sys
import threading
import time

import numpy as np
import pytest
import tiny_models
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from spexapi.backends.base import Backend, Hidden, Message, Request
from spexapi.backends.huggingface import loading
from spexapi.backends.huggingface.alignment import Alignment
from spexapi.backends.huggingface.backend import HuggingFace, open_hf
from spexapi.backends.huggingface.teacher_forcing import packed
from spexapi.backends.registry import known_backends, open_backend
from spexapi.errors import BackendError, InputError

PROMPTS = ("The key is in the box. The key is in the", "The lamp is", "in the", "")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return tiny_models.llama(tmp_path_factory.mktemp("plain"), adds_bos=True)


@pytest.fixture(scope="module")
def chatty(tmp_path_factory):
    return tiny_models.llama(
        tmp_path_factory.mktemp("chatty"), adds_bos=True, chat_template=tiny_models.WITH_BOS
    )


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def scored(backend, *requests):
    async def main():
        await backend.open()
        try:
            return await backend.score(requests)
        finally:
            await backend.close()

    return asyncio.run(main())


def generated(backend, text, tokens):
    async def main():
        await backend.open()
        try:
            return await backend.generate(user(text), tokens)
        finally:
            await backend.close()

    return asyncio.run(main())


def wait_for_the_worker_to_end():
    deadline = time.monotonic() + 20
    while any(t.name.startswith("spexapi-model") for t in threading.enumerate()):
        assert time.monotonic() < deadline, "the worker thread is still there"
        time.sleep(0.01)


def read(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    return model, AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("make", [tiny_models.llama, tiny_models.gpt2])
def test_logprobs_equal_a_plain_loop_whatever_the_padding_and_the_batch(make, side, tmp_path):
    folder = make(tmp_path, adds_bos=True)
    model, tokenizer = read(folder)
    whole = user(PROMPTS[0])
    requests = [Request(user(p), (" cellar and attic",), whole=whole) for p in PROMPTS]

    replies = scored(open_hf(str(folder), dtype="float64", padding_side=side, batch_tokens=60), *requests)

    answer = tokenizer(" cellar and attic", add_special_tokens=False)["input_ids"]
    for prompt, reply in zip(PROMPTS, replies, strict=True):
        before = [0, *tokenizer(prompt, add_special_tokens=False)["input_ids"]]
        truth = tiny_models.logprobs_by_loop(model, [*before, *answer], len(before))
        assert reply.scores[0].logprobs == pytest.approx(truth, abs=1e-9)
        assert reply.tokens_in == len(before) + len(answer)


@pytest.mark.shared
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_trained_model_gives_the_loops_numbers_on_both_sides_of_padding(side, shared):
    folder = shared / "models" / "stories260K"
    model, tokenizer = read(folder)
    texts = [
        "Once upon a time, there was a little girl named Lily. She loved to",
        "a little girl loved to",
        "Lily",
    ]
    requests = [Request(user(t), ("play outside in the park.",), whole=user(texts[0])) for t in texts]

    replies = scored(open_hf(str(folder), padding_side=side), *requests)

    for text, reply in zip(texts, replies, strict=True):
        ids = tokenizer(text + " play outside in the park.")["input_ids"]
        first = len(tokenizer(text)["input_ids"])
        assert ids[:first] == tokenizer(text)["input_ids"]
        truth = tiny_models.logprobs_by_loop(model, ids, first)
        assert reply.scores[0].logprobs == pytest.approx(truth, abs=1e-4)


def test_the_trained_model_finds_its_story_likely(shared):
    first, second = scored(
        open_hf(str(shared / "models" / "stories260K")),
        Request(user("Once upon a time, there was a little girl named Lily. She loved to"), ("play",)),
        Request(user("Once upon a time, there was a little girl named Lily. She loved to"), ("window",)),
    )
    assert first.scores[0].logprobs.sum() > second.scores[0].logprobs.sum() + 3


def test_attention_kernels_agree(plain):
    requests = [Request(user(p), ("attic",), whole=user(PROMPTS[0])) for p in PROMPTS]
    eager = open_hf(str(plain))
    asyncio.run(eager.open())
    eager._model.set_attn_implementation("eager")
    for a, b in zip(scored(open_hf(str(plain)), *requests), scored(eager, *requests), strict=True):
        assert a.scores[0].logprobs == pytest.approx(b.scores[0].logprobs, abs=1e-4)


@pytest.mark.parametrize("adds_bos", [True, False])
@pytest.mark.parametrize("template", [None, tiny_models.CHATML, tiny_models.WITH_BOS])
def test_one_beginning_of_sequence_token_at_most(adds_bos, template, tmp_path):
    folder = tiny_models.llama(tmp_path, adds_bos=adds_bos, chat_template=template)
    ids = open_hf(str(folder))._tokenizer()[0].prompt_ids(user("the key"))
    wanted = template == tiny_models.WITH_BOS or (template is None and adds_bos)
    assert ids.count(0) == (1 if wanted else 0)
    assert (ids[0] == 0) == wanted


def test_an_empty_prompt_begins_with_a_token_that_stands_for_nothing(tmp_path):
    folder = tiny_models.llama(tmp_path, adds_bos=False)
    model, tokenizer = read(folder)
    (reply,) = scored(
        open_hf(str(folder), dtype="float64"), Request(user(""), ("cellar",), whole=user("The key"))
    )
    ids = [0, *tokenizer(" cellar")["input_ids"]]
    assert reply.scores[0].logprobs == pytest.approx(tiny_models.logprobs_by_loop(model, ids, 1), abs=1e-9)


def test_the_chat_template_writes_the_prompt_and_the_answer_follows_its_cue(chatty):
    model, tokenizer = read(chatty)
    messages = (Message("system", "yes"), Message("user", "Which room?"))
    (reply,) = scored(open_hf(str(chatty), dtype="float64"), Request(messages, ("the cellar",)))

    written = "<s><|system|>\nyes\n<|user|>\nWhich room?\n<|assistant|>\n"
    before = tokenizer(written, add_special_tokens=False)["input_ids"]
    ids = [*before, *tokenizer("the cellar", add_special_tokens=False)["input_ids"]]
    truth = tiny_models.logprobs_by_loop(model, ids, len(before))
    assert reply.scores[0].logprobs == pytest.approx(truth, abs=1e-9)


def test_the_space_that_a_template_writes_before_an_answer_is_kept(tmp_path):
    template = (
        "{% for m in messages %}{% if m['role'] == 'assistant' %}Answer: {{ m['content'] }}"
        "{% else %}{{ m['content'] }}\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}Answer:{% endif %}"
    )
    folder = tiny_models.llama(tmp_path, adds_bos=False, chat_template=template)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = open_hf(str(folder))._tokenizer()[0].answer_tokens(user("Which room?"), "the cellar")
    assert list(found.ids) == tokenizer(" the cellar", add_special_tokens=False)["input_ids"]
    assert found.offsets[0][0] == 0
    assert found.offsets[-1][1] == len("the cellar")


def test_without_a_template_turns_follow_each_other_and_a_single_turn_is_its_text(plain):
    alignment = open_hf(str(plain))._tokenizer()[0]
    assert alignment.text(user(" Once upon\n a time ")) == " Once upon\n a time "
    assert alignment.text((Message("system", "A"), Message("user", "B"))) == "A\nB"


@pytest.mark.parametrize(
    ("prompt", "answer", "joined"),
    [
        ("The key is in the", "cellar", "The key is in the cellar"),
        ("The key is in the ", "cellar", "The key is in the cellar"),
        ("The key is in the", " cellar", "The key is in the cellar"),
        ("The key is in the\n", "cellar", "The key is in the\ncellar"),
        ("钥匙在", "地窖里", "钥匙在地窖里"),
        ("The key is in the cel", "lar", "The key is in the cel lar"),
    ],
)
def test_prompt_and_answer_are_encoded_as_one_text(plain, prompt, answer, joined):
    tokenizer = AutoTokenizer.from_pretrained(plain)
    row = open_hf(str(plain))._tokenizer()[0].encode(Request(user(prompt), (answer,)), 0)
    assert [*row.prompt, *row.answer.ids] == tokenizer(joined)["input_ids"]


def test_a_token_across_the_border_belongs_to_the_answer(plain):
    tokenizer = AutoTokenizer.from_pretrained(plain)
    alignment = open_hf(str(plain), joiner="")._tokenizer()[0]
    whole = user("The key is in the ce")
    row = alignment.encode(Request(whole, ("llar",)), 0)
    assert [*row.prompt, *row.answer.ids] == tokenizer("The key is in the cellar")["input_ids"]
    assert row.answer.overlap.endswith("ce")
    masked = alignment.encode(Request(user("The key"), ("llar",), whole=whole), 0)
    assert masked.answer.ids == row.answer.ids


@pytest.mark.parametrize(
    "answer", ["日本語 😀 café", "👩‍👩‍👧 ok", "नमस्ते दुनिया", "مرحبا بالعالم", "a\r\nb", "  two", "e\u0301"]
)
def test_offsets_of_byte_level_tokens_cover_the_answer(plain, answer):
    (reply,) = scored(open_hf(str(plain)), Request(user("The key"), (answer,)))
    offsets = reply.scores[0].offsets
    assert len(offsets) == len(reply.scores[0].logprobs)
    assert all(0 <= start < end <= len(answer) for start, end in offsets)
    assert {i for start, end in offsets for i in range(start, end)} == set(range(len(answer)))
    assert list(offsets) == sorted(offsets)


def test_offsets_cover_the_answer_where_a_tokenizer_skips_white_space():
    words = Tokenizer(models.WordLevel({"<s>": 0, "the": 1, "key": 2, "box": 3}, unk_token="<s>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    alignment = Alignment(PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>"))
    found = alignment.answer_tokens(user("the"), " key  box ")
    assert found.ids == (2, 3)
    assert found.offsets == ((0, 4), (4, 10))


def test_every_mask_scores_the_same_answer_tokens(plain):
    whole = user("The key is in the box ")
    requests = [
        Request(user(p), ("cellar",), whole=whole) for p in ("The key is in the box ", "box", "The", "")
    ]
    replies = scored(open_hf(str(plain)), *requests)
    assert len({reply.scores[0].offsets for reply in replies}) == 1
    assert open_hf(str(plain)).answer_offsets(whole, "cellar") == replies[0].scores[0].offsets


def test_only_the_answers_positions_get_logits(plain, monkeypatch):
    backend = open_hf(str(plain))
    asyncio.run(backend.open())
    seen = []
    forward = backend._model.forward

    def spy(**inputs):
        out = forward(**inputs)
        seen.append((inputs["input_ids"].shape, out.logits.shape))
        return out

    monkeypatch.setattr(backend._model, "forward", spy)
    backend._model.forward = spy
    (reply,) = scored(backend, Request(user("The key is in the box. " * 5), ("cellar",)))
    (asked, given), *rest = seen
    assert not rest
    assert given[1] == len(reply.scores[0].logprobs) < asked[1]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried"),
    ],
)
def test_a_batch_that_does_not_fit_is_halved(plain, monkeypatch, error):
    requests = [Request(user(p), ("attic",), whole=user(PROMPTS[0])) for p in PROMPTS]
    wanted = scored(open_hf(str(plain)), *requests)
    backend = open_hf(str(plain))
    asyncio.run(backend.open())
    forward, sizes = backend._model.forward, []

    def short_of_memory(**inputs):
        sizes.append(len(inputs["input_ids"]))
        if len(inputs["input_ids"]) > 1:
            raise error
        return forward(**inputs)

    monkeypatch.setattr(backend._model, "forward", short_of_memory)
    found = scored(backend, *requests)

    assert max(sizes) == 4
    for a, b in zip(found, wanted, strict=True):
        assert a.scores[0].logprobs == pytest.approx(b.scores[0].logprobs, abs=1e-4)


def test_one_prompt_that_never_fits_is_a_reason_and_the_others_go_on(plain, monkeypatch):
    backend = open_hf(str(plain))
    asyncio.run(backend.open())
    forward = backend._model.forward

    def short_of_memory(**inputs):
        if inputs["input_ids"].shape[1] > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(**inputs)

    monkeypatch.setattr(backend._model, "forward", short_of_memory)
    long, short = scored(backend, Request(user("the key " * 20), ("no",)), Request(user("the key"), ("no",)))
    assert "not enough memory" in long.error
    assert not short.error
    assert short.scores


def test_other_errors_of_the_model_are_not_taken_for_memory(plain, monkeypatch):
    backend = open_hf(str(plain))
    asyncio.run(backend.open())

    def broken(**inputs):
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(backend._model, "forward", broken)
    with pytest.raises(BackendError, match="RuntimeError: shape mismatch"):
        scored(backend, Request(user("the key"), ("no",)))


def test_hidden_text_is_as_if_it_were_not_there_but_positions_stay(plain):
    model, tokenizer = read(plain)
    text = "The lamp is in the attic. The key is in the box"
    hidden = Hidden(0, 4, 25)  # "lamp is in the attic. "
    (reply,) = scored(
        open_hf(str(plain), dtype="float64"), Request(user(text), (" cellar",), (hidden,), user(text))
    )

    encoded = tokenizer(text + " cellar", return_offsets_mapping=True)
    ids, spans = encoded["input_ids"], encoded["offset_mapping"]
    kept = [i for i, (_, end) in enumerate(spans) if not 4 < end <= 25]
    n_answer = sum(end > len(text) for _, end in spans)
    assert len(kept) < len(ids)
    with torch.no_grad():  # the hidden tokens are cut out here, and the others keep their positions
        logits = model(
            input_ids=torch.tensor([[ids[i] for i in kept]]), position_ids=torch.tensor([kept])
        ).logits[0]
    truth = [
        float(torch.log_softmax(logits[k - 1], -1)[ids[kept[k]]])
        for k in range(len(kept) - n_answer, len(kept))
    ]
    assert reply.scores[0].logprobs == pytest.approx(truth, abs=1e-9)


def test_what_is_hidden_cannot_be_told_even_at_the_last_position(plain):
    def value(last):
        text = f"The key is in the {last}"
        hidden = (Hidden(0, 18, len(text)),)
        return (
            scored(open_hf(str(plain)), Request(user(text), (" no",), hidden, user(text)))[0]
            .scores[0]
            .logprobs
        )

    assert AutoTokenizer.from_pretrained(plain)("x box")["input_ids"][2:] != []
    assert value("box") == pytest.approx(value("key"), abs=1e-6)


def test_hidden_text_is_found_in_what_a_template_wrote(chatty):
    text = "user The key is in the box"
    messages = (Message("user", "yes"), Message("assistant", "user"), Message("user", text))

    def value(words, hidden):
        turns = (*messages[:2], Message("user", words))
        (reply,) = scored(open_hf(str(chatty)), Request(turns, ("no",), hidden, turns))
        return reply.scores[0].logprobs

    swapped = "user The lamp" + text[12:]
    span = (Hidden(2, 9, 12),)
    assert AutoTokenizer.from_pretrained(chatty)(" key")["input_ids"] != []
    same = text.replace("key", "box")
    assert value(text, span) == pytest.approx(value(same, span), abs=1e-6)
    assert value(text, ()) != pytest.approx(value(same, ()), abs=1e-3)
    assert swapped


@pytest.mark.parametrize("chat_template", [None, tiny_models.WITH_BOS])
def test_generation_is_greedy_and_ends_at_the_end_token(tmp_path, chat_template):
    folder = tiny_models.llama(tmp_path, adds_bos=True, chat_template=chat_template)
    tiny_models.set_generation(folder, repetition_penalty=5.0, temperature=0.3, do_sample=True, top_k=3)
    model, tokenizer = read(folder)
    written = generated(open_hf(str(folder), dtype="float64"), "The key is in the", 12)

    ids = list(open_hf(str(folder))._tokenizer()[0].prompt_ids(user("The key is in the")))
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
    backend = open_hf(str(plain))
    asyncio.run(backend.open())

    def short_of_memory(**inputs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(backend._model, "forward", short_of_memory)
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


def test_a_strict_template_gets_alternating_turns_after_masking_but_refuses_the_users_own(tmp_path):
    strict = (
        "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('roles must alternate') }}{% endif %}[{{ m['content'] }}]{% endfor %}"
    )
    backend = open_hf(str(tiny_models.llama(tmp_path, adds_bos=True, chat_template=strict)))
    turns = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    alignment = backend._tokenizer()[0]
    assert alignment.text((turns[0], turns[2]), repair=True) == "[a\nc]"
    assert alignment.text(turns[1:], repair=True) == "[][b][c]"
    assert alignment.text((), repair=True) == "[]"
    assert "roles must alternate" in backend.check(Request((turns[0], turns[2]), ("no",)))
    assert backend.check(Request((turns[0], turns[2]), ("no",), whole=turns)) == ""


def test_the_event_loop_stays_free_and_threads_end(plain, monkeypatch):
    backend = open_hf(str(plain), batch_tokens=1)
    begun, turned, seen = threading.Event(), threading.Event(), []

    async def main():
        await backend.open()
        forward = backend._model.forward

        def waiting(**inputs):
            begun.set()
            seen.append(turned.wait(20))  # a loop that waits for the model does not set it
            return forward(**inputs)

        monkeypatch.setattr(backend._model, "forward", waiting)
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
    backend = open_hf(str(plain), batch_tokens=1)
    calls, cancelled = [], threading.Event()

    async def main():
        await backend.open()
        forward = backend._model.forward

        def counted(**inputs):
            calls.append(1)
            assert cancelled.wait(20)
            return forward(**inputs)

        monkeypatch.setattr(backend._model, "forward", counted)
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

    monkeypatch.setattr("spexapi.backends.huggingface.backend.load_model", refuse)
    monkeypatch.setattr("spexapi.backends.huggingface.backend.load_tokenizer", refuse)
    backend = open_backend(f"hf:{plain}")
    assert isinstance(backend, Backend)
    assert backend.name == f"hf:{plain}"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nosuch", "known are embedded, hf:<model>"),
        ("nosuch:x", "known are embedded, hf:<model>"),
        ("embeded", "did you mean 'embedded'"),
        ("hf:", "name a model"),
        ("hf:./nowhere", "there is no folder ./nowhere"),
        ("hf:a/b/c", "there is no folder a/b/c"),
        ("embedded:x", "write 'embedded'"),
    ],
)
def test_a_wrong_backend_name_is_a_plain_error(spec, said):
    with pytest.raises(InputError, match=said.replace("(", "\\(")):
        open_backend(spec)


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


def test_the_embedded_backend_is_the_folder_in_the_package(plain, tmp_path, monkeypatch):
    monkeypatch.setattr("spexapi.backends.huggingface.embedded.FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"lacks config\.json"):
        open_backend("embedded")
    monkeypatch.setattr("spexapi.backends.huggingface.embedded.FOLDER", plain)
    backend = open_backend("embedded")
    assert backend.name == "embedded"
    assert scored(backend, Request(user("the key"), ("no",)))[0].scores


def test_known_backends_are_there_without_installed_metadata(monkeypatch):
    monkeypatch.setattr("spexapi.backends.registry.entry_points", lambda **_: ())
    assert list(known_backends()) == ["embedded", "hf", "openai"]


def test_a_plug_in_gets_what_stands_behind_the_colon(monkeypatch):
    class Point:
        name, value = "fake", "a:b"

        def load(self):
            return lambda rest, *, size=1: (rest, size)

    monkeypatch.setattr("spexapi.backends.registry.entry_points", lambda **_: (Point(),))
    assert open_backend("fake:x:y", size=3) == ("x:y", 3)
    with pytest.raises(InputError, match="fake"):
        open_backend("nosuch")


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


def test_batches_hold_every_row_once_and_obey_the_budget():
    lengths = np.random.default_rng(0).integers(1, 90, 200).tolist()
    batches = list(packed(lengths, [5] * 200, 256, 1000))
    assert sorted(i for batch in batches for i in batch) == list(range(200))
    assert all(len(b) * max(lengths[i] for i in b) <= 256 for b in batches)
    assert len(batches) < 1.3 * sum(lengths) / 256 + 2
    assert [len(b) for b in packed([300, 300], [5, 5], 256, 1000)] == [1, 1]
    assert max(len(b) for b in packed([10] * 100, [9] * 100, 10**6, 2**20)) == 7


def test_a_huggingface_backend_never_shows_more_than_its_name(plain):
    assert HuggingFace(str(plain), name="embedded").name == "embedded"
