"""Text falls into segments that rejoin to it, in any script."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spexapi.errors import InputError
from spexapi.prompts.segments import UNITS, joined_by_space, own_spans, shorten, split

FAMILY = "👨‍👩‍👧"
PIECES = [
    *" \t\n\r\x0b\x85\xa0\u2028.!?。…;\"'()«»漢カไשؤ؟",
    *("\r\n", "e\u0301", "\u0301", "漢字", "J.\xa0S", "ไทย", "Dr. ", "\n\n", "🇫🇷🇩🇪", FAMILY),
]
ANY_TEXT = st.text(max_size=60) | st.lists(st.sampled_from(PIECES) | st.characters()).map("".join)


def cores(text, unit, **given):
    return [text[s.core_start : s.core_end] for s in split(text, unit, **given)]


@settings(max_examples=300, deadline=None)
@given(text=ANY_TEXT, unit=st.sampled_from(UNITS), data=st.data())
def test_segments_rejoin_to_the_text_and_own_their_white_space(text, unit, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)) | {0, len(text)})
    spans = list(pairwise(cuts))
    segments = split(text, unit, token_spans=spans)

    assert "".join(text[s.start : s.end] for s in segments) == text
    assert [s.start for s in segments[1:]] == [s.end for s in segments[:-1]]
    for s in segments:
        assert s.start <= s.core_start <= s.core_end <= s.end
        assert text[s.core_start : s.core_end] == text[s.start : s.end].strip()
        assert text[s.core_start : s.core_end] or len(segments) == 1


@settings(max_examples=200, deadline=None)
@given(text=ANY_TEXT, unit=st.sampled_from([u for u in UNITS if u != "token"]))
def test_no_segment_begins_inside_a_character(text, unit):
    for segment in split(text, unit)[1:]:
        first = text[segment.start]
        if unicodedata.category(text[segment.start - 1]) in ("Cc", "Zl", "Zp"):
            assert text[segment.start - 1 : segment.start + 1] != "\r\n"
            continue
        assert unicodedata.combining(first) == 0
        assert first not in "\u200d\ufe0f"
        assert text[segment.start - 1] != "\u200d" or not unicodedata.category(first).startswith("So")


def test_words_keep_their_punctuation():
    assert cores("The cat — well-known, isn't it? (Yes.)", "word") == [
        "The", "cat", "—", "well-known,", "isn't", "it?", "(Yes.)",
    ]  # fmt: skip


def test_words_of_scripts_without_spaces_are_unicodes():
    assert cores("我爱（北京）。", "word") == ["我", "爱", "（北", "京）。"]
    assert cores("カタカナです、GPT模型v2", "word") == ["カタカナ", "で", "す、", "GPT", "模", "型", "v2"]
    assert "".join(cores("ภาษาไทยกำลัง", "word")) == "ภาษาไทยกำลัง"
    assert len(cores("ภาษาไทยกำลัง", "word")) > 3


def test_right_to_left_words_come_in_reading_order():
    assert cores("مرحبا بالعالم، שלום", "word") == ["مرحبا", "بالعالم،", "שלום"]


def test_emoji_and_combining_marks_stay_whole():
    assert cores(f"{FAMILY}漢{FAMILY} e\u0301te\u0301 🇫🇷", "word")[-2:] == ["e\u0301te\u0301", "🇫🇷"]
    spans = [(i, i + 1) for i in range(len(FAMILY))]
    assert cores(FAMILY + "a", "token", token_spans=[*spans, (len(FAMILY), len(FAMILY) + 1)]) == [FAMILY, "a"]


def test_sentences_know_abbreviations_and_scripts():
    text = "Dr. Smith went home. He slept!\r\nThen 3.5 hours passed? 这是中文。你好！ ठीक। كيف حالك؟ نعم."
    assert cores(text, "sentence") == [
        "Dr. Smith went home.", "He slept!", "Then 3.5 hours passed?",
        "这是中文。", "你好！", "ठीक।", "كيف حالك؟", "نعم.",
    ]  # fmt: skip


def test_a_no_break_space_after_an_initial_is_survived():
    # sentencex 1.0.32 panics at a single letter, a no-break space and a full stop
    assert cores("Dr. Jones chose plan B\xa0. It worked.", "sentence") == [
        "Dr. Jones chose plan B\xa0.",
        "It worked.",
    ]


def test_lone_surrogates_are_survived():
    assert cores("One \ud800. Two.", "sentence") == ["One \ud800.", "Two."]


def test_a_text_the_sentence_library_panics_at_is_cut_at_its_marks(monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(*_):
        raise PanicException

    monkeypatch.setattr("sentencex.get_sentence_boundaries", panic)
    assert cores("One. Two! 三。四。", "sentence") == ["One.", "Two!", "三。", "四。"]


def test_lines_and_paragraphs_with_either_line_end():
    text = "one\r\ntwo\n\n  three\r\n\r\nfour"
    assert cores(text, "line") == ["one", "two", "three", "four"]
    assert cores(text, "paragraph") == ["one\r\ntwo", "three", "four"]
    assert cores(text, "document") == [text]


def test_own_spans_are_checked():
    text = "The cat sat."
    assert [(s.start, s.end, s.core_end) for s in own_spans(text, [(8, 11), (0, 4)])] == [
        (0, 4, 3),
        (8, 11, 11),
    ]
    for wrong, said in (([(3, 3)], "3:3"), ([(0, 99)], "12 characters"), ([(0, 5), (4, 7)], "overlap")):
        with pytest.raises(InputError, match=said):
            own_spans(text, wrong)


def test_unknown_units_are_named():
    with pytest.raises(InputError, match=r"'words'.*word, sentence"):
        split("a b", "words")
    with pytest.raises(InputError, match="tokenizer"):
        split("a b", "token")


def test_a_space_joins_only_what_a_writer_would_join():
    assert joined_by_space("in the", "cellar")
    for left, right in (("in the ", "cellar"), ("in the", " cellar"), ("", "a"), ("在", "北"), ("在", "a")):
        assert not joined_by_space(left, right)


@given(st.text(max_size=200))
def test_labels_are_one_short_line(text):
    short = shorten(text, 20)
    assert "\n" not in short
    assert len(short.split("…")[0]) <= 4 * 20
