"""Axes of arrays: names, coordinates, blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.modalities.axis import Axis, cut, join, place


@pytest.mark.parametrize(
    ("axis", "shown"),
    [
        (Axis("mel", 80), ["mel 10", "mel 10–19"]),
        (Axis("frame", unit="s", step=0.05, start=0.5), ["1–1.05 s", "1–1.5 s"]),
        (Axis("bin", unit="Hz", step=100.0), ["1.0–1.1 kHz", "1.0–2.0 kHz"]),
        (Axis("depth", unit="m", step=0.5), ["depth 5 m", "depth 5–9.5 m"]),
        (Axis("year", start=1990.0), ["year 2000", "year 2000–2009"]),
        (
            Axis("f", labels=tuple("abcdefghijklmnopqrst")),
            ["f “k”", "f “k”, “l”, “m”, “n”, “o”, “p”, “q”, “r”, “s”, “t”"],
        ),
        (Axis("level", coords=tuple(2.0**k for k in range(20))), ["level 1024", "level 1024–524288"]),
    ],
)
def test_a_range_is_told_in_words(axis: Axis, shown: list[str]):
    assert [axis.show(10, 11), axis.show(10, 20)] == shown


def test_coordinates_are_start_and_step_or_as_given():
    np.testing.assert_allclose(Axis("t", start=1.0, step=0.5).values(3), [1.0, 1.5, 2.0])
    np.testing.assert_array_equal(Axis("f", coords=(1.0, 4.0, 9.0)).values(3), [1, 4, 9])
    assert Axis("t", start=1.0, step=0.5).extent(1, 3) == (1.5, 2.5)
    assert Axis("f", coords=(1.0, 4.0, 9.0)).extent(0, 2) == (1.0, 4.0)


def test_the_size_is_known_from_labels_and_coordinates_too():
    assert Axis("a", 3).fixed == Axis("a", labels=("x", "y", "z")).fixed == Axis("a", coords=(1.0, 2.0, 3.0)).fixed == 3
    assert Axis("a").fixed is None


def test_few_elements_are_units_by_themselves_and_many_are_joined_evenly():
    assert cut([Axis("a")], [64], 64) == (1,)
    assert cut([Axis("a")], [65], 64) == (2,)
    assert cut([Axis("mel"), Axis("frame")], [80, 100], 64) == (16, 16)
    assert cut([Axis("token"), Axis("feature", block="all")], [12, 384], 64) == (1, 384)
    assert cut([Axis("token", block=3), Axis("feature")], [300, 4], 64) == (3, 4)  # what is given stays as it is


@given(st.lists(st.integers(1, 300), min_size=1, max_size=3), st.integers(1, 80))
def test_there_are_never_more_units_than_asked_for(sizes: list[int], units: int):
    blocks = cut([Axis(str(i)) for i in range(len(sizes))], sizes, units)
    assert math.prod(math.ceil(n / b) for n, b in zip(sizes, blocks, strict=True)) <= units


def test_an_axis_spanned_as_a_whole_is_not_told_unless_its_elements_have_names():
    axes = [Axis("token"), Axis("feature", block="all")]
    assert place(axes, [5, 8], ((1, 3), (0, 8))) == "token 1–2"
    assert place(axes, [5, 8], ((0, 5), (0, 8))) == "all of it"
    assert place([Axis("f", labels=("age",))], [1], ((0, 1),)) == "f “age”"


def test_blocks_that_touch_are_joined_to_rectangles():
    boxes = [((i, i + 1), (j, j + 1)) for i in range(3) for j in range(2)]
    assert join(boxes) == [((0, 3), (0, 2))]
    assert join([boxes[0], boxes[3], boxes[0]]) == [((0, 1), (0, 1)), ((1, 2), (1, 2))]
    assert join([]) == []


@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_joining_neither_loses_nor_doubles_an_element(cells: set[tuple[int, int]]):
    joined = join([((i, i + 1), (j, j + 1)) for i, j in cells])
    covered = [(i, j) for (a, b), (c, d) in joined for i in range(a, b) for j in range(c, d)]
    assert sorted(covered) == sorted(cells)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "empty name"),
        ({"size": 0}, "size 0; give at least 1"),
        ({"block": 0}, "blocks of 0 elements"),
        ({"step": 0.0}, "step above 0"),
        ({"start": math.nan}, "start nan"),
        ({"coords": (1.0, 1.0)}, "do not rise"),
        ({"size": 3, "labels": ("a",)}, "1 labels for 3 elements"),
        ({"size": 3, "coords": (1.0, 2.0)}, "2 coordinates for 3"),
    ],
)
def test_what_is_wrong_with_an_axis_is_said(wrong: dict, message: str):
    with pytest.raises(InputError, match=message):
        Axis(**{"name": "a", **wrong})
