"""Masks: every row once, uniform draws without waste, and packing that loses nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spexapi.errors import InputError
from spexapi.fourier.masks import (
    all_masks,
    codes,
    from_text,
    pack,
    to_text,
    uniform_masks,
    unique_rows,
    unpack,
)


@st.composite
def some_masks(draw, most_players=150):
    m, n = draw(st.integers(0, 30)), draw(st.integers(0, most_players))
    return np.random.default_rng(draw(st.integers(0, 2**32))).random((m, n)) < 0.5


def test_row_i_of_all_masks_keeps_the_players_whose_bits_are_set_in_i():
    masks = all_masks(5)

    assert masks.shape == (32, 5)
    assert [[bool(i >> j & 1) for j in range(5)] for i in range(32)] == masks.tolist()
    assert codes(masks).tolist() == list(range(32))
    assert all_masks(0).shape == (1, 0)


def test_all_masks_of_too_many_players_are_refused_with_the_number():
    with pytest.raises(InputError, match="30 players"):
        all_masks(30)


@pytest.mark.parametrize("n", [4, 20, 21, 70])
def test_draws_are_distinct_and_miss_what_is_known(n):
    rng = np.random.default_rng(0)
    known = uniform_masks(n, 6, rng)
    drawn = uniform_masks(n, 10, rng, exclude=known)

    assert drawn.shape == (10, n)
    assert drawn.dtype == np.bool_
    assert len({row.tobytes() for row in np.concatenate([known, drawn])}) == 16


def test_a_small_game_gives_all_the_masks_that_are_left_and_no_more():
    known = all_masks(3)[:5]

    drawn = uniform_masks(3, 100, np.random.default_rng(0), exclude=known)

    assert sorted(codes(drawn)) == [5, 6, 7]


def test_draws_may_repeat_where_they_need_not_be_distinct():
    drawn = uniform_masks(2, 4_000, np.random.default_rng(0), distinct=False, exclude=all_masks(2)[:1])

    counts = np.bincount(codes(drawn), minlength=4)
    assert counts[0] == 0
    assert counts[1:].min() > 1_200  # a third of 4,000 each


@pytest.mark.parametrize(("n", "count"), [(3, 4), (40, 4)])
def test_draws_are_uniform_with_or_without_known_masks(n, count):
    rng = np.random.default_rng(1)
    known = np.zeros((1, n), dtype=bool)

    kept = np.mean([uniform_masks(n, count, rng, exclude=known).mean() for _ in range(2_000)])

    # the empty mask is never drawn: the mean rises by 2^-(n + 1) / (1 - 2^-n)
    assert kept == pytest.approx(0.5 / (1 - 2.0**-n), abs=0.01)


def test_a_repeat_among_many_players_is_drawn_again():
    class Stuttering:
        """Gives the same mask for every row the first time."""

        def __init__(self):
            self.rng, self.calls = np.random.default_rng(0), 0

        def integers(self, low, high, size, dtype):
            self.calls += 1
            return np.zeros(size, dtype) if self.calls == 1 else self.rng.integers(low, high, size, dtype)

    drawn = uniform_masks(40, 5, Stuttering())
    free = uniform_masks(40, 5, Stuttering(), distinct=False)

    assert len(np.unique(drawn, axis=0)) == len(drawn) == 5
    assert not drawn[0].any()
    assert not free.any()


def test_the_seed_decides_the_draw():
    one, two = (uniform_masks(30, 50, np.random.default_rng(7)) for _ in range(2))

    assert np.array_equal(one, two)


@pytest.mark.parametrize("exclude", [np.zeros((2, 3), dtype=int), np.zeros((2, 4), dtype=bool)])
def test_known_masks_of_another_shape_or_type_are_refused(exclude):
    with pytest.raises(InputError, match=r"\(m, 3\) bool"):
        uniform_masks(3, 1, np.random.default_rng(0), exclude=exclude)


@given(masks=some_masks())
@settings(max_examples=60, deadline=None)
def test_packing_into_words_and_text_loses_nothing(masks):
    m, n = masks.shape

    assert np.array_equal(unpack(pack(masks), n), masks)
    assert np.array_equal(from_text(to_text(masks), m, n), masks)


def test_a_packed_player_is_one_bit_of_one_word():
    masks = np.zeros((1, 130), dtype=bool)
    masks[0, [0, 65, 129]] = True

    assert pack(masks).tolist() == [[1, 2, 2]]
    assert pack(masks).dtype == np.uint64


def test_text_of_another_size_or_that_is_not_base64_is_refused():
    text = to_text(np.ones((3, 10), dtype=bool))

    with pytest.raises(InputError, match="5 bytes, the text holds 4"):
        from_text(text, 4, 10)
    with pytest.raises(InputError, match="not base64"):
        from_text("%%%", 3, 10)
    with pytest.raises(InputError, match="2 words"):
        unpack(np.zeros((1, 1), dtype=np.uint64), 65)


@given(masks=some_masks(most_players=3))
@settings(max_examples=60, deadline=None)
def test_equal_masks_have_one_group_numbered_by_first_appearance(masks):
    first, group = unique_rows(masks)

    seen: dict[tuple[bool, ...], int] = {}
    expected = [seen.setdefault(tuple(row), len(seen)) for row in masks.tolist()]
    assert group.tolist() == expected
    assert [expected.index(g) for g in range(len(seen))] == first.tolist()
