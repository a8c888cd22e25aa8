"""Coherence and smoothing: known answers, and what smoothing must never do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from veridical.errors import InputError
from veridical.fusion.coherence import coherence, follow, smooth, warp

SIDE = 12


def shifted(pairs: int, down: float, right: float, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """Everything moves by the same amount."""
    rows, columns = np.mgrid[:height, :width].astype(float)
    return np.broadcast_to(np.stack((rows - down, columns - right), -1), (pairs, height, width, 2)).copy()


def moving(frames: int, right: int) -> np.ndarray:
    maps = np.zeros((frames, SIDE, SIDE))
    for t in range(frames):
        maps[t, 4:7, 1 + right * t : 4 + right * t] = [[1, 2, 1], [3, -4, 3], [1, 2, 1]]
    return maps


def test_a_map_that_moves_as_the_thing_does_is_coherent():
    assert coherence(moving(4, 2), shifted(3, 0, 2)) == 1


def test_a_map_that_stays_behind_is_not():
    stays = np.stack([moving(1, 0)[0]] * 2)
    assert coherence(stays, shifted(1, 0, 3)) == 0
    assert coherence(stays, shifted(1, 0, 0)) == 1


def test_coherence_has_the_value_of_its_definition():
    """|3 - 1| / (3 + 1) of the first pair, |1 - 1| of the second, the third holds nothing: 1 - (0.5 + 0) / 2."""
    maps = np.zeros((5, 2, 2))
    maps[:3, 0, 0] = [3.0, 1.0, 1.0]
    motion = shifted(4, 0, 0, 2, 2)
    motion[2:] = np.nan
    assert coherence(maps, motion) == pytest.approx(0.75)


def test_values_of_other_sign_cancel_nothing():
    maps = np.zeros((2, 3, 3))
    maps[0, 1, 1], maps[1, 1, 1] = 1.0, -1.0
    assert coherence(maps, shifted(1, 0, 0, 3, 3)) == 0


def test_places_of_unknown_motion_are_left_out():
    maps = moving(2, 2)
    motion = shifted(1, 0, 2)
    noisy = maps.copy()
    noisy[1, 0, 5] = 99.0
    assert coherence(noisy, motion) < 0.5
    motion[0, 0, 5] = np.nan
    assert coherence(noisy, motion) == 1


def test_half_a_place_is_halfway():
    line = np.array([[0.0, 2.0, 4.0, 8.0]])
    motion = shifted(1, 0, 0.5, 1, 4)[0]
    np.testing.assert_allclose(warp(line, motion), [[0.0, 1.0, 3.0, 6.0]])
    np.testing.assert_array_equal(np.isnan(warp(line, shifted(1, 0, 0.75, 1, 4)[0])), [[True, False, False, False]])


@given(arrays(float, (6, 6), elements=st.floats(-9, 9)), st.integers(-2, 2), st.integers(-2, 2))
def test_warping_by_whole_places_is_moving_them(map_, down, right):
    carried = warp(map_, shifted(1, down, right, 6, 6)[0])
    wanted = np.full((6, 6), np.nan)
    wanted[max(down, 0) : 6 + min(down, 0), max(right, 0) : 6 + min(right, 0)] = map_[
        max(-down, 0) : 6 + min(-down, 0), max(-right, 0) : 6 + min(-right, 0)
    ]
    np.testing.assert_array_equal(carried, wanted)


def test_tracks_follow_what_moves_and_new_ones_begin_where_something_comes_in():
    labels = follow(shifted(2, 0, 1, 2, 4))
    np.testing.assert_array_equal(labels[0], [[0, 1, 2, 3], [4, 5, 6, 7]])
    np.testing.assert_array_equal(labels[1], [[8, 0, 1, 2], [9, 4, 5, 6]])
    np.testing.assert_array_equal(labels[2], [[10, 8, 0, 1], [11, 9, 4, 5]])


# Smoothing

MAPS = arrays(float, (5, 4), elements=st.sampled_from([0.0, 0.0, 0.5, 2.0, -1.0, -3.0]))
TRACKS = arrays(np.int64, (5, 4), elements=st.integers(0, 3))
WIDTHS = st.floats(0.3, 10)


@given(MAPS, TRACKS, WIDTHS)
def test_smoothing_keeps_the_sum_of_every_track(maps, tracks, width):
    out = smooth(maps, tracks, width)
    for track in np.unique(tracks):
        assert out[tracks == track].sum() == pytest.approx(maps[tracks == track].sum(), abs=1e-9)
    np.testing.assert_allclose(smooth(maps, None, width).sum(0), maps.sum(0), atol=1e-9)


@given(MAPS, TRACKS, WIDTHS)
def test_smoothing_moves_nothing_to_where_there_was_nothing(maps, tracks, width):
    for out in (smooth(maps, tracks, width), smooth(maps, None, width)):
        assert (out[maps == 0] == 0).all()


@given(MAPS, WIDTHS, st.integers(0, 4))
def test_what_is_relevant_in_one_frame_alone_stays_to_the_last_bit(maps, width, frame):
    alone = np.zeros_like(maps)
    alone[frame] = maps[frame] / 3
    np.testing.assert_array_equal(smooth(alone, None, width), alone)
    np.testing.assert_array_equal(smooth(maps[frame : frame + 1], None, width), maps[frame : frame + 1])


@given(MAPS, TRACKS)
def test_no_width_changes_nothing_and_a_great_one_spreads_evenly(maps, tracks):
    np.testing.assert_array_equal(smooth(maps, tracks, 0.0), maps)
    out = smooth(maps, None, 1e6)
    for column, before in zip(out.T, maps.T, strict=True):
        held = before != 0
        np.testing.assert_allclose(column[held], before.sum() / max(held.sum(), 1), atol=1e-9)


def test_smoothing_has_the_weights_of_its_gaussian():
    """From frames 0 and 2 (frame 1 holds nothing): each gives exp(-2) of what it keeps."""
    out = smooth(np.array([[1.0], [0.0], [3.0]]), width=1.0)[:, 0]
    far = np.exp(-2.0)
    np.testing.assert_allclose(out, [(1 + 3 * far) / (1 + far), 0, (3 + far) / (1 + far)])


def test_smoothing_along_tracks_makes_a_trembling_map_coherent_and_mixes_no_two_tracks():
    rng, motion = np.random.default_rng(0), shifted(7, 0, 1)
    maps = np.zeros((8, SIDE, SIDE))
    for t in range(8):
        maps[t, 3:6, t : t + 3] = 1 + 0.8 * rng.random((3, 3))
    smoothed = smooth(maps, follow(motion), 2.0)
    assert coherence(smoothed, motion) > coherence(maps, motion) + 0.05
    np.testing.assert_array_equal(smoothed == 0, maps == 0)
    assert smoothed.sum() == pytest.approx(maps.sum())
    still = smooth(maps, None, 2.0)
    assert not np.allclose(still, smoothed)


def test_the_type_of_the_maps_is_kept():
    assert smooth(np.ones((3, 2), np.float32)).dtype == np.float32


def test_bad_input_is_refused_in_words():
    maps, motion = moving(3, 1), shifted(2, 0, 1)
    with pytest.raises(InputError, match=r"a motion of shape \(1, 12, 12, 2\) for maps of \(3, 12, 12\); \(2, 12, 12"):
        coherence(maps, motion[:1])
    with pytest.raises(InputError, match=r"^coherence: 1 frames; at least 2 are wanted$"):
        coherence(maps[:1], motion[:0])
    with pytest.raises(InputError, match="there is nothing to compare"):
        coherence(0 * maps, motion)
    with pytest.raises(InputError, match="coherence: the maps hold values that are not finite"):
        coherence(maps * np.nan, motion)
    with pytest.raises(InputError, match="smooth: the maps hold values that are not finite"):
        smooth(np.full((2, 2), np.inf))
    with pytest.raises(InputError, match=r"^smooth: width -1\.0; a number of frames of at least 0 is wanted$"):
        smooth(maps, None, -1.0)


@pytest.mark.usefixtures("unchecked")
def test_tracks_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"tracks of shape \(2, 12, 12\) for maps of \(3, 12, 12\)"):
        smooth(moving(3, 1), np.zeros((2, SIDE, SIDE), np.int64))
