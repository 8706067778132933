"""The tokens of an answer in a prompt: templates, the border between them, characters of each token."""

import pytest
import tiny_models
from local_models import alignment, plain, scored, user
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from spexapi.backends.base import Message, Request
from spexapi.backends.huggingface.alignment import Alignment
from spexapi.backends.huggingface.open import open_hf

__all__ = ["plain"]  # fixture


@pytest.mark.parametrize("adds_bos", [True, False])
@pytest.mark.parametrize("template", [None, tiny_models.CHATML, tiny_models.WITH_BOS])
def test_one_beginning_of_sequence_token_at_most(adds_bos, template, tmp_path):
    folder = tiny_models.llama(tmp_path, adds_bos=adds_bos, chat_template=template)
    ids = alignment(folder).prompt_ids(user("the key"))
    wanted = template == tiny_models.WITH_BOS or (template is None and adds_bos)
    assert ids.count(0) == (1 if wanted else 0)
    assert (ids[0] == 0) == wanted


def test_the_space_that_a_template_writes_before_an_answer_is_kept(tmp_path):
    template = (
        "{% for m in messages %}{% if m['role'] == 'assistant' %}Answer: {{ m['content'] }}"
        "{% else %}{{ m['content'] }}\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}Answer:{% endif %}"
    )
    folder = tiny_models.llama(tmp_path, adds_bos=False, chat_template=template)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = alignment(folder).answer_tokens(user("Which room?"), "the cellar")
    assert list(found.ids) == tokenizer(" the cellar", add_special_tokens=False)["input_ids"]
    assert found.offsets[0][0] == 0
    assert found.offsets[-1][1] == len("the cellar")


def test_without_a_template_turns_follow_each_other_and_a_single_turn_is_its_text(plain):
    found = alignment(plain)
    assert found.text(user(" Once upon\n a time ")) == " Once upon\n a time "
    assert found.text((Message("system", "A"), Message("user", "B"))) == "A\nB"


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
    row = alignment(plain).encode(Request(user(prompt), (answer,)), 0)
    assert [*row.prompt, *row.answer.ids] == tokenizer(joined)["input_ids"]


def test_a_token_across_the_border_belongs_to_the_answer(plain):
    tokenizer = AutoTokenizer.from_pretrained(plain)
    found = alignment(plain, joiner="")
    whole = user("The key is in the ce")
    row = found.encode(Request(whole, ("llar",)), 0)
    assert [*row.prompt, *row.answer.ids] == tokenizer("The key is in the cellar")["input_ids"]
    assert row.answer.overlap.endswith("ce")
    masked = found.encode(Request(user("The key"), ("llar",), whole=whole), 0)
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
    skips = Alignment(PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>"))
    found = skips.answer_tokens(user("the"), " key  box ")
    assert found.ids == (2, 3)
    assert found.offsets == ((0, 4), (4, 10))


def test_a_strict_template_gets_alternating_turns_after_masking_but_refuses_the_users_own(tmp_path):
    strict = (
        "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('roles must alternate') }}{% endif %}[{{ m['content'] }}]{% endfor %}"
    )
    folder = tiny_models.llama(tmp_path, adds_bos=True, chat_template=strict)
    backend, writes = open_hf(str(folder)), alignment(folder)
    turns = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    assert writes.text((turns[0], turns[2]), repair=True) == "[a\nc]"
    assert writes.text(turns[1:], repair=True) == "[][b][c]"
    assert writes.text((), repair=True) == "[]"
    assert "roles must alternate" in backend.check(Request((turns[0], turns[2]), ("no",)))
    assert backend.check(Request((turns[0], turns[2]), ("no",), whole=turns)) == ""
