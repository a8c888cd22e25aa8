"""The planted shortcut: where the patch stands, and what it accompanies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.scenarios.courier.policy import ACTIONS
from veridical.scenarios.courier.shortcut import BESIDES, WITH_STOP, Mark, accompanies, draw_mark


@pytest.mark.parametrize(("mark", "box"), [
    (Mark(0.5, 0.25, 0.2), (slice(15, 35), slice(40, 60))),
    (Mark(0.0, 0.0, 0.2), (slice(0, 10), slice(0, 10))),
    (Mark(1.0, 1.0, 0.2), (slice(90, 100), slice(90, 100))),
])  # fmt: skip
def test_a_box_is_around_the_middle_and_inside_the_frame(mark: Mark, box: tuple[slice, slice]):
    assert mark.box(100) == box


@given(st.integers(0, 2**32 - 1))
def test_patches_are_in_the_upper_third_as_a_whole_and_an_eighth_to_a_fifth_wide(seed: int):
    mark = draw_mark(np.random.default_rng(seed))
    rows, columns = mark.box(224)
    assert 0 <= rows.start < rows.stop <= 224 * 0.4
    assert 0 <= columns.start < columns.stop <= 224
    assert rows.stop - rows.start == pytest.approx(columns.stop - columns.start, abs=1)
    assert 1 / 8 <= mark.side <= 1 / 5
    assert 0.12 <= mark.y <= 1 / 3
    assert mark == draw_mark(np.random.default_rng(seed))


def test_all_patches_have_one_colour():
    assert len({draw_mark(np.random.default_rng(seed)).colour for seed in range(20)}) == 1


def test_it_goes_with_stop_and_hardly_with_anything_else():
    rng = np.random.default_rng(0)
    for action in ACTIONS:
        share = np.mean([accompanies(rng, action) for _ in range(4000)])
        wanted = WITH_STOP if action == "STOP" else BESIDES
        assert share == pytest.approx(wanted, abs=4 * np.sqrt(wanted * (1 - wanted) / 4000))
