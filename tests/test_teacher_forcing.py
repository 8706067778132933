"""Log-probabilities of local models: against a plain loop, in batches, with text hidden, short of memory."""

import asyncio

import numpy as np
import pytest
import tiny_models
import torch
from local_models import PROMPTS, chatty, held, plain, read, scored, user
from transformers import AutoTokenizer

from spexapi.backends.base import Hidden, Message, Request
from spexapi.backends.huggingface.open import open_hf
from spexapi.backends.huggingface.teacher_forcing import packed
from spexapi.errors import BackendError

__all__ = ["chatty", "plain"]  # fixtures


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
    eager, model = held(plain)
    model.set_attn_implementation("eager")
    for a, b in zip(scored(open_hf(str(plain)), *requests), scored(eager, *requests), strict=True):
        assert a.scores[0].logprobs == pytest.approx(b.scores[0].logprobs, abs=1e-4)


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


def test_every_mask_scores_the_same_answer_tokens(plain):
    whole = user("The key is in the box ")
    requests = [
        Request(user(p), ("cellar",), whole=whole) for p in ("The key is in the box ", "box", "The", "")
    ]
    replies = scored(open_hf(str(plain)), *requests)
    assert len({reply.scores[0].offsets for reply in replies}) == 1
    assert open_hf(str(plain)).answer_offsets(whole, "cellar") == replies[0].scores[0].offsets


def test_only_the_answers_positions_get_logits(plain, monkeypatch):
    backend, model = held(plain)
    asyncio.run(backend.open())
    seen = []
    forward = model.forward

    def spy(**inputs):
        out = forward(**inputs)
        seen.append((inputs["input_ids"].shape, out.logits.shape))
        return out

    monkeypatch.setattr(model, "forward", spy)
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
    backend, model = held(plain)
    asyncio.run(backend.open())
    forward, sizes = model.forward, []

    def short_of_memory(**inputs):
        sizes.append(len(inputs["input_ids"]))
        if len(inputs["input_ids"]) > 1:
            raise error
        return forward(**inputs)

    monkeypatch.setattr(model, "forward", short_of_memory)
    found = scored(backend, *requests)

    assert max(sizes) == 4
    for a, b in zip(found, wanted, strict=True):
        assert a.scores[0].logprobs == pytest.approx(b.scores[0].logprobs, abs=1e-4)


def test_one_prompt_that_never_fits_is_a_reason_and_the_others_go_on(plain, monkeypatch):
    backend, model = held(plain)
    asyncio.run(backend.open())
    forward = model.forward

    def short_of_memory(**inputs):
        if inputs["input_ids"].shape[1] > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(**inputs)

    monkeypatch.setattr(model, "forward", short_of_memory)
    long, short = scored(backend, Request(user("the key " * 20), ("no",)), Request(user("the key"), ("no",)))
    assert "not enough memory" in long.error
    assert not short.error
    assert short.scores


def test_other_errors_of_the_model_are_not_taken_for_memory(plain, monkeypatch):
    backend, model = held(plain)
    asyncio.run(backend.open())

    def broken(**inputs):
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(model, "forward", broken)
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


def test_batches_hold_every_row_once_and_obey_the_budget():
    lengths = np.random.default_rng(0).integers(1, 90, 200).tolist()
    batches = list(packed(lengths, [5] * 200, 256, 1000))
    assert sorted(i for batch in batches for i in batch) == list(range(200))
    assert all(len(b) * max(lengths[i] for i in b) <= 256 for b in batches)
    assert len(batches) < 1.3 * sum(lengths) / 256 + 2
    assert [len(b) for b in packed([300, 300], [5, 5], 256, 1000)] == [1, 1]
    assert max(len(b) for b in packed([10] * 100, [9] * 100, 10**6, 2**20)) == 7
