"""Lanes on one clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veridical.errors import InputError
from veridical.fusion.lanes import Lane, Mark, Timeline, overlap


def lane(sense: str, start: float, end: float, timeless: bool = False) -> Lane:
    return Lane(sense, start, end, 2, None, 0.0, None, (Mark(start, end, 1.5, (0, 2), "frame 1"),), timeless)


spans = st.tuples(st.integers(0, 20), st.integers(1, 20)).map(lambda pair: (float(pair[0]), float(sum(pair))))


@given(st.dictionaries(st.sampled_from("abcd"), spans, min_size=1))
def test_the_overlap_lies_in_every_lane_or_is_refused(lanes):
    apart = any(a[1] <= b[0] for a in lanes.values() for b in lanes.values())
    if apart:
        with pytest.raises(InputError, match="no overlap in time"):
            overlap(lanes)
    else:
        start, end = overlap(lanes)
        assert start < end
        assert all(a <= start and end <= b for a, b in lanes.values())
        assert start in {a for a, _ in lanes.values()}
        assert end in {b for _, b in lanes.values()}


def test_lanes_without_a_time_of_their_own_do_not_count():
    assert overlap([lane("vision", 0, 3), lane("audio", 1, 4), lane("text", 90, 91, timeless=True)]) == (1, 3)
    assert overlap([lane("text", 90, 91, timeless=True)]) == (0, 0)


def test_a_moment_within_another_lane_is_an_overlap():
    assert overlap({"vision": (0.0, 3.0), "table": (3.0, 3.0)}) == (3, 3)


def test_the_refusal_names_each_lanes_span():
    with pytest.raises(InputError, match=r"vision covers 0–3 s, audio covers 3–4.5 s and lidar covers 2–5 s; are all"):
        overlap([lane("vision", 0, 3), lane("audio", 3, 4.5), lane("lidar", 2, 5)])


def test_a_timeline_is_plain_json_values():
    line = Timeline((lane("vision", 0, 3),), 0, 3, (0, 3), ("a note",))
    assert line.lanes[0].share == 1.5
    mark = {"start": 0, "end": 3, "value": 1.5, "units": [0, 2], "label": "frame 1"}
    described = {"sense": "vision", "start": 0, "end": 3, "samples": 2, "rate": None, "uncertainty": 0.0, "drift": None}
    assert line.to_dict() == {
        "lanes": [described | {"marks": [mark], "timeless": False}],
        "start": 0,
        "end": 3,
        "common": [0, 3],
        "notes": ["a note"],
    }
