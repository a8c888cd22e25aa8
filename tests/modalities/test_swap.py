"""Moves to where something else can be taken from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.modalities.swap import draw, moves


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.sampled_from([(0, 1), (1,), (0,)]))
def test_what_stands_in_is_given_and_all_that_can_be_found_is(seed: int, share: float, axes: tuple[int, ...]):
    pick = np.random.default_rng(seed)
    wanted = pick.random((5, 7)) < share
    given_ = ~wanted & (pick.random((5, 7)) < 0.7)
    row, column = moves(wanted, given_, axes, pick)
    found = row >= 0
    assert np.array_equal(found, column >= 0)
    assert not (found & ~wanted).any()
    assert given_[row[found], column[found]].all()
    own = np.indices(wanted.shape)
    for axis, source in enumerate((row, column)):
        if axis not in axes:
            assert np.array_equal(source[found], own[axis][found])
    if axes == (0, 1):
        assert np.array_equal(found, wanted if given_.any() else np.zeros_like(wanted))
    else:  # a line finds something if it holds anything that is given
        assert np.array_equal(found, wanted & given_.any(axes[0], keepdims=True))


def test_a_shape_is_moved_as_a_whole_where_there_is_room():
    wanted = np.zeros((8, 8), bool)
    wanted[0, :3], wanted[1, 1] = True, True
    for seed in range(20):
        row, column = moves(wanted, ~wanted, (0, 1), np.random.default_rng(seed))
        at = np.argwhere(wanted)
        steps = np.stack([row, column], -1)[wanted] - at
        assert (steps == steps[0]).all()


def test_the_only_place_with_room_is_found():
    wanted, given_ = np.zeros((6, 6), bool), np.zeros((6, 6), bool)
    wanted[4:, 4:], given_[1:3, 2:4], given_[0, 0], given_[5, 0] = True, True, True, True
    row, column = moves(wanted, given_, (0, 1), np.random.default_rng(0))
    assert row[4:, 4:].tolist() == [[1, 1], [2, 2]]
    assert column[4:, 4:].tolist() == [[2, 3], [2, 3]]


def test_rows_count_by_their_weight():
    # Row 0 finds something one to the right, row 1 one to the left; the heavier row is served by the first move.
    wanted = np.array([[0, 1, 0], [0, 1, 0]], bool)
    given_ = np.array([[0, 0, 1], [1, 0, 0]], bool)
    _, column = moves(wanted, given_, (1,), np.random.default_rng(0), np.array([5.0, 1.0]))
    assert column.tolist() == [[-1, 2, -1], [-1, 0, -1]]


def test_of_several_places_one_is_drawn_and_always_the_same():
    wanted = np.zeros((1, 9), bool)
    wanted[0, 4] = True
    drawn = [moves(wanted, ~wanted, (1,), np.random.default_rng(seed))[1][0, 4] for seed in range(60)]
    assert set(drawn) == set(range(9)) - {4}
    assert drawn == [moves(wanted, ~wanted, (1,), np.random.default_rng(seed))[1][0, 4] for seed in range(60)]


def test_a_draw_depends_on_the_content_alone():
    one, same = np.arange(6.0), np.arange(12.0)[:6].copy()
    assert draw(one).random() == draw(same).random()
    assert draw(one).random() != draw(one + 1).random()
    assert draw(one, np.array([True])).random() != draw(one, np.array([False])).random()
    assert draw(np.zeros(3)).random() == pytest.approx(0.6994212887707462)  # and is the same on every machine
