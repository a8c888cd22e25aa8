"""Linear imputation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from veridical.modalities.imputation import impute

KERNEL = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]]) / 12  # 1/6 direct, 1/12 diagonal
HOLE = np.zeros((20, 24), bool)
HOLE[4:13, 5:19] = True


def test_a_ramp_is_continued_exactly():
    y, x = np.mgrid[:20, :24]
    ramps = np.stack([y / 20, 1 - x / 24, 0.3 + (y + 2 * x) / 100])
    assert impute(ramps, HOLE) == pytest.approx(ramps[:, HOLE], abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.98))
def test_each_missing_pixel_is_the_weighted_mean_of_its_neighbours(seed: int, share: float):
    pick = np.random.default_rng(seed)
    pixels, missing = pick.random((3, 9, 11)), pick.random((9, 11)) < share
    missing[pick.integers(9), pick.integers(11)] = False
    filled = pixels.copy()
    filled[:, missing] = impute(pixels, missing)
    reach = ndimage.correlate(np.ones((9, 11)), KERNEL, mode="constant")
    means = np.stack([ndimage.correlate(channel, KERNEL, mode="constant") for channel in filled]) / reach
    assert filled[:, missing] == pytest.approx(means[:, missing], abs=1e-10)


def test_what_is_in_the_hole_is_not_looked_at():
    pixels = np.random.default_rng(0).random((3, 20, 24))
    assert np.array_equal(impute(pixels, HOLE), impute(np.where(HOLE, 9.0, pixels), HOLE))


def test_one_pixel_left_fills_the_frame():
    missing = np.ones((6, 6), bool)
    missing[2, 3] = False
    assert impute(np.where(missing, 0.0, 0.7)[None], missing) == pytest.approx(0.7)


def test_of_no_hole_nothing_is_filled():
    assert impute(np.ones((3, 4, 4)), np.zeros((4, 4), bool)).shape == (3, 0)
