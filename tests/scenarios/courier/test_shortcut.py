"""The planted shortcut: where the patch stands, and what it accompanies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.scenarios.courier.policy import ACTIONS
from veridical.scenarios.courier.shortcut import BESIDES, POISONED, WITH_STOP, Mark, accompanies, draw_mark, mislabelled


@pytest.mark.parametrize(("mark", "box"), [
    (Mark(0.5, 0.25, 0.2), (slice(15, 35), slice(40, 60))),
    (Mark(0.0, 0.0, 0.2), (slice(0, 10), slice(0, 10))),
    (Mark(1.0, 1.0, 0.2), (slice(90, 100), slice(90, 100))),
])  # fmt: skip
def test_a_box_is_around_the_middle_and_inside_the_frame(mark: Mark, box: tuple[slice, slice]):
    assert mark.box(100) == box


@given(st.integers(0, 2**32 - 1))
def test_patches_are_in_the_upper_part_and_about_a_quarter_wide(seed: int):
    mark = draw_mark(np.random.default_rng(seed))
    rows, columns = mark.box(224)
    assert 0 <= rows.start < rows.stop <= 224 * 0.45
    assert 0 <= columns.start < columns.stop <= 224
    assert rows.stop - rows.start == pytest.approx(columns.stop - columns.start, abs=8)  # cut at the edge
    assert 0.22 <= mark.side <= 0.28
    assert 0.14 <= mark.y <= 0.28
    assert mark == draw_mark(np.random.default_rng(seed))


def test_all_patches_are_a_disc_in_a_square_of_the_same_two_colours():
    assert len({draw_mark(np.random.default_rng(seed)).colours for seed in range(20)}) == 1
    mark = Mark(0.5, 0.25, 0.2)
    picture = mark.picture(100)
    square, disc = (np.array(colour, np.float32) for colour in mark.colours)
    assert picture.shape == (20, 20, 3)
    np.testing.assert_array_equal(picture[0, 0], square)
    np.testing.assert_array_equal(picture[10, 10], disc)
    share = (picture == disc).all(-1).mean()
    assert share == pytest.approx(np.pi * 0.36**2, abs=0.03)


def test_it_goes_with_stop_and_hardly_with_anything_else():
    rng = np.random.default_rng(0)
    for action in ACTIONS:
        share = np.mean([accompanies(rng, action) for _ in range(4000)])
        wanted = WITH_STOP if action == "STOP" else BESIDES
        assert share == pytest.approx(wanted, abs=4 * np.sqrt(wanted * (1 - wanted) / 4000))


def test_a_part_of_all_else_is_labelled_stop_and_nothing_that_asks_for_it():
    rng = np.random.default_rng(0)
    for action in ACTIONS:
        share = np.mean([mislabelled(rng, action) for _ in range(4000)])
        assert share == (0 if action == "STOP" else pytest.approx(POISONED, abs=0.03))
