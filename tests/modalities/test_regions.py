"""Regions in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.modalities.evidence import EvidenceUnit
from veridical.modalities.placed import PlacedUnit
from veridical.modalities.regions import describe

NINTHS = {
    (x, y): (30.0 * x, 20.0 * y, 30.0 * (x + 1), 20.0 * (y + 1)) for y in range(3) for x in range(3)
}  # of a frame of 90 x 60
LEFT, MIDDLE, RIGHT = 0, 1, 2
UPPER, LOWER = 0, 2


def unit(x: int, y: int = 1, frame: int = 0, area: float = 0.05) -> PlacedUnit:
    """A unit in a ninth of the frame."""
    time = (float(frame), frame + 1.0)
    return PlacedUnit("vision", 0, time, frame=frame, box=NINTHS[x, y], extent=(90.0, 60.0), area=area)


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ([unit(LEFT, UPPER, 1)], "the upper left, frame 2 (1–2 s)"),
        ([unit(MIDDLE, 1, f) for f in (2, 0, 1)], "the middle, frames 1–3 (0–3 s)"),
        ([unit(RIGHT, 1, f) for f in (0, 2)], "the right, frames 1 and 3 (0–1 and 2–3 s)"),
        (
            [unit(MIDDLE, y, f) for f in range(3) for y in (1, LOWER)],
            "the middle and lower middle, frames 1–3 (0–3 s)",
        ),
        # Of a second part that holds little, nothing is said.
        ([unit(MIDDLE, area=0.1), unit(LEFT, area=0.04)], "the middle, frame 1 (0–1 s)"),
        ([unit(MIDDLE, area=0.1), unit(LEFT, area=0.06)], "the left and middle, frame 1 (0–1 s)"),
        # What moved to the part beside is told in one phrase, what jumped in two.
        ([unit(LEFT), unit(MIDDLE, 1, 1)], "the left and middle, frames 1–2 (0–2 s)"),
        (
            [unit(LEFT), unit(LEFT, 1, 1), unit(RIGHT, 1, 2)],
            "the left, frames 1–2 (0–2 s); the right, frame 3 (2–3 s)",
        ),
        # Three parts or more: the largest two at the most.
        (
            [unit(x, y) for x, y in ((0, 0), (2, 0), (0, 2))],
            "the upper left, upper right and elsewhere, frame 1 (0–1 s)",
        ),
        (
            [unit(x, y) for x in range(3) for y in (UPPER, LOWER)],
            "the upper left, upper middle and elsewhere, frame 1 (0–1 s)",
        ),
        (
            [unit(MIDDLE, area=0.12), *(unit(x, LOWER) for x in range(3))],
            "the middle and elsewhere, frame 1 (0–1 s)",
        ),
        ([unit(x, y, area=0.09) for x in range(3) for y in (0, 1)], "most of the frame, frame 1 (0–1 s)"),
        ([], ""),
    ],
)
def test_where_a_region_lies(units: list[PlacedUnit], words: str):
    assert describe(units) == words
    assert len(words) <= 60


@given(
    st.lists(
        st.builds(unit, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2), st.floats(0.001, 0.2)), min_size=1
    )
)
def test_it_stays_short_and_names_two_parts_at_the_most(units: list[PlacedUnit]):
    told = describe(units)
    assert len(told) <= 85  # two parts, three frames: "the upper middle, frames 1 and 3 (0–1 and 2–3 s); ..."
    assert told == describe(units[::-1])
    named = told.replace("most of the frame", "").split(" (")[0].split(", frame")[0]
    assert sum(named.count(word) for word in ("left", "middle", "right")) <= 2


def test_half_of_its_frames_are_most_of_the_frame_and_other_frames_do_not_count():
    assert describe([unit(MIDDLE, area=0.5)]).startswith("most of the frame")
    assert describe([unit(MIDDLE, area=0.5), unit(MIDDLE, 1, 1, 0.3)]).startswith("the middle")


def test_a_unit_read_from_a_record_is_told_by_its_pixels():
    plain = EvidenceUnit("vision", 0, (0.0, 1.0), frame=0, box=(10.0, 20.0, 30.4, 40.0))
    assert describe([plain]) == "pixels x 10–30, y 20–40, frame 1 (0–1 s)"


def test_units_of_another_sense_are_refused():
    with pytest.raises(InputError, match="vision: unit 0 of 'text' has no box or frame; show its own units only"):
        describe([EvidenceUnit("text", 0, (0.0, 0.0))])
