"""A street in metres: the pinhole camera, what covers what, and sounds by their distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.scenarios.courier.background import Background
from veridical.scenarios.courier.scene import SIZE, Place
from veridical.scenarios.courier.shortcut import Mark
from veridical.scenarios.courier.sounds import RATE, clips
from veridical.scenarios.courier.stamps import stamps
from veridical.scenarios.courier.street import (
    NEAREST,
    REFERENCE,
    Body,
    Camera,
    Street,
    Voice,
    falloff,
    horizon,
    sounding,
)

GROUND = Background("road", 5)


def animal(side: float = 0.0, ahead: float = 2.0, height: float = 0.85, index: int = 0) -> Body:
    return Body(stamps("train")["animal"][index], side, ahead, height)


def test_the_field_of_view_is_that_of_its_focal_length():
    assert Camera(focal=0.5).field == pytest.approx(90)
    assert Camera().field == pytest.approx(45.24, abs=0.01)


@given(ahead=st.floats(NEAREST, 100), side=st.floats(-5, 5), height=st.floats(0.1, 5), factor=st.floats(1.0, 4))
def test_lengths_shrink_as_the_distance_grows(ahead: float, side: float, height: float, factor: float):
    camera = Camera()
    near, far = (camera.place(side, ahead * f, height, 0.0, 0.4) for f in (1, factor))
    assert far.height == pytest.approx(near.height / factor)
    assert far.x - 0.5 == pytest.approx((near.x - 0.5) / factor)
    assert far.foot - 0.4 == pytest.approx((near.foot - 0.4) / factor)


def test_what_is_as_high_as_the_camera_reaches_the_horizon():
    place = Camera().place(0.0, 3.0, 0.8, 0.0, 0.4)
    assert place.foot - place.height == pytest.approx(0.4)
    assert Camera().place(0.0, 3.0, 0.6, 0.8, 0.4).foot == pytest.approx(0.4)
    assert Camera().place(0.0, NEAREST / 2, 0.8, 0.0, 0.4) == Place(0.5, 1.0, 0.0)


def test_in_the_way_a_thing_is_drawn_as_in_the_scenes_that_courier_was_trained_on():
    sizes = [Camera().place(0.0, ahead, 0.85, 0.0, 0.4).height for ahead in (2.8, 1.65)]
    assert 0.36 <= sizes[0] < sizes[1] <= 0.62


def test_the_horizon_is_the_one_that_the_background_draws():
    assert 0.3 <= horizon(GROUND) <= 0.48
    frame = Street(GROUND).see([])
    row = round(horizon(GROUND) * SIZE)
    assert np.abs(frame[row - 1].astype(int) - frame[row + 1]).mean() > 5


def test_what_stands_there_is_drawn_where_it_stands_and_moves_with_the_camera():
    street = Street(GROUND)
    empty, one = street.see([]), street.see([animal(ahead=4.0)])
    rows, columns = np.nonzero((empty != one).any(-1))
    place = Camera().place(0.0, 4.0, 0.85, 0.0, horizon(GROUND))
    assert rows.max() == pytest.approx(place.foot * SIZE, abs=3)
    assert columns.mean() / SIZE == pytest.approx(0.5, abs=0.06)
    np.testing.assert_array_equal(one, street.see([animal(side=1.0, ahead=4.7)], ahead=0.7, side=1.0))
    np.testing.assert_array_equal(empty, street.see([animal(ahead=-1.0)]))
    np.testing.assert_array_equal(empty, street.see([animal(side=9.0)]))


def test_nearer_things_cover_farther_ones_in_whatever_order_they_are_named():
    near, far = animal(ahead=1.8), animal(ahead=4.0, index=1)
    street = Street(GROUND)
    np.testing.assert_array_equal(street.see([near, far]), street.see([far, near]))


def test_it_is_drawn_before_the_start_too():
    assert Street(GROUND).see([animal()], ahead=-4.2).shape == (SIZE, SIZE, 3)


def test_light_and_mark():
    street = Street(GROUND, light=0.5, mark=Mark(0.3, 0.2, 0.25))
    assert street.see([]).mean() == pytest.approx(Street(GROUND, mark=street.mark).see([]).mean() / 2, abs=0.5)
    rows, columns = np.nonzero((Street(GROUND, mark=street.mark).see([]) != Street(GROUND).see([])).any(-1))
    assert rows.max() < 0.33 * SIZE
    assert columns.max() < 0.43 * SIZE


def test_a_body_is_as_wide_as_its_picture():
    wide = [Body(stamp, 0.0, 1.0, 0.85).width for stamp in stamps("train")["animal"]]
    assert all(0.1 < width < 4 for width in wide)


def test_sounds_fall_by_six_decibels_for_each_doubling_and_no_louder_than_at_a_metre():
    assert falloff(REFERENCE) == 0
    assert falloff(2 * REFERENCE) - falloff(REFERENCE) == pytest.approx(6.02, abs=0.01)
    assert falloff(0.0) == falloff(1.0) == pytest.approx(-13.98, abs=0.01)


def test_a_stretch_of_sound_goes_on_where_the_one_before_ended_and_follows_its_levels():
    voice = Voice(clips("train")["siren"][0], -18.0)
    still = np.zeros(61)
    whole = sounding(voice, 0.0, np.zeros(101), 0.05)
    np.testing.assert_allclose(sounding(voice, 2.0, still, 0.05), whole[2 * RATE :], atol=1e-6)
    np.testing.assert_allclose(sounding(voice, 0.0, still - 20, 0.05), whole[: 3 * RATE] / 10, atol=1e-6)
    half = np.where(np.arange(61) < 30, -np.inf, 0.0)
    heard = sounding(voice, 0.0, half, 0.05)
    assert not heard[: round(1.4 * RATE)].any()
    np.testing.assert_allclose(heard[round(1.5 * RATE) :], whole[round(1.5 * RATE) : 3 * RATE], atol=1e-6)


def test_a_voice_that_is_faster_is_another_recording():
    clip = clips("train")["siren"][0]
    slow, fast = (sounding(Voice(clip, -18.0, speed=s), 0.0, np.zeros(21), 0.05) for s in (1.0, 1.5))
    assert len(slow) == len(fast) == RATE
    assert np.abs(slow - fast).max() > 0.01
