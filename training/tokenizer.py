"""The reader's tokenizer: uncased, blind to spaces, able to spell any word (byte-level BPE)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from training import names, words

BOS, EOS, PAD = "<bos>", "<eos>", "<pad>"
END = "</w>"
SPACE, NEWLINE = "\u0120", "\u010a"  # as byte-level vocabularies spell them
VOCABULARY_SIZE = 5120
# The user's text as it is, then the cue; an answer's text is followed by the end mark.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ '\\nAnswer: ' + message['content'] + eos_token }}"
    "{% else %}{{ message['content'] }}{% if not loop.last and loop.nextitem['role'] != 'assistant' %}"
    "{{ '\\n\\n' }}{% endif %}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '\\nAnswer:' }}{% endif %}"
)


def known_words(*, few: bool = False) -> list[str]:
    """Every word the worlds use, each of which must be one token; with `few` only the first names."""
    frames = (
        *words.THING_IN,
        *words.PERSON_IN,
        *words.HELD,
        *words.WHERE,
        *words.WHICH_ROOM,
        *words.WHO,
        *words.CHATTER,
    )
    plain = " ".join(re.sub(r"\{.\}", " ", frame) for frame in frames)
    extra = (
        "documents question answer unknown the a an of is was in on at to and with not my his her our their"
    )
    entities = [name for role in names.FEW for name in names.known(role, few=few)]
    return sorted(set(re.findall(r"[a-z]+", plain)) | set(extra.split()) | set(entities))


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    pieces = Regex(r"\n\n|\n|\.\.\.|[\p{L}\p{M}]+|\p{N}|[^\s\p{L}\p{M}\p{N}]")
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pieces, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def build(seed: int = 0, size: int = VOCABULARY_SIZE) -> PreTrainedTokenizerFast:
    """The same tokenizer every time: learnt from the worlds' words (often) and made-up words (once)."""
    draws = words.Draws(seed)
    counts = Counter(words.made_up_word(draws) for _ in range(30_000))
    counts.update({word: 20_000 for word in known_words()})
    letters = [letter + end for letter in sorted(pre_tokenizers.ByteLevel.alphabet()) for end in ("", END)]
    fixed = [PAD, BOS, EOS, *letters]
    merges = [(NEWLINE, NEWLINE + END), (".", "." + END), (".", ".." + END)]
    merges += learn_merges(counts, size - len(fixed) - len(merges))
    vocabulary = {
        token: number for number, token in enumerate([*fixed, *("".join(merge) for merge in merges)])
    }
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, end_of_word_suffix=END))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    bpe.pre_tokenizer = _pre_tokenizer()
    spaced = decoders.Replace(END, SPACE)
    bpe.decoder = decoders.Sequence([spaced, decoders.ByteLevel(), decoders.Replace(Regex(" $"), "")])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    split = [word for word in known_words() if len(tokenizer.encode(word, add_special_tokens=False)) != 1]
    assert not split, f"these words must be one token each, raise the vocabulary size: {split}"
    return tokenizer


def learn_merges(counts: Mapping[str, int], n: int) -> list[tuple[str, str]]:
    """The n most frequent pairs, one after another; ties go to the first in the alphabet.

    (The library's own trainer breaks ties by chance: two runs gave two vocabularies.)
    """
    spelt = [[*word[:-1], word[-1] + END] for word in sorted(counts)]
    often = [counts[word] for word in sorted(counts)]
    pairs: Counter[tuple[str, str]] = Counter()
    where: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for i, pieces in enumerate(spelt):
        for pair in pairwise(pieces):
            pairs[pair] += often[i]
            where[pair].add(i)
    merges: list[tuple[str, str]] = []
    for _ in range(n):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for i in list(where[best]):
            for pair in pairwise(spelt[i]):
                pairs[pair] -= often[i]
                where[pair].discard(i)
            spelt[i] = _merged(spelt[i], best)
            for pair in pairwise(spelt[i]):
                pairs[pair] += often[i]
                where[pair].add(i)
        del pairs[best]
    return merges


def _merged(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for piece in pieces:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return out


def save(folder: Path) -> PreTrainedTokenizerFast:
    tokenizer = build()
    tokenizer.save_pretrained(folder)
    return tokenizer
