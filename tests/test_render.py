"""A layout and a mask make the prompt that is sent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spexapi.backends.base import Hidden, Message
from spexapi.prompts.render import Layout, Part, Turn, parts_of, render
from spexapi.prompts.segments import split


def words(text: str) -> Layout:
    segments = split(text, "word")
    return Layout((Turn("user", tuple(parts_of(text, segments, 0))),), len(segments))


def shown(layout, mask, masking="drop", placeholder="_"):
    return render(layout, np.array(mask, dtype=bool), masking, placeholder)[0][0].content


@settings(max_examples=200, deadline=None)
@given(
    text=st.text(max_size=40),
    unit=st.sampled_from(["word", "sentence", "line", "paragraph"]),
    masking=st.sampled_from(["drop", "placeholder", "attention"]),
)
def test_with_everything_kept_the_prompt_is_the_users_character_for_character(text, unit, masking):
    segments = split(text, unit)
    layout = Layout((Turn("user", tuple(parts_of(text, segments, 0))),), len(segments))
    messages, hidden = render(layout, np.ones(len(segments), dtype=bool), masking, "...")
    assert messages == (Message("user", text),) == layout.messages
    assert hidden == ()


def test_dropping_leaves_well_formed_text():
    layout = words("The cat  sat\non it.")
    assert shown(layout, [1, 0, 1, 1, 1]) == "The sat\non it."
    assert shown(layout, [1, 1, 1, 1, 0]) == "The cat  sat\non"
    assert shown(layout, [1, 1, 0, 0, 0]) == "The cat"
    assert shown(layout, [0, 0, 0, 0, 0]) == ""


def test_a_trailing_space_of_the_users_stays_where_the_last_word_goes():
    assert shown(words("The answer is "), [1, 1, 0]) == "The answer "


def test_a_placeholder_replaces_the_word_and_keeps_the_space():
    assert shown(words("  The cat\r\nsat. "), [0, 1, 0], "placeholder") == "  _ cat\r\n_ "


def test_attention_hides_exact_characters():
    messages, hidden = render(words("The cat sat"), np.array([True, False, True]), "attention", "")
    assert messages == (Message("user", "The cat sat"),)
    assert hidden == (Hidden(0, 4, 8),)


def test_a_turn_goes_with_its_message():
    layout = Layout(
        (Turn("user", (Part("a"),), 0), Turn("assistant", (Part("b"),), 1), Turn("user", (Part("c"),))), 2
    )
    assert render(layout, np.array([False, True]), "drop")[0] == (
        Message("assistant", "b"),
        Message("user", "c"),
    )
    assert render(layout, np.array([False, True]), "placeholder", "-")[0][0] == Message("user", "-")
    assert render(layout, np.array([False, True]), "attention")[1] == (Hidden(0, 0, 1),)


def test_what_needs_players_goes_with_the_last_of_them():
    parts = (
        Part("Title\n", needs=(0, 1)),
        Part("one ", 0, (0, 3)),
        Part("two", 1, (0, 3)),
        Part("\n\n", needs=(0, 1), group=1),
    )
    layout = Layout((Turn("user", parts),), 2)
    assert shown(layout, [1, 0]) == "Title\none\n\n"
    assert shown(layout, [0, 0]) == ""
    assert shown(layout, [0, 0], "placeholder") == "Title\n_ _\n\n"
    assert render(layout, np.array([False, False]), "attention")[1][0] == Hidden(0, 0, 6)


@pytest.mark.parametrize("masking", ["drop", "placeholder"])
def test_pinned_text_is_never_touched(masking):
    parts = (Part("pinned  "), Part("word ", 0, (0, 4)), Part("more", 1, (0, 4)))
    assert shown(Layout((Turn("user", parts),), 2), [0, 0], masking, "").startswith("pinned  ")
