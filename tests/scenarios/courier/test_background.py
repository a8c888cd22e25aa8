"""Places, drawn the same from the same values."""

from __future__ import annotations

import numpy as np
import pytest

from veridical.scenarios.courier.background import GROUNDS, Background, draw_background

SIZE = 96


@pytest.mark.parametrize("ground", GROUNDS)
def test_a_place_is_drawn_the_same_again_and_within_range(ground):
    one, again = (draw_background(Background(ground, 5), 1, SIZE) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert one.shape == (SIZE, SIZE, 3)
    assert one.dtype == np.float32
    assert 0 <= one.min() < one.max() <= 1


@pytest.mark.parametrize("ground", GROUNDS)
def test_the_ground_comes_nearer_while_the_sky_stands(ground):
    frames = [draw_background(Background(ground, 5), i, SIZE) for i in range(3)]
    above = int(0.29 * SIZE)  # the horizon lies lower
    for before, after in ((frames[0], frames[1]), (frames[1], frames[2])):
        np.testing.assert_array_equal(before[:above], after[:above])
        assert np.abs(before[SIZE // 2 :] - after[SIZE // 2 :]).mean() > 1e-3


@pytest.mark.parametrize("ground", GROUNDS)
def test_seeds_make_different_places(ground):
    one, other = (draw_background(Background(ground, seed), 0, SIZE) for seed in (1, 2))
    assert np.abs(one - other).mean() > 0.01


def test_a_drawn_road_is_grey_between_green_verges():
    frame = draw_background(Background("road", 3), 0, SIZE)
    verge, asphalt = frame[int(0.55 * SIZE), 0], frame[-1, SIZE // 3]
    assert verge[1] > verge[2] + 0.05
    np.testing.assert_allclose(asphalt, asphalt[0], atol=1e-6)
